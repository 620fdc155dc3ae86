//! Calls: from the bytes of a request to a method's name and its arguments.
//!
//! The text is looked through before it is parsed. What is more in it than a call may hold is refused: a DOCTYPE, a member that stands twice.
//! What clients send wrong, and is meant well, is mended: Drupal 6 sends control characters as they are, and numbers beyond 32 bits as `int`.

use std::collections::BTreeSet;

use dxr::{MethodCall, Value};
use quick_xml::events::{BytesEnd, BytesStart, Event};
use quick_xml::{Reader, Writer};

use super::answer::printable;
use super::fault::Fault;

/// A call.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) arguments: Vec<Value>,
}

/// Reads a call. Nothing of the text is ever part of a fault.
pub(super) fn read(body: &[u8]) -> Result<Call, Fault> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Fault::new(Fault::NOT_WELL_FORMED, "The call is not in UTF-8: send it so."))?;
    let admitted = admit(&printable(text))?;
    let call = MethodCall::from_xml(&admitted)
        .map_err(|_| Fault::new(Fault::NO_CALL, "This is no methodCall of XML-RPC: see its specification."))?;
    Ok(Call { method: call.name.trim().to_owned(), arguments: call.params })
}

/// The text as the parser may have it.
fn admit(text: &str) -> Result<String, Fault> {
    let not_well_formed = || Fault::new(Fault::NOT_WELL_FORMED, "The call is no well-formed XML.");
    let mut reader = Reader::from_str(text);
    let mut writer = Writer::new(Vec::with_capacity(text.len()));
    let mut members = Members::default();
    loop {
        let event = reader.read_event().map_err(|_| not_well_formed())?;
        let event = match event {
            Event::Eof => break,
            Event::DocType(_) => {
                return Err(Fault::new(Fault::NOT_WELL_FORMED, "A call has no DOCTYPE: leave it out."));
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => continue,
            Event::Start(tag) => {
                members.begin(tag.name().as_ref());
                match tag.name().as_ref() {
                    "int" | "i4" => Event::Start(BytesStart::new("i8")),
                    _ => Event::Start(tag),
                }
            }
            Event::End(tag) => {
                members.end(tag.name().as_ref())?;
                match tag.name().as_ref() {
                    "int" | "i4" => Event::End(BytesEnd::new("i8")),
                    _ => Event::End(tag),
                }
            }
            other => {
                members.see(&other);
                other
            }
        };
        writer.write_event(event).map_err(|_| not_well_formed())?;
    }
    String::from_utf8(writer.into_inner()).map_err(|_| not_well_formed())
}

/// The names of the members of the structs that are open; of two of one name one reader takes the first and another the last.
#[derive(Default)]
struct Members {
    open: Vec<BTreeSet<String>>,
    /// The name that is being read, as it is written.
    name: Option<String>,
}

impl Members {
    fn begin(&mut self, tag: &str) {
        match tag {
            "struct" => self.open.push(BTreeSet::new()),
            "name" => self.name = Some(String::new()),
            _ => {}
        }
    }

    fn see(&mut self, event: &Event<'_>) {
        if let (Some(name), Event::Text(_) | Event::CData(_) | Event::GeneralRef(_)) = (&mut self.name, event) {
            name.push_str(event);
        }
    }

    fn end(&mut self, tag: &str) -> Result<(), Fault> {
        match tag {
            "struct" => {
                self.open.pop();
            }
            "name" => {
                let name = self.name.take().unwrap_or_default();
                let names = self.open.last_mut();
                if names.is_some_and(|names| !names.insert(name.trim().to_owned())) {
                    return Err(Fault::new(Fault::NO_CALL, "A struct has two members of one name: send each once."));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(value: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<methodCall><methodName>m</methodName><params>\n<param>{value}</param></params></methodCall>"
        )
    }

    fn argument(value: &str) -> Result<Value, Fault> {
        read(with(value).as_bytes()).map(|mut call| call.arguments.remove(0))
    }

    #[test]
    fn what_drupal_sends_is_read_as_it_was_meant() {
        let sent = "<?xml version=\"1.0\"?>\n<methodCall>\n<methodName>audiospread.notify</methodName>\n<params>\n<param><value><array><data>\n  \
                    <value><struct>\n  <member><name>kind</name><value><string>node</string></value></member>\n  \
                    <member><name>id</name><value><int>3000000000</int></value></member>\n</struct></value>\n</data></array></value></param>\n\
                    <param><value><string></string></value></param>\n<param><value><array><data>\n</data></array></value></param>\n\
                    </params></methodCall>";
        let call = read(sent.as_bytes()).unwrap();
        assert_eq!(call.method, "audiospread.notify");
        let change = [("kind".into(), Value::String("node".into())), ("id".into(), Value::Long(3_000_000_000))];
        assert_eq!(
            call.arguments,
            [Value::Array(vec![Value::Struct(change.into())]), Value::String(String::new()), Value::Array(Vec::new())]
        );
    }

    #[test]
    fn numbers_are_read_whatever_they_are_called() {
        for (written, number) in [
            ("<int>7</int>", 7),
            ("<i4>-7</i4>", -7),
            ("<i8>9000000000</i8>", 9_000_000_000),
            ("<int>9000000000</int>", 9_000_000_000),
        ] {
            assert_eq!(argument(&format!("<value>{written}</value>")), Ok(Value::Long(number)), "{written}");
        }
        assert_eq!(
            argument("<value><string><![CDATA[<int>9000000000</int>]]></string></value>"),
            Ok(Value::String("<int>9000000000</int>".into())),
            "what only looks like a number is left alone"
        );
    }

    #[test]
    fn control_characters_do_not_make_a_call_unreadable() {
        assert_eq!(argument("<value><string>a\u{0}\u{b}b</string></value>"), Ok(Value::String("ab".into())));
    }

    #[test]
    fn what_is_no_call_is_refused_and_never_repeated() {
        let secret = "s3cret";
        let nested = "<value><array><data>".repeat(20_000) + &"</data></array></value>".repeat(20_000);
        for (body, code) in [
            (String::new(), -32_600),
            (secret.to_owned(), -32_600),
            (format!("<methodCall>{secret}"), -32_600),
            (format!("<methodCall><methodName>{secret}</methodCall>"), -32_700),
            (format!("<methodCall><{secret}/></methodCall>"), -32_600),
            (with(&format!("<value><int>{secret}</int></value>")), -32_600),
            (with(&format!("<value><string>&{secret};</string></value>")), -32_600),
            (with(&nested), -32_600),
            (
                format!("<!DOCTYPE m [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}", with("<value>&e;</value>")),
                -32_700,
            ),
            (
                with(
                    "<value><struct><member><name>a</name><value>1</value></member><member><name> a</name><value>2</value></member></struct></value>",
                ),
                -32_600,
            ),
        ] {
            let fault = read(body.as_bytes()).unwrap_err();
            assert_eq!(fault.told().code(), code, "{body:.200}");
            assert!(!fault.told().string().contains(secret), "{}", fault.told());
        }
        assert_eq!(read(b"<methodCall>\xff").unwrap_err().told().code(), -32_700);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Long),
            "[^\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{fffe}\u{ffff}]{0,20}".prop_map(Value::String)
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map("[a-z&<]{1,6}", inner, 1..6).prop_map(Value::Struct)
            ]
        })
    }

    proptest! {
        #[test]
        fn every_call_is_read_as_it_was_written(method in "[a-z.]{1,20}", arguments in prop::collection::vec(values(), 0..4)) {
            let written = MethodCall { name: method.as_str().into(), params: arguments.clone() }.to_xml().unwrap();
            prop_assert_eq!(read(written.as_bytes()).unwrap(), Call { method, arguments });
        }

        #[test]
        fn no_bytes_make_the_edge_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_damaged_call_makes_the_edge_panic(at in 0_usize..300, put in "[<>&/a\"\u{0}é]{0,3}", cut in 0_usize..20) {
            let mut text = with("<value><struct><member><name>id</name><value><int>171</int></value></member></struct></value>");
            let at = at.min(text.len());
            text.replace_range(at..(at + cut).min(text.len()), &put);
            let _ = read(text.as_bytes());
        }
    }
}
