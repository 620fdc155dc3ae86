//! From an entity's value to the rows that phone menus read, and back out again.

use audiospread_protocol::{
    AudioRef, Category, EntityKey, Kind, PhoneRendition, Program, Prompt, Settings, Subscriber,
};
use rusqlite::{Connection, params};

use super::MirrorError;
use super::hearing::{Hear, Hearing};
use crate::config::Prefer;
use crate::store::stem;

/// A value of which this program knows what it means.
#[derive(Clone, Debug)]
pub(crate) enum Understood {
    Settings(Settings),
    Prompt(Prompt),
    Category(u32, Category),
    Program(u32, Box<Program>),
    Subscriber(u32, Subscriber),
}

impl Understood {
    /// Reads a value; the error is a sentence about what is odd.
    pub(crate) fn read(key: &EntityKey, value: &str) -> Result<Self, String> {
        let odd = |error: serde_json::Error| error.to_string();
        // One id for one row: "007" is not 7.
        let number = || {
            key.number()
                .filter(|number| number.to_string() == key.id())
                .ok_or_else(|| format!("the id {} is no number", key.id()))
        };
        match key.kind() {
            Kind::Settings => serde_json::from_str(value).map(Self::Settings).map_err(odd),
            Kind::Prompt => {
                let prompt: Prompt = serde_json::from_str(value).map_err(odd)?;
                if format!("{}/{}@{}", prompt.context, prompt.key, prompt.language) != key.id() {
                    return Err("the id does not say the context, key and language of the value".into());
                }
                Ok(Self::Prompt(prompt))
            }
            Kind::Category => Ok(Self::Category(number()?, serde_json::from_str(value).map_err(odd)?)),
            Kind::Program => Ok(Self::Program(number()?, serde_json::from_str(value).map_err(odd)?)),
            Kind::Subscriber => Ok(Self::Subscriber(number()?, serde_json::from_str(value).map_err(odd)?)),
        }
    }

    /// The sounds without which callers cannot get it.
    pub(crate) fn sounds(&self) -> Vec<&AudioRef> {
        match self {
            Self::Settings(_) | Self::Subscriber(..) => Vec::new(),
            Self::Prompt(prompt) => vec![&prompt.audio],
            Self::Category(_, category) => category
                .audio
                .values()
                .flat_map(|sounds| [&sounds.title, &sounds.header, &sounds.footer])
                .flatten()
                .collect(),
            Self::Program(_, program) => program.audio.title.iter().chain([&program.audio.body]).collect(),
        }
    }

    /// Settles which sounds it is heard by: of each the original or its rendition, and without those that nobody can hear.
    pub(super) fn settle(&mut self, prefer: Prefer, hear: Hear<'_>) {
        let choose = |sound: &mut AudioRef| {
            if let Some(rendition) = rendition_instead(sound, prefer, hear) {
                *sound = rendition;
            }
        };
        match self {
            Self::Settings(_) | Self::Subscriber(..) => {}
            Self::Prompt(prompt) => choose(&mut prompt.audio),
            Self::Category(_, category) => category
                .audio
                .values_mut()
                .flat_map(|sounds| [&mut sounds.title, &mut sounds.header, &mut sounds.footer])
                .flatten()
                .for_each(choose),
            Self::Program(_, program) => {
                program.audio.title.iter_mut().chain([&mut program.audio.body]).for_each(choose);
            }
        }
        self.leave_out(hear);
    }

    /// Forgets the sounds that nobody can hear and without which it makes sense: all but a program's body and a prompt.
    fn leave_out(&mut self, hear: Hear<'_>) {
        let forget = |sound: &mut Option<AudioRef>| {
            sound.take_if(|audio| hear(audio) == Hearing::Never);
        };
        match self {
            Self::Settings(_) | Self::Subscriber(..) | Self::Prompt(_) => {}
            Self::Category(_, category) => {
                for sounds in category.audio.values_mut() {
                    [&mut sounds.title, &mut sounds.header, &mut sounds.footer].into_iter().for_each(forget);
                }
            }
            Self::Program(_, program) => forget(&mut program.audio.title),
        }
    }

    /// Whether callers could get it with all its sounds.
    pub(super) fn is_ready(&self, hear: Hear<'_>) -> bool {
        self.sounds().into_iter().all(|audio| hear(audio) == Hearing::Ready)
    }

    /// Writes its rows, in place of those that it had.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), MirrorError> {
        match self {
            Self::Settings(settings) => write_settings(connection, settings),
            Self::Prompt(prompt) => write_prompt(connection, prompt),
            Self::Category(id, category) => write_category(connection, *id, category),
            Self::Program(id, program) => write_program(connection, *id, program),
            Self::Subscriber(id, subscriber) => write_subscriber(connection, *id, subscriber),
        }
    }
}

/// The rendition of a sound, if callers hear that instead. What is here already counts more than what is preferred, and a rendition more than
/// its original: so nothing is fetched twice, and what was chosen stays chosen, whatever comes and whatever the configuration says later.
fn rendition_instead(sound: &AudioRef, prefer: Prefer, hear: Hear<'_>) -> Option<AudioRef> {
    let rendition = sound.phone.as_ref()?.audio();
    let is_better = match (hear(&rendition), hear(sound)) {
        (Hearing::Ready, _) | (Hearing::Missing, Hearing::Never) => true,
        (Hearing::Missing, Hearing::Missing) => prefer == Prefer::Phone,
        (Hearing::Never, _) | (Hearing::Missing, Hearing::Ready) => false,
    };
    is_better.then_some(rendition)
}

/// The sounds that a value names, renditions too, if it is understood.
pub(crate) fn sounds_of(key: &EntityKey, value: &str) -> Option<Vec<AudioRef>> {
    let understood = Understood::read(key, value).ok()?;
    let both = |audio: &AudioRef| [Some(audio.clone()), audio.phone.as_ref().map(PhoneRendition::audio)];
    Some(understood.sounds().into_iter().flat_map(both).flatten().collect())
}

/// Of these sounds those by which callers hear it, or would; if it is understood.
pub(crate) fn heard_sounds_of(key: &EntityKey, value: &str, prefer: Prefer, hear: Hear<'_>) -> Option<Vec<AudioRef>> {
    let mut understood = Understood::read(key, value).ok()?;
    understood.settle(prefer, hear);
    Some(understood.sounds().into_iter().cloned().collect())
}

/// The tables that are derived from `shown`, each with the columns that order its rows.
pub(super) const DERIVED: &[(&str, &str)] = &[
    ("setting", "name"),
    ("language", "code"),
    ("menu_key", "context, action"),
    ("home", "position"),
    ("category", "id"),
    ("category_parent", "parent_id, position, category_id"),
    ("category_sound", "category_id, language"),
    ("program", "id"),
    ("program_category", "category_id, weight, created DESC, program_id"),
    ("prompt", "context, key, language"),
    ("subscriber", "id"),
    ("subscriber_number", "number, subscriber_id"),
];

/// Takes an entity's rows away.
pub(super) fn erase(connection: &Connection, key: &EntityKey) -> Result<(), MirrorError> {
    let statements: &[&str] = match key.kind() {
        Kind::Settings => {
            connection
                .execute_batch("DELETE FROM setting; DELETE FROM language; DELETE FROM menu_key; DELETE FROM home;")?;
            return Ok(());
        }
        Kind::Prompt => &["DELETE FROM prompt WHERE context || '/' || key || '@' || language = ?1"],
        Kind::Category => &[
            "DELETE FROM category WHERE id = CAST(?1 AS INTEGER)",
            "DELETE FROM category_parent WHERE category_id = CAST(?1 AS INTEGER)",
            "DELETE FROM category_sound WHERE category_id = CAST(?1 AS INTEGER)",
        ],
        Kind::Program => &[
            "DELETE FROM program WHERE id = CAST(?1 AS INTEGER)",
            "DELETE FROM program_category WHERE program_id = CAST(?1 AS INTEGER)",
        ],
        Kind::Subscriber => &[
            "DELETE FROM subscriber WHERE id = CAST(?1 AS INTEGER)",
            "DELETE FROM subscriber_number WHERE subscriber_id = CAST(?1 AS INTEGER)",
        ],
    };
    for statement in statements {
        connection.prepare_cached(statement)?.execute([key.id()])?;
    }
    Ok(())
}

fn write_settings(connection: &Connection, settings: &Settings) -> Result<(), MirrorError> {
    let mut set = connection.prepare_cached("INSERT INTO setting (name, value) VALUES (?1, ?2)")?;
    set.execute(["default_language", &settings.default_language])?;
    set.execute(["menu_page_size", &settings.menu_page_size.to_string()])?;
    let mut add = connection.prepare_cached("INSERT OR IGNORE INTO language (code, position) VALUES (?1, ?2)")?;
    // The default language can be called in even where the list leaves it out.
    for (position, code) in (0_i64..).zip(settings.languages.iter().chain([&settings.default_language])) {
        add.execute(params![code, position])?;
    }
    let mut add = connection.prepare_cached("INSERT INTO menu_key (context, action, key) VALUES (?1, ?2, ?3)")?;
    for (context, keys) in [("menu", &settings.keys.menu), ("playing", &settings.keys.playing)] {
        for (action, key) in keys {
            add.execute([context, action, key])?;
        }
    }
    let mut add = connection.prepare_cached("INSERT INTO home (position, category_id) VALUES (?1, ?2)")?;
    for (position, id) in (0_i64..).zip(settings.home_categories.iter().filter_map(|id| id.parse::<u32>().ok())) {
        add.execute(params![position, id])?;
    }
    Ok(())
}

fn write_prompt(connection: &Connection, prompt: &Prompt) -> Result<(), MirrorError> {
    let source = match prompt.source {
        audiospread_protocol::PromptSource::Site => "site",
        audiospread_protocol::PromptSource::Pack => "pack",
        audiospread_protocol::PromptSource::Default => "default",
    };
    connection
        .prepare_cached(
            "INSERT INTO prompt (context, key, language, source, sound, duration_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            prompt.context,
            prompt.key,
            prompt.language,
            source,
            stem(prompt.audio.sha256),
            milliseconds(&prompt.audio)
        ])?;
    Ok(())
}

fn write_category(connection: &Connection, id: u32, category: &Category) -> Result<(), MirrorError> {
    connection
        .prepare_cached("INSERT INTO category (id, name, description, position) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, category.name, category.description, category.position])?;
    let mut add = connection.prepare_cached(
        "INSERT OR IGNORE INTO category_parent (parent_id, position, category_id) VALUES (?1, ?2, ?3)",
    )?;
    if category.parents.is_empty() {
        add.execute(params![0, category.position, id])?;
    }
    for parent in category.parents.iter().filter_map(|parent| parent.parse::<u32>().ok()) {
        add.execute(params![parent, category.position, id])?;
    }
    let mut add = connection.prepare_cached(
        "INSERT INTO category_sound (category_id, language, title_sound, header_sound, footer_sound) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (language, sounds) in &category.audio {
        let [title, header, footer] =
            [&sounds.title, &sounds.header, &sounds.footer].map(|sound| sound.as_ref().map(|audio| stem(audio.sha256)));
        add.execute(params![id, language, title, header, footer])?;
    }
    Ok(())
}

fn write_program(connection: &Connection, id: u32, program: &Program) -> Result<(), MirrorError> {
    let set = program.translation_set.as_ref().and_then(|set| set.parse::<u32>().ok());
    let (created, changed) = (program.created_at.as_second(), program.changed_at.as_second());
    let title = program.audio.title.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO program (id, title, language, translation_set, weight, created, changed, title_sound, title_ms,
               body_sound, body_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            program.title,
            program.language,
            set,
            program.weight,
            created,
            changed,
            title.map(|audio| stem(audio.sha256)),
            title.map(milliseconds),
            stem(program.audio.body.sha256),
            milliseconds(&program.audio.body),
        ])?;
    let mut add = connection.prepare_cached(
        "INSERT OR IGNORE INTO program_category (category_id, weight, created, program_id, language, translation_set)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for category in program.categories.iter().filter_map(|category| category.parse::<u32>().ok()) {
        add.execute(params![category, program.weight, created, id, program.language, set])?;
    }
    Ok(())
}

fn write_subscriber(connection: &Connection, id: u32, subscriber: &Subscriber) -> Result<(), MirrorError> {
    let plan = match subscriber.plan {
        audiospread_protocol::Plan::Premium => "premium",
        audiospread_protocol::Plan::Standard => "standard",
    };
    connection
        .prepare_cached("INSERT INTO subscriber (id, plan, language, balance_seconds) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, plan, subscriber.language, subscriber.balance_seconds])?;
    let mut add =
        connection.prepare_cached("INSERT OR IGNORE INTO subscriber_number (number, subscriber_id) VALUES (?1, ?2)")?;
    for number in &subscriber.numbers {
        add.execute(params![number.as_str(), id])?;
    }
    Ok(())
}

fn milliseconds(audio: &AudioRef) -> i64 {
    i64::try_from(audio.duration_ms).unwrap_or(i64::MAX)
}
