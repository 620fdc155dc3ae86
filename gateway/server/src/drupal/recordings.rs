//! What became of recordings in Drupal: the module's table, and the nodes that were made of them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::ReadError;
use super::reader::Reader;
use super::session::Session;
use super::values;
use crate::catalogue::site::Nid;

/// A row of `{audiospread_recording}` with its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moderated {
    /// 0 until there was a node.
    pub nid: Nid,
    /// `node.status = 1`; absent where the node is not there.
    pub published: Option<bool>,
    /// The module's own state.
    pub state: String,
    /// For a rejection or refusal.
    pub reason: String,
    /// Of the last approval or rejection, Unix seconds; 0: none yet.
    pub decided_at: i64,
}

impl Reader {
    /// The rows of these recordings, as far as the module ever claimed them; none where the module was never installed.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_recordings(&self, uuids: &[Uuid]) -> Result<BTreeMap<Uuid, Moderated>, ReadError> {
        let mut found = BTreeMap::new();
        if uuids.is_empty() {
            return Ok(found);
        }
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let (recording, node) = (session.table("audiospread_recording")?, session.table("node")?);
        // A uuid has no letter that would have to be quoted.
        let list = uuids.iter().map(|uuid| format!("'{uuid}'")).collect::<Vec<_>>().join(",");
        let statement = format!(
            "SELECT r.uuid, r.nid, n.status, r.state, r.reason, r.decided_at FROM {} r LEFT JOIN {} n ON n.nid = r.nid AND r.nid > 0 \
             WHERE r.uuid IN ({list})",
            recording.quoted(),
            node.quoted()
        );
        let rows = match session.rows(&statement).await {
            Err(error) if error.is_missing_table() => Vec::new(),
            rows => rows?,
        };
        session.close();
        for row in rows {
            let [uuid, nid, status, state, reason, decided_at] = &row[..] else { continue };
            let Ok(uuid) = Uuid::try_parse_ascii(uuid) else { continue };
            let moderated = Moderated {
                nid: values::id(nid).unwrap_or(0),
                published: values::int(status).map(|status| status == 1),
                state: values::text(state).into_owned(),
                reason: values::text(reason).into_owned(),
                decided_at: values::int(decided_at).unwrap_or(0),
            };
            found.insert(uuid, moderated);
        }
        Ok(found)
    }
}
