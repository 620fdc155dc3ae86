//! An editor at work: each save as the single statements that Drupal 6 makes of it, in its order, with a pause where a test wants one.
//!
//! The order is that of `node_save()`, then taxonomy, then CCK (which is how their modules are sorted), then `file_cck`, which writes its
//! fields' values afterwards by itself.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::DrupalSite;

/// What a save of a program writes.
#[derive(Clone, Debug)]
pub(crate) struct ProgramSave<'a> {
    pub(crate) title: &'a str,
    pub(crate) published: bool,
    pub(crate) terms: &'a [u32],
    /// The file node of the spoken title.
    pub(crate) spoken_title: Option<u32>,
    /// The file node of the body.
    pub(crate) body: Option<u32>,
    pub(crate) weight: i32,
}

/// An editor of a site.
pub(crate) struct Editor<'a> {
    site: &'a DrupalSite,
}

impl<'a> Editor<'a> {
    pub(crate) fn of(site: &'a DrupalSite) -> Self {
        Self { site }
    }

    /// The statements by which a new program is saved; `nid` and `vid` are the next free ones.
    pub(crate) async fn insert(&self, nid: u32, vid: u32, save: &ProgramSave<'_>) -> Vec<String> {
        let title = quoted(save.title);
        let mut statements = vec![
            format!(
                "INSERT INTO {{node_revisions}} (vid, nid, uid, title, body, teaser, log, timestamp, format)
                 VALUES ({vid}, 0, 3, {title}, '', '', '', UNIX_TIMESTAMP(), 1)"
            ),
            format!(
                "INSERT INTO {{node}} (nid, vid, type, language, title, uid, status, created, changed)
                 VALUES ({nid}, {vid}, 'program', '', {title}, 3, {}, UNIX_TIMESTAMP(), UNIX_TIMESTAMP())",
                u8::from(save.published)
            ),
            format!("UPDATE {{node_revisions}} SET nid = {nid} WHERE vid = {vid}"),
        ];
        statements.extend(terms(nid, vid, save.terms));
        statements.extend(self.fields(nid, vid, save, true).await);
        statements
    }

    /// The statements by which a program is saved again without a new revision.
    pub(crate) async fn update(&self, nid: u32, save: &ProgramSave<'_>) -> Vec<String> {
        let vid: u32 = self.site.value(&format!("SELECT vid FROM {{node}} WHERE nid = {nid}")).await;
        let title = quoted(save.title);
        let mut statements = vec![
            format!(
                "UPDATE {{node}} SET title = {title}, status = {}, changed = UNIX_TIMESTAMP() WHERE nid = {nid}",
                u8::from(save.published)
            ),
            format!("UPDATE {{node_revisions}} SET title = {title}, timestamp = UNIX_TIMESTAMP() WHERE vid = {vid}"),
        ];
        statements.extend(terms(nid, vid, save.terms));
        statements.extend(self.fields(nid, vid, save, false).await);
        statements
    }

    /// The statements by which a program is saved as a new revision, `vid`.
    pub(crate) async fn revise(&self, nid: u32, vid: u32, save: &ProgramSave<'_>) -> Vec<String> {
        let title = quoted(save.title);
        let mut statements = vec![
            format!(
                "UPDATE {{node}} SET title = {title}, status = {}, changed = UNIX_TIMESTAMP() WHERE nid = {nid}",
                u8::from(save.published)
            ),
            format!(
                "INSERT INTO {{node_revisions}} (vid, nid, uid, title, body, teaser, log, timestamp, format)
                 VALUES ({vid}, {nid}, 3, {title}, '', '', '', UNIX_TIMESTAMP(), 1)"
            ),
            format!("UPDATE {{node}} SET vid = {vid} WHERE nid = {nid}"),
        ];
        statements.extend(terms(nid, vid, save.terms));
        statements.extend(self.fields(nid, vid, save, true).await);
        statements
    }

    /// The statements by which a node is deleted; its file nodes stay.
    pub(crate) async fn delete(&self, nid: u32) -> Vec<String> {
        let mut statements = vec![
            format!("DELETE FROM {{node}} WHERE nid = {nid}"),
            format!("DELETE FROM {{node_revisions}} WHERE nid = {nid}"),
            format!("DELETE FROM {{term_node}} WHERE nid = {nid}"),
        ];
        for table in self.tables().await {
            statements.push(format!("DELETE FROM {{{table}}} WHERE nid = {nid}"));
        }
        statements
    }

    /// The statements by which a term is renamed and moved below another one.
    pub(crate) fn save_term(tid: u32, name: &str, parent: u32) -> Vec<String> {
        vec![
            format!("UPDATE {{term_data}} SET name = {} WHERE tid = {tid}", quoted(name)),
            format!("DELETE FROM {{term_hierarchy}} WHERE tid = {tid}"),
            format!("INSERT INTO {{term_hierarchy}} (tid, parent) VALUES ({tid}, {parent})"),
        ]
    }

    /// The statements by which a term is deleted; the nodes stay.
    pub(crate) fn delete_term(tid: u32) -> Vec<String> {
        ["term_data", "term_hierarchy", "term_synonym", "term_node"]
            .map(|table| format!("DELETE FROM {{{table}}} WHERE tid = {tid}"))
            .to_vec()
    }

    /// The statements by which a file node gets other bytes, those of the file node `other`, as a new revision.
    pub(crate) fn replace_file(nid: u32, vid: u32, other: u32) -> Vec<String> {
        vec![
            format!("UPDATE {{node}} SET changed = UNIX_TIMESTAMP() WHERE nid = {nid}"),
            format!(
                "INSERT INTO {{node_revisions}} (vid, nid, uid, title, body, teaser, log, timestamp, format)
                 VALUES ({vid}, {nid}, 3, 'replaced', '', '', '', UNIX_TIMESTAMP(), 1)"
            ),
            format!("UPDATE {{node}} SET vid = {vid} WHERE nid = {nid}"),
            format!(
                "INSERT INTO {{file_nodes}} (nid, vid, uri, size, type)
                 SELECT {nid}, {vid}, f.uri, f.size, f.type FROM {{file_nodes}} f JOIN {{node}} n ON n.vid = f.vid
                 WHERE n.nid = {other}"
            ),
        ]
    }

    /// The statements by which CCK moves `field_weight` to a table of its own, since a second type gets it.
    pub(crate) fn share_weight() -> Vec<String> {
        [
            "UPDATE {content_node_field} SET db_storage = 0 WHERE field_name = 'field_weight'",
            "INSERT INTO {content_node_field_instance} (field_name, type_name, widget_settings, display_settings, description)
             VALUES ('field_weight', 'phone_message', '', '', '')",
            "CREATE TABLE {content_field_weight} (vid INT UNSIGNED NOT NULL, nid INT UNSIGNED NOT NULL,
             field_weight_value INT DEFAULT NULL, PRIMARY KEY (vid), KEY nid (nid))",
            "INSERT INTO {content_field_weight} SELECT vid, nid, field_weight_value FROM {content_type_program}",
            "ALTER TABLE {content_type_program} DROP COLUMN field_weight_value",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The statements by which CCK moves `field_weight` back, since the second type loses it.
    pub(crate) fn unshare_weight() -> Vec<String> {
        [
            "DELETE FROM {content_node_field_instance} WHERE field_name = 'field_weight' AND type_name = 'phone_message'",
            "UPDATE {content_node_field} SET db_storage = 1 WHERE field_name = 'field_weight'",
            "ALTER TABLE {content_type_program} ADD COLUMN field_weight_value INT DEFAULT NULL",
            "UPDATE {content_type_program} p JOIN {content_field_weight} w ON w.vid = p.vid
             SET p.field_weight_value = w.field_weight_value",
            "DROP TABLE {content_field_weight}",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Makes the statements one after the other, each by itself, with `pause` before each.
    pub(crate) async fn make(&self, conn: &mut Conn, statements: &[String], mut pause: impl AsyncFnMut()) {
        for statement in statements {
            pause().await;
            let statement = self.site.with_prefixes(statement);
            conn.query_drop(&statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
        }
    }

    /// CCK's rows of a program: in the type's own table and in those of shared fields, then `file_cck`'s values.
    async fn fields(&self, nid: u32, vid: u32, save: &ProgramSave<'_>, new_rows: bool) -> Vec<String> {
        let null = |value: Option<u32>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let mut statements = Vec::new();
        let mut values = Vec::new();
        for table in self.tables().await {
            let column = match table.as_str() {
                "content_field_audio_title" => Some(("field_audio_title_value", null(save.spoken_title))),
                "content_field_audio_body" => Some(("field_audio_body_value", null(save.body))),
                "content_type_program" | "content_field_weight" => self
                    .has_column(&table, "field_weight_value")
                    .await
                    .then(|| ("field_weight_value", save.weight.to_string())),
                _ => None,
            };
            if self.has_column(&table, "delta").await {
                statements.push(format!("DELETE FROM {{{table}}} WHERE vid = {vid}"));
                statements.push(format!("INSERT INTO {{{table}}} (vid, nid, delta) VALUES ({vid}, {nid}, 0)"));
            } else if new_rows {
                statements.push(format!("INSERT INTO {{{table}}} (vid, nid) VALUES ({vid}, {nid})"));
            }
            if let Some((column, value)) = column {
                values.push(format!("UPDATE {{{table}}} SET {column} = {value} WHERE vid = {vid}"));
            }
        }
        statements.extend(values);
        statements
    }

    /// The tables with a program's fields, as CCK says it now.
    async fn tables(&self) -> Vec<String> {
        let mut conn = self.site.connect().await;
        let mut tables: Vec<String> = conn
            .query(self.site.with_prefixes(
                "SELECT DISTINCT IF(f.db_storage, 'content_type_program', CONCAT('content_', f.field_name))
                 FROM {content_node_field} f JOIN {content_node_field_instance} i ON i.field_name = f.field_name
                 WHERE i.type_name = 'program'",
            ))
            .await
            .unwrap();
        conn.disconnect().await.unwrap();
        tables.sort();
        tables
    }

    async fn has_column(&self, table: &str, column: &str) -> bool {
        let table = self.site.with_prefixes(&format!("{{{table}}}")).replace('`', "");
        let count: u32 = self
            .site
            .value(&format!(
                "SELECT COUNT(*) FROM information_schema.columns
                 WHERE table_schema = '{}' AND table_name = '{table}' AND column_name = '{column}'",
                self.site.database
            ))
            .await;
        count == 1
    }
}

/// taxonomy's rows of a revision: all go, then they come again.
fn terms(nid: u32, vid: u32, terms: &[u32]) -> Vec<String> {
    let mut statements = vec![format!("DELETE FROM {{term_node}} WHERE vid = {vid}")];
    statements.extend(
        terms.iter().map(|tid| format!("INSERT INTO {{term_node}} (nid, vid, tid) VALUES ({nid}, {vid}, {tid})")),
    );
    statements
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
