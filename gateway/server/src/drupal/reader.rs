//! One reading of a Drupal site: in one snapshot where the tables can show one, and again from the start where they changed meanwhile.

use std::time::Duration;

use super::error::ReadError;
use super::files;
use super::frame::{self, Variables};
use super::layout::Layout;
use super::nodes::Nodes;
use super::notes::Notes;
use super::scan::Keys;
use super::session::{Session, session_statements};
use super::values;
use crate::catalogue::site::{FileRef, Nid, Partial, Site};
use crate::config::{Config, Content, Drupal};
use crate::database::{self, Pool};

/// One for refreshes, and some for copying blobs out of the database.
const CONNECTIONS: usize = 4;
/// How often a reading is begun, if fields move under it.
const ATTEMPTS: u32 = 4;
/// How long the tables are left alone before a reading is begun again.
const PAUSE: Duration = Duration::from_millis(250);

/// Reads Drupal's database, and only reads. Clones share their connections.
#[derive(Clone)]
pub struct Reader {
    pub(super) pool: Pool,
    pub(super) drupal: Drupal,
    content: Content,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may carry a password.
        f.debug_struct("Reader").field("root", &self.drupal.root).finish_non_exhaustive()
    }
}

/// What is read.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Whole,
    /// These nodes, ascending.
    Named(&'a [Nid]),
}

impl Reader {
    /// A reader of the site that `config` describes; it connects when it is asked to read.
    ///
    /// # Errors
    /// [`ReadError::Config`] if the configuration does not say how to connect.
    pub fn new(config: &Config) -> Result<Self, ReadError> {
        let drupal = config.drupal.clone();
        let pool = database::pool(drupal.opts()?, session_statements(&drupal), CONNECTIONS)?;
        Ok(Self { pool, drupal, content: config.content.clone() })
    }

    /// Reads all that matters for the phone.
    ///
    /// # Errors
    /// [`ReadError`] if the database does not answer, refuses, or is not a Drupal site's; then nothing is known of the site.
    pub async fn read_all(&self) -> Result<Site, ReadError> {
        Ok(self.read(Scope::Whole).await?.1)
    }

    /// Reads these nodes, the files that they point at, and whatever is small and holds for all: terms, languages, settings, layout.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_some(&self, nids: &[Nid]) -> Result<Partial, ReadError> {
        let mut named = nids.to_vec();
        named.sort_unstable();
        named.dedup();
        let (pointed_at, rows) = self.read(Scope::Named(&named)).await?;
        Ok(Partial::new(named, pointed_at, rows))
    }

    /// Reads, as often as it takes and a few times at most, until the layout after the reading is that before it.
    async fn read(&self, scope: Scope<'_>) -> Result<(Vec<FileRef>, Site), ReadError> {
        let mut failure = ReadError::Unsettled;
        for attempt in 0..ATTEMPTS {
            tokio::time::sleep(PAUSE * attempt).await;
            // Columns are looked for one by one where that costs nothing beside the rest, or where something was not as CCK says.
            let looks = matches!(scope, Scope::Whole) || attempt > 0;
            match self.read_once(scope, looks).await {
                Ok(Some(read)) => return Ok(read),
                Ok(None) => {}
                Err(error) if error.may_be_a_changed_table() => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure.of_a_table_that_stays_missing())
    }

    async fn read_once(&self, scope: Scope<'_>, looks: bool) -> Result<Option<(Vec<FileRef>, Site)>, ReadError> {
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let mut notes = Notes::default();
        let before = Layout::read(&mut session, &self.content, looks, &mut notes).await?;
        session.begin().await?;
        let read = self.read_rows(&mut session, scope, &before, &mut notes).await?;
        session.end().await?;
        let after = Layout::read(&mut session, &self.content, looks, &mut Notes::default()).await?;
        session.close();
        let (pointed_at, mut site) = read;
        site.notes = notes.into_findings();
        Ok((before == after).then_some((pointed_at, site)))
    }

    async fn read_rows(
        &self,
        session: &mut Session<'_>,
        scope: Scope<'_>,
        layout: &Layout,
        notes: &mut Notes,
    ) -> Result<(Vec<FileRef>, Site), ReadError> {
        let clock = frame::now(session).await?;
        let mut known = values::Languages::default();
        let variables = Variables::read(session, &["language_default", "audiospread_settings"], notes).await?;
        let languages = frame::languages(session, layout.modules.languages, &variables, &mut known).await?;
        let terms = frame::terms(session, &self.content.vocabulary, notes).await?;

        let is_whole = matches!(scope, Scope::Whole);
        let mut gathered = Nodes::new(layout, clock, known);
        let keys = match scope {
            Scope::Whole => Keys::All,
            Scope::Named(nids) => Keys::These(nids),
        };
        gathered.read(session, keys, notes).await?;
        for table in &layout.tables {
            gathered.read_fields(session, table, is_whole, notes).await?;
        }
        gathered.read_terms(session, is_whole, |tid| terms.contains_key(&tid)).await?;
        let has_attachments = (layout.modules.upload, layout.modules.file_attachments);
        files::read_attachments(session, &mut gathered, has_attachments, is_whole).await?;
        gathered.complete();

        let mut site = Site {
            layout: layout.fingerprint(terms.keys().copied()),
            languages,
            settings: variables.settings(),
            terms,
            ..Site::default()
        };
        let pointed_at = gathered.files_pointed_at();
        if layout.modules.file_nodes {
            if let Scope::Named(nids) = scope {
                let nids: Vec<Nid> = pointed_at
                    .iter()
                    .filter_map(|file| file.nid())
                    .filter(|nid| nids.binary_search(nid).is_err())
                    .collect();
                gathered.read_files(session, &nids).await?;
            }
            files::read_file_nodes(session, &mut gathered, is_whole).await?;
        }
        if layout.modules.files {
            let managed: Vec<_> = pointed_at.iter().filter_map(|file| file.fid()).collect();
            site.managed_files = files::read_managed_files(session, &managed).await?.into_iter().collect();
        }
        gathered.move_into(&mut site);
        Ok((if is_whole { Vec::new() } else { pointed_at }, site))
    }
}
