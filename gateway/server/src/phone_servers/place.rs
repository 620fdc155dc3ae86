//! Where one entity is on one phone server: a rule over what the feed and the receipts say.

use audiospread_protocol::{DeleteReason, Kind, Version};

use super::PhoneServer;

/// What callers get of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Nothing.
    Absent,
    /// An older state, or nothing yet; the last one is on its way.
    Coming,
    /// Its last state.
    Shown,
}

impl Place {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Coming => "coming",
            Self::Shown => "shown",
        }
    }
}

/// What the feed says of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) kind: Kind,
    /// The version of its last change.
    pub(super) version: Version,
    /// Why it is gone, if it is.
    pub(super) gone: Option<DeleteReason>,
}

/// What receipts said of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) place: Place,
    pub(super) why: String,
    /// Since when, Unix seconds.
    pub(super) since: i64,
}

/// What callers get, since when (Unix seconds; 0: not known), and why if it is not the last state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) place: Place,
    pub(super) since: i64,
    pub(super) why: String,
}

/// Judges an entity; `reached_at` is when the phone server first took over a version that has it as it is now.
pub(super) fn judge(
    server: &PhoneServer,
    entity: Published,
    reported: Option<Reported>,
    reached_at: Option<i64>,
) -> Judgement {
    let since = reached_at.unwrap_or(0);
    let of = |place, since, why: &str| Judgement { place, since, why: why.to_owned() };
    if server.version == 0 {
        if let Some(reason) = entity.gone {
            return of(Place::Absent, 0, why_gone(reason));
        }
        return of(Place::Coming, 0, "The phone server has taken over nothing of this gateway yet.");
    }
    if server.version < entity.version {
        return match reported {
            Some(reported) if reported.place == Place::Absent && entity.gone.is_none() => {
                of(Place::Absent, reported.since, &reported.why)
            }
            _ if entity.gone.is_some() => {
                of(Place::Coming, 0, "Callers still get it, until the phone server has taken over that it is gone.")
            }
            _ => of(Place::Coming, 0, "The phone server has yet to take over the last change."),
        };
    }
    if let Some(reason) = entity.gone {
        return of(Place::Absent, since, why_gone(reason));
    }
    if entity.kind == Kind::Subscriber && !server.reads_subscribers {
        return of(Place::Absent, 0, "The token of the phone server does not have the scope `subscribers`.");
    }
    match reported {
        Some(reported) if reported.place == Place::Shown => of(Place::Shown, since.max(reported.since), ""),
        Some(reported) => of(reported.place, reported.since, &reported.why),
        None if server.lists_all => of(Place::Shown, since, ""),
        None => of(
            Place::Coming,
            0,
            "The phone server is still fetching more sounds than it can name; this may be among what waits for them.",
        ),
    }
}

/// Why an entity is not in the feed.
const fn why_gone(reason: DeleteReason) -> &'static str {
    match reason {
        DeleteReason::Unpublished => "It is not published.",
        DeleteReason::Deleted => "It was deleted, or is not for the phone any more.",
        DeleteReason::NoCategory => "It is in no category that callers can reach.",
        DeleteReason::NoAudio => "It has no recording that can be heard.",
        DeleteReason::NoNumber => "It has no telephone number that can be used.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: Version) -> PhoneServer {
        PhoneServer {
            name: "town".into(),
            software: "0.4.0".into(),
            version,
            applied_at: 50,
            seen_at: 60,
            silent_seconds: 0,
            behind: 0,
            lag_seconds: 0,
            backlog: 0,
            calls_backlog: 0,
            waiting: 0,
            message: String::new(),
            lists_all: true,
            reads_subscribers: true,
        }
    }

    fn program(version: Version) -> Published {
        Published { kind: Kind::Program, version, gone: None }
    }

    fn waits(place: Place, since: i64) -> Reported {
        Reported { place, why: "Its sound cannot be decoded.".into(), since }
    }

    fn outcome(
        server: &PhoneServer,
        entity: Published,
        reported: impl Into<Option<Reported>>,
        reached_at: Option<i64>,
    ) -> (Place, i64) {
        let Judgement { place, since, why } = judge(server, entity, reported.into(), reached_at);
        assert_eq!(why.is_empty(), place == Place::Shown, "what is not shown has its reason: {why}");
        (place, since)
    }

    #[test]
    fn what_was_taken_over_and_does_not_wait_is_shown_since_then_or_since_it_stopped_waiting() {
        assert_eq!(outcome(&server(7), program(5), None, Some(20)), (Place::Shown, 20));
        assert_eq!(outcome(&server(7), program(5), waits(Place::Shown, 30), Some(20)), (Place::Shown, 30));
        assert_eq!(outcome(&server(7), program(5), waits(Place::Shown, 10), Some(20)), (Place::Shown, 20));
        assert_eq!(outcome(&server(7), program(5), None, None), (Place::Shown, 0));
    }

    #[test]
    fn what_waits_is_as_the_phone_server_said() {
        assert_eq!(outcome(&server(7), program(5), waits(Place::Coming, 30), Some(20)), (Place::Coming, 30));
        assert_eq!(outcome(&server(7), program(5), waits(Place::Absent, 30), Some(20)), (Place::Absent, 30));
    }

    #[test]
    fn what_is_not_taken_over_yet_is_coming_unless_nothing_of_it_is_there() {
        assert_eq!(outcome(&server(0), program(5), None, None), (Place::Coming, 0));
        assert_eq!(outcome(&server(4), program(5), None, None), (Place::Coming, 0));
        assert_eq!(outcome(&server(4), program(5), waits(Place::Shown, 3), None), (Place::Coming, 0));
        assert_eq!(outcome(&server(4), program(5), waits(Place::Absent, 3), None), (Place::Absent, 3));
    }

    #[test]
    fn what_is_gone_is_absent_once_that_was_taken_over() {
        let gone = Published { gone: Some(DeleteReason::Unpublished), ..program(5) };
        assert_eq!(outcome(&server(5), gone, waits(Place::Coming, 3), Some(9)), (Place::Absent, 9));
        assert_eq!(outcome(&server(4), gone, waits(Place::Absent, 3), None), (Place::Coming, 0));
        assert_eq!(outcome(&server(0), gone, None, None), (Place::Absent, 0));
    }

    #[test]
    fn nobody_is_told_that_something_is_shown_of_which_that_is_not_known() {
        let many = PhoneServer { lists_all: false, ..server(7) };
        assert_eq!(outcome(&many, program(5), None, Some(20)), (Place::Coming, 0));
        assert_eq!(outcome(&many, program(5), waits(Place::Shown, 30), Some(20)), (Place::Shown, 30));
        let subscriber = Published { kind: Kind::Subscriber, ..program(5) };
        assert_eq!(outcome(&server(7), subscriber, None, Some(20)), (Place::Shown, 20));
        let without = PhoneServer { reads_subscribers: false, ..server(7) };
        assert_eq!(outcome(&without, subscriber, None, Some(20)), (Place::Absent, 0));
    }
}
