//! Which blobs a value names: every member `sha256` of every object in it.

use std::collections::BTreeSet;

use audiospread_protocol::Sha256Digest;
use serde_json::Value;

/// The digests of the members `sha256` in a JSON value, however deep.
///
/// # Errors
/// If the bytes are not one JSON value.
pub(super) fn blob_names(value: &[u8]) -> Result<BTreeSet<Sha256Digest>, serde_json::Error> {
    let mut names = BTreeSet::new();
    collect(&serde_json::from_slice(value)?, &mut names);
    Ok(names)
}

fn collect(value: &Value, names: &mut BTreeSet<Sha256Digest>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "sha256" => names.extend(text.parse::<Sha256Digest>().ok()),
                    _ => collect(member, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_audio_are_found_wherever_they_stand_and_titles_are_not_taken_for_them() {
        let [title, body] = [b"title", b"body!"].map(|bytes| Sha256Digest::of(bytes));
        let value = format!(
            r#"{{"title":"sha256","name":"{}","sha256":7,"audio":[{{"en":{{"title":{{"sha256":"{title}"}}}}}},{{"sha256":"{body}"}}]}}"#,
            Sha256Digest::of(b"not named")
        );
        assert_eq!(blob_names(value.as_bytes()).unwrap(), BTreeSet::from([title, body]));
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for value in ["", "{", "{}{}", "nul"] {
            assert!(blob_names(value.as_bytes()).is_err(), "{value}");
        }
    }
}
