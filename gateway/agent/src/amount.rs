//! Amounts of bytes as people write them: `8k`, `1.5M`, `300`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// An amount of bytes; as a rate, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

/// The text is no amount.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an amount of bytes: a number, with k, M or G for 1024, 1024² or 1024³, such as 8k")]
pub struct AmountError;

const UNITS: [(char, u32); 3] = [('k', 10), ('m', 20), ('g', 30)];

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let text = text.trim().to_ascii_lowercase();
        let (number, shift) = UNITS
            .iter()
            .find_map(|(unit, shift)| text.strip_suffix(*unit).map(|number| (number, *shift)))
            .unwrap_or((&text, 0));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty()
            || fraction.len() > 3
            || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
        {
            return Err(AmountError);
        }
        let thousandths: u64 = format!("{whole}{fraction:0<3}").parse().map_err(|_| AmountError)?;
        Ok(Self(thousandths.checked_mul(1 << shift).ok_or(AmountError)? / 1000))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 >> shift > 0 {
                return write!(f, "{}.{} {name}", self.0 >> shift, ((self.0 & ((1 << shift) - 1)) * 10) >> shift);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [("300", 300), ("8k", 8192), ("8K", 8192), ("1.5M", 1_572_864), ("2g", 2 << 30), ("0", 0)]
        {
            assert_eq!(text.parse(), Ok(Amount(bytes)), "{text}");
        }
        for text in ["", "k", "-1", "8kb", "1e3", "99999999999999999999", "1.2345M", "½"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_in_the_unit_that_a_person_would_choose() {
        assert_eq!(Amount(512).to_string(), "512 bytes");
        assert_eq!(Amount(1536).to_string(), "1.5 KiB");
        assert_eq!(Amount(u64::MAX).to_string(), "17179869183.9 GiB");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*|[0-9.]{0,30}[kMG]?") {
            let _ = text.parse::<Amount>();
        }
    }
}
