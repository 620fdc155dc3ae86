//! Where CCK keeps the fields that mean something for the phone.
//!
//! Two tables decide, and they change while a site lives: a field that is added to a second type moves into a table of its own, and back
//! when it is taken away again. So the layout is read before and after every reading.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::error::ReadError;
use super::names::{Name, Table};
use super::notes::Notes;
use super::php;
use super::session::Session;
use super::values;
use crate::catalogue::codes;
use crate::config::{Content, Fields, Prefix};

/// What a node is for the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Program,
    Sound,
    Prompt,
    Subscriber,
}

/// What a field is for the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Meaning {
    Title,
    Body,
    Header,
    Footer,
    Prompt,
    PromptKey,
    Language,
    Weight,
    PhoneNumber,
    Plan,
    Balance,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holds {
    /// `nid`s of file nodes (`file_cck`).
    FileNodes,
    /// `fid`s (`filefield`).
    ManagedFiles,
    /// Themselves.
    Values,
}

/// A column with a mapped field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Column {
    pub(super) meaning: Meaning,
    pub(super) field: Name,
    pub(super) name: Name,
    pub(super) holds: Holds,
}

/// A table with mapped fields; its rows are keyed by `vid`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FieldTable {
    pub(super) table: Table,
    pub(super) columns: Vec<Column>,
    /// Whether it has several rows a revision, with `delta`.
    pub(super) is_multiple: bool,
    /// The places in [`Layout::types`] of the types whose nodes have their values there.
    pub(super) types: BTreeSet<usize>,
}

/// A content type that means something for the phone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ContentType {
    pub(super) name: Name,
    pub(super) role: Role,
}

/// The tables of modules that a site may be without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a table")]
pub(super) struct Modules {
    pub(super) file_nodes: bool,
    pub(super) file_attachments: bool,
    pub(super) files: bool,
    pub(super) upload: bool,
    pub(super) languages: bool,
}

/// Where everything is that may be elsewhere on another site, or tomorrow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    pub(super) types: Vec<ContentType>,
    pub(super) tables: Vec<FieldTable>,
    pub(super) modules: Modules,
}

/// How a field is kept, as `content_node_field` says.
struct Field {
    kind: String,
    is_multiple: bool,
    is_shared: bool,
    columns: Vec<String>,
}

impl Meaning {
    const ALL: [Self; 11] = [
        Self::Title,
        Self::Body,
        Self::Header,
        Self::Footer,
        Self::Prompt,
        Self::PromptKey,
        Self::Language,
        Self::Weight,
        Self::PhoneNumber,
        Self::Plan,
        Self::Balance,
    ];

    /// Its name in `content.fields`, and the configured field.
    fn configured(self, fields: &Fields) -> (&'static str, &str) {
        match self {
            Self::Title => ("title", &fields.title),
            Self::Body => ("body", &fields.body),
            Self::Header => ("header", &fields.header),
            Self::Footer => ("footer", &fields.footer),
            Self::Prompt => ("prompt", &fields.prompt),
            Self::PromptKey => ("prompt_key", &fields.prompt_key),
            Self::Language => ("language", &fields.language),
            Self::Weight => ("weight", &fields.weight),
            Self::PhoneNumber => ("phone_number", &fields.phone_number),
            Self::Plan => ("plan", &fields.plan),
            Self::Balance => ("balance", &fields.balance),
        }
    }

    const fn is_audio(self) -> bool {
        matches!(self, Self::Title | Self::Body | Self::Header | Self::Footer | Self::Prompt)
    }

    const fn is_of(self, role: Role) -> bool {
        match self {
            Self::Language => true,
            Self::Title => matches!(role, Role::Program | Role::Sound),
            Self::Body | Self::Weight => matches!(role, Role::Program),
            Self::Header | Self::Footer => matches!(role, Role::Sound),
            Self::Prompt | Self::PromptKey => matches!(role, Role::Prompt),
            Self::PhoneNumber | Self::Plan | Self::Balance => matches!(role, Role::Subscriber),
        }
    }
}

impl Layout {
    /// Reads the layout. With `looks`, every column is looked for in its table as well, so that what CCK says and the database has not
    /// becomes a finding.
    pub(super) async fn read(
        session: &mut Session<'_>,
        content: &Content,
        looks: bool,
        notes: &mut Notes,
    ) -> Result<Self, ReadError> {
        let types = content_types(content)?;
        let mut present = Present::default();
        for core in ["node", "vocabulary", "term_data", "term_hierarchy", "term_node", "variable"] {
            let table = session.table(core)?;
            if !present.has(session, &table).await? {
                return Err(ReadError::TableMissing { table: table.to_string() });
            }
        }
        let prefix = session.prefix();
        let mut has =
            async |session: &mut Session<'_>, name: &str| present.has(session, &Table::of(prefix, name)?).await;
        let modules = Modules {
            file_nodes: has(session, "file_nodes").await?,
            file_attachments: has(session, "file_attachments").await?,
            files: has(session, "files").await?,
            upload: has(session, "upload").await?,
            languages: has(session, "languages").await?,
        };
        let mut tables = Vec::new();
        if has(session, "content_node_field").await? && has(session, "content_node_field_instance").await? {
            let fields = read_fields(session).await?;
            let instances = read_instances(session).await?;
            for table in place(content, &types, &fields, &instances, prefix, notes)? {
                if present.has(session, &table.table).await? {
                    tables.push(table);
                } else {
                    notes.site(codes::TABLE_MISSING, format!(
                        "CCK says that {} is in the table {}, which does not exist or may not be read: its values are taken as empty. \
                         Restore the table, or give the gateway's account the right to SELECT on it.",
                        named(&table.columns), table.table
                    ));
                }
            }
            if looks {
                drop_missing_columns(session, &mut tables, notes).await?;
            }
        } else {
            notes
                .site(codes::TABLE_MISSING, "The site has no tables of CCK: only attachments are read, and no fields.");
        }
        let files = |holds| tables.iter().flat_map(|table| &table.columns).any(|column| column.holds == holds);
        for (is_needed, is_there, table) in [
            (files(Holds::FileNodes), modules.file_nodes, "file_nodes"),
            (files(Holds::ManagedFiles), modules.files, "files"),
        ] {
            if is_needed && !is_there {
                notes.site(codes::TABLE_MISSING, format!(
                    "The table {} does not exist or may not be read: no recording that a field points at can be found. \
                     Restore it, or give the gateway's account the right to SELECT on it.",
                    Table::of(prefix, table)?
                ));
            }
        }
        Ok(Self { types, tables, modules })
    }

    /// A number for this layout, the meaning that the configuration gives it, and the terms that there are.
    pub(super) fn fingerprint(&self, tids: impl Iterator<Item = u32>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        tids.collect::<BTreeSet<_>>().hash(&mut hasher);
        hasher.finish()
    }
}

fn content_types(content: &Content) -> Result<Vec<ContentType>, ReadError> {
    let single = [
        (&content.category_info_type, Role::Sound),
        (&content.prompt_type, Role::Prompt),
        (&content.subscriber_type, Role::Subscriber),
    ];
    let programs = content.program_types.iter().map(|name| (name, Role::Program));
    let mut types: Vec<ContentType> = Vec::new();
    for (name, role) in programs.chain(single).filter(|(name, _)| !name.is_empty()) {
        let name = Name::new(name)?;
        if types.iter().all(|known| known.name != name) {
            types.push(ContentType { name, role });
        }
    }
    Ok(types)
}

/// The tables that there are, in the databases that were asked for one of theirs: Drupal's prefixes may name others, of whose tables none is
/// read, and which the account may not even see.
#[derive(Default)]
struct Present(BTreeMap<Option<Name>, BTreeSet<String>>);

impl Present {
    /// Whether there is this table.
    async fn has(&mut self, session: &mut Session<'_>, table: &Table) -> Result<bool, ReadError> {
        if !self.0.contains_key(&table.database) {
            let from = table.database.as_ref().map_or(String::new(), |name| format!(" FROM {}", name.quoted()));
            let rows = session.rows(&format!("SHOW TABLES{from}")).await?;
            let names = rows.iter().filter_map(|row| Some(values::text(row.first()?)));
            // A server on a file system without upper case tells names in lower case.
            self.0.insert(table.database.clone(), names.map(|name| name.to_ascii_lowercase()).collect());
        }
        let name = table.name.as_str().to_ascii_lowercase();
        Ok(self.0.get(&table.database).is_some_and(|names| names.contains(&name)))
    }
}

async fn read_fields(session: &mut Session<'_>) -> Result<BTreeMap<String, Field>, ReadError> {
    let table = session.table("content_node_field")?.quoted();
    let rows = session.rows(&format!("SELECT field_name, type, multiple, db_storage, db_columns FROM {table}")).await?;
    let mut fields = BTreeMap::new();
    for row in rows {
        let [name, kind, multiple, storage, columns] = &row[..] else { continue };
        let columns = match php::Value::parse(columns) {
            Ok(php::Value::Map(columns)) => columns.into_iter().map(|(suffix, _)| suffix.into_text()).collect(),
            _ => Vec::new(),
        };
        let is = |cell: &[u8]| values::int(cell).unwrap_or(0) != 0;
        let kind = values::text(kind).into_owned();
        let field = Field { kind, is_multiple: is(multiple), is_shared: !is(storage), columns };
        fields.insert(values::text(name).into_owned(), field);
    }
    Ok(fields)
}

async fn read_instances(session: &mut Session<'_>) -> Result<BTreeSet<(String, String)>, ReadError> {
    let table = session.table("content_node_field_instance")?.quoted();
    let rows = session.rows(&format!("SELECT field_name, type_name FROM {table}")).await?;
    let text = |cell: &Vec<u8>| values::text(cell).into_owned();
    Ok(rows.iter().filter_map(|row| Some((text(row.first()?), text(row.get(1)?)))).collect())
}

/// Puts each mapped field into its table.
fn place(
    content: &Content,
    types: &[ContentType],
    fields: &BTreeMap<String, Field>,
    instances: &BTreeSet<(String, String)>,
    prefix: &Prefix,
    notes: &mut Notes,
) -> Result<Vec<FieldTable>, ReadError> {
    let mut tables: BTreeMap<Table, FieldTable> = BTreeMap::new();
    for meaning in Meaning::ALL {
        let (key, configured) = meaning.configured(&content.fields);
        if configured.is_empty() {
            continue;
        }
        let users: BTreeSet<usize> = (0..types.len())
            .filter(|place| {
                let kind = &types[*place];
                meaning.is_of(kind.role) && instances.contains(&(configured.to_owned(), kind.name.as_str().to_owned()))
            })
            .collect();
        let Some(field) = fields.get(configured).filter(|_| !users.is_empty()) else {
            notes.site(
                codes::FIELD_MISSING,
                format!(
                    "No content type of the phone has the field {configured:?}, which content.fields.{key} names. \
                 Add it in Drupal, or correct gateway.toml (\"\" if there is none)."
                ),
            );
            continue;
        };
        let Some(holds) = holds(meaning, &field.kind) else {
            notes.site(codes::FIELD_UNSUPPORTED, format!(
                "The field {configured} is of the type {}, which cannot be the {key}: recordings are in fields of the types file_cck and \
                 filefield, everything else in texts and numbers. Correct content.fields.{key} in gateway.toml.",
                field.kind
            ));
            continue;
        };
        // A filefield has more columns; which of them points at the file is its type's secret, and has always been this one.
        let suffix = if holds == Holds::ManagedFiles { Some("fid") } else { field.columns.first().map(String::as_str) };
        let name = suffix.and_then(|suffix| Name::new(&format!("{configured}_{suffix}")).ok());
        let (Some(name), Ok(field_name)) = (name, Name::new(configured)) else {
            notes.site(codes::FIELD_UNREADABLE, format!(
                "CCK's entry of the field {configured} in content_node_field cannot be read, and so its values are taken as empty. \
                 Save the field's settings in Drupal again."
            ));
            continue;
        };
        let column = Column { meaning, name, field: field_name, holds };
        if field.is_shared {
            add(&mut tables, Table::of(prefix, &format!("content_{configured}"))?, column, field.is_multiple, users);
        } else {
            for user in users {
                let table = Table::of(prefix, &format!("content_type_{}", types[user].name.as_str()))?;
                add(&mut tables, table, column.clone(), field.is_multiple, [user].into());
            }
        }
    }
    Ok(tables.into_values().collect())
}

fn add(
    tables: &mut BTreeMap<Table, FieldTable>,
    table: Table,
    column: Column,
    is_multiple: bool,
    users: BTreeSet<usize>,
) {
    let known = tables.entry(table.clone()).or_insert_with(|| FieldTable {
        table,
        columns: Vec::new(),
        is_multiple: false,
        types: BTreeSet::new(),
    });
    known.columns.push(column);
    known.is_multiple |= is_multiple;
    known.types.extend(users);
}

fn holds(meaning: Meaning, kind: &str) -> Option<Holds> {
    match (meaning.is_audio(), kind) {
        (true, "file_cck") => Some(Holds::FileNodes),
        (true, "filefield") => Some(Holds::ManagedFiles),
        (true, _) | (false, "file_cck" | "filefield" | "nodereference" | "userreference") => None,
        (false, _) => Some(Holds::Values),
    }
}

async fn drop_missing_columns(
    session: &mut Session<'_>,
    tables: &mut Vec<FieldTable>,
    notes: &mut Notes,
) -> Result<(), ReadError> {
    for table in &mut *tables {
        let present = session.columns(&table.table).await?;
        let has = |name: &str| present.iter().any(|column| column.eq_ignore_ascii_case(name));
        let (there, missing) =
            std::mem::take(&mut table.columns).into_iter().partition(|column| has(column.name.as_str()));
        table.columns = there;
        table.is_multiple &= has("delta");
        if !missing.is_empty() {
            notes.site(codes::TABLE_MISSING, format!(
                "CCK says that {} is in the table {}, which has no such column: its values are taken as empty. Restore the table.",
                named(&missing), table.table
            ));
        }
    }
    tables.retain(|table| !table.columns.is_empty());
    Ok(())
}

fn named(columns: &[Column]) -> String {
    columns.iter().map(|column| column.field.as_str()).collect::<Vec<_>>().join(", ")
}
