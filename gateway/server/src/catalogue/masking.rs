//! Telephone numbers in titles: found and masked, while dates, years and prices stay.
//!
//! A heuristic on purpose: without a country's numbering plan nobody can be sure. It leans to masking, since a person's number on every
//! phone server is worse than a masked count of inhabitants.

use std::ops::Range;

use audiospread_protocol::numbers::{digit, is_invisible, is_separator};

/// What stands in a title in a number's place.
const MASK: &str = "…";

/// The fewest digits of a number that stands there with a `+` or a leading 0, and of one without.
const FEWEST_MARKED: usize = 7;
const FEWEST_BARE: usize = 8;

/// The title with every telephone number masked, and whether there was one.
pub(super) fn masked(title: &str) -> (String, bool) {
    let mut out = String::with_capacity(title.len());
    let mut copied = 0;
    for run in runs(title).into_iter().filter(Run::is_number) {
        out.push_str(&title[copied..run.place.start]);
        out.push_str(MASK);
        copied = run.place.end;
    }
    out.push_str(&title[copied..]);
    (out, copied > 0)
}

/// Digits with nothing but separators between them.
struct Run {
    /// Where in the title, from the `+` or first digit to the last digit.
    place: Range<usize>,
    plus: bool,
    /// The digits between separators, each group by itself.
    groups: Vec<String>,
}

impl Run {
    fn is_number(&self) -> bool {
        let digits: usize = self.groups.iter().map(String::len).sum();
        if self.plus {
            return digits >= FEWEST_MARKED;
        }
        if self.is_made_of_dates() || self.is_an_amount(digits) || self.groups.iter().all(|group| group.len() == 1) {
            return false;
        }
        let leading_zero = self.groups.first().is_some_and(|group| group.starts_with('0'));
        digits >= if leading_zero { FEWEST_MARKED } else { FEWEST_BARE }
    }

    /// `2011-03-01`, `1.3.2011`, `2010-2011`, `20110301`, and several of them.
    fn is_made_of_dates(&self) -> bool {
        let years = self.groups.iter().filter(|group| is_year(group) || is_compact_date(group)).count();
        let small = self.groups.iter().filter(|group| group.len() <= 2).count();
        years > 0 && years + small == self.groups.len()
    }

    /// `1 000 000`, `12.500.000`, `10000000`: grouped in thousands and short or round, or one round group.
    fn is_an_amount(&self, digits: usize) -> bool {
        match &self.groups[..] {
            [only] => only.ends_with("0000") && !only.starts_with('0'),
            [first, thousands @ ..] => {
                let grouped =
                    first.len() <= 3 && !first.starts_with('0') && thousands.iter().all(|group| group.len() == 3);
                grouped && (digits <= FEWEST_BARE || thousands.last().is_some_and(|group| group == "000"))
            }
            [] => false,
        }
    }
}

fn is_year(group: &str) -> bool {
    group.len() == 4 && (group.starts_with("19") || group.starts_with("20"))
}

/// `20110301` or `01032011`.
fn is_compact_date(group: &str) -> bool {
    if group.len() != 8 {
        return false;
    }
    let number = |range: Range<usize>| group.get(range).and_then(|text| text.parse().ok()).unwrap_or(0);
    let day_and_month = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
    (is_year(&group[..4]) && day_and_month(number(6..8), number(4..6)))
        || (is_year(&group[4..]) && day_and_month(number(0..2), number(2..4)))
}

/// All runs of digits of a title, in order.
fn runs(title: &str) -> Vec<Run> {
    /// So many separators in a row still belong to one number, as in `(077) - 555`.
    const SEPARATORS: usize = 3;
    let mut runs: Vec<Run> = Vec::new();
    let mut open: Option<Run> = None;
    let mut separators = 0;
    for (at, c) in title.char_indices() {
        let end = at + c.len_utf8();
        if let Some(digit) = digit(c) {
            let run = open.get_or_insert_with(|| Run { place: at..end, plus: false, groups: Vec::new() });
            match run.groups.last_mut() {
                Some(group) if separators == 0 => group.push(digit),
                _ => run.groups.push(digit.into()),
            }
            run.place.end = end;
            separators = 0;
        } else if matches!(c, '+' | '\u{ff0b}') {
            runs.extend(open.take());
            open = Some(Run { place: at..end, plus: true, groups: Vec::new() });
            separators = 0;
        } else if is_invisible(c) {
        } else if is_separator(c) && separators < SEPARATORS {
            separators += 1;
        } else {
            runs.extend(open.take());
            separators = 0;
        }
    }
    runs.extend(open);
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn telephone_numbers_are_masked_and_the_words_around_them_stay() {
        for (title, expected) in [
            ("Phone message from +221775550102", "Phone message from …"),
            ("Call 77 555 01 09 now", "Call … now"),
            ("Appelez le 00221 77 555 01 09!", "Appelez le …!"),
            ("Tel. 0775550109", "Tel. …"),
            ("(077) 555-01-09: le marché", "(…: le marché"),
            ("77.555.01.09 / 77 555 01 10", "…"),
            ("775550109", "…"),
            ("775 550 109", "…"),
            ("+1 555 0109", "…"),
            ("Week 10, 2011: 77\u{a0}555\u{a0}01\u{a0}09", "Week 10, 2011: …"),
            ("اتصل ٠٧٧٥٥٥٠١٠٩", "اتصل …"),
            ("\u{202a}+221 77 555 01 09\u{202c}", "\u{202a}…\u{202c}"),
        ] {
            assert_eq!(masked(title), (expected.to_owned(), true), "{title}");
        }
    }

    #[test]
    fn dates_years_prices_and_episodes_stay() {
        for title in [
            "Market prices, week 11 (corrected)",
            "News of 2011-03-01",
            "Journal du 01.03.2011",
            "1/3/2011 - 15/3/2011",
            "Campagne 2010-2011",
            "2009 2010 2011",
            "Report 20110301",
            "Rapport du 01032011",
            "Cotton at 1 000 000 francs",
            "12.500.000 habitants",
            "10000000 FCFA",
            "Griots de la vallée — épisode 10",
            "Radio drama: the well (part 1) ???? and more",
            "101.5 FM",
            "12:30 - 14:00",
            "3-0 2-1 1-1 4-2",
            "+5 %",
            "1 + 1 = 2",
            "",
        ] {
            assert_eq!(masked(title), (title.to_owned(), false), "{title}");
        }
    }

    proptest! {
        #[test]
        fn any_title_can_be_masked_and_masking_again_changes_nothing(title in any::<String>()) {
            let (once, _) = masked(&title);
            prop_assert_eq!(masked(&once), (once.clone(), false));
        }

        #[test]
        fn no_number_in_e164_form_gets_through(before in "[A-Za-z ]{0,9}", digits in "[1-9][0-9]{6,14}", after in "[A-Za-z ,!]{0,9}") {
            let (title, found) = masked(&format!("{before}+{digits}{after}"));
            prop_assert!(found && !title.contains(&digits));
        }
    }
}
