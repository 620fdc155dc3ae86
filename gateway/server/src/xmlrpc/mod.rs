//! The XML-RPC edge: `POST /xmlrpc`, for Drupal 6 and for whoever else speaks it.
//!
//! The contract with Drupal's module is `drupal-module/README.md`. A call says whom it allows, reads its arguments, asks one room, and writes
//! the answer; whatever goes wrong is a fault with a sentence, which the module shows to its administrator. Of the values, only those kinds
//! are ever sent that Drupal 6 reads right.

mod answer;
mod arguments;
mod call;
mod fault;
mod findings;
mod methods;
mod notify;
mod prompts;
mod recordings;
mod status;
mod totals;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use audiospread_protocol::ProblemCode;

use self::fault::Fault;
use crate::http::authorization;
use crate::http::openapi;
use crate::http::problems::Refusal;
use crate::http::{State, XML_BODY};

/// XML-RPC
///
/// A `methodCall` of XML-RPC, answered with a `methodResponse`. `system.listMethods`, `system.methodSignature` and `system.methodHelp` tell
/// which methods there are and what they take; `system.multicall` makes at most 100 calls in one request.
///
/// Whatever goes wrong with a call is a fault, in an answer of status 200: a code and a sentence that says what to do. `401`: the token is
/// missing or unknown; `403`: it lacks the scope of the method; `400`: the arguments make no sense; `503`: try again later; negative codes are
/// those of the common list of XML-RPC's faults.
#[utoipa::path(post, path = "/xmlrpc", tag = "xmlrpc", operation_id = "post_xmlrpc",
    security(("basic" = []), ("bearer" = [])),
    request_body(content = String, description = "The call, in UTF-8, of at most 512 KiB.", content_type = "text/xml",
        example = json!("<?xml version=\"1.0\"?><methodCall><methodName>audiospread.status</methodName><params></params></methodCall>")),
    responses(
        (status = 200, description = "The answer, or a fault.", content_type = "text/xml", body = String, example = json!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param><value><i4>1</i4></value></param></params></methodResponse>")),
        openapi::NotXml, openapi::Faulty
    ))]
pub(crate) async fn post(
    request: HttpRequest,
    state: web::Data<State>,
    body: web::Payload,
) -> Result<HttpResponse, Refusal> {
    is_xml(request.headers())?;
    let outcome = async {
        let caller = authorization::caller(&request)?;
        // Only now: nothing of a stranger's is kept.
        let body = web::Bytes::from_request(&request, &mut body.into_inner()).await.map_err(|_| {
            let most = XML_BODY / 1024;
            Fault::nonsense(format!("The call is cut off or larger than {most} KiB: send less at once."))
        })?;
        let call = call::read(&body)?;
        methods::call(&state, &caller, call).await
    };
    let outcome = outcome.await;
    if let Some(cause) = outcome.as_ref().err().and_then(Fault::cause) {
        tracing::error!(cause, "an XML-RPC call failed");
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/xml; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(answer::write(outcome)))
}

/// A body of no type is taken for XML: there are clients that send none.
fn is_xml(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(is) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = is.to_str().ok().and_then(|is| is.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "text/xml" | "application/xml") {
        return Ok(());
    }
    Err(Refusal::new(ProblemCode::UnsupportedMediaType, "Send the call as text/xml."))
}
