//! Telephone numbers as people type them, made E.164 by their form.
//!
//! By form alone, and for both hosts alike: numbering plans change, and a gateway runs for years. What has none of the four forms (`+`, international prefix,
//! national prefix, bare national number) is no telephone number.

use crate::PhoneNumber;

/// How telephone numbers are written in the site's country.
#[derive(Clone, Debug)]
pub struct NumberForms {
    country_code: String,
    international_prefix: String,
    national_prefix: String,
}

/// The value of a decimal digit: ASCII, Arabic-Indic (both rows), or full-width.
pub fn digit(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => return Some(c),
        '\u{660}'..='\u{669}' => 0x660,
        '\u{6f0}'..='\u{6f9}' => 0x6f0,
        '\u{ff10}'..='\u{ff19}' => 0xff10,
        _ => return None,
    };
    char::from_digit(c as u32 - zero, 10)
}

/// What people put between the digits of a number: white space of all kinds, hyphens, points, brackets, slashes.
pub fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2013}')
}

/// Marks of writing direction and of no width, which come along invisibly when a number is copied from a telephone.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl NumberForms {
    /// The forms of a country: its code, what is dialled before a country code, and before a national number (the latter may be empty).
    pub fn new(country_code: &str, international_prefix: &str, national_prefix: &str) -> Self {
        Self {
            country_code: country_code.to_owned(),
            international_prefix: international_prefix.to_owned(),
            national_prefix: national_prefix.to_owned(),
        }
    }

    /// The number in E.164 form; nothing if `typed` has none of the four forms.
    pub fn e164(&self, typed: &str) -> Option<PhoneNumber> {
        let dialled = dialled(typed)?;
        if self.is_international(&dialled) {
            // `+44 (0)20 …`: the trunk zero in brackets is for callers within the country.
            let dialled = self::dialled(&typed.replacen("(0)", "", 1))?;
            let digits = dialled.strip_prefix('+').or_else(|| dialled.strip_prefix(&self.international_prefix))?;
            return format!("+{digits}").parse().ok();
        }
        let national = dialled.strip_prefix(&self.national_prefix).unwrap_or(&dialled);
        if national.is_empty() {
            return None;
        }
        format!("+{}{national}", self.country_code).parse().ok()
    }

    /// Whether `typed` reads as a national number only because it lacks a `+`: it begins with the country code, and would be a number with
    /// a `+` in front.
    pub fn is_doubtful(&self, typed: &str) -> bool {
        dialled(typed).is_some_and(|dialled| {
            !self.is_international(&dialled)
                && dialled.starts_with(&self.country_code)
                && dialled.len() >= self.country_code.len() + 7
                && (self.national_prefix.is_empty() || !dialled.starts_with(&self.national_prefix))
        })
    }

    fn is_international(&self, dialled: &str) -> bool {
        dialled.starts_with('+')
            || (!self.international_prefix.is_empty() && dialled.starts_with(&self.international_prefix))
    }
}

/// What is pressed on the telephone: digits, perhaps after a `+`; nothing if anything else is there.
fn dialled(typed: &str) -> Option<String> {
    let mut dialled = String::with_capacity(typed.len());
    for c in typed.chars() {
        match c {
            '+' | '\u{ff0b}' if dialled.is_empty() => dialled.push('+'),
            c if is_separator(c) || is_invisible(c) => {}
            c => dialled.push(digit(c)?),
        }
    }
    Some(dialled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forms(country: &str, international: &str, national: &str) -> NumberForms {
        NumberForms::new(country, international, national)
    }

    /// The vectors are data, so that the phone's side can go by them as well.
    #[test]
    fn numbers_are_read_as_the_table_of_vectors_says() {
        let table = include_str!("../../../tests/fixtures/phone-numbers.tsv");
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [country, international, national, typed, expected] = columns[..] else {
                panic!("five columns: {line:?}");
            };
            let number = forms(country, international, national).e164(typed);
            assert_eq!(number.as_ref().map_or("", PhoneNumber::as_str), expected, "{line:?}");
            rows += 1;
        }
        assert!(rows > 30);
    }

    #[test]
    fn a_number_that_begins_with_the_country_code_but_no_plus_is_doubtful() {
        let senegal = forms("221", "00", "0");
        assert!(senegal.is_doubtful("221 77 555 01 09"));
        for sure in ["+221775550109", "00221775550109", "0221775550109", "775550109", "22177", "SIP/221775550109"] {
            assert!(!senegal.is_doubtful(sure), "{sure}");
        }
    }

    proptest! {
        #[test]
        fn whatever_people_type_is_a_number_or_none(typed in any::<String>()) {
            forms("221", "00", "0").e164(&typed);
        }

        #[test]
        fn separators_change_nothing(digits in "[0-9]{5,14}", places in prop::collection::vec(0usize..14, 0..6)) {
            let mut typed: Vec<char> = digits.chars().collect();
            for (i, place) in places.into_iter().enumerate() {
                typed.insert(place.min(typed.len()), ['-', ' ', '.', '/', '\u{a0}', '\u{202f}'][i % 6]);
            }
            let senegal = forms("221", "00", "0");
            prop_assert_eq!(senegal.e164(&typed.into_iter().collect::<String>()), senegal.e164(&digits));
        }

        #[test]
        fn a_number_in_e164_form_is_read_as_itself(digits in "[1-9][0-9]{6,14}") {
            let number = format!("+{digits}");
            let read = forms("221", "00", "0").e164(&number);
            prop_assert_eq!(read.as_ref().map(PhoneNumber::as_str), Some(number.as_str()));
        }

        #[test]
        fn national_and_international_writing_are_one_number(national in "[1-9][0-9]{6,11}") {
            let senegal = forms("221", "00", "0");
            let number = senegal.e164(&format!("+221{national}"));
            prop_assert!(number.is_some());
            prop_assert_eq!(&senegal.e164(&format!("00221{national}")), &number);
            prop_assert_eq!(&senegal.e164(&format!("0{national}")), &number);
            prop_assert_eq!(&senegal.e164(&national), &number);
        }
    }
}
