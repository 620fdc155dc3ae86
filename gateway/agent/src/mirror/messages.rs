//! The text messages that follow from what callers get: written anew in one transaction, whenever that changed.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::position::{get, set};
use super::{Mirror, MirrorError};
use crate::text_message::{Entry, KEYS, keywords, parts, text};

/// How the messages are made: with another way, all are made anew.
const MAKER: &str = "1";

/// So many programs of a category are looked at: more do not fit into its messages.
const MOST_ENTRIES: i64 = 200;

impl Mirror {
    /// Derives the text messages, if what callers get is not what they were derived from.
    pub(crate) fn derive_messages(&mut self) -> Result<(), MirrorError> {
        let content = get(&self.connection, "content")?.unwrap_or_default();
        let derived_from = format!("{content} {MAKER}");
        if get(&self.connection, "messages_of")?.as_deref() == Some(&derived_from) {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch("DELETE FROM sms_keyword; DELETE FROM sms_part; DELETE FROM sms_text;")?;
        write_keywords(&transaction)?;
        write_parts(&transaction)?;
        write_texts(&transaction)?;
        set(&transaction, "messages_of", &derived_from)?;
        Ok(transaction.commit()?)
    }
}

/// Of two categories with the same word, the one that a menu says first has it.
fn write_keywords(connection: &Connection) -> Result<(), MirrorError> {
    let mut add = connection.prepare("INSERT OR IGNORE INTO sms_keyword (keyword, category_id) VALUES (?1, ?2)")?;
    let mut statement = connection.prepare("SELECT id, name FROM category ORDER BY position, id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        for word in keywords(&name) {
            add.execute(params![word, id])?;
        }
    }
    Ok(())
}

fn write_parts(connection: &Connection) -> Result<(), MirrorError> {
    let mut add =
        connection.prepare("INSERT INTO sms_part (category_id, language, part, text) VALUES (?1, ?2, ?3, ?4)")?;
    let mut list = connection.prepare(
        "SELECT program_id, title FROM phone_category_program WHERE category_id = ?1 AND language = ?2
         ORDER BY weight, created DESC, program_id LIMIT ?3",
    )?;
    let mut pairs = connection.prepare("SELECT c.id, l.code FROM category c CROSS JOIN language l")?;
    let mut rows = pairs.query([])?;
    while let Some(row) = rows.next()? {
        let (id, language): (i64, String) = (row.get(0)?, row.get(1)?);
        let entries = list
            .query_map(params![id, language, MOST_ENTRIES], |row| Ok(Entry { code: row.get(0)?, title: row.get(1)? }))?
            .collect::<Result<Vec<_>, _>>()?;
        for (number, text) in (1_i64..).zip(parts(&entries)) {
            add.execute(params![id, language, number, text])?;
        }
    }
    Ok(())
}

fn write_texts(connection: &Connection) -> Result<(), MirrorError> {
    let default: Option<String> = connection
        .query_row("SELECT value FROM setting WHERE name = 'default_language'", [], |row| row.get(0))
        .optional()?;
    let default = default.unwrap_or_default();
    let mut add = connection.prepare("INSERT INTO sms_text (key, language, text) VALUES (?1, ?2, ?3)")?;
    let mut languages = connection.prepare("SELECT code FROM language")?;
    let mut rows = languages.query([])?;
    while let Some(row) = rows.next()? {
        let language: String = row.get(0)?;
        for key in KEYS {
            add.execute(params![key, language, text(key, &language, &default)])?;
        }
    }
    Ok(())
}
