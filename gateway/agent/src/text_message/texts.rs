//! The texts that are the same for all: help, an unknown code, the number to call, that a call follows.
//!
//! `%NUMBER%` becomes the number to call, `%CODE%` the code that came in: the dialplan puts them in.

/// The keys of the texts.
pub(crate) const KEYS: [&str; 4] = ["help", "unknown_code", "call_number", "call_back"];

const ENGLISH: [&str; 4] = [
    "Send the name of a topic, such as HEALTH, for a list of programs; send a program's code to hear it. Or call %NUMBER%.",
    "There is no program %CODE% at the moment. Send the name of a topic for a list of programs.",
    "Call %NUMBER% and press #%CODE%# to hear this program.",
    "We call you back in a moment with program %CODE%.",
];

const FRENCH: [&str; 4] = [
    "Envoyez le nom d'un thème, par exemple SANTE, pour la liste des émissions, ou le code d'une émission. Ou appelez le %NUMBER%.",
    "Il n'y a pas d'émission %CODE% en ce moment. Envoyez le nom d'un thème pour la liste des émissions.",
    "Appelez le %NUMBER% et tapez #%CODE%# pour écouter cette émission.",
    "Nous vous rappelons dans un instant avec l'émission %CODE%.",
];

/// A text in a language, else in the other language, else in English.
pub(crate) fn text(key: &str, language: &str, default: &str) -> &'static str {
    let of = |language: &str| match language.split(['-', '_']).next().unwrap_or_default() {
        "en" => Some(ENGLISH),
        "fr" => Some(FRENCH),
        _ => None,
    };
    let texts = of(language).or_else(|| of(default)).unwrap_or(ENGLISH);
    KEYS.iter().zip(texts).find(|(known, _)| **known == key).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_message::fits;

    #[test]
    fn every_text_fits_into_one_message_with_the_longest_number_and_code() {
        for key in KEYS {
            for language in ["en", "fr", "fr-CA", "wo"] {
                let text =
                    text(key, language, "fr").replace("%NUMBER%", "+221775550109").replace("%CODE%", "4294967295");
                assert!(!text.is_empty() && fits(&text), "{key} {language}: {text}");
            }
        }
        assert_eq!(text("help", "wo", "fr"), text("help", "fr", "en"));
    }
}
