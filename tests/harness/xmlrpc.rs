//! XML-RPC as Drupal's module speaks it.

use dxr::{MethodCall, MethodResponse, Value as Rpc};
use serde_json::Value;

/// What a method that takes numbers answers: an array of flat structs of texts and numbers, as all of Drupal's pages are told.
pub(crate) async fn ask(url: &str, token: &str, method: &str, arguments: &[i32]) -> Vec<Value> {
    let arguments = arguments.iter().map(|number| Rpc::Integer(*number)).collect();
    let call = MethodCall { name: method.into(), params: arguments }.to_xml().unwrap();
    let request = reqwest::Client::new().post(format!("{url}/xmlrpc")).bearer_auth(token);
    let answer = request.header("content-type", "text/xml").body(call).send().await.unwrap().text().await.unwrap();
    let Rpc::Array(all) = MethodResponse::from_xml(&answer).unwrap_or_else(|_| panic!("{answer}")).value else {
        panic!("{answer}")
    };
    all.into_iter().map(plain).collect()
}

fn plain(value: Rpc) -> Value {
    match value {
        Rpc::Struct(members) => members.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        Rpc::Integer(number) => number.into(),
        Rpc::String(text) => text.into(),
        other => panic!("Drupal does not read {other:?}"),
    }
}
