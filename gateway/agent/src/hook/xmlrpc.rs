//! XML-RPC, so that the Drupal host or a script can say "now" as well as a clock: `audiospread.sync`.
//!
//! Nothing but strings, numbers and structs is answered, which every client reads. A call answers at once; the work begins then.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use dxr::{Fault, FaultResponse, MethodCall, MethodResponse, Value};

use super::{Desk, message, not_allowed};

/// Each method, the types of its result and arguments, and what it is for.
const METHODS: &[(&str, &str, &str)] = &[
    (
        "audiospread.sync",
        "int",
        "Pulls what the site publishes and sends what callers left, at once. Answers 1 before that is done.",
    ),
    ("system.listMethods", "array", "The names of all methods."),
    ("system.methodHelp", "string", "What a method is for."),
    ("system.methodSignature", "array", "The type of a method's result, then those of its arguments."),
];

const NOT_WELL_FORMED: i32 = -32_700;
const NO_CALL: i32 = -32_600;
const NO_SUCH_METHOD: i32 = -32_601;
const WRONG_ARGUMENTS: i32 = -32_602;
const UNAUTHORIZED: i32 = 401;

pub(super) async fn post(desk: web::Data<Desk>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let outcome = if desk.knows(message::token(header).as_deref()) {
        let body = web::Bytes::from_request(&request, &mut body.into_inner()).await;
        body.map_err(|_| fault(NOT_WELL_FORMED, "The call is cut off or too large."))
            .and_then(|body| read(&body))
            .and_then(|call| answer(&call, || desk.wake.all()))
    } else {
        Err(fault(UNAUTHORIZED, "Send the token of [hook] token_file as the password of Basic, or as Bearer."))
    };
    let document =
        outcome.map_or_else(|fault| FaultResponse { fault }.to_xml(), |value| MethodResponse { value }.to_xml());
    match document {
        Ok(document) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/xml; charset=utf-8"))
            .body(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}")),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

pub(super) async fn wrong_method() -> HttpResponse {
    not_allowed("/xmlrpc takes POST with a call of XML-RPC.", "POST")
}

/// Reads a call. Nothing of the text is ever part of a fault.
fn read(body: &[u8]) -> Result<MethodCall<'static>, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| fault(NOT_WELL_FORMED, "The call is not in UTF-8."))?;
    if text.contains("<!") {
        return Err(fault(NOT_WELL_FORMED, "A call has no DOCTYPE, no comments and no CDATA: leave them out."));
    }
    MethodCall::from_xml(text).map_err(|_| fault(NO_CALL, "This is no methodCall of XML-RPC."))
}

fn answer(call: &MethodCall<'_>, sync: impl FnOnce()) -> Result<Value, Fault> {
    let named = |name: &str| METHODS.iter().find(|(known, ..)| *known == name);
    let no_such = || fault(NO_SUCH_METHOD, "There is no such method; system.listMethods names all.");
    let takes_a_name = |name: &str| name.starts_with("system.method");
    let method = named(call.name.trim()).ok_or_else(no_such)?;
    let asked = match (takes_a_name(method.0), call.params.as_slice()) {
        (false, []) => method,
        (true, [Value::String(name)]) => named(name.trim()).ok_or_else(no_such)?,
        _ => return Err(fault(WRONG_ARGUMENTS, "The arguments are not those that system.methodSignature gives.")),
    };
    let text = |text: &str| Value::String(text.to_owned());
    Ok(match method.0 {
        "system.listMethods" => Value::Array(METHODS.iter().map(|(name, ..)| text(name)).collect()),
        "system.methodHelp" => text(asked.2),
        "system.methodSignature" => {
            let argument = takes_a_name(asked.0).then_some("string");
            Value::Array(vec![Value::Array([asked.1].into_iter().chain(argument).map(text).collect())])
        }
        _ => {
            sync();
            Value::Integer(1)
        }
    })
}

fn fault(code: i32, sentence: &str) -> Fault {
    Fault::new(code, sentence.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn called(name: &str, arguments: &str) -> Result<(Value, bool), Fault> {
        let text = format!(
            "<?xml version='1.0'?>\n<methodCall><methodName>{name}</methodName><params>{arguments}</params></methodCall>"
        );
        let mut synced = false;
        let value = answer(&read(text.as_bytes())?, || synced = true)?;
        Ok((value, synced))
    }

    #[test]
    fn only_sync_syncs_and_all_methods_are_described() {
        assert_eq!(called("audiospread.sync", "").unwrap(), (Value::Integer(1), true));
        let (Value::Array(names), false) = called("system.listMethods", "").unwrap() else { panic!("no list") };
        for name in names {
            let Value::String(name) = name else { panic!("no name") };
            let argument = format!("<param><value><string>{name}</string></value></param>");
            for method in ["system.methodHelp", "system.methodSignature"] {
                assert!(called(method, &argument).is_ok_and(|(_, synced)| !synced), "{method} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_call_of_ours_is_a_fault_and_never_repeated() {
        for (outcome, code) in [
            (called("s3cret", ""), NO_SUCH_METHOD),
            (called("audiospread.sync", "<param><value><string>s3cret</string></value></param>"), WRONG_ARGUMENTS),
            (called("system.methodHelp", ""), WRONG_ARGUMENTS),
            (called("<s3cret/>", ""), NO_CALL),
            (called("<!DOCTYPE s3cret>", ""), NOT_WELL_FORMED),
        ] {
            let fault = outcome.unwrap_err();
            assert_eq!(fault.code(), code);
            assert!(!fault.string().contains("s3cret"));
        }
        assert_eq!(read(b"<methodCall>\xff").unwrap_err().code(), NOT_WELL_FORMED);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(<[a-zA-Z/]{0,12}>|[a-z]{0,3}){0,20}") {
            let _ = read(&bytes);
            let _ = read(text.as_bytes());
        }
    }
}
