//! The contract as a client gets it.

use reqwest::Method;

use super::{Gateway, header};

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_served_byte_for_byte_without_a_token() {
    let gateway = Gateway::start().await;
    let answer = gateway.request(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!(header(&answer, "content-type"), "application/json");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/audiospread-v1.json");
    assert_eq!(answer.bytes().await.unwrap(), std::fs::read(committed).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_all_that_it_refers_to_come_from_the_gateway() {
    let gateway = Gateway::start().await;
    let page = gateway.request(Method::GET, "/docs").send().await.unwrap();
    assert!(header(&page, "content-security-policy").contains("default-src 'self'"));
    let html = page.text().await.unwrap();
    let references: Vec<_> =
        html.split(['"', '\'']).filter(|text| text.contains('.') && !text.contains([' ', '<'])).collect();
    assert!(references.len() >= 5, "{references:?}");
    for reference in references {
        assert!(reference.starts_with("docs/"), "{reference}");
        let part = gateway.request(Method::GET, &format!("/{reference}")).send().await.unwrap();
        assert_eq!(part.status(), 200, "{reference}");
    }
    let settings =
        gateway.request(Method::GET, "/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(settings.contains("openapi.json") && !settings.contains("petstore"), "{settings}");
}
