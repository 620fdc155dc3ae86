//! Answers: the few kinds of values that Drupal 6 reads right, and the document around them.
//!
//! Drupal 6 loses `i8` and `nil` so that what follows them moves up, reads every boolean as true, takes an empty struct for an array, and
//! refuses what has more than some 30,000 tags.

use std::collections::BTreeMap;

use dxr::{FaultResponse, MethodResponse, Value};

use super::fault::Fault;

/// Drupal 6 refuses an answer with more tags than this.
const MOST_TAGS: usize = 30_000;

/// A text, without the control characters that no XML may hold.
pub(super) fn text(text: impl AsRef<str>) -> Value {
    Value::String(printable(text.as_ref()))
}

/// A whole number; one beyond 32 bits is the nearest that fits.
pub(super) fn int(number: impl TryInto<i64>) -> Value {
    let number = number.try_into().unwrap_or(i64::MAX);
    let nearest = if number < 0 { i32::MIN } else { i32::MAX };
    Value::Integer(i32::try_from(number).unwrap_or(nearest))
}

/// A struct with these members.
pub(super) fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>())
}

/// What of a text XML 1.0 may hold, line breaks and tabulators included.
pub(super) fn printable(text: &str) -> String {
    let may_stand = |letter: &char| {
        matches!(letter, '\t' | '\n' | '\r') || !(letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}'))
    };
    text.chars().filter(may_stand).collect()
}

/// The whole answer.
pub(super) fn write(outcome: Result<Value, Fault>) -> String {
    let document = outcome.and_then(|value| {
        let answer = MethodResponse { value }.to_xml().map_err(|_| unwritable())?;
        if answer.bytes().filter(|byte| *byte == b'<').count() > MOST_TAGS {
            return Err(Fault::nonsense("The answer would be too long for Drupal: ask for less at once."));
        }
        Ok(answer)
    });
    let document = document.or_else(|fault| FaultResponse { fault: fault.told() }.to_xml());
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", document.unwrap_or_default())
}

fn unwritable() -> Fault {
    Fault::new(500, "The fault is in the gateway's log. Try again later; if it stays, tell the operator.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_of_the_kinds_that_drupal_reads() {
        assert_eq!(int(7_u64), Value::Integer(7));
        assert_eq!(int(u64::MAX), Value::Integer(i32::MAX));
        assert_eq!(int(-3_000_000_000_i64), Value::Integer(i32::MIN));
        assert_eq!(text("a\u{0}b\u{b}\tc\u{7f}\u{ffff}\n🐫"), Value::String("ab\tc\n🐫".into()));
    }

    #[test]
    fn an_answer_begins_with_its_declaration_and_has_no_empty_tags() {
        let answer = write(Ok(Value::Array(vec![text(""), Value::Array(Vec::new())])));
        assert_eq!(
            answer,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param><value><array><data>\
             <value><string></string></value><value><array><data></data></array></value>\
             </data></array></value></param></params></methodResponse>"
        );
    }

    #[test]
    fn an_answer_with_too_many_tags_is_a_fault() {
        let answer = write(Ok(Value::Array(vec![int(1); 10_000])));
        assert!(answer.contains("<i4>400</i4>") && answer.contains("ask for less"), "{answer}");
    }
}
