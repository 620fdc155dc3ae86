//! `calls.db` by itself: leftovers are known by their channel or by Asterisk's start, and nothing that goes on is touched.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;

struct Desk {
    _outer: tempfile::TempDir,
    directory: DataDir,
    calls: Calls,
}

const UUID: &str = "0b9f6c1e-8a1f-4c53-9d57-0d7c5b1f2a33";

impl Desk {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(outer.path().join("data")).unwrap();
        let directory = DataDir::prepare(&path, None).unwrap();
        let calls = Calls::open(&directory).unwrap();
        Self { _outer: outer, directory, calls }
    }

    fn recordings(&self) -> Utf8PathBuf {
        self.directory.path().join("recordings")
    }

    /// A wave as a killed Asterisk leaves it: samples, and a head that says 0 bytes.
    fn torn_wave(&self, name: &str, samples: usize) -> Utf8PathBuf {
        let path = self.recordings().join(name);
        fs::write(&path, [crate::sound::wave_head(0).as_slice(), &vec![7; samples * 2]].concat()).unwrap();
        path
    }

    fn begin(&self, channel: &str, started_at: i64) {
        self.begin_another(UUID, channel, started_at);
    }

    fn begin_another(&self, uuid: &str, channel: &str, started_at: i64) {
        self.calls
            .connection
            .execute(
                "INSERT INTO recordings (uuid, state, caller, channel, started_at) VALUES (?1, 'recording', '+221775550109', ?2, ?3)",
                rusqlite::params![uuid, channel, started_at],
            )
            .unwrap();
    }

    fn recover(&self, asterisk: &Running) -> u64 {
        let recovered = self.recover_some(asterisk);
        assert_eq!(recovered.faults, Vec::<String>::new());
        recovered.count
    }

    fn recover_some(&self, asterisk: &Running) -> leftovers::Recovered {
        let open = self.calls.open_recordings().unwrap();
        self.calls.recover(&open, asterisk, 2000)
    }

    fn hand_over(&self, uuid: &str, text: &str) -> Utf8PathBuf {
        let path = self.recordings().join(format!("{uuid}.json"));
        fs::write(&path, text).unwrap();
        path
    }

    fn row(&self) -> (String, String, String, bool) {
        self.calls
            .connection
            .query_row("SELECT state, title_path, body_path, hung_up FROM recordings", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap()
    }
}

fn asterisk(since: i64, channels: &[&str]) -> Running {
    Running { since, channels: channels.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>() }
}

#[test]
fn what_is_being_recorded_is_left_alone_however_long_it_takes() {
    let desk = Desk::new();
    desk.begin("PJSIP/a-1", 1000);
    assert_eq!(desk.recover(&asterisk(900, &["PJSIP/a-1"])), 0);
    assert_eq!(desk.recover(&asterisk(1001, &["PJSIP/a-1"])), 0, "both clocks are cut off to the second");
    assert_eq!(desk.row().0, "recording");
}

#[test]
fn a_channel_that_is_gone_or_of_a_former_asterisk_leaves_a_recording_that_is_repaired_and_offered() {
    for left in [asterisk(900, &["PJSIP/b-2"]), asterisk(1500, &["PJSIP/a-1"])] {
        let desk = Desk::new();
        let body = desk.torn_wave(&format!("{UUID}-body.wav"), 8000);
        desk.torn_wave(&format!("{UUID}-title.wav"), 0);
        desk.begin("PJSIP/a-1", 1000);
        assert_eq!(desk.recover(&left), 1);
        assert_eq!(desk.row(), ("done".to_owned(), String::new(), body.to_string(), true));
        let bytes = fs::read(&body).unwrap();
        assert_eq!(bytes.len(), 44 + 16_000);
        assert_eq!(bytes[..44], crate::sound::wave_head(16_000));
        assert_eq!(desk.recover(&left), 0, "once");
    }
}

#[test]
fn of_what_was_said_first_and_what_was_being_said_anew_the_longer_one_is_offered() {
    for (first, anew) in [(80, 8000), (8000, 80)] {
        let desk = Desk::new();
        let body = desk.torn_wave(&format!("{UUID}-body.wav"), first);
        let other = desk.torn_wave(&format!("{UUID}-body-anew.wav"), anew);
        desk.begin("gone", 1000);
        assert_eq!(desk.recover(&asterisk(900, &[])), 1);
        assert_eq!(desk.row().2, body.as_str());
        assert!(fs::metadata(&body).unwrap().len() > 8000 && !other.exists());
    }
}

#[test]
fn a_recording_without_any_sound_is_dropped() {
    let desk = Desk::new();
    desk.begin("PJSIP/a-1", 1000);
    assert_eq!(desk.recover(&asterisk(900, &[])), 1);
    assert_eq!(desk.row().0, "dropped");
}

#[test]
fn a_path_outside_of_the_recordings_is_not_touched() {
    let desk = Desk::new();
    let outside = desk.directory.path().join("outside.wav");
    fs::write(&outside, [crate::sound::wave_head(0).as_slice(), &[7; 100]].concat()).unwrap();
    let before = fs::read(&outside).unwrap();
    desk.begin("gone", 1000);
    for path in [outside.to_string(), format!("{}/../outside.wav", desk.recordings())] {
        desk.calls.connection.execute("UPDATE recordings SET state = 'recording', body_path = ?1", [&path]).unwrap();
        desk.recover(&asterisk(900, &[]));
        assert_eq!(fs::read(&outside).unwrap(), before, "{path}");
    }
}

#[test]
fn a_foreign_menu_hands_over_by_file_and_what_is_not_understood_stays() {
    let desk = Desk::new();
    let body = desk.torn_wave("theirs.wav", 80);
    let write = |name: &str, text: String| fs::write(desk.recordings().join(name), text).unwrap();
    write(
        &format!("{UUID}.json"),
        format!(
            r#"{{"body_path":"{body}","caller":"","language":"fr","category_id":2,"started_at":1,"ended_at":9,"hung_up":true}}"#
        ),
    );
    write("x.json", "{}".to_owned());
    let other = UUID.replace('0', "1");
    write(&format!("{other}.json"), r#"{"body_path":"/etc/passwd","started_at":1,"ended_at":2}"#.to_owned());
    let faults = desk.calls.take_handed_over().unwrap();
    let synchronous = desk.calls.connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(synchronous, 2, "the row outlives a loss of power before the file goes");
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(desk.row(), ("done".to_owned(), String::new(), body.to_string(), true));
    assert!(!desk.recordings().join(format!("{UUID}.json")).exists() && desk.recordings().join("x.json").exists());
}

#[test]
fn a_foreign_menu_may_write_each_column_of_the_table_as_json_or_as_sqlite_says_it() {
    for (hung_up, is) in [("1", true), ("0", false), ("true", true), ("null", false)] {
        let desk = Desk::new();
        let body = desk.torn_wave("theirs.wav", 80);
        let file = desk.hand_over(
            UUID,
            &format!(
                r#"{{"uuid":"{UUID}","state":"done","title_path":null,"body_path":"{body}","caller":null,"language":null,
                "category_id":null,"started_at":1,"ended_at":null,"hung_up":{hung_up},"channel":"SIP/a-1"}}"#
            ),
        );
        assert_eq!(desk.calls.take_handed_over().unwrap(), Vec::<String>::new());
        assert_eq!(desk.row(), ("done".to_owned(), String::new(), body.to_string(), is), "{hung_up}");
        assert!(!file.exists());
    }
}

#[test]
fn what_a_foreign_menu_says_of_another_recording_or_of_one_that_goes_on_is_refused_and_status_says_so() {
    let desk = Desk::new();
    let body = desk.torn_wave("theirs.wav", 80);
    for (field, says) in [
        (r#""uuid":"1b9f6c1e-8a1f-4c53-9d57-0d7c5b1f2a33""#, "not that of the file's name"),
        (r#""state":"recording""#, "when it is done"),
        (r#""hung_up":2"#, "hung_up is 2"),
        (r#""caller":"0775550109""#, "no E.164 number"),
    ] {
        let file = desk.hand_over(UUID, &format!(r#"{{"body_path":"{body}","started_at":1,"ended_at":9,{field}}}"#));
        let faults = desk.calls.take_handed_over().unwrap();
        assert!(faults.len() == 1 && faults[0].contains(says), "{faults:?}");
        let refused = desk.calls.status().unwrap().handovers_refused;
        assert!(refused.len() == 1 && refused[0].path == file && refused[0].why.contains(says), "{refused:?}");
    }
}

#[test]
fn a_hand_over_of_a_uuid_that_is_taken_goes_only_if_it_says_the_same() {
    let desk = Desk::new();
    let (body, other) = (desk.torn_wave("theirs.wav", 80), desk.torn_wave("other.wav", 80));
    let text = |body: &Utf8Path| format!(r#"{{"body_path":"{body}","caller":"","started_at":1,"ended_at":9}}"#);
    desk.hand_over(UUID, &text(&body));
    assert!(desk.calls.take_handed_over().unwrap().is_empty());

    // As after a crash, when the gateway has it already and its wave is in the archive.
    fs::remove_file(&body).unwrap();
    let again = desk.hand_over(UUID, &text(&body));
    assert!(desk.calls.take_handed_over().unwrap().is_empty() && !again.exists());

    let different = desk.hand_over(UUID, &text(&other));
    let faults = desk.calls.take_handed_over().unwrap();
    assert!(faults.len() == 1 && faults[0].contains("a uuid of its own"), "{faults:?}");
    assert!(different.exists() && other.exists());
    assert_eq!(desk.row().2, body.as_str());
}

#[test]
fn a_leftover_that_cannot_be_repaired_holds_up_no_other() {
    let desk = Desk::new();
    let others: Vec<String> = ["1", "2"].iter().map(|digit| UUID.replace('0', digit)).collect();
    for uuid in [&UUID.to_owned()].into_iter().chain(&others) {
        desk.torn_wave(&format!("{uuid}-body.wav"), 80);
        desk.begin_another(uuid, "gone", 1000);
    }
    // In the way of the copy, whoever runs this.
    let (way, wave) = (format!("{UUID}-body.wav.repaired"), format!("{UUID}-body.wav"));
    fs::create_dir(desk.recordings().join(&way)).unwrap();
    let recovered = desk.recover_some(&asterisk(900, &[]));
    assert_eq!(recovered.count, 2);
    assert!(recovered.faults.len() == 1 && recovered.faults[0].contains(UUID), "{:?}", recovered.faults);
    fs::remove_dir(desk.recordings().join(&way)).unwrap();
    assert_eq!(desk.recover(&asterisk(900, &[])), 1, "what was in its way is gone");
    assert!(desk.recordings().join(wave).exists());
}

/// A wave with chunks behind its samples.
fn foreign_wave(desk: &Desk, said: u32, behind: &[u8]) -> (Utf8PathBuf, Vec<u8>) {
    let path = desk.recordings().join("foreign.wav");
    let mut bytes = [crate::sound::wave_head(said).as_slice(), &[7; 16_000], behind].concat();
    let riff = u32::try_from(bytes.len() - 8).unwrap();
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

const CHUNKS: &[u8] = b"LIST\x0c\0\0\0INFOIART\0\0\0\0bext\x03\0\0\0xyz\0";

#[test]
fn what_comes_behind_the_samples_of_a_whole_wave_is_no_sound_and_the_file_stays_as_it_is() {
    use wave::{Found, Origin, repair};
    let desk = Desk::new();
    for behind in [CHUNKS, &CHUNKS[..CHUNKS.len() - 1]] {
        let (path, bytes) = foreign_wave(&desk, 16_000, behind);
        assert_eq!(Wave::of(&path).unwrap().unwrap().duration_ms, 1000);
        assert_eq!(repair(&path, Origin::LeftOver).unwrap(), Found::Whole);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let (path, bytes) = foreign_wave(&desk, 16_000, b"no chunk at all");
    assert_eq!(Wave::of(&path).unwrap().unwrap().duration_ms, 1000, "nobody but Asterisk leaves a head that is old");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_head_of_some_moment_before_is_mended_for_asterisk_and_one_that_says_too_much_for_everybody() {
    use wave::{Found, Origin, repair};
    let desk = Desk::new();
    for (said, origin) in [
        (8_000, Origin::LeftOver),
        (0, Origin::LeftOver),
        (0, Origin::Any),
        (u32::MAX, Origin::Any),
        (20_000, Origin::Any),
    ] {
        let (path, _) = foreign_wave(&desk, said, &[]);
        assert_eq!(repair(&path, origin).unwrap(), Found::Whole, "{said}");
        assert_eq!(fs::read(&path).unwrap()[..44], crate::sound::wave_head(16_000), "{said}");
    }
}

#[test]
fn a_copy_that_could_not_be_finished_does_not_stay() {
    use wave::{Origin, repair};
    let desk = Desk::new();
    let (path, bytes) = foreign_wave(&desk, 0, &[]);
    let copy = Utf8PathBuf::from(format!("{path}.repaired"));
    std::os::unix::fs::symlink("/dev/full", &copy).unwrap();
    assert_eq!(repair(&path, Origin::Any).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert!(fs::symlink_metadata(&copy).is_err());
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_budgets_refused_within_a_day_is_in_the_status() {
    let desk = Desk::new();
    let note = |age: i64, kind: &str, detail: &str| {
        let query = "INSERT INTO event (at, call_id, caller, kind, detail) VALUES (?1, 'c', '', ?2, ?3)";
        let at = Timestamp::now().as_second() - age;
        desk.calls.connection.execute(query, rusqlite::params![at, kind, detail]).unwrap();
        at
    };
    note(90_000, "budget_refused", "missed day_calls");
    let last = note(60, "budget_refused", "premium quiet");
    note(3600, "budget_refused", "premium number_calls");
    note(60, "budget_refused", "sms number_texts");
    note(10, "fault", "premium");
    let refused = desk.calls.status().unwrap().budgets_refused;
    let told: Vec<_> = refused.iter().map(|of| (of.kind.as_str(), of.count, of.last_detail.as_str())).collect();
    assert_eq!(told, [("premium", 2, "premium quiet"), ("sms", 1, "sms number_texts")]);
    assert_eq!(refused[0].last_at.as_second(), last);
}

#[test]
fn it_is_made_for_the_group_and_opened_again_as_it_was() {
    let desk = Desk::new();
    desk.begin("a", 1);
    let uuid = desk.calls.uuid().unwrap();
    let Desk { _outer, directory, calls } = desk;
    drop(calls);
    let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("calls.db"), mode("recordings")), (0o660, 0o2770));
    let calls = Calls::open(&directory).unwrap();
    assert_eq!((calls.uuid().unwrap(), calls.status().unwrap().recording), (uuid, 1));
}

#[test]
fn a_writer_that_holds_the_lock_is_waited_for() {
    let desk = Desk::new();
    desk.begin("gone", 1000);
    let mut other = Connection::open(Calls::path_in(&desk.directory)).unwrap();
    let (locked, waits) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let transaction = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        locked.send(()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        transaction.commit().unwrap();
    });
    waits.recv().unwrap();
    assert_eq!(desk.recover(&asterisk(900, &[])), 1);
    holder.join().unwrap();
}
