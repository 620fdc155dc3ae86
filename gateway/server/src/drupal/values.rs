//! What the database sent, as what it should be; columns of old sites hold surprises, and none may bring the reader down.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_async::Value;

use crate::catalogue::site::Language;

/// An integer, from a number or from the text of one.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        Value::Bytes(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        Value::Double(number) => whole(*number),
        Value::Float(number) => whole(f64::from(*number)),
        Value::NULL | Value::Date(..) | Value::Time(..) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.trunc().abs() < EXACT).then_some(number as i64)
}

/// The number of a node, revision, term or file.
pub(super) fn id(value: &Value) -> Option<u32> {
    u32::try_from(int(value)?).ok()
}

/// A text, and whether it was UTF-8; what was not is replaced.
pub(super) fn text(value: Value) -> Option<(String, bool)> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(match String::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
        }),
        Value::Int(number) => Some((number.to_string(), true)),
        Value::UInt(number) => Some((number.to_string(), true)),
        Value::Float(number) => Some((number.to_string(), true)),
        Value::Double(number) => Some((number.to_string(), true)),
        date @ (Value::Date(..) | Value::Time(..)) => Some((date.as_sql(true).trim_matches('\'').to_owned(), true)),
    }
}

/// The bytes of a text.
pub(super) fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        _ => b"",
    }
}

/// Language codes, each kept once.
#[derive(Default)]
pub(super) struct Languages(HashMap<Box<[u8]>, Language>);

impl Languages {
    /// The language of a code; none where it is empty or neutral.
    pub(super) fn named(&mut self, code: &[u8]) -> Option<Language> {
        let code = code.trim_ascii();
        if code.is_empty() {
            return None;
        }
        if let Some(known) = self.0.get(code) {
            return Some(known.clone());
        }
        let language: Language = Arc::from(String::from_utf8_lossy(code));
        self.0.insert(code.into(), language.clone());
        Some(language)
    }
}

/// Whether a type or the end of a name says audio.
pub(super) fn looks_like_audio(mime: &[u8], name: &[u8]) -> bool {
    let mime = mime.to_ascii_lowercase();
    mime.starts_with(b"audio/")
        || matches!(mime.as_slice(), b"application/ogg" | b"application/x-ogg")
        || name_says_audio(name)
}

/// Whether the end of a name says audio.
pub(super) fn name_says_audio(name: &[u8]) -> bool {
    const EXTENSIONS: [&[u8]; 14] = [
        b"mp3", b"wav", b"ogg", b"oga", b"opus", b"flac", b"m4a", b"aac", b"wma", b"aif", b"aiff", b"au", b"amr",
        b"mp2",
    ];
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    let extension = &name[dot + 1..];
    EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_many_forms() {
        assert_eq!(int(&Value::Int(-3)), Some(-3));
        assert_eq!(int(&Value::Bytes(b" 42 ".to_vec())), Some(42));
        assert_eq!(int(&Value::Double(7.0)), Some(7));
        assert_eq!(int(&Value::Double(1e300)), None);
        assert_eq!(int(&Value::UInt(u64::MAX)), None);
        assert_eq!(int(&Value::Bytes(b"SIP/ibrahim".to_vec())), None);
        assert_eq!(int(&Value::NULL), None);
        assert_eq!(id(&Value::Int(-1)), None);
    }

    #[test]
    fn texts_that_are_no_utf8_are_replaced_and_told() {
        assert_eq!(text(Value::Bytes(b"\xc9mission".to_vec())), Some(("\u{fffd}mission".into(), false)));
        assert_eq!(text(Value::Bytes("Émission ????".into())), Some(("Émission ????".into(), true)));
        assert_eq!(text(Value::Int(5)), Some(("5".into(), true)));
        assert_eq!(text(Value::NULL), None);
        assert_eq!(text(Value::Date(2011, 3, 1, 0, 0, 0, 0)), Some(("2011-03-01".into(), true)));
    }

    #[test]
    fn audio_is_told_by_type_or_by_name() {
        assert!(looks_like_audio(b"audio/x-wav", b"a"));
        assert!(looks_like_audio(b"application/ogg", b""));
        assert!(looks_like_audio(b"application/octet-stream", b"My Talk.MP3"));
        assert!(!looks_like_audio(b"text/plain", b"transcript_03.txt"));
        assert!(!looks_like_audio(b"", b"mp3"));
    }

    #[test]
    fn a_language_is_kept_once() {
        let mut languages = Languages::default();
        let (one, two) = (languages.named(b"fr").unwrap(), languages.named(b" fr").unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(languages.named(b""), None);
    }
}
