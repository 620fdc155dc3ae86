//! The text messages that follow from what callers get: written anew in one transaction, whenever that changed.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::position::{get, set};
use super::{Mirror, MirrorError};
use crate::text_message::{Entry, KEYS, Site, Texts, examples, folded, keywords, parts};

/// How the messages are made: with another way, all are made anew.
const MAKER: &str = "2";

/// So many programs of a category, and of those below it, are looked at: more do not fit into its messages.
const MOST_ENTRIES: usize = 200;

impl Mirror {
    /// Derives the text messages, if what callers get, or the texts, are not what they were derived from.
    pub(crate) fn derive_messages(&mut self, texts: &Texts) -> Result<(), MirrorError> {
        let content = get(&self.connection, "content")?.unwrap_or_default();
        let derived_from = format!("{content} {MAKER} {}", texts.digest());
        if get(&self.connection, "messages_of")?.as_deref() == Some(&derived_from) {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch("DELETE FROM sms_keyword; DELETE FROM sms_part; DELETE FROM sms_text;")?;
        write_keywords(&transaction)?;
        write_parts(&transaction)?;
        write_texts(&transaction, texts)?;
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
    let below = Below::read(connection)?;
    for language in strings(connection, "SELECT code FROM language")? {
        let lists = lists(connection, &language)?;
        for id in lists.keys() {
            for (number, text) in (1_i64..).zip(parts(&below.entries(*id, &lists))) {
                add.execute(params![id, language, number, text])?;
            }
        }
    }
    Ok(())
}

/// The programs of each category, in the order of its menu in a language.
type Lists = HashMap<i64, Vec<Entry>>;

fn lists(connection: &Connection, language: &str) -> Result<Lists, MirrorError> {
    let mut list = connection.prepare(
        "SELECT program_id, title FROM phone_category_program WHERE category_id = ?1 AND language = ?2
         ORDER BY weight, created DESC, program_id LIMIT ?3",
    )?;
    let most = i64::try_from(MOST_ENTRIES).unwrap_or(i64::MAX);
    let mut categories = connection.prepare("SELECT id FROM category")?;
    let mut rows = categories.query([])?;
    let mut lists = Lists::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let entry = |row: &rusqlite::Row<'_>| Ok(Entry { code: row.get(0)?, title: row.get(1)? });
        let entries = list.query_map(params![id, language, most], entry)?.collect::<Result<_, _>>()?;
        lists.insert(id, entries);
    }
    Ok(lists)
}

/// The sub-categories of each category, in the order of its menu.
struct Below(HashMap<i64, Vec<i64>>);

/// What is still to be looked at on a walk through the menus.
enum Ahead {
    Category(i64),
    ProgramsOf(i64),
}

impl Below {
    fn read(connection: &Connection) -> Result<Self, MirrorError> {
        let query = "SELECT parent_id, category_id FROM phone_subcategory ORDER BY parent_id, position, category_id";
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut below: HashMap<i64, Vec<i64>> = HashMap::new();
        while let Some(row) = rows.next()? {
            below.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(Self(below))
    }

    /// The programs that somebody meets who goes through a category's menu and all below it: sub-categories come before programs there. Each
    /// category and each program counts once, however many ways lead to it, round in circles too.
    fn entries(&self, category: i64, lists: &Lists) -> Vec<Entry> {
        let (mut met, mut listed, mut entries) = (HashSet::new(), HashSet::new(), Vec::new());
        let mut ahead = vec![Ahead::Category(category)];
        while let Some(next) = ahead.pop() {
            match next {
                Ahead::Category(id) if met.insert(id) => {
                    ahead.push(Ahead::ProgramsOf(id));
                    let below = self.0.get(&id).into_iter().flatten();
                    ahead.extend(below.rev().map(|id| Ahead::Category(*id)));
                }
                Ahead::Category(_) => {}
                Ahead::ProgramsOf(id) => {
                    let programs = lists.get(&id).into_iter().flatten();
                    entries.extend(programs.filter(|entry| listed.insert(entry.code)).cloned());
                    if entries.len() >= MOST_ENTRIES {
                        break;
                    }
                }
            }
        }
        entries
    }
}

fn write_texts(connection: &Connection, texts: &Texts) -> Result<(), MirrorError> {
    let one = |query| connection.query_row(query, [], |row| row.get::<_, String>(0)).optional();
    let default_language = one("SELECT value FROM setting WHERE name = 'default_language'")?.unwrap_or_default();
    let code_key = one("SELECT key FROM phone_key WHERE context = 'menu' AND action = 'code'")?;
    let code_key = code_key.as_deref().unwrap_or("#");
    let mut add = connection.prepare("INSERT INTO sms_text (key, language, text) VALUES (?1, ?2, ?3)")?;
    for language in strings(connection, "SELECT code FROM language")? {
        let categories = words_of_home(connection, &language)?;
        let site = Site { default_language: &default_language, code_key, categories: &categories };
        for key in KEYS {
            add.execute(params![key, language, texts.text(key, &language, &site)])?;
        }
    }
    Ok(())
}

/// The words for the categories of the home menu that a message in this language answers by a list.
fn words_of_home(connection: &Connection, language: &str) -> Result<Vec<String>, MirrorError> {
    let mut statement = connection.prepare(
        "SELECT category_id, name FROM phone_home h
         WHERE EXISTS (SELECT 1 FROM sms_part p WHERE p.category_id = h.category_id AND p.language = ?1)
         ORDER BY position",
    )?;
    // Another category of this name may have the word.
    let mut owner =
        connection.prepare("SELECT EXISTS (SELECT 1 FROM sms_keyword WHERE keyword = ?1 AND category_id = ?2)")?;
    let mut rows = statement.query([language])?;
    let mut words = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        for word in examples(&name) {
            if owner.query_row(params![folded(&word), id], |row| row.get(0))? {
                words.push(word);
            }
        }
    }
    Ok(words)
}

fn strings(connection: &Connection, query: &str) -> Result<Vec<String>, MirrorError> {
    Ok(connection.prepare(query)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
