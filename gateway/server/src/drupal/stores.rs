//! Where Drupal keeps bytes, as its variables and bitcache's table say; and bytes that are in the database itself.

use super::error::ReadError;
use super::frame::Variables;
use super::names::Table;
use super::notes::Notes;
use super::php;
use super::reader::Reader;
use super::session::Session;
use super::storage::{Adapter, Repository, Storage, directory_of};
use super::values;

/// The files directory where neither `settings.php` nor the variable names one.
const DEFAULT_FILES_DIRECTORY: &str = "sites/default/files";

impl Reader {
    /// Reads where Drupal keeps its files.
    ///
    /// Drupal asks all repositories whether `enabled` or not, and one without its table or directory has nothing.
    ///
    /// # Errors
    /// [`ReadError`] if the database does not answer, refuses, or is not a Drupal site's.
    pub async fn read_storage(&self) -> Result<Storage, ReadError> {
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let names = ["file_directory_path", "bitcache_depth", "bitcache_width"];
        let variables = Variables::read(&mut session, &names, &mut Notes::default()).await?;
        let variable = variables.get("file_directory_path").and_then(php::Value::text).filter(|path| !path.is_empty());
        // As Drupal does it: `settings.php`, which only the configuration can repeat here, beats the variable.
        let configured = self.drupal.files_directory.clone();
        let files_directory =
            configured.or_else(|| variable.map(Into::into)).unwrap_or_else(|| DEFAULT_FILES_DIRECTORY.into());
        let count = |name| variables.get(name).and_then(php::Value::count).unwrap_or(0);
        let mut storage = Storage {
            root: self.drupal.root.clone(),
            files_directory,
            repositories: Vec::new(),
            depth: count("bitcache_depth"),
            width: count("bitcache_width"),
        };
        storage.repositories = repositories(&mut session, &storage).await?;
        session.close();
        Ok(storage)
    }

    /// The size of a blob in the table of an `sql` repository, in bytes; `None` if it is not there.
    ///
    /// # Errors
    /// [`ReadError`] as ever.
    pub async fn sql_blob_size(&self, table: &str, sha1: &[u8; 20]) -> Result<Option<u64>, ReadError> {
        let statement = format!("SELECT LENGTH(data) FROM {} WHERE id = ?", Table::parse(table)?.quoted());
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let rows = session.rows_with(statement, (hex::encode(sha1),)).await?;
        session.close();
        Ok(rows.first().and_then(|row| values::int(row.first()?)).and_then(|size| u64::try_from(size).ok()))
    }

    /// At most `length` bytes of a blob in the table of an `sql` repository, from `offset` on; none behind its end, or if it is gone.
    ///
    /// # Errors
    /// [`ReadError`] as ever.
    pub async fn sql_blob_piece(
        &self,
        table: &str,
        sha1: &[u8; 20],
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let statement = format!("SELECT SUBSTRING(data, ?, ?) FROM {} WHERE id = ?", Table::parse(table)?.quoted());
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let mut rows = session.rows_with(statement, (offset.saturating_add(1), length, hex::encode(sha1))).await?;
        session.close();
        Ok(rows.pop().and_then(|mut row| row.pop()).unwrap_or_default())
    }
}

async fn repositories(session: &mut Session<'_>, storage: &Storage) -> Result<Vec<Repository>, ReadError> {
    let table = session.table("bitcache_repositories")?;
    if !session.has_table(&table).await? {
        return Ok(Vec::new());
    }
    let statement = format!("SELECT name, adapter, options FROM {} ORDER BY weight, name", table.quoted());
    let mut repositories = Vec::new();
    for row in session.rows(&statement).await? {
        let [name, adapter, options] = &row[..] else { continue };
        let name = values::text(name).into_owned();
        let adapter = match adapter.as_slice() {
            b"file" => {
                let options = php::Value::parse(options).ok();
                let location =
                    options.and_then(|options| options.get("location")?.text()).filter(|location| !location.is_empty());
                location.map(|location| Adapter::File {
                    directory: directory_of(&location, &storage.root, &storage.files_directory),
                })
            }
            b"sql" => {
                let table =
                    if name == "bitcache" { "bitcache_data".to_owned() } else { format!("bitcache_data_{name}") };
                match session.table(&table) {
                    Ok(table) if session.has_table(&table).await? => Some(Adapter::Sql { table: table.to_string() }),
                    _ => None,
                }
            }
            _ => None,
        };
        repositories.extend(adapter.map(|adapter| Repository { name, adapter }));
    }
    Ok(repositories)
}
