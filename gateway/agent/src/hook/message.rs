//! A message as it comes: JSON, or the form fields that Kannel and others send.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use audiospread_protocol::ProblemCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use encoding_rs::{Encoding, UTF_8, UTF_16BE};
use percent_encoding::percent_decode;
use serde::Deserialize;

use super::refusal::Refusal;

/// More of a message nobody types: ten messages in one.
const MAX_CHARACTERS: usize = 1600;

/// An id is the sender's; it only has to be the same when the message comes again.
const MAX_ID: usize = 200;

/// A message, not believed yet.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) from: String,
    /// What was typed; forms call it `text`.
    #[serde(alias = "text")]
    pub(super) body: String,
    pub(super) id: Option<String>,
    /// For senders that cannot set a header.
    pub(super) token: Option<String>,
}

impl Asked {
    /// Reads a body by its type.
    pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => serde_json::from_slice::<Self>(body)
                .map_err(|error| malformed(&error.to_string()))
                .and_then(Self::within_bounds),
            "application/x-www-form-urlencoded" => Self::of_form(body),
            _ => Err(Refusal::new(
                ProblemCode::UnsupportedMediaType,
                "Send application/json {\"from\", \"body\", \"id\"} or application/x-www-form-urlencoded from, text, id.",
            )),
        }
    }

    /// Reads the fields of a form or of an address.
    pub(super) fn of_form(form: &[u8]) -> Result<Self, Refusal> {
        let (mut from, mut text, mut id, mut token, mut charset) = (None, None, None, None, None);
        for (name, value) in form_urlencoded::parse(form) {
            let place = match name.as_ref() {
                "from" => &mut from,
                "id" => &mut id,
                "token" => &mut token,
                "charset" => &mut charset,
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        for field in form.split(|byte| *byte == b'&') {
            text = [&b"text="[..], b"body="].iter().find_map(|name| field.strip_prefix(*name)).or(text);
        }
        let from = from.ok_or_else(|| malformed("there is no `from`"))?;
        let text = text.ok_or_else(|| malformed("there is no `text`"))?;
        let body = decoded(text, &charset.unwrap_or_default());
        Self { from, body, id, token }.within_bounds()
    }

    fn within_bounds(mut self) -> Result<Self, Refusal> {
        if self.body.chars().count() > MAX_CHARACTERS {
            return Err(Refusal::new(
                ProblemCode::TooLarge,
                format!("The text has more than {MAX_CHARACTERS} characters."),
            ));
        }
        self.id = self.id.filter(|id| !id.is_empty());
        if self.id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
            return Err(malformed(&format!("`id` has more than {MAX_ID} bytes")));
        }
        Ok(self)
    }
}

/// A field's text in a character set as Kannel's `%C` names it; in UTF-8 where that is none, such as `GSM`: then Kannel has made it that.
fn decoded(field: &[u8], charset: &str) -> String {
    let encoding = match charset.to_ascii_uppercase().as_str() {
        "UTF-16BE" | "UTF16-BE" | "UTF-16" | "UCS-2" => UTF_16BE,
        other => Encoding::for_label(other.as_bytes()).unwrap_or(UTF_8),
    };
    let spaced: Vec<u8> = field.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Vec<u8> = percent_decode(&spaced).collect();
    encoding.decode_with_bom_removal(&bytes).0.into_owned()
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(ProblemCode::BadRequest, format!("The message is not well formed: {what}."))
}

/// The token in a header: Bearer, or the password of Basic.
pub(super) fn token(header: Option<&str>) -> Option<String> {
    let (scheme, value) = header?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_kannel_sends_it() {
        let asked = Asked::of_form(b"from=%2B221775550109&text=Sant%C3%A9+171&id=42&smsc=x").unwrap();
        assert_eq!(
            (asked.from.as_str(), asked.body.as_str(), asked.id.as_deref()),
            ("+221775550109", "Santé 171", Some("42"))
        );
        assert!(Asked::of_form(b"from=1").is_err() && Asked::of_form(b"").is_err());
    }

    #[test]
    fn a_text_is_read_in_the_character_set_that_kannel_names() {
        let text = |form: &str| Asked::of_form(format!("from=1&{form}").as_bytes()).unwrap().body;
        for same in ["text=Sant%C3%A9+1&charset=GSM", "text=Sant%C3%A9%201", "charset=&text=Sant%C3%A9+1"] {
            assert_eq!(text(same), "Santé 1", "{same}");
        }
        for utf16 in ["UTF-16BE", "UTF16-BE"] {
            assert_eq!(text(&format!("text=%00S%00a%00n%00t%00%E9%00+%001&charset={utf16}")), "Santé 1");
            assert_eq!(text(&format!("text=%065%06-%06)&charset={utf16}")), "\u{635}\u{62d}\u{629}");
        }
        assert_eq!(text("text=Sant%E9+1&charset=WINDOWS-1252"), "Santé 1");
        assert_eq!(text("text=%FF%FE&charset=no-such"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        assert_eq!(token(Some("Bearer abc")).as_deref(), Some("abc"));
        assert_eq!(token(Some("Basic a2FubmVsOmFiYw==")).as_deref(), Some("abc"));
        for nothing in [None, Some("abc"), Some("Basic %%%"), Some("Digest abc")] {
            assert_eq!(token(nothing), None);
        }
    }
}
