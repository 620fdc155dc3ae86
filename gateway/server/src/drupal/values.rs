//! What the database sent, as what it should be; columns of old sites hold surprises, and none may bring the reader down.
//!
//! A cell is the text of a value, and empty where there is none: Drupal makes no difference between `NULL` and nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mysql_async::Value;

use crate::catalogue::site::Language;

/// The text of a value as the database would show it.
pub(super) fn cell(value: Value) -> Vec<u8> {
    match value {
        Value::NULL => Vec::new(),
        Value::Bytes(bytes) => bytes,
        Value::Int(number) => number.to_string().into(),
        Value::UInt(number) => number.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Double(number) => number.to_string().into(),
        time @ (Value::Date(..) | Value::Time(..)) => time.as_sql(true).trim_matches('\'').into(),
    }
}

/// An integer; of a number with a fraction the whole part.
pub(super) fn int(cell: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.trunc().abs() < EXACT).then_some(number as i64)
}

/// The number of a node, revision, term or file.
pub(super) fn id(cell: &[u8]) -> Option<u32> {
    u32::try_from(int(cell)?).ok()
}

/// A text; what is no UTF-8 in it is replaced, and then the text is owned.
pub(super) fn text(cell: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(cell)
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
    let says =
        |whole: &[u8], start: &[u8]| whole.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    let is = |known: &[u8]| known.eq_ignore_ascii_case(mime);
    says(mime, b"audio/") || is(b"application/ogg") || is(b"application/x-ogg") || name_says_audio(name)
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
        assert_eq!(int(b"-3"), Some(-3));
        assert_eq!(int(b" 42 "), Some(42));
        assert_eq!(int(b"-12.5"), Some(-12));
        assert_eq!(int(b"1e300"), None);
        assert_eq!(int(b"18446744073709551615"), None);
        assert_eq!(int(b"SIP/ibrahim"), None);
        assert_eq!(int(b""), None);
        assert_eq!(id(b"-1"), None);
    }

    #[test]
    fn a_cell_is_the_text_of_a_value() {
        assert_eq!(cell(Value::Int(-5)), b"-5");
        assert_eq!(cell(Value::NULL), b"");
        assert_eq!(cell(Value::Double(0.5)), b"0.5");
        assert_eq!(cell(Value::Date(2011, 3, 1, 0, 0, 0, 0)), b"2011-03-01");
    }

    #[test]
    fn texts_that_are_no_utf8_are_replaced() {
        assert_eq!(text(b"\xc9mission"), "\u{fffd}mission");
        assert!(matches!(text("Émission ????".as_bytes()), Cow::Borrowed("Émission ????")));
    }

    #[test]
    fn audio_is_told_by_type_or_by_name() {
        assert!(looks_like_audio(b"audio/x-wav", b"a"));
        assert!(looks_like_audio(b"Application/Ogg", b""));
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
