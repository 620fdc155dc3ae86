//! What the index tells, and what it hands out.

use std::time::Duration;

use super::super::measure::Mime;
use super::super::record::Audio;
use super::*;
use crate::beneath::Facts;

fn source(number: u8) -> AudioSource {
    AudioSource::Bitcache([number; 20])
}

fn ready(index: &Index, directory: &str, number: u8) -> Entry {
    let audio = Audio { sha256: Sha256Digest([number; 32]), mime: Mime::Mpeg, duration_ms: 36 };
    Entry {
        condition: Condition::Ready(audio),
        home: index.directory(directory.into()).map(Home::Directory),
        facts: Facts { size: 72, mtime_ns: 1, inode: 2 },
    }
}

#[test]
fn what_nobody_has_looked_at_is_pending_whether_it_is_known_or_not() {
    let index = Index::default();
    assert_eq!(index.state(&source(1)), AudioState::Pending);
    assert_eq!(index.want([source(1), source(1), source(2)]), 2);
    assert_eq!(index.want([source(1)]), 0);
    assert_eq!(index.state(&source(1)), AudioState::Pending);
    assert_eq!(index.progress(), Progress { known: 2, pending: 2, postponed: 0, generation: 0 });
}

#[test]
fn what_is_forgotten_is_unknown_and_the_others_are_what_they_were() {
    let index = Index::default();
    index.learn(&(1..=9).map(|number| (source(number), ready(&index, "/a", number))).collect::<Vec<_>>());
    index.want_only([2, 5, 9, 10, 11].map(source));
    index.take_tasks(1);
    index.postpone(&source(10), None, Duration::from_secs(3600));
    index.take_changed();
    index.doubt(vec![source(9)]);
    index.doubt(vec![source(8)]);
    let unwanted = index.unwanted();
    assert_eq!(unwanted, [1, 3, 4, 6, 7].map(source), "what is about to be looked at stays");
    index.forget(&[unwanted, vec![source(5)]].concat());
    assert_eq!(index.progress(), Progress { known: 6, pending: 2, postponed: 1, generation: 1 });
    for number in 1..=9 {
        let is_kept = [2, 5, 8, 9].contains(&number);
        assert_eq!(index.state(&source(number)) != AudioState::Pending, is_kept, "{number}");
        let named = index.named(&Sha256Digest([number; 32]));
        assert_eq!(
            named.iter().map(|(source, _)| source.clone()).collect::<Vec<_>>(),
            is_kept.then(|| source(number)).into_iter().collect::<Vec<_>>()
        );
    }
    assert_eq!(index.known_in("/a".into()), 3);
    let (tasks, due) = index.take_tasks(9);
    assert_eq!(tasks.iter().map(|task| task.source.clone()).collect::<Vec<_>>(), [11, 9, 8].map(source));
    assert!(due.is_some());
    assert_eq!(index.want([source(1), source(2)]), 1);
}

#[test]
fn each_task_is_handed_out_once_and_those_of_named_nodes_first() {
    let index = Index::default();
    index.want([source(1), source(2)]);
    index.learn(&[(source(3), Entry { condition: Condition::Missing, ..Entry::PENDING })]);
    index.recheck([source(3), source(3), source(4)]);
    let (tasks, due) = index.take_tasks(10);
    assert_eq!(tasks.iter().map(|task| task.source.clone()).collect::<Vec<_>>(), [source(3), source(1), source(2)]);
    assert_eq!(due, None);
    assert!(index.take_tasks(10).0.is_empty());
}

#[test]
fn what_is_postponed_comes_when_its_time_has_come() {
    let index = Index::default();
    index.want([source(1)]);
    index.take_tasks(1);
    let seen = Some(Facts { size: 1, mtime_ns: 2, inode: 3 });
    index.postpone(&source(1), seen, Duration::from_secs(3600));
    let (tasks, due) = index.take_tasks(1);
    assert!(tasks.is_empty() && due.is_some());
    index.want([source(2)]);
    index.take_tasks(1);
    index.postpone(&source(2), seen, Duration::ZERO);
    let (tasks, _) = index.take_tasks(9);
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].seen, seen);
    assert_eq!(index.progress().postponed, 1);
}

#[test]
fn only_wanted_files_count_as_known_in_a_directory() {
    let index = Index::default();
    index.learn(&[(source(1), ready(&index, "/a", 1)), (source(2), ready(&index, "/a", 2))]);
    index.learn(&[(source(3), ready(&index, "/b", 3))]);
    assert_eq!(index.known_in("/a".into()), 0);
    index.want((1..=3).map(source));
    assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (2, 1));
    index.learn(&[(source(2), Entry { condition: Condition::Missing, ..Entry::PENDING })]);
    assert_eq!(index.known_in("/a".into()), 1);
    index.learn(&[(source(2), ready(&index, "/b", 2))]);
    assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (1, 2));
    index.want_only([source(3), source(3)]);
    assert_eq!((index.known_in("/a".into()), index.known_in("/b".into())), (0, 1));
}

#[test]
fn a_sample_has_files_of_its_directory_and_each_once() {
    let index = Index::default();
    for number in 0..100 {
        let directory = if number % 10 == 0 { "/rare" } else { "/common" };
        index.learn(&[(source(number), ready(&index, directory, number))]);
    }
    index.want((0..100).map(source));
    for _ in 0..20 {
        let mut sample = index.sample("/rare".into(), 16);
        sample.sort();
        assert_eq!(sample, (0..100).step_by(10).map(source).collect::<Vec<_>>());
        assert_eq!(index.sample("/common".into(), 16).len(), 16);
    }
    assert!(index.sample("/none".into(), 16).is_empty());
    assert!(Index::default().sample("/a".into(), 16).is_empty());
}

#[test]
fn a_digest_leads_to_all_its_sources_and_to_no_others() {
    let index = Index::default();
    let (one, mut near) = (ready(&index, "/a", 1), ready(&index, "/a", 1));
    if let Condition::Ready(audio) = &mut near.condition {
        audio.sha256.0[31] = 0;
    }
    index.learn(&[(source(1), one), (source(2), one), (source(3), near)]);
    let named =
        |digest: [u8; 32]| index.named(&Sha256Digest(digest)).into_iter().map(|(source, _)| source).collect::<Vec<_>>();
    assert_eq!(named([1; 32]), [source(1), source(2)]);
    index.learn(&[(source(1), ready(&index, "/a", 9))]);
    assert_eq!(named([1; 32]), [source(2)]);
    assert_eq!(named([9; 32]), [source(1)]);
    assert!(named([2; 32]).is_empty());
}

#[test]
fn only_what_became_different_for_the_catalogue_is_told() {
    let index = Index::default();
    let entry = ready(&index, "/a", 1);
    index.learn(&[(source(1), entry)]);
    assert_eq!(index.take_changed(), [source(1)]);
    let touched = Entry { facts: Facts { mtime_ns: 77, ..entry.facts }, ..entry };
    index.learn(&[(source(1), touched)]);
    assert_eq!(index.take_changed(), []);
}

#[test]
fn a_sweep_meets_every_wanted_source_once() {
    let index = Index::default();
    index.want((0..25).map(source));
    index.take_tasks(25);
    let (mut met, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let (slice, following) = index.slice(from, 10);
        met.extend(slice.into_iter().map(|(source, _)| source));
        next = following;
    }
    assert_eq!(met, (0..25).map(source).collect::<Vec<_>>());
}
