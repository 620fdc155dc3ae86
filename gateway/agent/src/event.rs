//! What a pull, a push or a check tells while it is at work, for progress bars and for programs.

use audiospread_protocol::{EntityKey, Sha256Digest, Version};
use serde::{Serialize, Serializer};

/// Something that happened on the way.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The gateway answers with the feed.
    Feed {
        /// Everything, and not only what changed.
        snapshot: bool,
        /// Bytes on the wire, where the gateway says how many.
        bytes: Option<u64>,
    },
    /// Bytes of the feed came in.
    FeedBytes {
        /// How many are there.
        received: u64,
    },
    /// The feed was committed to the mirror.
    Applied {
        /// The version that the mirror has now.
        version: Version,
        /// Everything, and not only what changed.
        snapshot: bool,
        /// Entities that are new or different.
        put: u64,
        /// Entities that are gone.
        deleted: u64,
        /// Entities that the mirror has now.
        count: u64,
    },
    /// What is to be fetched now.
    Audio {
        /// Sounds.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Bytes of sounds came in.
    AudioBytes {
        /// How many, since the last such event of any sound; what a resumed download already had counts.
        bytes: u64,
    },
    /// A sound is in the store, whole and verified.
    Stored {
        /// Its digest.
        sha256: Sha256Digest,
        /// Its size in bytes.
        size: u64,
        /// Where it was found.
        from: Origin,
    },
    /// A sound was made for the phone.
    Made {
        /// Its digest, before it was made.
        sha256: Sha256Digest,
        /// Its length in milliseconds.
        duration_ms: u64,
        /// By how much it was made louder, in dB.
        gain_db: f64,
    },
    /// How many sounds are to be made for the phone now.
    Making {
        /// Sounds.
        files: u64,
    },
    /// A sound came whole and cannot be decoded: callers get what they got before, and everything else goes on.
    Undecodable {
        /// Its digest.
        sha256: Sha256Digest,
        /// Why.
        message: String,
    },
    /// Callers get new states of entities.
    Shown {
        /// How many were promoted.
        entities: u64,
        /// How many still wait for audio.
        waiting: u64,
    },
    /// A file of the store was checked.
    Checked {
        /// Its size in bytes.
        bytes: u64,
    },
    /// How many files of the store are to be checked.
    Checking {
        /// Files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// How many recordings go to the gateway now.
    Sending {
        /// Recordings.
        recordings: u64,
    },
    /// Bytes of recordings are at the gateway.
    SentBytes {
        /// How many, since the last such event.
        bytes: u64,
    },
    /// The gateway has a recording.
    Delivered {
        /// Its name.
        uuid: String,
        /// It had it already: its answer was lost on the way.
        was_known: bool,
    },
    /// A push brought something.
    Pushed {
        /// Recordings.
        recordings: u64,
        /// Call records.
        calls: u64,
    },
    /// Nobody takes a recording: it is in quarantine, and everything else goes on.
    Quarantined {
        /// Its name.
        uuid: String,
        /// Why.
        message: String,
    },
    /// Nobody takes the spoken title of a recording: it is in quarantine, and the recording goes without it.
    TitleQuarantined {
        /// The recording's name.
        uuid: String,
        /// Why.
        message: String,
    },
    /// The link failed and is tried again.
    Retry {
        /// What happened.
        message: String,
        /// Milliseconds until the next try.
        after_ms: u64,
    },
    /// A state that this agent does not understand; the last one that it understood goes on.
    NotUnderstood {
        /// The entity.
        #[serde(serialize_with = "as_text")]
        entity: EntityKey,
        /// What is odd about it.
        message: String,
    },
    /// Something that a person should know.
    Warning {
        /// What, and what to do about it.
        message: String,
    },
}

/// Where a sound came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A language pack installed on this host.
    Pack,
    /// The gateway.
    Gateway,
}

/// Who is told. Called from several threads; must not block for long.
pub type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);

fn as_text<S: Serializer>(key: &EntityKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}
