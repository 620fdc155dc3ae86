//! SIP's messages (RFC 3261) as far as a telephone reads them: a start line, headers by name, a body. Knows nothing of sockets or calls.
//! The crates there are bring whole stacks or have been at rest for years; what a caller needs of the form is this page.

use std::fmt::Write;

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Request { method: String, target: String },
    Response { code: u16 },
}

impl Message {
    /// Reads a datagram; nothing if it is no SIP.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.splitn(3, ' ');
        let (first, second) = (words.next()?, words.next()?);
        let start = if first == "SIP/2.0" {
            Start::Response { code: second.parse().ok()? }
        } else if words.next()? == "SIP/2.0" {
            Start::Request { method: first.to_owned(), target: second.to_owned() }
        } else {
            return None;
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line.split_once(':')?;
                headers.push((long_name(name.trim()), value.trim().to_owned()));
            }
        }
        let message = Self { start, headers, body: body.to_owned() };
        message.get("call-id").and(message.cseq()).is_some().then_some(message)
    }

    pub(crate) fn request(method: &str, target: &str) -> Self {
        let start = Start::Request { method: method.to_owned(), target: target.to_owned() };
        Self { start, headers: Vec::new(), body: String::new() }
    }

    /// The response to a request, with the tag by which its other end knows us.
    pub(crate) fn answer(&self, code: u16, tag: &str) -> Self {
        let mut answer = Self { start: Start::Response { code }, headers: Vec::new(), body: String::new() };
        for (name, value) in &self.headers {
            match name.as_str() {
                "to" if tag_of(value).is_none() => answer = answer.with("to", format!("{value};tag={tag}")),
                "via" | "from" | "to" | "call-id" | "cseq" => answer = answer.with(name, value),
                _ => {}
            }
        }
        answer
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_body(self, kind: &str, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self.with("content-type", kind) }
    }

    /// The first header of a name, given in small letters.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same message with another value of a header.
    pub(crate) fn replacing(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.with(name, value)
    }

    pub(crate) fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.get("cseq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    pub(crate) fn call_id(&self) -> &str {
        self.get("call-id").unwrap_or_default()
    }

    /// Why a call was refused or ended, of ISDN's causes (RFC 3326).
    pub(crate) fn cause(&self) -> Option<u8> {
        let (_, rest) = self.get("reason").filter(|value| value.starts_with("Q.850"))?.split_once("cause=")?;
        rest.split(';').next()?.trim().parse().ok()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut text = match &self.start {
            Start::Request { method, target } => format!("{method} {target} SIP/2.0\r\n"),
            Start::Response { code } => format!("SIP/2.0 {code} {}\r\n", phrase(*code)),
        };
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "content-length: {}\r\n\r\n{}", self.body.len(), self.body);
        text.into_bytes()
    }
}

/// Names have short forms and are the same in any case.
fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "c" => "content-type",
        "l" => "content-length",
        _ => return name,
    }
    .to_owned()
}

fn phrase(code: u16) -> &'static str {
    match code {
        180 => "Ringing",
        200 => "OK",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        _ => "No",
    }
}

/// The tag of a From or To.
pub(crate) fn tag_of(value: &str) -> Option<&str> {
    let behind = value.rsplit_once('>').map_or(value, |(_, behind)| behind);
    behind.split(';').find_map(|part| part.trim().strip_prefix("tag="))
}

/// The address within a From, To or Contact.
pub(crate) fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
}

/// The user of an address: the number.
pub(crate) fn user_of(uri: &str) -> &str {
    let uri = uri.strip_prefix("sip:").unwrap_or(uri);
    uri.split_once('@').map_or("", |(user, _)| user)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INVITE: &str = "INVITE sip:+221775550109@127.0.0.2:5070 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:5060;branch=z9\r\n\
        FROM: \"Radio\" <sip:700@127.0.0.1>;tag=abc\r\nTo: <sip:+221775550109@127.0.0.2>\r\nCall-ID: one\r\n\
        CSeq: 7 INVITE\r\nSubject: long\r\n  words\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn a_request_is_read_and_answered() {
        let invite = Message::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(invite.cseq(), Some((7, "INVITE")));
        assert_eq!((invite.get("subject"), invite.body.as_str()), (Some("long words"), "hi"));
        let Start::Request { target, .. } = &invite.start else { panic!() };
        assert_eq!(user_of(target), "+221775550109");
        let answer = Message::parse(&invite.answer(486, "us").write()).unwrap();
        assert_eq!(answer.start, Start::Response { code: 486 });
        assert_eq!(tag_of(answer.get("to").unwrap()), Some("us"));
        assert_eq!(tag_of(answer.get("from").unwrap()), Some("abc"));
        assert_eq!(uri_of(answer.get("from").unwrap()), "sip:700@127.0.0.1");
        assert_eq!(answer.get("via"), invite.get("via"));
    }

    #[test]
    fn the_cause_of_a_refusal_is_read() {
        let refusal = INVITE.replace("Subject: long", "Reason: Q.850;cause=17;text=\"busy\"");
        assert_eq!(Message::parse(refusal.as_bytes()).unwrap().cause(), Some(17));
    }

    proptest! {
        #[test]
        fn no_datagram_brings_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..400) {
            let _ = Message::parse(&bytes);
            let _ = Message::parse(&INVITE.as_bytes()[..cut.min(INVITE.len())]);
        }
    }
}
