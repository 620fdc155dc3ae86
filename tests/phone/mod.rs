//! The phone as its callers have it: real calls to a real Asterisk with the shipped dialplan, on the mirror that the agent pulled from the
//! real gateway. "Heard" is the correlation of the sound received with the one that the site's editors made.

mod browsing;
mod budgets;
mod callbacks;
mod calling;
mod content;
mod doctor;
mod formats;
mod installing;
mod killed;
mod menus;
mod noting;
mod numbers;
mod playing;
mod recording;
mod remembering;
mod settings;
mod soak;
mod text_programs;
mod texts;
mod trunks;

use std::time::Instant;

use audiospread_caller::{Hay, Pattern, SAME, Sound};

use crate::harness::DrupalSite;
use crate::harness::caller::Caller;
use crate::harness::gateway::{ALL_PROGRAMS, Gateway};
use crate::harness::phone::Phone;
use crate::harness::switchboard::{PATIENCE, Switchboard};

/// The sound that an editor gave a program: its `title` or its `body`, from the fixture's own file.
fn made_by_the_editor(program: u32, part: &str) -> Sound {
    let expected = DrupalSite::expected();
    let field = format!("field_audio_{part}");
    let audio = ["programs", "legacy_programs"]
        .iter()
        .flat_map(|list| expected[list].as_array().unwrap())
        .find(|node| node["nid"] == program)
        .and_then(|node| node["audio"].as_array().unwrap().iter().find(|audio| audio["field"] == *field))
        .unwrap_or_else(|| panic!("node {program} has no {part}"));
    let name = audio["sha1"].as_str().unwrap();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/drupal6-site/files/bitcache/file");
    Sound::read(format!("{files}/{name}")).unwrap()
}

/// The programs that a menu of a category lists in English, in their order.
fn listed(switchboard: &Switchboard, category: u32) -> Vec<u32> {
    let mirror = switchboard.phone.mirror();
    let query = "SELECT program_id FROM phone_category_program WHERE category_id = ? AND language = 'en' \
                 ORDER BY weight, created DESC, program_id";
    let mut statement = mirror.prepare(query).unwrap();
    statement.query_map([category], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A key for the item at a place, counted from 0: menus of the fixture number theirs from 1.
fn item(place: usize) -> String {
    (place + 1).to_string()
}

/// A phone server with subscribers that the site has not, put into its mirror by these statements.
async fn radio_with_subscribers(sql: &str, settings: &[&str]) -> Switchboard {
    let (_, gateway) = Gateway::shared().await;
    let phone = Phone::of(&gateway.url());
    phone.pull();
    phone.mirror().execute_batch(sql).unwrap();
    Switchboard::of(phone, settings)
}

/// A caller who is in the home menu.
fn at_home(radio: &Switchboard, number: &str) -> Caller {
    let mut caller = radio.answered(number);
    caller.hears(&radio.prompt("home", "welcome_standard", "en"));
    caller
}

/// A column of the recording of a caller, once it is settled.
fn settled(radio: &Switchboard, number: &str, column: &str) -> String {
    radio.written(&format!(
        "SELECT CAST({column} AS TEXT) FROM recordings WHERE caller = '{number}' AND state <> 'recording'"
    ))
}

/// Whether a file holds what was said.
#[track_caller]
fn holds(path: &str, said: &Sound) {
    let kept = Sound::read(path).unwrap();
    let pattern = Pattern::of(said);
    let found = Hay::of(&kept, &pattern).best(&pattern);
    assert!(found.is_some_and(|found| found.likeness >= SAME), "{path}, {:?}: {found:?}", kept.duration());
}

/// A radio whose site, gateway, mirror and Asterisk no other test has.
struct RadioOfItsOwn {
    site: DrupalSite,
    _gateway: Gateway,
    board: Switchboard,
}

impl RadioOfItsOwn {
    async fn new(settings: &[&str]) -> Self {
        Self::of(Self::site().await, settings)
    }

    /// The fixture's site, read again every second.
    async fn site() -> DrupalSite {
        DrupalSite::new().configure("[drupal]\nrefresh_seconds = 1\nsettle_ms = 100").build().await
    }

    fn of(site: DrupalSite, settings: &[&str]) -> Self {
        let gateway = Gateway::of(&site, ALL_PROGRAMS);
        let phone = Phone::with_packs(&gateway.url());
        phone.pull();
        Self { site, _gateway: gateway, board: Switchboard::of(phone, settings) }
    }

    /// Changes something on the site.
    async fn changes(&self, sql: &str) {
        self.site.sql(sql).await;
    }

    /// Pulls until a query on the mirror has a row.
    #[track_caller]
    fn pulls_until(&self, query: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.board.phone.mirror().query_row(query, [], |_| Ok(())).is_err() {
            assert!(Instant::now() < deadline, "the change does not come: {query}");
            self.board.phone.pull();
        }
    }
}
