//! Values as PHP's `serialize()` writes them: what Drupal 6 keeps in `variable`, CCK in `db_columns`, bitcache in `options`.
//!
//! Read only, and bounded: the text comes out of a database that others write to. References and classes with a form of their own are
//! refused; an object is the map of its properties.

/// How deep arrays and objects may nest.
const MAX_DEPTH: u32 = 32;
/// How long a text may be, in bytes; the variables and definitions of a site are far smaller.
const MAX_LENGTH: usize = 4 << 20;

/// A value of PHP's.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `NULL`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Bytes; texts are UTF-8 by habit and not by rule.
    String(Vec<u8>),
    /// An array, or the properties of an object, in their order.
    Map(Vec<(Key, Value)>),
}

/// A key of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// An integer.
    Int(i64),
    /// A text that is no integer.
    String(Vec<u8>),
}

/// Why a text is no value of PHP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PhpError {
    /// The text is not of the form.
    #[error("it is not what PHP's serialize() writes, at byte {0}")]
    Form(usize),
    /// Something follows the value.
    #[error("something follows the value, at byte {0}")]
    Trailing(usize),
    /// Too deep or too long.
    #[error("it is longer or deeper than any setting of a site")]
    TooMuch,
}

impl Value {
    /// Reads a whole text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, PhpError> {
        if text.len() > MAX_LENGTH {
            return Err(PhpError::TooMuch);
        }
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        if parser.at == text.len() { Ok(value) } else { Err(PhpError::Trailing(parser.at)) }
    }

    /// The value under a key of an array or object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries
            .iter()
            .find(|(found, _)| matches!(found, Key::String(name) if name == key.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The text of a string or a number.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::String(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A number that is not negative, from an integer or, as Drupal's forms leave it, from its text.
    pub(super) fn count(&self) -> Option<u32> {
        match self {
            Self::Int(number) => u32::try_from(*number).ok(),
            Self::String(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// The same as JSON, as PHP's `json_encode()` would have it: keys from 0 upwards make a list, an empty array too; bytes that are no
    /// UTF-8 are replaced, numbers that JSON does not know are `null`.
    pub(super) fn into_json(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Float(value) => value.into(),
            Self::String(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
            Self::Map(entries) => {
                let mut expected = 0..;
                if entries.iter().all(|(key, _)| Some(key) == expected.next().map(Key::Int).as_ref()) {
                    entries.into_iter().map(|(_, value)| value.into_json()).collect()
                } else {
                    serde_json::Value::Object(
                        entries.into_iter().map(|(key, value)| (key.into_text(), value.into_json())).collect(),
                    )
                }
            }
        }
    }
}

impl Key {
    /// The key as text, as PHP shows it.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::String(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: u32) -> Result<Value, PhpError> {
        if depth > MAX_DEPTH {
            return Err(PhpError::TooMuch);
        }
        let (start, kind) = (self.at, self.byte()?);
        match kind {
            b'N' => {
                self.expect(b";")?;
                Ok(Value::Null)
            }
            b'b' => match self.scalar()? {
                b"0" => Ok(Value::Bool(false)),
                b"1" => Ok(Value::Bool(true)),
                _ => Err(PhpError::Form(start)),
            },
            b'i' => self.int().map(Value::Int),
            b'd' => float(self.scalar()?).map(Value::Float).ok_or(PhpError::Form(start)),
            b's' => self.string().map(Value::String),
            b'a' => self.entries(depth),
            b'O' => {
                self.quoted()?;
                self.entries(depth)
            }
            _ => Err(PhpError::Form(start)),
        }
    }

    /// `:COUNT:{KEY VALUE …}`
    fn entries(&mut self, depth: u32) -> Result<Value, PhpError> {
        self.expect(b":")?;
        let count = self.length(b':')?;
        self.expect(b"{")?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = self.key()?;
            entries.push((key, self.value(depth + 1)?));
        }
        self.expect(b"}")?;
        Ok(Value::Map(entries))
    }

    fn key(&mut self) -> Result<Key, PhpError> {
        let start = self.at;
        match self.byte()? {
            b'i' => self.int().map(Key::Int),
            b's' => self.string().map(Key::String),
            _ => Err(PhpError::Form(start)),
        }
    }

    /// `:NUMBER;`
    fn int(&mut self) -> Result<i64, PhpError> {
        let start = self.at;
        number(self.scalar()?).ok_or(PhpError::Form(start))
    }

    /// `:LENGTH:"BYTES";`
    fn string(&mut self) -> Result<Vec<u8>, PhpError> {
        let bytes = self.quoted()?.to_vec();
        self.expect(b";")?;
        Ok(bytes)
    }

    /// `:LENGTH:"BYTES"`
    fn quoted(&mut self) -> Result<&'a [u8], PhpError> {
        self.expect(b":")?;
        let length = self.length(b':')?;
        self.expect(b"\"")?;
        let start = self.at;
        let bytes = start.checked_add(length).and_then(|end| self.text.get(start..end)).ok_or(PhpError::Form(start))?;
        self.at += length;
        self.expect(b"\"")?;
        Ok(bytes)
    }

    /// `:TEXT;`
    fn scalar(&mut self) -> Result<&'a [u8], PhpError> {
        self.expect(b":")?;
        self.until(b';')
    }

    fn length(&mut self, end: u8) -> Result<usize, PhpError> {
        let start = self.at;
        number(self.until(end)?).and_then(|number| usize::try_from(number).ok()).ok_or(PhpError::Form(start))
    }

    /// What stands before `end`, which is taken too; no number is longer than this looks for.
    fn until(&mut self, end: u8) -> Result<&'a [u8], PhpError> {
        const LONGEST: usize = 64;
        let rest = &self.text[self.at..];
        let length = rest.iter().take(LONGEST).position(|byte| *byte == end).ok_or(PhpError::Form(self.at))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn byte(&mut self) -> Result<u8, PhpError> {
        let byte = *self.text.get(self.at).ok_or(PhpError::Form(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), PhpError> {
        if !self.text[self.at..].starts_with(expected) {
            return Err(PhpError::Form(self.at));
        }
        self.at += expected.len();
        Ok(())
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn float(text: &[u8]) -> Option<f64> {
    match text {
        b"NAN" => Some(f64::NAN),
        b"INF" => Some(f64::INFINITY),
        b"-INF" => Some(f64::NEG_INFINITY),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn json(text: &str) -> Result<serde_json::Value, PhpError> {
        Value::parse(text.as_bytes()).map(Value::into_json)
    }

    #[test]
    fn drupals_variables_are_read() {
        assert_eq!(json(r#"s:17:"AudioSpread Radio";"#), Ok(json!("AudioSpread Radio")));
        assert_eq!(json("i:2;"), Ok(json!(2)));
        assert_eq!(json("d:0.5;"), Ok(json!(0.5)));
        assert_eq!(json("b:1;"), Ok(json!(true)));
        assert_eq!(json("N;"), Ok(json!(null)));
        assert_eq!(json("a:0:{}"), Ok(json!([])));
        assert_eq!(json("a:2:{i:0;i:7;i:1;i:8;}"), Ok(json!([7, 8])));
        assert_eq!(json("a:2:{i:1;i:7;s:1:\"a\";b:0;}"), Ok(json!({"1": 7, "a": false})));
    }

    #[test]
    fn an_object_is_the_map_of_its_properties() {
        let text = br#"O:8:"stdClass":2:{s:8:"language";s:2:"fr";s:7:"enabled";s:1:"1";}"#;
        let value = Value::parse(text).unwrap();
        assert_eq!(value.get("language").and_then(Value::text).as_deref(), Some("fr"));
        assert_eq!(value.get("enabled").and_then(Value::count), Some(1));
        assert_eq!(value.get("direction"), None);
    }

    #[test]
    fn lengths_are_bytes_and_what_is_no_utf8_is_replaced() {
        assert_eq!(json("s:9:\"Français\";"), Ok(json!("Français")));
        assert_eq!(json("s:8:\"Français\";"), Err(PhpError::Form(13)));
        assert_eq!(Value::parse(b"s:1:\"\xe9\";").map(Value::into_json), Ok(json!("\u{fffd}")));
        assert_eq!(json("s:3:\"a\";\";"), Ok(json!("a\";")));
    }

    #[test]
    fn what_is_no_plain_value_is_refused() {
        for text in [
            "",
            "x",
            "i:;",
            "i:1",
            "b:2;",
            "s:-1:\"\";",
            "s:99999999999:\"a\";",
            "a:1:{i:0;}",
            "a:1:{d:1;i:1;}",
            "R:1;",
            "r:1;",
        ] {
            assert!(json(text).is_err(), "{text}");
        }
        assert!(json(r#"C:11:"ArrayObject":0:{}"#).is_err());
        assert_eq!(json("i:1;i:2;"), Err(PhpError::Trailing(4)));
        let deep = "a:1:{i:0;".repeat(40) + "N;" + &"}".repeat(40);
        assert_eq!(json(&deep), Err(PhpError::TooMuch));
        assert!(json(&"a:1:{".repeat(100_000)).is_err());
        assert_eq!(Value::parse(&vec![b'a'; MAX_LENGTH + 1]), Err(PhpError::TooMuch));
    }

    fn write(value: &Value, out: &mut Vec<u8>) {
        let text = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend(format!("s:{}:\"", bytes.len()).bytes());
            out.extend(bytes);
            out.extend(b"\";");
        };
        match value {
            Value::Null => out.extend(b"N;"),
            Value::Bool(value) => out.extend(format!("b:{};", u8::from(*value)).bytes()),
            Value::Int(value) => out.extend(format!("i:{value};").bytes()),
            Value::Float(value) => out.extend(format!("d:{value};").bytes()),
            Value::String(bytes) => text(bytes, out),
            Value::Map(entries) => {
                out.extend(format!("a:{}:{{", entries.len()).bytes());
                for (key, value) in entries {
                    match key {
                        Key::Int(number) => out.extend(format!("i:{number};").bytes()),
                        Key::String(bytes) => text(bytes, out),
                    }
                    write(value, out);
                }
                out.push(b'}');
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..12);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e9..1e9).prop_map(Value::Float),
            bytes().prop_map(Value::String),
        ];
        leaf.prop_recursive(6, 64, 8, move |inner| {
            let key = prop_oneof![any::<i64>().prop_map(Key::Int), bytes().prop_map(Key::String)];
            proptest::collection::vec((key, inner), 0..8).prop_map(Value::Map)
        })
    }

    proptest! {
        #[test]
        fn what_php_would_write_is_read_back(value in any_value()) {
            let mut text = Vec::new();
            write(&value, &mut text);
            prop_assert_eq!(Value::parse(&text), Ok(value));
        }

        #[test]
        fn no_text_brings_the_reader_down(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Value::parse(&text).map(Value::into_json);
        }

        #[test]
        fn no_damaged_value_brings_the_reader_down(value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = Vec::new();
            write(&value, &mut text);
            let at = at.index(text.len());
            text[at] = byte;
            let _ = Value::parse(&text).map(Value::into_json);
            let _ = Value::parse(&text[..at]);
        }
    }
}
