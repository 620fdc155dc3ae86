//! A message as it comes: JSON, or the form fields that Kannel and others send.

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use audiospread_protocol::ProblemCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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
        let (mut from, mut body, mut id, mut token) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(form) {
            let place = match name.as_ref() {
                "from" => &mut from,
                "text" | "body" => &mut body,
                "id" => &mut id,
                "token" => &mut token,
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        let from = from.ok_or_else(|| malformed("there is no `from`"))?;
        let body = body.ok_or_else(|| malformed("there is no `text`"))?;
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
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        assert_eq!(token(Some("Bearer abc")).as_deref(), Some("abc"));
        assert_eq!(token(Some("Basic a2FubmVsOmFiYw==")).as_deref(), Some("abc"));
        for nothing in [None, Some("abc"), Some("Basic %%%"), Some("Digest abc")] {
            assert_eq!(token(nothing), None);
        }
    }
}
