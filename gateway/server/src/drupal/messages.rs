//! Where Drupal keeps the sounds of phone messages: by what module each of their fields is made, and where that module puts bytes.

use super::error::ReadError;
use super::frame::Variables;
use super::notes::Notes;
use super::php;
use super::reader::Reader;
use super::session::Session;
use super::storage::Storage;
use super::values;

/// The content type of what callers leave, by the contract with Drupal's module.
const MESSAGE_TYPE: &str = "phone_message";
/// fileframework's repository where its variable is absent.
const DEFAULT_REPOSITORY: &str = "file";

/// What a field for sounds is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundField {
    /// `file_cck`: file nodes of fileframework, whose bytes bitcache has.
    FileNode,
    /// `filefield`: rows of `files`, whose bytes are in the files directory.
    File,
}

/// Where Drupal keeps the sounds of phone messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageStorage {
    /// Where Drupal keeps bytes at all.
    pub storage: Storage,
    /// The name of the repository that fileframework writes to.
    pub repository: String,
    /// The field of the spoken title; absent where messages have none for sounds.
    pub title: Option<SoundField>,
    /// The field of the message itself.
    pub body: Option<SoundField>,
}

impl Reader {
    /// Reads where Drupal keeps the sounds of phone messages.
    ///
    /// # Errors
    /// [`ReadError`] as ever.
    pub async fn read_message_storage(&self) -> Result<MessageStorage, ReadError> {
        let storage = self.read_storage().await?;
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let variables = Variables::read(&mut session, &["file_bitcache_repository"], &mut Notes::default()).await?;
        let repository = variables.get("file_bitcache_repository").and_then(php::Value::text);
        let fields = fields(&mut session).await?;
        session.close();
        let of = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).and_then(|(_, field)| *field);
        Ok(MessageStorage {
            storage,
            repository: repository.unwrap_or_else(|| DEFAULT_REPOSITORY.to_owned()),
            title: of(&self.content.fields.title),
            body: of(&self.content.fields.body),
        })
    }
}

/// The fields of phone messages, by name.
async fn fields(session: &mut Session<'_>) -> Result<Vec<(String, Option<SoundField>)>, ReadError> {
    let (field, instance) = (session.table("content_node_field")?, session.table("content_node_field_instance")?);
    let statement = format!(
        "SELECT f.field_name, f.type FROM {} f INNER JOIN {} i ON i.field_name = f.field_name WHERE i.type_name = '{MESSAGE_TYPE}'",
        field.quoted(),
        instance.quoted()
    );
    let rows = match session.rows(&statement).await {
        Err(error) if error.is_missing_table() => Vec::new(),
        rows => rows?,
    };
    let fields = rows.iter().filter_map(|row| {
        let [name, kind] = &row[..] else { return None };
        let kind = match kind.as_slice() {
            b"file_cck" => Some(SoundField::FileNode),
            b"filefield" => Some(SoundField::File),
            _ => None,
        };
        Some((values::text(name).into_owned(), kind))
    });
    Ok(fields.collect())
}
