//! The words by which callers ask for a category: its name, and each part of a name in two languages, in the forms that come in.
//!
//! What came in is folded by the dialplan: ASCII to lower case, and of ASCII only letters and digits; everything else as it came. So each form
//! that people type is listed: with and without accents, and in capitals, which the dialplan does not make small beyond ASCII.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::plain;

/// A word of more bytes is not looked for: the dialplan reads so much of a message.
const LONGEST: usize = 160;

/// The keywords of a category's name.
pub(crate) fn keywords(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for part in [name].into_iter().chain(name.split(['/', '|', '(', ')'])) {
        for form in [part.to_owned(), part.to_lowercase(), part.to_uppercase(), without_accents(part)] {
            for form in [form.nfc().collect::<String>(), form.chars().filter(|c| c.is_alphanumeric()).collect()] {
                let word = folded(&form);
                // Digits alone are a program's code.
                if !word.is_empty() && word.len() <= LONGEST && !word.bytes().all(|byte| byte.is_ascii_digit()) {
                    words.insert(word);
                }
            }
        }
    }
    words
}

/// How somebody may be told to ask for a category, the best first: in capitals without accents where that leaves nothing out, else as it is written.
pub(crate) fn examples(name: &str) -> Vec<String> {
    let parts = name.split(['/', '|', '(', ')']).chain([name]).map(plain);
    parts
        // A place in a text begins with a percent sign.
        .filter(|part| !part.contains('%') && !part.is_empty())
        .map(|part| Some(without_accents(&part).to_uppercase()).filter(|word| word.is_ascii()).unwrap_or(part))
        .collect()
}

/// As the dialplan folds what came in.
pub(crate) fn folded(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii() || c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

fn without_accents(text: &str) -> String {
    text.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_in_two_languages_is_found_by_each_in_small_letters_and_capitals_with_and_without_accents() {
        let words = keywords("Health / Santé");
        for typed in ["health", "SANTÉ", "Santé", "sante", "Health Sante", "HEALTH/SANTÉ", "health santé"] {
            assert!(words.contains(&folded(typed)), "{typed}: {words:?}");
        }
    }

    #[test]
    fn a_name_of_digits_is_no_keyword_and_one_in_arabic_is() {
        assert!(keywords("2011").is_empty() && keywords(" - ").is_empty());
        assert!(keywords("الزراعة").contains("الزراعة"));
    }

    #[test]
    fn an_example_is_what_everybody_can_type() {
        assert_eq!(examples("Santé / Health"), ["SANTE", "HEALTH", "SANTE / HEALTH"]);
        assert_eq!(examples("الزراعة")[0], "الزراعة");
        assert_eq!(examples("100 % bio"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_keyword_is_as_the_dialplan_folds_it(name in any::<String>()) {
            for word in keywords(&name) {
                prop_assert_eq!(folded(&word), word.clone());
                let is_harmless = !word.contains(['\'', '"', ' ', '$', '{']);
                prop_assert!(is_harmless, "{:?}", word);
            }
        }

        #[test]
        fn every_example_is_a_keyword(name in "[a-zA-Zéèàçœ0-9/() -]{0,20}") {
            for example in examples(&name).iter().filter(|example| example.bytes().any(|byte| byte.is_ascii_alphabetic())) {
                prop_assert!(keywords(&name).contains(&folded(example)), "{:?}", example);
            }
        }
    }
}
