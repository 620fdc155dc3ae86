//! The sounds of a phone server's mirror by their names, read from the documented views as any other program reads them.

use std::collections::HashSet;
use std::fmt;

use audiospread_caller::Sound;
use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags};

/// What a sound is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// A prompt: context and key.
    Prompt(String),
    /// A category's title.
    Category(String),
    /// A category's header or footer.
    Beside(String),
    /// A program's title.
    Title(u32, String),
    /// A program.
    Program(u32, String),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt(name) => write!(f, "{name}"),
            Self::Category(name) => write!(f, "category \"{name}\""),
            Self::Beside(name) => write!(f, "category \"{name}\", its words before or after the menu"),
            Self::Title(id, title) => write!(f, "program {id} \"{title}\", its title"),
            Self::Program(id, title) => write!(f, "program {id} \"{title}\" plays"),
        }
    }
}

/// A sound and what it is.
pub(crate) struct Entry {
    pub(crate) named: Named,
    pub(crate) sound: Sound,
}

/// All sounds of one language.
pub(crate) struct Library {
    pub(crate) entries: Vec<Entry>,
}

/// Why the mirror cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    #[error("cannot read the mirror in {0}: {1}")]
    Mirror(Utf8PathBuf, rusqlite::Error),
    #[error("no sound of the mirror in {0} can be read: pull first")]
    Empty(Utf8PathBuf),
}

/// What a row's number and name make of its sound.
type Naming = fn(u32, String) -> Named;

const QUERIES: [(&str, Naming); 5] = [
    (
        "SELECT 0, context || '/' || key, sound FROM phone_prompt WHERE language = ?1",
        |_, name| Named::Prompt(name),
    ),
    (
        "SELECT id, name, title_sound FROM phone_category JOIN phone_category_sound ON category_id = id WHERE language = ?1",
        |_, name| Named::Category(name),
    ),
    (
        "SELECT id, name, header_sound FROM phone_category JOIN phone_category_sound ON category_id = id WHERE language = ?1
         UNION ALL
         SELECT id, name, footer_sound FROM phone_category JOIN phone_category_sound ON category_id = id WHERE language = ?1",
        |_, name| Named::Beside(name),
    ),
    ("SELECT id, title, title_sound FROM phone_program WHERE ?1 <> ''", Named::Title),
    ("SELECT id, title, body_sound FROM phone_program WHERE ?1 <> ''", Named::Program),
];

impl Library {
    /// Reads all sounds that callers of a language may hear; those that two things have in common once.
    pub(crate) fn read(data: &Utf8Path, language: &str) -> Result<Self, LibraryError> {
        let wrong = |error| LibraryError::Mirror(data.to_owned(), error);
        let mirror =
            Connection::open_with_flags(data.join("mirror.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(wrong)?;
        let audio: String =
            mirror.query_row("SELECT audio_dir FROM phone_mirror", [], |row| row.get(0)).map_err(wrong)?;
        let (mut entries, mut known) = (Vec::new(), HashSet::new());
        for (query, named) in QUERIES {
            let mut statement = mirror.prepare(query).map_err(wrong)?;
            let rows = statement
                .query_map([language], |row| {
                    Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
                })
                .map_err(wrong)?;
            for row in rows {
                let (id, name, sound) = row.map_err(wrong)?;
                let Some(path) = sound.filter(|sound| known.insert(sound.clone())) else { continue };
                // A sound that is damaged is not heard either.
                if let Some(sound) = read(&Utf8PathBuf::from(&audio).join(path)) {
                    entries.push(Entry { named: named(id, name.unwrap_or_default()), sound });
                }
            }
        }
        if entries.is_empty() {
            return Err(LibraryError::Empty(data.to_owned()));
        }
        Ok(Self { entries })
    }

    /// The sounds of some kind.
    pub(crate) fn sounds(&self, is: impl Fn(&Named) -> bool) -> Vec<&Sound> {
        self.entries.iter().filter(|entry| is(&entry.named)).map(|entry| &entry.sound).collect()
    }
}

/// A sound by its path without extension, as Asterisk wants it.
fn read(stem: &Utf8Path) -> Option<Sound> {
    let files = stem.parent()?.read_dir_utf8().ok()?;
    let paths = files.flatten().map(camino::Utf8DirEntry::into_path);
    let mut named = paths.filter(|path| path.file_stem() == stem.file_name());
    named.find_map(|path| Sound::read(&path).ok())
}
