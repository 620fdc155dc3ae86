//! What a client has already, and which part of the bytes it still wants: `If-None-Match`, `If-Range`, `Range` (RFC 9110, 13 and 14).
//!
//! Pure: headers in, a decision out. All our entity tags are strong, and nothing has a date of modification.

use actix_web::http::header::{HeaderMap, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Which bytes a client wants of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    Whole,
    /// `length` bytes from `start`; at least one, and all within the representation.
    Part {
        /// The first byte's place.
        start: u64,
        /// How many.
        length: u64,
    },
    /// A range that begins behind the end.
    Unsatisfiable,
}

/// Whether the client says that it has the representation with this entity tag (quotes included).
pub(crate) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
        },
    )
}

/// The entity tag of what the client resumes.
pub(crate) fn resumed(headers: &HeaderMap) -> Option<&str> {
    headers.get(RANGE)?;
    headers.get(IF_RANGE)?.to_str().ok().map(str::trim)
}

/// Which bytes the client wants of a representation of `size` bytes with this entity tag.
///
/// What is malformed, in another unit, or of several ranges is answered with the whole, as the RFC allows.
pub(crate) fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(range) = text(RANGE) else { return Wanted::Whole };
    if text(IF_RANGE).is_some_and(|tag| tag.trim() != etag) {
        return Wanted::Whole;
    }
    let Some((unit, range)) = range.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    match (first, last) {
        ("", suffix) => number(suffix).map_or(Wanted::Whole, |suffix| part(size.saturating_sub(suffix), size, size)),
        (first, "") => number(first).map_or(Wanted::Whole, |first| part(first, size, size)),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1), size),
            _ => Wanted::Whole,
        },
    }
}

fn part(start: u64, end: u64, size: u64) -> Wanted {
    if start >= size {
        return Wanted::Unsatisfiable;
    }
    Wanted::Part { start, length: end.min(size) - start }
}

/// Digits alone; a number beyond 64 bits is behind every end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"sha256:ab\"";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part { start: 0, length: 1 }),
            ("bytes=10-19", Wanted::Part { start: 10, length: 10 }),
            ("bytes=10-", Wanted::Part { start: 10, length: 90 }),
            ("bytes=90-1000", Wanted::Part { start: 90, length: 10 }),
            ("bytes=-10", Wanted::Part { start: 90, length: 10 }),
            ("bytes=-1000", Wanted::Part { start: 0, length: 100 }),
            ("Bytes=99-99999999999999999999999", Wanted::Part { start: 99, length: 1 }),
            ("bytes=100-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=20-10", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("nonsense", Wanted::Whole),
        ] {
            assert_eq!(wanted(&headers(&[(RANGE, range)]), TAG, 100), expected, "{range}");
        }
        assert_eq!(wanted(&headers(&[]), TAG, 100), Wanted::Whole);
        assert_eq!(wanted(&headers(&[(RANGE, "bytes=0-")]), TAG, 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn a_part_is_sent_only_of_the_representation_the_client_began() {
        for (if_range, expected) in [
            (TAG, Wanted::Part { start: 10, length: 90 }),
            ("\"sha256:cd\"", Wanted::Whole),
            ("W/\"sha256:ab\"", Wanted::Whole),
            ("Mon, 01 Jan 2035 00:00:00 GMT", Wanted::Whole),
        ] {
            let headers = headers(&[(RANGE, "bytes=10-"), (IF_RANGE, if_range)]);
            assert_eq!(wanted(&headers, TAG, 100), expected, "{if_range}");
        }
    }

    #[test]
    fn a_client_that_has_it_is_known_by_the_tag() {
        for (value, expected) in [
            (TAG, true),
            ("*", true),
            ("\"x\", W/\"sha256:ab\"", true),
            ("\"sha256:cd\"", false),
            ("sha256:ab", false),
            ("", false),
        ] {
            assert_eq!(has_already(&headers(&[(IF_NONE_MATCH, value)]), TAG), expected, "{value}");
        }
        assert!(!has_already(&headers(&[]), TAG));
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_representation(range in "bytes=[0-9]{0,22}-[0-9]{0,22}|[ -~]{0,40}", size: u64) {
            if let Wanted::Part { start, length } = wanted(&headers(&[(RANGE, &range)]), TAG, size) {
                prop_assert!(length > 0 && start.checked_add(length).unwrap() <= size);
            }
        }
    }
}
