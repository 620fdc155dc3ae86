//! The phone's menu tree as a caller of a language gets it, read through the same views as the phone menus.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::Config;
use crate::mirror::{Mirror, MirrorError};
use crate::shared::DataDir;

/// No tree of a site is deeper; a circle of categories ends here.
const MAX_DEPTH: u32 = 16;

/// The menu tree.
#[derive(Clone, Debug, Serialize)]
pub struct Menu {
    /// The language of the call.
    pub language: String,
    /// The home menu.
    pub home: Vec<MenuCategory>,
}

/// A category in a menu.
#[derive(Clone, Debug, Serialize)]
pub struct MenuCategory {
    /// The term's `tid`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it has a spoken title that this caller hears.
    pub has_title_sound: bool,
    /// The categories in it.
    pub categories: Vec<MenuCategory>,
    /// The programs in it.
    pub programs: Vec<MenuProgram>,
}

/// A program in a menu.
#[derive(Clone, Debug, Serialize)]
pub struct MenuProgram {
    /// The node's `nid`: its code on the phone.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// Its language.
    pub language: String,
    /// Whether its title is spoken.
    pub has_title_sound: bool,
    /// The body's length in milliseconds.
    pub duration_ms: i64,
}

/// The menu tree for a language; for the site's default language where none is given.
///
/// # Errors
/// If there is no mirror, it cannot be read, or the site does not have the language.
pub fn menu(config: &Config, language: Option<&str>) -> Result<Menu, MirrorError> {
    let mut mirror = Mirror::open_to_read(&DataDir::existing(&config.data_dir))?;
    let state = mirror.state()?;
    let connection = state.connection();
    let language = match language {
        Some(language) => language.to_owned(),
        None => connection
            .query_row("SELECT value FROM phone_setting WHERE name = 'default_language'", [], |row| row.get(0))
            .optional()?
            .ok_or_else(|| {
                MirrorError::NotThere("the site's settings have not come yet: run `audiospread pull`".into())
            })?,
    };
    let languages: Vec<String> =
        rows(connection, "SELECT code FROM phone_language ORDER BY position", [], |row| row.get(0))?;
    if !languages.contains(&language) {
        return Err(MirrorError::NotThere(format!(
            "the site has no menus in {language}, only in {}",
            languages.join(", ")
        )));
    }
    let home = rows(connection, "SELECT category_id, name FROM phone_home ORDER BY position", [], id_and_name)?;
    let home = home
        .into_iter()
        .map(|(id, name)| category(connection, &language, id, name, 1))
        .collect::<Result<_, MirrorError>>()?;
    Ok(Menu { language, home })
}

fn category(
    connection: &Connection,
    language: &str,
    id: i64,
    name: String,
    depth: u32,
) -> Result<MenuCategory, MirrorError> {
    let below = if depth < MAX_DEPTH {
        let query = "SELECT category_id, name FROM phone_subcategory WHERE parent_id = ?1 ORDER BY position";
        rows(connection, query, [id], id_and_name)?
    } else {
        Vec::new()
    };
    let title: Option<Option<String>> = connection
        .prepare_cached("SELECT title_sound FROM phone_category_sound WHERE category_id = ?1 AND language = ?2")?
        .query_row(params![id, language], |row| row.get(0))
        .optional()?;
    Ok(MenuCategory {
        id,
        name,
        has_title_sound: title.flatten().is_some(),
        categories: below
            .into_iter()
            .map(|(id, name)| category(connection, language, id, name, depth + 1))
            .collect::<Result<_, _>>()?,
        programs: rows(
            connection,
            "SELECT program_id, title, program_language, title_sound IS NOT NULL, body_ms FROM phone_category_program
             WHERE category_id = ?1 AND language = ?2 ORDER BY weight, created DESC, program_id",
            params![id, language],
            |row| {
                Ok(MenuProgram {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    language: row.get(2)?,
                    has_title_sound: row.get(3)?,
                    duration_ms: row.get(4)?,
                })
            },
        )?,
    })
}

fn rows<T>(
    connection: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, MirrorError> {
    Ok(connection.prepare_cached(query)?.query_map(parameters, read)?.collect::<Result<_, _>>()?)
}

fn id_and_name(row: &Row<'_>) -> Result<(i64, String), rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?))
}
