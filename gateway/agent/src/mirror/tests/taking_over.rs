//! Whatever the way of deltas and snapshots, crashes and missing audio, the mirror ends as the gateway is.

use std::collections::BTreeSet;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_way_of_deltas_leads_where_the_snapshot_leads(
        edits in prop::collection::vec((any_edit(), 0_u8..4, any::<[bool; 30]>()), 1..25)
    ) {
        let (place, mut feed) = (Place::new(), Feed::default());
        let mut mirror = place.open();
        for ((key, value), what_next, stored) in edits {
            feed.set(key, value);
            let stored: BTreeSet<Sha256Digest> =
                (0_u8..).zip(stored).filter(|(_, stored)| *stored).map(|(number, _)| Sha256Digest::of(&[number])).collect();
            if what_next > 0 {
                follow(&mut mirror, &feed);
            }
            if what_next > 1 {
                show_all(&mut mirror, &|audio| stored.contains(&audio.sha256));
            }
            if what_next > 2 {
                // The process ends and begins anew.
                drop(mirror);
                mirror = place.open();
            }
        }
        follow(&mut mirror, &feed);
        show_all(&mut mirror, &|_| true);
        let fresh_place = Place::new();
        let mut fresh = fresh_place.open();
        follow(&mut fresh, &feed);
        show_all(&mut fresh, &|_| true);
        let understood = |mirror: &Mirror| -> Vec<_> {
            // A state that is not understood leaves the one before it, which a fresh mirror never saw.
            if mirror.waiting_count().unwrap() > 0 { Vec::new() } else { contents(mirror) }
        };
        prop_assert_eq!(understood(&mirror), understood(&fresh));
        prop_assert_eq!(mirror.position().unwrap(), fresh.position().unwrap());
        prop_assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
    }

    #[test]
    fn an_answer_that_is_cut_anywhere_changes_nothing(
        edits in prop::collection::vec(any_edit(), 1..8),
        more in prop::collection::vec(any_edit(), 1..8),
        place_of_cut in any::<prop::sample::Index>(),
    ) {
        let (place, mut feed) = (Place::new(), Feed::default());
        let mut mirror = place.open();
        for (key, value) in edits {
            feed.set(key, value);
        }
        follow(&mut mirror, &feed);
        show_all(&mut mirror, &|_| true);
        let before = (contents(&mirror), mirror.position().unwrap());
        for (key, value) in more {
            feed.set(key, value);
        }
        let cursor = before.1.unwrap().cursor;
        let answer = feed.answer(Some(cursor.version));
        let cut = &answer[..place_of_cut.index(answer.len())];
        prop_assert!(take(&mut mirror, Request::Delta(cursor), cut).is_err());
        prop_assert_eq!((contents(&mirror), mirror.position().unwrap()), before);
        prop_assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
    }
}

#[test]
fn a_delta_with_a_wrong_digest_count_or_number_of_lines_is_not_taken_over() {
    let place = Place::new();
    let (mut mirror, mut feed) = mirror_of(&place, &[(EntityKey::settings(), settings(&[]))]);
    let before = mirror.position().unwrap();
    feed.set(nth(Kind::Subscriber, 1), Some(subscriber(1, "premium")));
    let text = String::from_utf8(feed.answer(Some(1))).unwrap();
    let cursor = before.unwrap().cursor;
    for (old, new) in [(r#""changes":1"#, r#""changes":2"#), (r#""count":2"#, r#""count":3"#), ("premium", "standard")]
    {
        let answer = text.replace(old, new);
        assert_ne!(answer, text);
        let outcome = take(&mut mirror, Request::Delta(cursor), answer.as_bytes());
        assert!(matches!(outcome, Err(IncomingError::Differs(2))), "{new}: {outcome:?}");
        assert_eq!(mirror.position().unwrap(), before);
    }
    take(&mut mirror, Request::Delta(cursor), text.as_bytes()).unwrap();
}

#[test]
fn a_new_state_without_its_audio_leaves_the_old_one_and_holds_nothing_else_back() {
    let place = Place::new();
    let key = nth(Kind::Program, 5);
    let (mut mirror, mut feed) =
        mirror_of(&place, &[(EntityKey::settings(), settings(&[])), (key.clone(), program(1, &[2], 0, None, "en"))]);
    feed.set(key.clone(), Some(program(9, &[3], 0, None, "en")));
    feed.set(nth(Kind::Program, 6), Some(program(2, &[2], 0, None, "en")));
    follow(&mut mirror, &feed);
    show_all(&mut mirror, &|audio| audio.duration_ms != 9);
    let shown = "SELECT program_id FROM phone_category_program WHERE language = 'en' AND category_id = 2 ORDER BY weight, created DESC";
    assert_eq!(ids(&mirror, shown), "6 5");
    assert_eq!(ids(&mirror, "SELECT title FROM phone_program WHERE id = 5"), "P 1");
    assert_eq!(mirror.waiting_count().unwrap(), 1);
    assert_eq!(faults(&mut mirror, &|audio| audio.duration_ms != 9), Vec::<String>::new());
    show_all(&mut mirror, &|_| true);
    assert_eq!(ids(&mirror, shown), "6");
    assert_eq!(ids(&mirror, "SELECT title FROM phone_program WHERE id = 5"), "P 9");
}

#[test]
fn a_deletion_acts_at_once_is_remembered_and_forgotten_when_the_program_comes_back() {
    let place = Place::new();
    let key = nth(Kind::Program, 5);
    let value = program(1, &[2], 0, None, "en");
    let (mut mirror, mut feed) = mirror_of(&place, &[(key.clone(), value.clone())]);
    feed.set(key.clone(), None);
    follow(&mut mirror, &feed);
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "");
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "unpublished");
    feed.set(key, Some(value));
    follow(&mut mirror, &feed);
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "audio_pending");
    show_all(&mut mirror, &|_| true);
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone WHERE program_id = 5"), "");
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "5");
}

#[test]
fn what_a_snapshot_does_not_name_is_gone_and_remembered() {
    let place = Place::new();
    let (mut mirror, mut feed) = mirror_of(
        &place,
        &[
            (nth(Kind::Program, 5), program(1, &[2], 0, None, "en")),
            (nth(Kind::Program, 6), program(2, &[2], 0, None, "en")),
        ],
    );
    feed.set(nth(Kind::Program, 5), None);
    let applied = take(&mut mirror, Request::Snapshot, &feed.answer(None)).unwrap();
    assert_eq!((applied.put, applied.deleted, applied.count), (0, 1, 1));
    assert_eq!(ids(&mirror, "SELECT id FROM phone_program"), "6");
    assert_eq!(ids(&mirror, "SELECT reason FROM phone_gone"), "deleted");
}

#[test]
fn a_snapshot_that_would_empty_the_phones_is_not_believed_at_once() {
    let place = Place::new();
    let entities: Vec<_> = (1..=40).map(|id| (nth(Kind::Program, id), program(id, &[2], 0, None, "en"))).collect();
    let (mut mirror, feed) = mirror_of(&place, &entities);
    let before = contents(&mirror);
    let mut half = feed.clone();
    for id in 1..=21 {
        half.set(nth(Kind::Program, id), None);
    }
    for lost in [&half, &Feed::default()] {
        let outcome = take(&mut mirror, Request::Snapshot, &lost.answer(None));
        assert!(matches!(outcome, Err(IncomingError::TakesMuch { .. })), "{outcome:?}");
        assert_eq!(contents(&mirror), before);
    }
    let (_stopper, stop) = Stopper::new();
    mirror.take_over(Request::Snapshot, Removal::Any, half.answer(None).as_slice(), &stop).unwrap();
    assert_eq!(ids(&mirror, "SELECT count(*) FROM phone_program"), "19");
    // A deletion that the gateway itself names is one.
    let mut gone = half.clone();
    (22..=40).for_each(|id| gone.set(nth(Kind::Program, id), None));
    follow(&mut mirror, &gone);
    assert_eq!(ids(&mirror, "SELECT count(*) FROM phone_program"), "0");
}

#[test]
fn a_value_that_is_not_understood_is_kept_and_waits() {
    let place = Place::new();
    let (mut mirror, _) = mirror_of(
        &place,
        &[
            (nth(Kind::Program, 1), r#"{"song":1}"#.into()),
            (EntityKey::new(Kind::Program, "007").unwrap(), program(1, &[2], 0, None, "en")),
            (EntityKey::new(Kind::Prompt, "home/other@en").unwrap(), prompt("welcome", "en", 1)),
        ],
    );
    let waiting = mirror.waiting().unwrap();
    let promotion = mirror.promote(&waiting, Prefer::Original, &|_| Hearing::Ready).unwrap();
    assert_eq!((promotion.not_understood.len(), promotion.shown), (3, 0));
    assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
}

#[test]
fn a_sound_is_heard_by_its_original_or_its_rendition_and_what_is_here_is_not_brought_again() {
    let place = Place::new();
    let (original, rendition) = (sound(1), sound(2));
    let both = format!(r#"{},"phone":{rendition}}}"#, original.trim_end_matches('}'));
    let value = program(1, &[2], 0, None, "en").replace(&original, &both);
    let (mut mirror, _) = mirror_of(&place, &[(nth(Kind::Program, 1), value.clone())]);
    let [original, rendition] = [1, 2].map(|number| Sha256Digest::of(&[number]));
    let heard = |prefer, hear: &dyn Fn(&AudioRef) -> Hearing| {
        heard_sounds_of(&nth(Kind::Program, 1), &value, prefer, hear).unwrap()[0].sha256
    };
    let missing = |_: &AudioRef| Hearing::Missing;
    assert_eq!(heard(Prefer::Original, &missing), original);
    assert_eq!(heard(Prefer::Phone, &missing), rendition);
    for prefer in [Prefer::Original, Prefer::Phone] {
        for here in [original, rendition] {
            assert_eq!(heard(prefer, &hearing(&|audio| audio.sha256 == here)), here, "{prefer:?}");
            let odd = |audio: &AudioRef| if audio.sha256 == here { Hearing::Never } else { Hearing::Missing };
            assert_ne!(heard(prefer, &odd), here, "what cannot be decoded is fetched in the other form");
        }
        assert_eq!(heard(prefer, &|_| Hearing::Ready), rendition, "the choice does not depend on the configuration");
    }
    let is_here = |audio: &AudioRef| audio.sha256 == rendition;
    assert_eq!(mirror.shown_count().unwrap(), 1);
    assert_eq!(faults(&mut mirror, &is_here), Vec::<String>::new());
}

#[test]
fn what_a_foreign_hand_changed_is_found() {
    let place = Place::new();
    let entities = [(EntityKey::settings(), settings(&[])), (nth(Kind::Program, 1), program(1, &[2], 0, None, "en"))];
    for spoil in [
        "UPDATE program SET title = 'other'",
        "DELETE FROM program_category",
        "DELETE FROM shown WHERE kind = 'program'",
        "UPDATE shown SET value = replace(value, 'P 1', 'P 2')",
        "UPDATE entity SET is_shown = 0",
        "DELETE FROM entity WHERE kind = 'program'",
        "INSERT INTO menu_key VALUES ('menu', 'hack', '1')",
    ] {
        let (mut mirror, _) = mirror_of(&Place::new(), &[]);
        drop(mirror);
        let place = Place::new();
        (mirror, _) = mirror_of(&place, &entities);
        assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
        mirror.connection.execute_batch(spoil).unwrap();
        assert_ne!(faults(&mut mirror, &|_| true), Vec::<String>::new(), "{spoil}");
        mirror.repair_all(&|_| Hearing::Ready).unwrap();
        show_all(&mut mirror, &|_| true);
        assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new(), "{spoil}");
    }
    let (mut mirror, _) = mirror_of(&place, &entities);
    assert_ne!(faults(&mut mirror, &|_| false), Vec::<String>::new(), "audio that is gone");
    assert_eq!(mirror.repair_all(&|_| Hearing::Missing).unwrap(), 1);
    show_all(&mut mirror, &|_| true);
    assert_eq!(faults(&mut mirror, &|_| true), Vec::<String>::new());
}

#[test]
fn a_mirror_of_a_later_version_is_left_alone() {
    let place = Place::new();
    place.open().connection.execute_batch("PRAGMA user_version = 99").unwrap();
    for error in [Mirror::open(&place.directory).unwrap_err(), Mirror::open_to_read(&place.directory).unwrap_err()] {
        assert!(error.to_string().contains("schema 99"), "{error}");
    }
}

#[test]
fn the_databases_files_are_for_the_group_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let (_mirror, _) = mirror_of(&place, &[(EntityKey::settings(), settings(&[]))]);
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", Mirror::path_in(&place.directory));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660, "{path}");
    }
}
