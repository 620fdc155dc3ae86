//! Call records: what a phone server tells the gateway of the calls it had.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PhoneNumber, Plan};

/// A batch of call records. Sending it again does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallBatch {
    /// The uuid of the phone server's `calls.db`: with the ids of its rows it names each record for ever.
    #[schema(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    pub source: String,
    /// The records, at most 500.
    #[schema(max_items = 500)]
    pub calls: Vec<CallRecord>,
}

/// One call that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallRecord {
    /// The id of the row in `calls.db`; ids ascend, and none is used twice.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub id: i64,
    /// Names the call on its phone server, as recordings do.
    #[schema(max_length = 64)]
    pub call_id: String,
    /// Who called, or was called back; absent where the number was withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub caller: Option<PhoneNumber>,
    /// Who began it.
    pub direction: Direction,
    /// The caller's plan at that time.
    pub plan: Plan,
    /// When it began to ring.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it was answered; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub ended_at: Timestamp,
    /// Seconds for which it is paid.
    pub billable_seconds: u32,
    /// How it ended.
    pub disposition: Disposition,
    /// What was listened to, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub listened: Vec<Listened>,
}

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Somebody called.
    In,
    /// The phone server called back.
    Callback,
}

impl Direction {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Callback => "callback",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It was answered.
    Answered,
    /// Nobody answered.
    NoAnswer,
    /// The other side was busy.
    Busy,
    /// It could not be made.
    Failed,
    /// It was refused with congestion, as a premium caller is before the call back.
    Congestion,
}

impl Disposition {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Congestion => "congestion",
        }
    }
}

/// A part of a program that was listened to without a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listened {
    /// The program's id.
    #[schema(pattern = "^[1-9][0-9]{0,9}$")]
    pub program: String,
    /// Where it began, in milliseconds of the body.
    pub from_ms: u32,
    /// Where it ended.
    pub to_ms: u32,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallsReceipt {
    /// How many are new.
    pub accepted: u32,
    /// How many were there already, as they are.
    pub known: u32,
    /// Those that are not kept, with the reason; all others are.
    pub refused: Vec<RefusedCall>,
}

/// A record that is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedCall {
    /// Its place in the batch, from 0.
    pub position: u32,
    /// Its id, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<i64>,
    /// Why; sending it again does not help.
    pub reason: RefusedBecause,
    /// What is wrong with it.
    pub detail: String,
}

/// Why a record is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefusedBecause {
    /// It is not of the form of a record.
    Malformed,
    /// There is another record of this source and id; that one stays.
    Conflict,
}
