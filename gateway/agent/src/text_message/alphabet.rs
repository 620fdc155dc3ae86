//! What fits into one text message: 160 septets of GSM 7-bit, or else 70 units of UCS-2 (3GPP TS 23.038).

/// The basic table, without ESC.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension table: each takes two.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Septets that a text takes, if the alphabet has all of its characters.
fn septets(text: &str) -> Option<usize> {
    text.chars()
        .map(|c| match c {
            c if BASIC.contains(c) => Some(1),
            c if EXTENSION.contains(c) => Some(2),
            _ => None,
        })
        .sum()
}

/// How a text has to travel, as Kannel and SMPP number it: `0` in the alphabet of telephones, `2` in UCS-2.
pub(crate) fn coding(text: &str) -> &'static str {
    if septets(text).is_some() { "0" } else { "2" }
}

/// Whether a text fits into one message.
pub(crate) fn fits(text: &str) -> bool {
    match septets(text) {
        Some(septets) => septets <= 160,
        None => text.encode_utf16().count() <= 70,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_standard() {
        assert_eq!(BASIC.chars().count(), 127);
        assert!(fits(&"a".repeat(160)) && !fits(&"a".repeat(161)));
        assert!(fits(&"€".repeat(80)) && !fits(&"€".repeat(81)));
        assert!(fits(&"ع".repeat(70)) && !fits(&"ع".repeat(71)));
        assert!(fits(&"🌱".repeat(35)) && !fits(&"🌱".repeat(36)));
        assert!(fits("") && fits(&format!("{}ê", "a".repeat(69))) && !fits(&format!("{}ê", "a".repeat(70))));
    }
}
