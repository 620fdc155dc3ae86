//! Receipts: what a phone server tells the gateway of itself, after each pull, after each push, and now and then.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Cursor, EntityKey, KeyError, Kind, Sha256Digest, Version};

/// How a phone server is doing. Each replaces the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The version of the phone server's software, such as `0.4.0`.
    #[schema(min_length = 1, max_length = 64)]
    pub software: String,
    /// The cursor of the last answer that was taken over whole; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// When it was taken over; absent where `cursor` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub applied_at: Option<Timestamp>,
    /// How many recordings are not yet sent.
    #[schema(maximum = 2_147_483_647)]
    pub backlog: u32,
    /// How many call records are not yet sent.
    #[schema(maximum = 2_147_483_647)]
    pub calls_backlog: u32,
    /// The last error in a sentence that says what to do; empty if all is well.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub message: String,
    /// How many entities callers do not get in their last state.
    #[schema(maximum = 2_147_483_647)]
    pub waiting_count: u32,
    /// These entities, at most 1,000 of them: those first that are wanted first. All others are shown in their last state, unless
    /// `waiting_count` says that there are more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub waiting: Vec<WaitingEntity>,
    /// The sounds that came whole and that no decoder on the phone server understands, at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub undecodable: Vec<UndecodableSound>,
}

/// An entity that callers do not get in its last state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingEntity {
    /// The entity's kind.
    pub kind: Kind,
    /// The entity's id.
    #[schema(min_length = 1, max_length = 191)]
    pub id: String,
    /// What callers get instead.
    pub state: WaitingState,
    /// Why, in a sentence.
    #[schema(max_length = 500)]
    pub why: String,
}

/// What callers get of an entity that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WaitingState {
    /// An older state; the last one is coming.
    Coming,
    /// Nothing.
    Absent,
}

impl WaitingState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coming => "coming",
            Self::Absent => "absent",
        }
    }
}

/// A sound that cannot be decoded; an editor has to replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UndecodableSound {
    /// Its name.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub sha256: Sha256Digest,
    /// Why it cannot be decoded, in a sentence.
    #[schema(max_length = 500)]
    pub why: String,
}

/// Why a receipt is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// The software has no version, or a very long one.
    #[error("`software` has 1 to {most} characters, none of them a control character", most = Receipt::LONGEST_SOFTWARE)]
    Software,
    /// A sentence is too long, or would break a line.
    #[error("`{0}` has at most {most} characters, none of them a control character", most = Receipt::LONGEST_TEXT)]
    Text(&'static str),
    /// One of `cursor` and `applied_at` is there without the other.
    #[error("`cursor` and `applied_at` are both there, or neither is")]
    Applied,
    /// A list is too long.
    #[error("`{0}` has at most {1} items")]
    Long(&'static str, usize),
    /// A count is too large: Drupal 6 has numbers of 32 bits.
    #[error("`{0}` is at most {most}", most = i32::MAX)]
    Large(&'static str),
    /// There are more entities in the list than are counted.
    #[error("`waiting_count` is smaller than `waiting` is long")]
    Count,
    /// An entity is named twice.
    #[error("`waiting` names an entity twice")]
    Twice,
    /// An id cannot name an entity.
    #[error("an id in `waiting`: {0}")]
    Id(#[from] KeyError),
}

impl Receipt {
    /// At most so many entities are listed.
    pub const MOST_WAITING: usize = 1_000;
    /// At most so many sounds that cannot be decoded are listed.
    pub const MOST_UNDECODABLE: usize = 100;
    /// The longest sentence, in characters.
    pub const LONGEST_TEXT: usize = 500;
    /// The longest version of software, in characters.
    pub const LONGEST_SOFTWARE: usize = 64;

    /// A text as a receipt may hold it: cut to [`Self::LONGEST_TEXT`] characters, with spaces for control characters.
    pub fn text(text: &str) -> String {
        let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
        text.chars().take(Self::LONGEST_TEXT).map(clean).collect()
    }

    /// The feed's version that was taken over whole; 0 before the first.
    pub fn version(&self) -> Version {
        self.cursor.map_or(0, |cursor| cursor.version)
    }

    /// Whether the receipt is within the bounds that its members have.
    ///
    /// # Errors
    /// [`ReceiptError`], which names the member.
    pub fn check(&self) -> Result<(), ReceiptError> {
        let is_of = |text: &str, most| text.chars().count() <= most && !text.chars().any(char::is_control);
        let is_sentence = |name, text: &str| {
            if is_of(text, Self::LONGEST_TEXT) { Ok(()) } else { Err(ReceiptError::Text(name)) }
        };
        if self.software.is_empty() || !is_of(&self.software, Self::LONGEST_SOFTWARE) {
            return Err(ReceiptError::Software);
        }
        is_sentence("message", &self.message)?;
        if self.cursor.is_some() != self.applied_at.is_some() {
            return Err(ReceiptError::Applied);
        }
        if self.waiting.len() > Self::MOST_WAITING {
            return Err(ReceiptError::Long("waiting", Self::MOST_WAITING));
        }
        if self.undecodable.len() > Self::MOST_UNDECODABLE {
            return Err(ReceiptError::Long("undecodable", Self::MOST_UNDECODABLE));
        }
        let counts =
            [("backlog", self.backlog), ("calls_backlog", self.calls_backlog), ("waiting_count", self.waiting_count)];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| i32::try_from(*count).is_err()) {
            return Err(ReceiptError::Large(name));
        }
        if (self.waiting_count as usize) < self.waiting.len() {
            return Err(ReceiptError::Count);
        }
        let mut named = HashSet::new();
        for entity in &self.waiting {
            is_sentence("why", &entity.why)?;
            if !named.insert(EntityKey::new(entity.kind, entity.id.as_str())?) {
                return Err(ReceiptError::Twice);
            }
        }
        self.undecodable.iter().try_for_each(|sound| is_sentence("why", &sound.why))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn receipt() -> Value {
        json!({"software": "0.4.0", "cursor": "00000000000000ff-7-0123456789abcdef", "applied_at": "2026-11-24T10:00:00Z", "backlog": 2,
            "calls_backlog": 3, "message": "", "waiting_count": 2, "waiting": [
                {"kind": "program", "id": "171", "state": "coming", "why": "its audio is on its way"},
                {"kind": "prompt", "id": "home/welcome@fr", "state": "absent", "why": "its sound cannot be decoded"}],
            "undecodable": [{"sha256": Sha256Digest::of(b"sound"), "why": "no frame of mp3 is whole"}]})
    }

    fn changed(change: impl FnOnce(&mut Receipt)) -> Result<(), ReceiptError> {
        let mut receipt: Receipt = serde_json::from_value(receipt()).unwrap();
        change(&mut receipt);
        receipt.check()
    }

    #[test]
    fn a_receipt_is_read_back_as_it_was_written() {
        let read: Receipt = serde_json::from_value(receipt()).unwrap();
        assert_eq!((read.check(), read.version()), (Ok(()), 7));
        assert_eq!(serde_json::to_value(&read).unwrap(), receipt());
    }

    #[test]
    fn a_phone_server_that_has_nothing_yet_can_say_so() {
        let least = json!({"software": "0.4.0", "backlog": 0, "calls_backlog": 0, "waiting_count": 0});
        let read: Receipt = serde_json::from_value(least).unwrap();
        assert_eq!((read.check(), read.version()), (Ok(()), 0));
    }

    #[test]
    fn what_is_beyond_the_bounds_is_refused_with_the_members_name() {
        let long = || "é".repeat(501);
        assert_eq!(changed(|it| it.software.clear()), Err(ReceiptError::Software));
        assert_eq!(changed(|it| it.software = "1".repeat(65)), Err(ReceiptError::Software));
        assert_eq!(changed(|it| it.message = long()), Err(ReceiptError::Text("message")));
        assert_eq!(changed(|it| it.message = "a\nb".into()), Err(ReceiptError::Text("message")));
        assert_eq!(changed(|it| it.applied_at = None), Err(ReceiptError::Applied));
        assert_eq!(changed(|it| it.cursor = None), Err(ReceiptError::Applied));
        assert_eq!(changed(|it| it.waiting_count = 1), Err(ReceiptError::Count));
        assert_eq!(changed(|it| it.waiting_count = 1 << 31), Err(ReceiptError::Large("waiting_count")));
        assert_eq!(changed(|it| it.waiting[1] = it.waiting[0].clone()), Err(ReceiptError::Twice));
        assert_eq!(changed(|it| it.waiting[0].id.clear()), Err(ReceiptError::Id(KeyError::BadId)));
        assert_eq!(changed(|it| it.waiting[0].why = long()), Err(ReceiptError::Text("why")));
        assert_eq!(changed(|it| it.undecodable[0].why = long()), Err(ReceiptError::Text("why")));
        let many = |it: &mut Receipt, count: usize| {
            it.waiting_count = 5_000;
            let entity = it.waiting[0].clone();
            it.waiting = (1..=count).map(|id| WaitingEntity { id: id.to_string(), ..entity.clone() }).collect();
        };
        assert_eq!(changed(|it| many(it, 1_000)), Ok(()));
        assert_eq!(changed(|it| many(it, 1_001)), Err(ReceiptError::Long("waiting", 1_000)));
        assert_eq!(
            changed(|it| it.undecodable = vec![it.undecodable[0].clone(); 101]),
            Err(ReceiptError::Long("undecodable", 100))
        );
    }

    #[test]
    fn any_text_can_be_made_one_of_a_receipt() {
        let text = Receipt::text(&"é\n".repeat(400));
        assert_eq!(text.chars().count(), 500);
        assert_eq!(changed(|it| it.message = text), Ok(()));
    }
}
