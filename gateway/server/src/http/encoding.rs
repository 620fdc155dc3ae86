//! Which encoding of an answer a client wants, by its `Accept-Encoding` (RFC 9110, 12.5.3).
//!
//! Pure: it chooses; how bytes are encoded is the business of `lines`.

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};

use crate::feed::Encoding;

/// The encodings of the feed, the least preferred first.
const KNOWN: [Encoding; 3] = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd];

/// The name in the headers.
pub(super) const fn name_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Zstd => "zstd",
        Encoding::Gzip => "gzip",
        Encoding::Identity => "identity",
    }
}

/// The encoding a client wants most, the gateway's preference deciding among equals; `None` where none of them is acceptable.
pub(super) fn negotiated(headers: &HeaderMap) -> Option<Encoding> {
    let accepted: Vec<&str> = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).collect();
    if accepted.is_empty() {
        return Some(Encoding::Identity);
    }
    chosen(&accepted.join(","))
}

fn chosen(accept: &str) -> Option<Encoding> {
    let listed: Vec<(&str, u16)> = accept.split(',').filter_map(weighted).collect();
    let named = |name: &str| listed.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name)).map(|(_, q)| *q);
    let weight = |encoding: Encoding| match encoding {
        // Acceptable unless it is excluded, and less wanted than whatever is asked for by name.
        Encoding::Identity => named("identity").or_else(|| named("*").map(|q| q.min(1))).unwrap_or(1),
        Encoding::Gzip => named("gzip").or_else(|| named("x-gzip")).or_else(|| named("*")).unwrap_or(0),
        Encoding::Zstd => named("zstd").or_else(|| named("*")).unwrap_or(0),
    };
    KNOWN.into_iter().max_by_key(|encoding| weight(*encoding)).filter(|best| weight(*best) > 0)
}

/// A coding and its weight in thousandths; a coding with a weight that is none is passed over.
fn weighted(item: &str) -> Option<(&str, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let coding = parts.next().filter(|coding| !coding.is_empty())?;
    let mut weight = 1000;
    for parameter in parts {
        if let Some(value) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) {
            weight = thousandths(value)?;
        }
    }
    Some((coding, weight))
}

/// `0`, `1`, or either with up to three decimals, and not above 1.
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if !matches!(whole, "0" | "1") || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_client_gets_what_it_wants_most() {
        for (accept, expected) in [
            ("zstd, gzip", Some(Encoding::Zstd)),
            ("gzip, zstd", Some(Encoding::Zstd)),
            ("gzip", Some(Encoding::Gzip)),
            ("x-gzip", Some(Encoding::Gzip)),
            ("GZIP;Q=0.5, zstd;q=0.4", Some(Encoding::Gzip)),
            ("gzip;q=0, *", Some(Encoding::Zstd)),
            ("br, deflate", Some(Encoding::Identity)),
            ("", Some(Encoding::Identity)),
            ("identity", Some(Encoding::Identity)),
            ("gzip;q=0.001, identity;q=0.5", Some(Encoding::Identity)),
            ("*", Some(Encoding::Zstd)),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("br, identity;q=0, *;q=0", None),
            ("identity;q=0, gzip;q=0.1", Some(Encoding::Gzip)),
            ("gzip;q=2, identity", Some(Encoding::Identity)),
            ("gzip;q=0.0001", Some(Encoding::Identity)),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }

    #[test]
    fn a_client_that_says_nothing_gets_plain_lines() {
        assert_eq!(negotiated(&HeaderMap::new()), Some(Encoding::Identity));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_an_excluded_coding_is_never_chosen(
            accept in "\\PC*|([a-z*-]{0,8}(;q=[0-9.]{0,5})?,){0,5}"
        ) {
            let _ = chosen(&accept);
            prop_assert_ne!(chosen(&format!("gzip;q=0,zstd;q=0,{accept}")), Some(Encoding::Gzip));
        }
    }
}
