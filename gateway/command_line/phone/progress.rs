//! How a command tells what it is doing: bars on standard error for people, lines of JSON on standard output for programs.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use audiospread_agent::Event;
use indicatif::{ProgressBar, ProgressStyle};

/// Who is told, and how.
pub(super) enum Progress {
    /// A person; where standard error is no terminal, only what matters.
    Person(Mutex<ProgressBar>),
    /// A program.
    Program,
}

const BYTES: &str = "{msg:16} {bar:32} {bytes:>10} of {total_bytes} {bytes_per_sec}, {eta} left";
const SOUNDS: &str = "{msg:16} {bar:32} {pos:>10} of {len}, {eta} left";
const RECORDINGS: &str = "{msg:16} {bar:32} {pos:>10} of {len} recordings, {elapsed}";
const UNKNOWN: &str = "{msg:16} {spinner} {bytes:>10} {bytes_per_sec}";

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        if json { Self::Program } else { Self::Person(Mutex::new(ProgressBar::hidden())) }
    }

    /// Tells of an event.
    pub(super) fn tell(&self, event: &Event) {
        match self {
            Self::Program => print_line(event),
            Self::Person(bar) => {
                if let Ok(mut bar) = bar.lock() {
                    show(&mut bar, event);
                }
            }
        }
    }

    /// Clears what is only of interest while it moves.
    pub(super) fn finish(&self) {
        if let Self::Person(bar) = self
            && let Ok(bar) = bar.lock()
        {
            bar.finish_and_clear();
        }
    }
}

fn print_line(event: &Event) {
    // Each piece of a body would be a line.
    if matches!(
        event,
        Event::FeedBytes { .. } | Event::AudioBytes { .. } | Event::Checked { .. } | Event::SentBytes { .. }
    ) {
        return;
    }
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        // A reader that went away does not stop the pull; the last line will notice.
        let _ = io::stdout().lock().write_all(&line);
    }
}

fn show(bar: &mut ProgressBar, event: &Event) {
    match event {
        Event::Feed { bytes, .. } => *bar = start("reading the feed", *bytes),
        Event::FeedBytes { received } => bar.set_position(*received),
        Event::Audio { bytes, .. } => *bar = start("fetching audio", Some(*bytes)),
        Event::Checking { bytes, .. } => *bar = start("checking audio", Some(*bytes)),
        Event::AudioBytes { bytes } | Event::Checked { bytes } => bar.inc(*bytes),
        Event::Applied { .. } => bar.finish_and_clear(),
        Event::Retry { message, after_ms } => {
            let seconds = Duration::from_millis(*after_ms).as_secs_f32();
            say(bar, &format!("{message} (again in {seconds:.1} s)"));
        }
        Event::NotUnderstood { entity, message } => {
            say(bar, &format!("{entity}: this version does not understand it, the state before it goes on: {message}"));
        }
        Event::Warning { message } => say(bar, message),
        Event::Making { files } => {
            if bar.is_hidden() || bar.is_finished() {
                *bar = ProgressBar::new(*files);
                bar.set_style(style(SOUNDS));
                bar.set_message("preparing sounds");
            }
        }
        Event::Undecodable { sha256, message } => {
            say(bar, &format!("the sound {sha256} cannot be decoded, what names it stays as it was: {message}"));
        }
        Event::Sending { recordings } => {
            *bar = ProgressBar::new(*recordings);
            bar.set_style(style(RECORDINGS));
            bar.set_message("sending");
            bar.tick();
        }
        Event::Delivered { .. } => bar.inc(1),
        Event::Quarantined { uuid, message } => {
            bar.inc(1);
            say(bar, &format!("the recording {uuid} goes into quarantine: {message}"));
        }
        Event::TitleQuarantined { uuid, message } => {
            say(
                bar,
                &format!("the title of {uuid} goes into quarantine, and the recording goes without it: {message}"),
            );
        }
        Event::Made { .. } if bar.message() == "preparing sounds" => bar.inc(1),
        Event::SentBytes { .. } => bar.tick(),
        Event::Made { .. } | Event::Stored { .. } | Event::Shown { .. } | Event::Pushed { .. } => {}
    }
}

fn start(what: &'static str, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), BYTES),
        None => (ProgressBar::no_length(), UNKNOWN),
    };
    bar.set_style(style(template));
    bar.with_message(what)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn say(bar: &ProgressBar, message: &str) {
    bar.suspend(|| {
        // Nobody to tell is no reason to stop.
        let _ = writeln!(io::stderr(), "audiospread: {message}");
    });
}
