//! What holds for the whole site and is small: variables, languages, the phone's vocabulary.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::ReadError;
use super::marks::Marks;
use super::notes::Notes;
use super::php;
use super::scan::{Key, Keys, Scan};
use super::session::Session;
use super::values;
use crate::catalogue::codes;
use crate::catalogue::site::{Languages, Term, Tid};

/// Named rows of `variable`, unserialised.
pub(super) struct Variables(HashMap<String, php::Value>);

impl Variables {
    /// Reads the variables of these names; one that cannot be read is a finding, and taken as absent.
    pub(super) async fn read(session: &mut Session<'_>, names: &[&str], notes: &mut Notes) -> Result<Self, ReadError> {
        let list = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let table = session.table("variable")?.quoted();
        let rows = session.rows(&format!("SELECT name, value FROM {table} WHERE name IN ({list})")).await?;
        let mut variables = HashMap::new();
        for row in rows {
            let [name, value] = &row[..] else { continue };
            let name = values::text(name).into_owned();
            match php::Value::parse(value) {
                Ok(value) => {
                    variables.insert(name, value);
                }
                Err(error) => notes.site(codes::VARIABLE_UNREADABLE, format!(
                    "Drupal's variable {name} cannot be read ({error}), and its default is taken. Save the settings that it belongs to again."
                )),
            }
        }
        Ok(Self(variables))
    }

    /// The variable of a name.
    pub(super) fn get(&self, name: &str) -> Option<&php::Value> {
        self.0.get(name)
    }

    /// `audiospread_settings` as JSON; `Null` where it is absent.
    pub(super) fn settings(&self) -> serde_json::Value {
        match self.get("audiospread_settings").cloned().map(php::Value::into_json) {
            // PHP does not tell an empty map from an empty list.
            Some(serde_json::Value::Array(empty)) if empty.is_empty() => serde_json::json!({}),
            Some(settings) => settings,
            None => serde_json::Value::Null,
        }
    }
}

/// The seconds since 1970 by the database's clock.
pub(super) async fn now(session: &mut Session<'_>) -> Result<i64, ReadError> {
    let rows = session.rows("SELECT UNIX_TIMESTAMP()").await?;
    Ok(rows.first().and_then(|row| values::int(row.first()?)).unwrap_or(0))
}

/// The site's languages.
pub(super) async fn languages(
    session: &mut Session<'_>,
    has_table: bool,
    variables: &Variables,
    known: &mut values::Languages,
) -> Result<Languages, ReadError> {
    let default = variables.get("language_default").and_then(|language| language.get("language")?.text());
    let default = default.and_then(|code| known.named(code.as_bytes())).unwrap_or_else(|| Languages::default().default);
    let mut enabled = Vec::new();
    if has_table {
        let table = session.table("languages")?.quoted();
        let rows =
            session.rows(&format!("SELECT language FROM {table} WHERE enabled = 1 ORDER BY weight, name")).await?;
        enabled = rows.iter().filter_map(|row| known.named(row.first()?)).collect();
    }
    if enabled.is_empty() {
        enabled.push(default.clone());
    }
    Ok(Languages { default, enabled })
}

/// The terms of the phone's vocabulary, which the configuration gives by name or by `vid`.
pub(super) async fn terms(
    session: &mut Session<'_>,
    wanted: &str,
    notes: &mut Notes,
) -> Result<HashMap<Tid, Term>, ReadError> {
    let vocabulary = vocabulary(session, wanted, notes).await?;
    let table = session.table("term_data")?.quoted();
    let statement =
        format!("SELECT tid, name, description FROM {table} WHERE vid = {vocabulary} ORDER BY weight, name, tid");
    let mut terms = HashMap::new();
    for row in session.rows(&statement).await? {
        let [tid, name, description] = &row[..] else { continue };
        let Some(tid) = values::id(tid) else { continue };
        let (name, description) = (values::text(name), values::text(description));
        if matches!((&name, &description), (Cow::Owned(_), _) | (_, Cow::Owned(_))) {
            notes.bad_term(tid);
        }
        let rank = u32::try_from(terms.len()).unwrap_or(u32::MAX);
        terms.insert(tid, Term { name: name.into(), description: description.into(), rank, parents: Vec::new() });
    }
    let hierarchy = Scan::new(session.table("term_hierarchy")?, Key::Tid, &["parent"]);
    session
        .scan(&hierarchy, Keys::All(&mut Marks::default()), |tid, rows| {
            if let Some(term) = terms.get_mut(&tid) {
                term.parents.extend(rows.iter().filter_map(|row| values::id(row[1])));
                term.parents.sort_unstable();
                term.parents.dedup();
            }
        })
        .await?;
    Ok(terms)
}

async fn vocabulary(session: &mut Session<'_>, wanted: &str, notes: &mut Notes) -> Result<u32, ReadError> {
    let table = session.table("vocabulary")?.quoted();
    let rows = session.rows(&format!("SELECT vid, name FROM {table} ORDER BY vid")).await?;
    let found: Vec<(u32, String)> = rows
        .into_iter()
        .filter_map(|row| Some((values::id(row.first()?)?, values::text(row.get(1)?).into_owned())))
        .collect();
    let named: Vec<u32> = found.iter().filter(|(_, name)| name == wanted).map(|(vid, _)| *vid).collect();
    if let [first, _, ..] = named[..] {
        notes.site(
            codes::VOCABULARY_AMBIGUOUS,
            format!(
                "Several vocabularies are called {wanted:?}; the one with the vid {first} is taken. \
             Set content.vocabulary in gateway.toml to the vid of the phone's."
            ),
        );
    }
    let by_vid = || wanted.parse().ok().filter(|wanted| found.iter().any(|(vid, _)| vid == wanted));
    named.first().copied().or_else(by_vid).ok_or_else(|| ReadError::VocabularyMissing {
        wanted: wanted.into(),
        found: if found.is_empty() {
            "it has none".into()
        } else {
            found.iter().map(|(vid, name)| format!("{name:?} ({vid})")).collect::<Vec<_>>().join(", ")
        },
    })
}
