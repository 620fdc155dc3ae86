//! One reading of a Drupal site: in one snapshot where the tables can show one, and again from the start where they changed meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::ReadError;
use super::files;
use super::frame::{self, Variables};
use super::layout::Layout;
use super::marks::Marks;
use super::nodes::Nodes;
use super::notes::Notes;
use super::scan::Keys;
use super::session::{Session, session_opts, session_statements};
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
    pub(super) content: Content,
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

/// What was read: the rows, what they point at where that was not all, and how the tables looked where they were read whole.
struct Read {
    site: Site,
    pointed_at: Vec<FileRef>,
    marks: Marks,
}

impl Reader {
    /// A reader of the site that `config` describes; it connects when it is asked to read.
    ///
    /// # Errors
    /// [`ReadError::Config`] if the configuration does not say how to connect.
    pub fn new(config: &Config) -> Result<Self, ReadError> {
        let drupal = config.drupal.clone();
        let pool = database::pool(session_opts(&drupal)?, &session_statements(&drupal), CONNECTIONS)?;
        Ok(Self { pool, drupal, content: config.content.clone() })
    }

    /// Reads all that matters for the phone.
    ///
    /// # Errors
    /// [`ReadError`] if the database does not answer, refuses, or is not a Drupal site's; then nothing is known of the site.
    pub async fn read_all(&self) -> Result<Site, ReadError> {
        Ok(self.read_whole().await?.0)
    }

    /// As [`Self::read_all`], with the marks by which [`Self::read_changes`] tells what changed since.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_whole(&self) -> Result<(Site, Marks), ReadError> {
        let read = self.read(Scope::Whole).await?;
        Ok((read.site, read.marks))
    }

    /// Reads these nodes, the files that they point at, and whatever is small and holds for all: terms, languages, settings, layout.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_some(&self, nids: &[Nid]) -> Result<Partial, ReadError> {
        let mut named = nids.to_vec();
        named.sort_unstable();
        named.dedup();
        let Read { site, pointed_at, .. } = self.read(Scope::Named(&named)).await?;
        Ok(Partial::new(named, pointed_at, site))
    }

    /// Goes through all tables and reads what is not as it was when `marks` were made: merged into `site`, it gives what a whole reading
    /// would. `site` is what was read then, with what was merged into it since; nodes of which other rows were merged are `doubtful`, and
    /// read in any case. Nothing if everything has to be read: so much changed, or the layout did.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn read_changes(
        &self,
        site: &Site,
        marks: Marks,
        doubtful: &BTreeSet<Nid>,
    ) -> Result<Option<(Partial, Marks)>, ReadError> {
        match self.read_changes_once(site, marks, doubtful).await {
            Err(error) if error.may_be_a_changed_table() => Ok(None),
            done => done,
        }
    }

    async fn read_changes_once(
        &self,
        site: &Site,
        mut marks: Marks,
        doubtful: &BTreeSet<Nid>,
    ) -> Result<Option<(Partial, Marks)>, ReadError> {
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let mut beside = Session::open(&self.pool, &self.drupal.prefix).await?;
        let mut notes = Notes::default();
        let before = Layout::read(&mut session, &self.content, true, &mut notes).await?;
        // What changes between the two is seen over `session` alone, over which nodes are read by name. If only the other one saw it, the change
        // would be in the marks and never be read; as it is, a table that is marked over `beside` shows it to the next refresh.
        beside.begin().await?;
        session.begin().await?;
        let changed = marks.renew([&mut session, &mut beside], site).await?;
        beside.end().await?;
        beside.close();
        let Some(mut named) = changed else { return Ok(None) };
        named.extend(doubtful);
        let named: Vec<Nid> = named.into_iter().collect();
        let Read { site: mut rows, pointed_at, .. } =
            self.read_rows(&mut session, Scope::Named(&named), &before, &mut notes).await?;
        session.end().await?;
        let after = Layout::read(&mut session, &self.content, true, &mut Notes::default()).await?;
        session.close();
        if before != after || rows.layout != site.layout {
            return Ok(None);
        }
        rows.notes = notes.into_findings();
        Ok(Some((Partial::new(named, pointed_at, rows), marks)))
    }

    /// Reads, as often as it takes and a few times at most, until the layout after the reading is that before it.
    async fn read(&self, scope: Scope<'_>) -> Result<Read, ReadError> {
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

    async fn read_once(&self, scope: Scope<'_>, looks: bool) -> Result<Option<Read>, ReadError> {
        let mut session = Session::open(&self.pool, &self.drupal.prefix).await?;
        let mut notes = Notes::default();
        let before = Layout::read(&mut session, &self.content, looks, &mut notes).await?;
        session.begin().await?;
        let mut read = self.read_rows(&mut session, scope, &before, &mut notes).await?;
        session.end().await?;
        let after = Layout::read(&mut session, &self.content, looks, &mut Notes::default()).await?;
        session.close();
        read.site.notes = notes.into_findings();
        Ok((before == after).then_some(read))
    }

    async fn read_rows(
        &self,
        session: &mut Session<'_>,
        scope: Scope<'_>,
        layout: &Layout,
        notes: &mut Notes,
    ) -> Result<Read, ReadError> {
        let clock = frame::now(session).await?;
        let mut known = values::Languages::default();
        let variables = Variables::read(session, &["language_default", "audiospread_settings"], notes).await?;
        let languages = frame::languages(session, layout.modules.languages, &variables, &mut known).await?;
        let terms = frame::terms(session, &self.content.vocabulary, notes).await?;

        let mut marks = Marks::default();
        let (mut all, named) = match scope {
            Scope::Whole => (Some(&mut marks), &[][..]),
            Scope::Named(nids) => (None, nids),
        };
        let mut gathered = Nodes::new(layout, clock, known);
        gathered.read(session, Keys::all_or(all.as_deref_mut(), named), notes).await?;
        for table in &layout.tables {
            gathered.read_fields(session, table, all.as_deref_mut(), notes).await?;
        }
        gathered.read_terms(session, all.as_deref_mut(), |tid| terms.contains_key(&tid)).await?;
        let has_attachments = (layout.modules.upload, layout.modules.file_attachments);
        files::read_attachments(session, &mut gathered, has_attachments, all.as_deref_mut()).await?;
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
            files::read_file_nodes(session, &mut gathered, all.as_deref_mut()).await?;
        }
        if layout.modules.files {
            let managed: Vec<_> = pointed_at.iter().filter_map(|file| file.fid()).collect();
            site.managed_files =
                files::read_managed_files(session, &managed, all.as_deref_mut()).await?.into_iter().collect();
        }
        gathered.move_into(&mut site);
        let pointed_at = if all.is_some() { Vec::new() } else { pointed_at };
        Ok(Read { site, pointed_at, marks })
    }
}
