//! Calls a phone server, goes down its menus by the keys it is given, listens to a program to its end or leaves a message, and writes what was
//! heard.

mod library;

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use audiospread_caller::{Account, Call, CallError, Hay, Line, Pattern, SAME, Sound, SoundError, TONE, tone};
use camino::Utf8PathBuf;
use clap::Parser;

use crate::library::{Entry, Library, LibraryError, Named};

/// Calls a phone server by SIP, presses keys, and tells what was heard: 0 if that was a program, to its end, or if a message was left.
///
/// Before each key a category's title is waited for, so that it is pressed in the menu that it is meant for. What is heard is told by
/// comparing it with the sounds of the phone server's mirror.
///
///   audiospread-caller --server 127.0.0.1:5060 --account softphone --password-file .demo/asterisk/softphone \
///     --data .demo/phone --keys 112 --write .demo/call
///
/// With --body it leaves a message: the title is spoken after the first tone and accepted, the body after the second; then it hangs up, and
/// says "hung up" at that moment.
///
///   audiospread-caller ... --keys 6 --title title.wav --body body.wav --write .demo/left
#[derive(Parser)]
struct Arguments {
    /// Where the phone server takes SIP, over UDP.
    #[arg(long)]
    server: SocketAddr,
    /// The user of the account.
    #[arg(long)]
    account: String,
    /// A file with the account's password.
    #[arg(long)]
    password_file: Utf8PathBuf,
    /// The agent's data directory, for the sounds to compare with.
    #[arg(long)]
    data: Utf8PathBuf,
    /// The number to call.
    #[arg(long, default_value = "700")]
    to: String,
    /// The keys that lead to a program, or to where messages are left.
    #[arg(long, default_value = "112")]
    keys: String,
    /// What is said as the message's title: wav or mp3.
    #[arg(long, requires = "body")]
    title: Option<Utf8PathBuf>,
    /// What is said as the message.
    #[arg(long)]
    body: Option<Utf8PathBuf>,
    /// The language of the call.
    #[arg(long, default_value = "en")]
    language: String,
    /// Writes NAME.wav and NAME.txt.
    #[arg(long, value_name = "NAME")]
    write: Utf8PathBuf,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {0}: {1}")]
    Password(Utf8PathBuf, std::io::Error),
    #[error("cannot open a line: {0}")]
    Line(std::io::Error),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Sound(#[from] SoundError),
    #[error("cannot write {0}: {1}")]
    Text(Utf8PathBuf, std::io::Error),
}

/// Nothing in a menu takes longer than this until a category is named.
const PATIENCE: Duration = Duration::from_secs(60);
/// The keys after something was spoken: that was all; it is accepted.
const ENOUGH: &str = "#";
const ACCEPT: &str = "3";
/// The last piece of a program, by which its end is known.
const TAIL: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("audiospread-caller: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let password = fs::read_to_string(&arguments.password_file)
        .map_err(|error| Failure::Password(arguments.password_file.clone(), error))?;
    let library = Library::read(&arguments.data, &arguments.language)?;
    let said =
        [&arguments.title, &arguments.body].into_iter().flatten().map(Sound::read).collect::<Result<Vec<_>, _>>()?;
    let account = Account { name: arguments.account.clone(), password: password.trim().to_owned() };
    let line = Line::with_account(IpAddr::V4(Ipv4Addr::LOCALHOST), arguments.server, account).map_err(Failure::Line)?;
    let mut call = line.dial("", &arguments.to).map_err(Failure::Line)?;
    let ended = go_down(&mut call, &library, &arguments.keys)
        .and_then(|()| if said.is_empty() { listen(&mut call, &library) } else { leave(&mut call, &library, &said) });
    // Whatever came of it, what was heard is worth having.
    call.hang_up();
    if ended.is_ok() && !said.is_empty() {
        println!("hung up");
    }
    let heard = call.heard();
    let text = transcript(&library, &heard);
    print!("{text}");
    heard.write(arguments.write.with_extension("wav"))?;
    let path = arguments.write.with_extension("txt");
    fs::write(&path, &text).map_err(|error| Failure::Text(path, error))?;
    ended?;
    Ok(true)
}

/// Down the menus.
fn go_down(call: &mut Call, library: &Library, keys: &str) -> Result<(), CallError> {
    call.wait_for_answer(PATIENCE)?;
    let categories = library.sounds(|named| matches!(named, Named::Category(_)));
    for key in keys.chars() {
        call.wait_until_heard_any(&categories, PATIENCE)?;
        call.press(&key.to_string())?;
    }
    Ok(())
}

/// Says what there is to say, each after its tone, and accepts all but the last.
fn leave(call: &mut Call, library: &Library, said: &[Sound]) -> Result<(), CallError> {
    let offer = library.sounds(|named| matches!(named, Named::Prompt(name) if name == "recording/offer_listen"));
    for (at, sound) in said.iter().enumerate() {
        if at > 0 {
            call.press(ENOUGH)?;
            call.wait_until_heard_any(&offer, PATIENCE)?;
            call.press(ACCEPT)?;
        }
        call.wait_until_heard(&tone(), PATIENCE)?;
        let over = call.heard().duration() + TONE;
        call.wait_for_sound(over, PATIENCE);
        call.speak(sound)?;
    }
    Ok(())
}

/// To the end of a program.
fn listen(call: &mut Call, library: &Library) -> Result<(), CallError> {
    let bodies = library.sounds(|named| matches!(named, Named::Program(..)));
    let (which, _) = call.wait_until_heard_any(&bodies, PATIENCE)?;
    let body = bodies[which].trimmed();
    // A short one was heard to its end already.
    let tail = body.part(Pattern::of(&body).duration().max(body.duration().saturating_sub(TAIL)), body.duration());
    if !tail.is_silent() {
        call.wait_until_heard(&tail, body.duration() + PATIENCE)?;
    }
    Ok(())
}

/// What was heard, line by line.
fn transcript(library: &Library, heard: &Sound) -> String {
    let patterns: Vec<(&Entry, Pattern)> =
        library.entries.iter().map(|entry| (entry, Pattern::of(&entry.sound))).collect();
    let longest = patterns.iter().map(|(_, pattern)| pattern.duration()).max().unwrap_or_default();
    let hay = Hay::new(heard.samples(), Sound::samples_in(longest));
    let mut found: Vec<(Duration, Duration, f32, &Entry)> = patterns
        .iter()
        .flat_map(|(entry, pattern)| {
            hay.all(pattern).into_iter().map(|found| (found.at, found.at + pattern.duration(), found.likeness, *entry))
        })
        .filter(|(_, _, likeness, _)| *likeness >= SAME)
        .collect();
    found.sort_by_key(|(from, ..)| *from);
    // Of two that are heard at once, such as a sound that two have, the more similar one is told.
    found.dedup_by(|later, earlier| {
        let same = later.0 < earlier.1.min(earlier.0 + Duration::from_millis(300));
        if same && later.2 > earlier.2 {
            *earlier = *later;
        }
        same
    });
    let mut text = String::new();
    for (from, _, _, entry) in found {
        let seconds = from.as_secs();
        let _ = writeln!(text, "{}:{:02}  {}", seconds / 60, seconds % 60, entry.named);
    }
    text
}
