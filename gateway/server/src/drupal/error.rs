//! Why Drupal's database could not be read, and what to do.

use super::names::NameError;
use crate::config::ConfigError;

/// Why Drupal's database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The configuration does not say how to connect.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No pool of connections can be made.
    #[error("no connections to Drupal's database can be prepared: {0}")]
    Pool(#[from] deadpool::managed::BuildError),
    /// No connection.
    #[error("Drupal's database does not answer ({0}): see that it runs, and that drupal.url in gateway.toml names it")]
    Away(String),
    /// The account is refused, or may not read.
    #[error(
        "Drupal's database refuses the gateway's account ({0}): give the account of drupal.url the right to SELECT on all tables of Drupal, \
         and see that its password is the one in drupal.password_file"
    )]
    Refused(String),
    /// A table is missing that every Drupal 6 site has.
    #[error(
        "Drupal's table {table} is not in the database: see that drupal.url names Drupal's database and drupal.prefix its $db_prefix"
    )]
    TableMissing {
        /// The table's name, prefix included.
        table: String,
    },
    /// The phone's vocabulary is missing; without it every category would look deleted.
    #[error(
        "the site has no vocabulary {wanted:?}: set content.vocabulary in gateway.toml to the name or vid of the phone's ({found})"
    )]
    VocabularyMissing {
        /// What the configuration names.
        wanted: String,
        /// The vocabularies that there are.
        found: String,
    },
    /// A name is none that may stand in a statement.
    #[error(transparent)]
    Name(#[from] NameError),
    /// CCK's tables changed under every one of several readings.
    #[error("Drupal's tables changed while they were read, several times in a row: the next refresh tries again")]
    Unsettled,
    /// A statement took too long.
    #[error(
        "Drupal's database did not answer a short question within {0} seconds: a lock or a load stands in its way; the next refresh tries again"
    )]
    Slow(u64),
    /// The database said something else.
    #[error("Drupal's database said: {0}")]
    Database(#[source] mysql_async::Error),
}

/// Errors of MySQL's that say that a table or column is not what it was a moment ago.
const UNKNOWN_COLUMN: u16 = 1054;
const NO_SUCH_TABLE: u16 = 1146;
const TABLE_DEFINITION_CHANGED: u16 = 1412;
/// The table was rebuilt and a prepared statement could not be prepared anew.
const NEEDS_REPREPARE: u16 = 1615;

impl ReadError {
    /// Whether the tables may have changed under the reading, so that a new one may succeed.
    pub(super) fn may_be_a_changed_table(&self) -> bool {
        matches!(
            self,
            Self::Database(mysql_async::Error::Server(error))
                if matches!(error.code, UNKNOWN_COLUMN | NO_SUCH_TABLE | TABLE_DEFINITION_CHANGED | NEEDS_REPREPARE)
        )
    }

    /// The same, once it is clear that the table does not come back.
    pub(super) fn of_a_table_that_stays_missing(self) -> Self {
        match &self {
            Self::Database(mysql_async::Error::Server(error)) if error.code == NO_SUCH_TABLE => {
                Self::TableMissing { table: error.message.split('\'').nth(1).unwrap_or("").to_owned() }
            }
            _ => self,
        }
    }

    /// Whether texts were to be joined whose columns have collations that do not go together.
    pub(super) fn is_of_mixed_collations(&self) -> bool {
        matches!(self, Self::Database(mysql_async::Error::Server(error)) if matches!(error.code, 1267 | 1270 | 1271))
    }

    /// Whether a table that was asked for does not exist.
    pub(super) fn is_missing_table(&self) -> bool {
        matches!(self, Self::Database(mysql_async::Error::Server(error)) if error.code == NO_SUCH_TABLE)
    }
}

impl From<mysql_async::Error> for ReadError {
    fn from(error: mysql_async::Error) -> Self {
        match &error {
            // Access denied to the server, to the database, to a table, to a column.
            mysql_async::Error::Server(refused) if matches!(refused.code, 1044 | 1045 | 1142 | 1143 | 1698) => {
                Self::Refused(refused.message.clone())
            }
            mysql_async::Error::Server(unknown) if unknown.code == 1049 => Self::Away(unknown.message.clone()),
            mysql_async::Error::Server(_) => Self::Database(error),
            _ => Self::Away(error.to_string()),
        }
    }
}

impl From<crate::database::PoolError> for ReadError {
    fn from(error: crate::database::PoolError) -> Self {
        match error {
            crate::database::PoolError::Backend(error) => error.into(),
            error => Self::Away(error.to_string()),
        }
    }
}
