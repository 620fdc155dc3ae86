//! Names of tables and columns that come out of the database or the configuration, fit to stand in a statement.

use crate::config::Prefix;

/// The longest name of a table or column that MySQL knows.
const LONGEST: usize = 64;

/// A name is none of a table, column or content type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a table, field or content type: only letters, digits and _ are, at most {LONGEST}")]
pub struct NameError(pub(super) String);

/// A checked name: `[A-Za-z0-9_]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(Box<str>);

impl Name {
    pub(super) fn new(text: &str) -> Result<Self, NameError> {
        let fits = !text.is_empty()
            && text.len() <= LONGEST
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if fits { Ok(Self(text.into())) } else { Err(NameError(text.chars().take(LONGEST + 1).collect())) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        format!("`{}`", self.0)
    }
}

/// The name of one of Drupal's tables in this database, prefix included.
///
/// Drupal allows a prefix to name another database: `shared.` in front of `users` is `shared`.`users`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Table {
    /// The other database, if it is in another.
    pub(super) database: Option<Name>,
    /// The table.
    pub(super) name: Name,
}

impl Table {
    /// Drupal's `{table}`.
    pub(super) fn of(prefix: &Prefix, table: &str) -> Result<Self, NameError> {
        Self::parse(&prefix.apply(table))
    }

    /// A table's full name.
    pub(super) fn parse(full: &str) -> Result<Self, NameError> {
        match full.split_once('.') {
            Some((database, name)) => Ok(Self { database: Some(Name::new(database)?), name: Name::new(name)? }),
            None => Ok(Self { database: None, name: Name::new(full)? }),
        }
    }

    /// The table as it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        match &self.database {
            Some(database) => format!("{}.{}", database.quoted(), self.name.quoted()),
            None => self.name.quoted(),
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{}.", database.as_str())?;
        }
        f.write_str(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_stand_in_statements() {
        for bad in ["", "a b", "a`b", "a-b", "é", "a.b", "x'; DROP TABLE node", &"a".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("field_Audio_2").unwrap().quoted(), "`field_Audio_2`");
    }

    #[test]
    fn a_prefix_may_be_one_a_table_and_may_name_another_database() {
        let prefix = Prefix::PerTable([("default".into(), "main_".into()), ("users".into(), "shared.".into())].into());
        assert_eq!(Table::of(&prefix, "node").unwrap().quoted(), "`main_node`");
        assert_eq!(Table::of(&prefix, "users").unwrap().quoted(), "`shared`.`users`");
        assert_eq!(Table::of(&Prefix::All(String::new()), "node").unwrap().quoted(), "`node`");
        assert!(Table::of(&Prefix::All("a;".into()), "node").is_err());
    }
}
