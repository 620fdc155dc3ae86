//! What the gateway's account may do in Drupal's database beside reading it.

use mysql_async::prelude::Queryable;
use mysql_async::{Row, from_row_opt};

use super::{ReadError, Reader};

impl Reader {
    /// The rights that the account has beyond `SELECT`, as `SHOW GRANTS` names them; none is as it should be.
    ///
    /// # Errors
    /// [`ReadError`] if the database does not answer or refuses.
    pub async fn rights_beyond_select(&self) -> Result<Vec<String>, ReadError> {
        let mut conn = self.pool.get().await?;
        let rows: Vec<Row> = conn.query("SHOW GRANTS").await?;
        let mut beyond: Vec<String> = rows
            .into_iter()
            .filter_map(|row| from_row_opt::<(String,)>(row).ok())
            .flat_map(|(grant,)| rights_of(&grant))
            .filter(|right| !matches!(right.as_str(), "SELECT" | "USAGE" | "SHOW VIEW"))
            .collect();
        beyond.sort();
        beyond.dedup();
        Ok(beyond)
    }
}

/// The rights that a line of `SHOW GRANTS` names; columns behind a right are left out.
fn rights_of(grant: &str) -> Vec<String> {
    let Some(rights) = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")).map(|(rights, _)| rights)
    else {
        return Vec::new();
    };
    let mut depth = 0_u32;
    let without_columns: String = rights
        .chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect();
    without_columns.split(',').map(|right| right.trim().to_owned()).filter(|right| !right.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_from_what_the_server_shows() {
        assert_eq!(rights_of("GRANT USAGE ON *.* TO `a`@`localhost`"), ["USAGE"]);
        assert_eq!(rights_of("GRANT SELECT (nid, vid), INSERT ON `d`.`node` TO `a`@`%`"), ["SELECT", "INSERT"]);
        assert_eq!(rights_of("GRANT ALL PRIVILEGES ON `d`.* TO `a`@`%`"), ["ALL PRIVILEGES"]);
        assert_eq!(rights_of("GRANT `role` TO `a`@`%`"), Vec::<String>::new());
    }
}
