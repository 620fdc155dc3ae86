//! Whether nodes are still as they were read: their revision and the time of their last change, and nothing else of them.

use std::collections::BTreeMap;

use super::error::ReadError;
use super::frame;
use super::reader::Reader;
use super::session::Session;
use super::values;
use crate::catalogue::site::{Nid, Stamp};

/// So many nodes are asked for in one statement.
const AT_ONCE: usize = 1_000;

impl Reader {
    /// The stamps of those of these nodes that are there, and the database's clock in Unix seconds.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_stamps(&self, nids: &[Nid]) -> Result<(BTreeMap<Nid, Stamp>, i64), ReadError> {
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let node = session.table("node")?.quoted();
        let mut stamps = BTreeMap::new();
        for nids in nids.chunks(AT_ONCE) {
            let list = nids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            for row in session.rows(&format!("SELECT nid, vid, changed FROM {node} WHERE nid IN ({list})")).await? {
                let [nid, vid, changed] = &row[..] else { continue };
                if let (Some(nid), Some(vid), Some(changed)) = (values::id(nid), values::id(vid), values::int(changed))
                {
                    stamps.insert(nid, Stamp { vid, changed });
                }
            }
        }
        let clock = frame::now(&mut session).await?;
        session.close();
        Ok((stamps, clock))
    }
}
