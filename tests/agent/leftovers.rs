//! Recordings of an Asterisk that was killed: a real one, with a real recording.

use std::fs;
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use rusqlite::Connection;

use super::running::until;
use crate::harness::phone::Phone;

const PRIVATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/private");
const UUID: &str = "0b9f6c1e-8a1f-4c53-9d57-0d7c5b1f2a33";

/// A private Asterisk on a phone server's data.
struct Asterisk {
    directory: Utf8PathBuf,
    data: Utf8PathBuf,
}

impl Asterisk {
    fn command(&self, arguments: &[&str]) -> String {
        let (action, rest) = arguments.split_first().unwrap();
        let ran =
            Command::new(PRIVATE).arg(action).arg(&self.directory).args(rest).stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{action}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn start(&self) {
        self.command(&["start", "--data", self.data.as_str()]);
    }

    /// A channel that records for a minute what another plays to it; its name, once it records.
    fn begin_to_record(&self, to: &str, play: &str) -> String {
        for line in [
            "rec,1,Answer()".to_owned(),
            format!("rec,2,Record({to},0,60,qk)"),
            "play,1,Answer()".to_owned(),
            format!("play,2,Playback({play})"),
            "play,3,Wait(60)".to_owned(),
        ] {
            self.command(&["rx", &format!("dialplan add extension {line} into leftover-test")]);
        }
        let call = self.directory.join("spool/tmp/recording.call");
        fs::create_dir_all(call.parent().unwrap()).unwrap();
        fs::write(&call, "Channel: Local/rec@leftover-test\nContext: leftover-test\nExtension: play\nPriority: 1\n")
            .unwrap();
        fs::rename(&call, self.directory.join("spool/outgoing/recording.call")).unwrap();
        let mut name = None;
        until("a channel records", || {
            let channels = self.command(&["rx", "core show channels concise"]);
            let line = channels.lines().find(|line| line.contains("!Record!")).map(str::to_owned);
            name = line.and_then(|line| line.split('!').next().map(str::to_owned));
            name.is_some()
        });
        name.unwrap()
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        // The test's own failure is what matters.
        let _ = Command::new(PRIVATE).args(["stop", self.directory.as_str()]).output();
    }
}

#[test]
fn a_recording_of_a_killed_asterisk_is_repaired_and_offered_once_and_one_in_progress_is_left_alone() {
    let phone = Phone::of("http://127.0.0.1:9");
    let asterisk = Asterisk { directory: phone.path().join("asterisk"), data: phone.data() };
    let packs = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk/packs");
    phone.configure(
        "http://127.0.0.1:9",
        &format!(
            "packs_dir = \"{packs}\"\n[asterisk]\ncommand = [\"{PRIVATE}\", \"rx\", \"{}\"]\n",
            asterisk.directory
        ),
    );
    let pull = || phone.run(&["pull"]);
    pull();
    asterisk.start();
    let body = phone.data().join(format!("recordings/{UUID}-body.wav"));
    let play = phone.data().join("packs/en/home/home_message");
    let channel = asterisk.begin_to_record(body.as_str(), play.as_str());
    let calls = Connection::open(phone.data().join("calls.db")).unwrap();
    calls
        .execute(
            "INSERT INTO recordings (uuid, state, caller, channel) VALUES (?1, 'recording', '+221775550109', ?2)",
            [UUID, channel.as_str()],
        )
        .unwrap();
    let row = || {
        let columns = "SELECT state, body_path, hung_up FROM recordings";
        calls
            .query_row(columns, [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
            })
            .unwrap()
    };
    until("a second of it is on the disk", || fs::metadata(&body).is_ok_and(|metadata| metadata.len() > 16_000));
    pull();
    assert_eq!(row().0, "recording", "it goes on");
    asterisk.command(&["kill"]);
    let torn = fs::read(&body).unwrap();
    assert_eq!(torn[40..44], [0; 4], "the head of a wave that nobody closed");
    let asked = pull();
    assert!(asked.err().contains("Asterisk does not answer"), "{asked}");
    assert_eq!(row().0, "recording", "nobody knows yet");
    asterisk.start();
    pull();
    assert_eq!(row(), ("done".to_owned(), body.to_string(), true));
    let whole = fs::read(&body).unwrap();
    assert_eq!(u32::from_le_bytes(whole[40..44].try_into().unwrap()) as usize, whole.len() - 44);
    assert_eq!(whole[44..], torn[44..whole.len()]);
}
