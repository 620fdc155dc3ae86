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
        self.calls
            .connection
            .execute(
                "INSERT INTO recordings (uuid, state, caller, channel, started_at) VALUES (?1, 'recording', '+221775550109', ?2, ?3)",
                rusqlite::params![UUID, channel, started_at],
            )
            .unwrap();
    }

    fn recover(&mut self, asterisk: &Running) -> u64 {
        let open = self.calls.open_recordings().unwrap();
        self.calls.recover(&open, asterisk, 2000).unwrap()
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
    let mut desk = Desk::new();
    desk.begin("PJSIP/a-1", 1000);
    assert_eq!(desk.recover(&asterisk(900, &["PJSIP/a-1"])), 0);
    assert_eq!(desk.recover(&asterisk(1001, &["PJSIP/a-1"])), 0, "both clocks are cut off to the second");
    assert_eq!(desk.row().0, "recording");
}

#[test]
fn a_channel_that_is_gone_or_of_a_former_asterisk_leaves_a_recording_that_is_repaired_and_offered() {
    for left in [asterisk(900, &["PJSIP/b-2"]), asterisk(1500, &["PJSIP/a-1"])] {
        let mut desk = Desk::new();
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
fn a_recording_without_any_sound_is_dropped() {
    let mut desk = Desk::new();
    desk.begin("PJSIP/a-1", 1000);
    assert_eq!(desk.recover(&asterisk(900, &[])), 1);
    assert_eq!(desk.row().0, "dropped");
}

#[test]
fn a_path_outside_of_the_recordings_is_not_touched() {
    let mut desk = Desk::new();
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
    let mut desk = Desk::new();
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
    let mut desk = Desk::new();
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
