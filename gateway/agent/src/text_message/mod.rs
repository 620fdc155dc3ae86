//! What text messages say: a category's programs with their codes, in as many messages as it takes, each of which fits by itself.
//!
//! Pure but for the words themselves, which come out of a file. Parts are single messages and no concatenated ones: those arrive out of order, or in pieces, on the telephones that this is for.

mod alphabet;
mod keyword;
mod texts;

use unicode_segmentation::UnicodeSegmentation;

pub(crate) use self::alphabet::{coding, fits};
pub(crate) use self::keyword::{examples, folded, keywords};
pub(crate) use self::texts::{KEYS, Site, Texts};

/// More messages than these nobody reads, and somebody pays for them: the programs that a menu says first are in them.
const MOST_PARTS: usize = 9;

/// A program in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its code.
    pub(crate) code: i64,
    pub(crate) title: String,
}

/// The messages that list these programs, a line for each; several are marked `1/3`. A code and the beginning of its title are never apart.
pub(crate) fn parts(entries: &[Entry]) -> Vec<String> {
    let mark = format!("{MOST_PARTS}/{MOST_PARTS}");
    let mut bodies: Vec<String> = Vec::new();
    for entry in entries {
        let line = fitting_line(&mark, entry);
        if let Some(last) = bodies.last_mut() {
            let longer = format!("{last}\n{line}");
            if fits(&format!("{mark}\n{longer}")) {
                *last = longer;
                continue;
            }
        }
        if bodies.len() == MOST_PARTS {
            break;
        }
        bodies.push(line);
    }
    let count = bodies.len();
    if count < 2 {
        return bodies;
    }
    (1..).zip(bodies).map(|(number, body)| format!("{number}/{count}\n{body}")).collect()
}

/// Code and title, the title shortened where both do not fit into one message.
fn fitting_line(mark: &str, entry: &Entry) -> String {
    let title = plain(&entry.title);
    let line = format!("{} {title}", entry.code);
    if fits(&format!("{mark}\n{line}")) {
        return line;
    }
    // What people see as one character is kept or goes as a whole.
    let mut shortened = String::new();
    let mut best = entry.code.to_string();
    for character in title.graphemes(true) {
        shortened.push_str(character);
        let line = format!("{} {}...", entry.code, shortened.trim_end());
        if !fits(&format!("{mark}\n{line}")) {
            break;
        }
        best = line;
    }
    best
}

/// On one line, without what controls a terminal, and without the quotation marks that do not come through Asterisk's database functions.
fn plain(title: &str) -> String {
    let clean: String = title
        .chars()
        .map(|c| match c {
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(titles: &[&str]) -> Vec<Entry> {
        (171..).zip(titles).map(|(code, title)| Entry { code, title: (*title).to_owned() }).collect()
    }

    #[test]
    fn few_titles_are_one_message_without_a_mark() {
        assert_eq!(parts(&entries(&["Fertilizer today", "Hot dogs"])), ["171 Fertilizer today\n172 Hot dogs"]);
        assert!(parts(&[]).is_empty());
    }

    #[test]
    fn many_titles_are_marked_messages() {
        let parts = parts(&entries(&["A title that is neither short nor long"; 8]));
        assert_eq!(parts.len(), 3, "{parts:#?}");
        assert!(parts[0].starts_with("1/3\n171 A title") && parts[2].starts_with("3/3\n"));
    }

    #[test]
    fn arabic_and_emoji_survive() {
        let all = parts(&entries(&["برنامج الزراعة", "👩‍🌾 Farming 🌱", "Plain"]));
        let text = all.join("\n");
        assert!(text.contains("171 برنامج الزراعة") && text.contains("172 👩‍🌾 Farming 🌱"), "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let farmers = "👩‍🌾".repeat(40);
        let all = parts(&entries(&[&farmers]));
        let title = all[0].strip_prefix("171 ").unwrap().strip_suffix("...").unwrap();
        assert!(title.len() > 10 && title.replace("👩‍🌾", "").is_empty(), "{all:?}");
    }

    fn title() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,60}",
            "[a-zàéèüñÆØ€{}\\[\\]]{0,200}",
            "\\PC{0,120}",
            "[\u{600}-\u{6ff} ]{0,90}",
            any::<String>()
        ]
    }

    proptest! {
        #[test]
        fn each_message_fits_and_has_its_codes_in_order(titles in prop::collection::vec(title(), 0..40)) {
            let entries: Vec<Entry> = (1..).zip(titles).map(|(code, title)| Entry { code: code * 37, title }).collect();
            let parts = parts(&entries);
            prop_assert!(parts.len() <= MOST_PARTS);
            prop_assert_eq!(parts.is_empty(), entries.is_empty());
            let mut expected = entries.iter();
            for (number, part) in parts.iter().enumerate() {
                prop_assert!(fits(part), "{:?}", part);
                let mut lines = part.split('\n');
                if parts.len() > 1 {
                    let mark = format!("{}/{}", number + 1, parts.len());
                    prop_assert_eq!(lines.next(), Some(mark.as_str()));
                }
                for line in lines {
                    let entry = expected.next().unwrap();
                    let code = entry.code.to_string();
                    let rest = line.strip_prefix(&code).unwrap();
                    let begins = rest.trim_end_matches("...").trim_start();
                    prop_assert!(plain(&entry.title).starts_with(begins), "{:?} of {:?}", line, entry);
                }
            }
        }
    }
}
