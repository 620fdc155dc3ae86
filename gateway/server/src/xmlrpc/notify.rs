//! `audiospread.notify`: Drupal says what changed.

use actix_web::web;
use dxr::Value;

use super::answer::int;
use super::arguments::{Arguments, Members};
use super::fault::Fault;
use crate::catalogue::site::Stamp;
use crate::http::State;
use crate::refresh::Notice;

/// At most so many changes in one call.
const MOST_CHANGES: usize = 500;

/// Takes note, and answers with the number of changes understood. What is not understood holds up nothing else.
pub(super) fn notify(state: &web::Data<State>, mut arguments: Arguments) -> Result<Value, Fault> {
    let changes = arguments.list(MOST_CHANGES)?;
    let understood: Vec<Change> = changes.into_iter().filter_map(Change::of).collect();
    let count = understood.len();
    state.refresh.notify(understood.into_iter().filter_map(|Change(notice)| notice));
    Ok(int(count as u64))
}

/// A change that is understood; there are some that mean nothing for the phone.
#[derive(Debug, PartialEq, Eq)]
struct Change(Option<Notice>);

impl Change {
    fn of(value: Value) -> Option<Self> {
        let members = Members::of(value)?;
        let notice = match members.text("kind")? {
            "node" => {
                let nid = u32::try_from(members.number("id")?).ok().filter(|nid| *nid > 0)?;
                let stamp = (members.text("op") == Some("save")).then(|| stamp(&members)).flatten();
                Some(Notice::Node(nid, stamp))
            }
            "term" | "vocabulary" | "field" | "settings" | "all" => Some(Notice::Everything),
            // Of Drupal's users the phone knows nothing.
            "user" => None,
            _ => return None,
        };
        Some(Self(notice))
    }
}

fn stamp(members: &Members) -> Option<Stamp> {
    let vid = u32::try_from(members.number("vid")?).ok().filter(|vid| *vid > 0)?;
    let changed = members.number("changed").filter(|changed| *changed > 0)?;
    Some(Stamp { vid, changed })
}

#[cfg(test)]
mod tests {
    use super::super::answer::{structure, text};
    use super::*;

    fn change(kind: &str, id: Value, vid: u32, changed: u32, op: &str) -> Option<Change> {
        Change::of(structure([
            ("kind", text(kind)),
            ("id", id),
            ("vid", int(vid)),
            ("changed", int(changed)),
            ("op", text(op)),
            ("unknown", text("a newer module's")),
        ]))
    }

    #[test]
    fn a_saved_node_comes_with_its_stamp_and_a_deleted_one_without() {
        let saved = Notice::Node(171, Some(Stamp { vid: 440, changed: 1_300_000_000 }));
        assert_eq!(change("node", int(171), 440, 1_300_000_000, "save"), Some(Change(Some(saved))));
        assert_eq!(change("node", text("171"), 440, 1_300_000_000, "save"), Some(Change(Some(saved))));
        let unsaid = Some(Change(Some(Notice::Node(171, None))));
        assert_eq!(change("node", int(171), 440, 1_300_000_000, "delete"), unsaid);
        assert_eq!(change("node", int(171), 0, 1_300_000_000, "save"), unsaid);
    }

    #[test]
    fn what_has_no_node_is_everything_and_what_makes_no_sense_is_nothing() {
        for kind in ["term", "vocabulary", "field", "settings", "all"] {
            assert_eq!(change(kind, int(2), 0, 0, "save"), Some(Change(Some(Notice::Everything))), "{kind}");
        }
        assert_eq!(change("user", int(2), 0, 0, "save"), Some(Change(None)));
        for (kind, id) in [("weather", int(1)), ("node", int(0)), ("node", int(-1)), ("node", text("x")), ("", int(1))]
        {
            assert_eq!(change(kind, id, 1, 1, "save"), None, "{kind}");
        }
        assert_eq!(Change::of(text("node")), None);
        assert_eq!(Change::of(structure([])), None);
    }
}
