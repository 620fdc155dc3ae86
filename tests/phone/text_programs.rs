//! Text messages by the programs that others run: Debian's Kannel and Gammu, against the hook of the real agent and a real Asterisk. A text comes in
//! by the program, the menus answer it, and the answer goes out by the same program.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use percent_encoding::percent_decode_str;

use crate::agent::running::{Running, until};
use crate::harness::free_address;
use crate::harness::gateway::Gateway;
use crate::harness::phone::Phone;
use crate::harness::switchboard::Switchboard;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/asterisk");
const TOKEN: &str = "token-of-the-senders";
/// Somebody who asks for a category by a word that is not all ASCII, and gets titles that are not.
const ASKER: &str = "+221770009201";
const KEYWORD: &str = "Santé";

/// A phone server with its hook open, and room for the other programs' files.
struct Desk {
    board: Switchboard,
    hook: SocketAddr,
}

impl Desk {
    async fn new(send: &str) -> Self {
        let (_, gateway) = Gateway::shared().await;
        let phone = Phone::with_packs(&gateway.url());
        phone.pull();
        let desk = Self { board: Switchboard::of(phone, &[]), hook: free_address() };
        fs::write(desk.path("sms.token"), format!("{TOKEN}\n")).unwrap();
        let settings = format!(
            "packs_dir = \"{SCRIPTS}/packs\"\n[asterisk]\noutgoing = \"{}\"\n[hook]\nlisten = \"{}\"\ntoken_file = \"sms.token\"\n\
             country_code = \"221\"\n[send]\n{send}\n",
            desk.board.path("spool/outgoing").display(),
            desk.hook
        );
        desk.board.phone.configure(&gateway.url(), &settings);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.board.phone.path().join(name).into_std_path_buf()
    }

    /// What the menus answer to the keyword: the texts, in their order.
    fn answers(&self) -> Vec<String> {
        let mirror = self.board.phone.mirror();
        let query = "SELECT text FROM phone_sms_part WHERE keyword = 'santé' AND language = 'en' ORDER BY part";
        let mut statement = mirror.prepare(query).unwrap();
        let texts: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(!texts.is_empty());
        texts
    }

    fn sent(&self) -> i64 {
        let query = format!("SELECT count(*) FROM sms_out WHERE number = '{ASKER}' AND state = 'sent'");
        self.board.calls().query_row(&query, [], |row| row.get(0)).unwrap()
    }
}

/// A program of Debian's; it ends with the test.
struct Debians(Child);

impl Debians {
    fn start(arguments: &[&str], log: &Path, environment: &[(&str, &str)]) -> Self {
        let log = File::create(log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(unpacked().join("run")).args(arguments);
        command.envs(environment.iter().copied()).env("LC_ALL", "C.UTF-8");
        Self(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Debians {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kannel and Gammu, unpacked beside the build.
fn unpacked() -> &'static Path {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian/bookworm-sms");
        let ran = Command::new(format!("{SCRIPTS}/unpack-debian"))
            .arg("bookworm")
            .arg(&place)
            .args(["kannel", "kannel-extras", "gammu-smsd"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        place
    })
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Kannel with its own false provider, which prints what telephones would get.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_by_kannel_is_answered_by_kannel() {
    let [admin, boxes, provider, sending] = [(); 4].map(|()| free_address().port());
    let desk = Desk::new(&format!(
        "url = \"http://127.0.0.1:{sending}/cgi-bin/sendsms?username=audiospread&password=secret&to={{number}}&text={{text}}&charset=UTF-8&coding={{coding}}\""
    ))
    .await;
    let _run = Running::of(&desk.board.phone);
    until("the hook listens", || TcpStream::connect(desk.hook).is_ok());
    let configuration = desk.path("kannel.conf");
    let text = format!(
        "group = core\nadmin-port = {admin}\nadmin-interface = 127.0.0.1\nadmin-password = secret\nsmsbox-port = {boxes}\n\
         smsbox-interface = 127.0.0.1\nbox-allow-ip = 127.0.0.1\n\n\
         group = smsc\nsmsc = fake\nsmsc-id = fake\nport = {provider}\nconnect-allow-ip = 127.0.0.1\n\n\
         group = smsbox\nbearerbox-host = 127.0.0.1\nbearerbox-port = {boxes}\nsendsms-interface = 127.0.0.1\nsendsms-port = {sending}\n\n\
         group = sendsms-user\nusername = audiospread\npassword = secret\ndefault-sender = 700\n\n\
         group = sms-service\nkeyword = default\ncatch-all = true\nmax-messages = 0\n\
         get-url = \"http://kannel:{TOKEN}@{}/v1/sms?from=%p&text=%b&charset=%C&id=%I\"\n",
        desk.hook
    );
    fs::write(&configuration, text).unwrap();
    let configuration = configuration.to_str().unwrap();
    let log = desk.path("bearerbox.log");
    let _bearerbox = Debians::start(&["bearerbox", configuration], &log, &[]);
    until("Kannel takes texts of its provider", || read(&log).contains("Start-up done"));
    let _smsbox = Debians::start(&["smsbox", configuration], &desk.path("smsbox.log"), &[]);
    // Before that it keeps texts back for a minute.
    until("Kannel's boxes know each other", || read(&log).contains("gw/bb_boxc.c:boxc_sender"));
    let log = desk.path("fakesmsc.log");
    let address = provider.to_string();
    let message = format!("{ASKER} 700 text {KEYWORD}");
    let fake = ["usr/lib/kannel/test/fakesmsc", "-H", "127.0.0.1", "-r", &address, "-i", "0.1", "-m", "1", &message];
    let _provider = Debians::start(&fake, &log, &[]);

    let answers = desk.answers();
    assert!(answers.iter().any(|answer| !answer.is_ascii()));
    until("the whole answer came by Kannel", || {
        let log = read(&log);
        answers.iter().all(|answer| came_as_text(&log, answer) || came_as_ucs_2(&log, answer))
    });
    until("it is noted as sent", || desk.sent() == i64::try_from(answers.len()).unwrap());
    let messages = format!("<700 {ASKER} ");
    assert_eq!(read(&log).matches(&messages).count(), answers.len(), "each text once");
}

/// The provider prints each line of a text by itself, the first one behind the numbers.
fn came_as_text(log: &str, answer: &str) -> bool {
    answer.lines().all(|line| log.contains(&format!("<700 {ASKER} text {line}>")) || log.contains(&format!("<{line}>")))
}

/// What telephones' alphabet has not it prints as a form has it.
fn came_as_ucs_2(log: &str, answer: &str) -> bool {
    let begin = format!("<700 {ASKER} ucs-2 ");
    log.split(&begin).skip(1).filter_map(|rest| rest.split('>').next()).any(|form| {
        let bytes: Vec<u8> = percent_decode_str(&form.replace('+', " ")).collect();
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        char::decode_utf16(units).map(Result::unwrap_or_default).collect::<String>() == answer
    })
}

/// Gammu with a telephone that is a directory.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_by_gammu_is_answered_by_gammu() {
    let desk = Desk::new(&format!("command = [\"{SCRIPTS}/gammu-send\", \"{{number}}\"]")).await;
    let programs = desk.path("bin");
    fs::create_dir(&programs).unwrap();
    let configuration = desk.path("smsdrc");
    let inject = programs.join("gammu-smsd-inject");
    let run = unpacked().join("run");
    // As on a host where it is installed, with a configuration of its own.
    let text =
        format!("#!/bin/sh\nshift 2\nexec {} gammu-smsd-inject -c {} \"$@\"\n", run.display(), configuration.display());
    fs::write(&inject, text).unwrap();
    fs::set_permissions(&inject, fs::Permissions::from_mode(0o755)).unwrap();
    let _run = Running::with_programs(&desk.board.phone, &programs);
    until("the hook listens", || TcpStream::connect(desk.hook).is_ok());

    for directory in ["inbox", "outbox", "sent", "error", "telephone/sms/1"] {
        fs::create_dir_all(desk.path(directory)).unwrap();
    }
    let place = |name: &str| desk.path(name).to_str().unwrap().to_owned();
    let mut text = format!(
        "[gammu]\nmodel = dummy\nconnection = none\nport = {}\ngammuloc = /dev/null\n\n\
         [smsd]\nservice = files\nlogfile = {}\nrunonreceive = {SCRIPTS}/gammu-received\nchecksecurity = 0\nchecksignal = 0\n\
         checkbattery = 0\nchecknetwork = 0\ncommtimeout = 1\nreceivefrequency = 1\nsendtimeout = 5\n",
        place("telephone"),
        place("smsd.log")
    );
    for (name, directory) in
        [("inboxpath", "inbox"), ("outboxpath", "outbox"), ("sentsmspath", "sent"), ("errorsmspath", "error")]
    {
        writeln!(text, "{name} = {}/", place(directory)).unwrap();
    }
    fs::write(&configuration, text).unwrap();
    let words: String = KEYWORD.encode_utf16().fold(String::new(), |words, unit| words + &format!("{unit:04X}"));
    let message = format!(
        "[SMSBackup000]\nSMSC = \"+221770000000\"\nState = UnRead\nNumber = \"{ASKER}\"\nCoding = Default_No_Compression\nFolder = 1\n\
         Class = -1\nDateTime = 20261124T120000\nText00 = {words}\n"
    );
    fs::write(desk.path("telephone/sms/1/1"), message).unwrap();
    let (hook, token) = (format!("http://{}/v1/sms", desk.hook), place("sms.token"));
    let environment = [("AUDIOSPREAD_HOOK", hook.as_str()), ("AUDIOSPREAD_TOKEN", token.as_str())];
    let smsd = ["gammu-smsd", "-c", configuration.to_str().unwrap()];
    let _smsd = Debians::start(&smsd, &desk.path("smsd.out"), &environment);

    let answers = desk.answers();
    let sent = || -> Vec<String> {
        let files = fs::read_dir(desk.path("sent")).unwrap().map(|file| file.unwrap().path());
        files.map(|file| text_of(&read(&file))).collect()
    };
    until("the whole answer went by Gammu", || {
        let sent = sent();
        answers.iter().all(|answer| sent.contains(answer))
    });
    assert_eq!(sent().len(), answers.len(), "each text once");
    until("it is noted as sent", || desk.sent() == i64::try_from(answers.len()).unwrap());
    assert_eq!(fs::read_dir(desk.path("error")).unwrap().count(), 0, "{}", read(&desk.path("smsd.log")));
}

/// What a message in Gammu's own form says: its last copy, since Gammu writes it once more when it has gone.
fn text_of(backup: &str) -> String {
    let backup = backup.rsplit("[SMSBackup000]").next().unwrap();
    assert!(backup.contains(&format!("Number = \"{ASKER}\"")), "{backup}");
    let mut units = Vec::new();
    let parts = backup.lines().filter_map(|line| line.strip_prefix("Text")?.split_once(" = "));
    for (_, hex) in parts {
        let bytes = hex::decode(hex.trim()).unwrap();
        units.extend(bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])));
    }
    String::from_utf16(&units).unwrap()
}
