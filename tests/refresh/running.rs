//! A gateway without its HTTP edge, whose refreshes a test makes one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use audiospread_protocol::{EntityKey, Sha256Digest, leaf_hash};
use audiospread_server::blobs::{Blobs, load_packs};
use audiospread_server::catalogue::{Catalogue, Outcome, Packs, Rules};
use audiospread_server::config::Config;
use audiospread_server::database;
use audiospread_server::drupal::Reader;
use audiospread_server::feed::{Feed, Store};
use audiospread_server::refresh::{Refresher, Report, Scope};
use tokio::task::JoinSet;

use crate::harness::DrupalSite;

/// A gateway whose refreshes a test makes.
pub(crate) struct Running {
    pub(crate) refresher: Refresher,
    pub(crate) rooms: Arc<Rooms>,
}

/// The rooms beside the refresher.
pub(crate) struct Rooms {
    pub(crate) reader: Reader,
    pub(crate) feed: Arc<Feed>,
    pub(crate) blobs: Arc<Blobs>,
    rules: Rules,
    packs: Packs,
    _background: JoinSet<()>,
}

impl Running {
    /// Starts the rooms for a site.
    pub(crate) async fn on(site: &DrupalSite) -> Self {
        Self::with(&site.config()).await
    }

    /// Starts the rooms of this configuration.
    pub(crate) async fn with(config: &Config) -> Self {
        let own = database::own_pool(config.database.opts().unwrap(), 8).unwrap();
        let store = Store::open(own.clone()).await.unwrap();
        let feed = Arc::new(Feed::start(store, &config.data_dir, &config.feed).await.unwrap());
        let reader = Reader::new(config).unwrap();
        let loaded = load_packs(&config.packs_dir).unwrap();
        let blobs = Arc::new(Blobs::open_index(own, reader.clone(), &config.data_dir, loaded.sounds).await.unwrap());
        let mut background = JoinSet::new();
        let indexing = blobs.clone();
        background.spawn(async move { indexing.run_indexer().await });
        let (rules, packs) = (Rules::new(config), loaded.packs);
        let refresher = Refresher::new(
            reader.clone(),
            feed.clone(),
            blobs.clone(),
            (rules.clone(), packs.clone()),
            loaded.findings,
            config,
        );
        Self { refresher, rooms: Arc::new(Rooms { reader, feed, blobs, rules, packs, _background: background }) }
    }

    /// Refreshes, and again whatever the refresh says is to be looked at again, until nothing changes any more.
    pub(crate) async fn settle(&mut self) {
        loop {
            let version = self.rooms.feed.store().head().await.unwrap().version;
            let report = self.refresh(Scope::Whole).await;
            self.rooms.index_everything().await;
            if self.rooms.feed.store().head().await.unwrap().version == version
                && report.again.is_none()
                && report.waiting == 0
            {
                return;
            }
        }
    }

    /// Refreshes once.
    pub(crate) async fn refresh(&mut self, scope: Scope) -> Report {
        self.refresher.refresh(scope).await.unwrap()
    }
}

impl Rooms {
    /// Waits until nothing is left to be indexed.
    pub(crate) async fn index_everything(&self) {
        let mut progress = self.blobs.index().watch();
        let indexed = progress.wait_for(|progress| progress.pending == 0);
        tokio::time::timeout(Duration::from_secs(60), indexed).await.expect("the index is never done").unwrap();
    }

    /// What the rules make of the site as it is now, read whole: each entity that is to be in the feed, by its leaf.
    pub(crate) async fn as_read_now(&self) -> BTreeMap<EntityKey, Sha256Digest> {
        let site = self.reader.read_all().await.unwrap();
        let index = self.blobs.index();
        index.want(site.files.values().filter_map(|file| file.source.clone()));
        index.want(site.managed_files.values().map(|file| file.source.clone()));
        self.index_everything().await;
        let catalogue = Catalogue::new(&site, &**index, &self.rules, &self.packs);
        let leaf = |key: EntityKey| match catalogue.draft(&key).outcome {
            Outcome::Put(value) => Some((key.clone(), leaf_hash(&key, &value))),
            Outcome::Absent(_) => None,
            Outcome::Keep(wait) => panic!("{key} waits for {wait:?} while nobody saves"),
        };
        catalogue.keys().collect::<BTreeSet<_>>().into_iter().filter_map(leaf).collect()
    }

    /// Fails unless each tombstone gives the reason that the site as it is now has.
    pub(crate) async fn reasons_are_those_of_now(&self) {
        let site = self.reader.read_all().await.unwrap();
        let catalogue = Catalogue::new(&site, &**self.blobs.index(), &self.rules, &self.packs);
        for (key, reason) in self.feed.store().load().await.unwrap().gone {
            assert_eq!(catalogue.draft(&key).outcome, Outcome::Absent(reason), "{key}");
        }
    }

    /// What is published, by its leaf.
    pub(crate) async fn published(&self) -> BTreeMap<EntityKey, Sha256Digest> {
        let tree = self.feed.store().load().await.unwrap().tree;
        tree.iter().map(|(key, leaf)| (key.clone(), leaf)).collect()
    }
}
