//! The same catalogue out of every shape that a site's database may have.

use std::collections::{BTreeMap, BTreeSet};

use audiospread_protocol::{EntityKey, Kind};
use audiospread_server::blobs::load_packs;
use audiospread_server::catalogue::{Catalogue, Outcome, Rules};
use audiospread_server::config::Prefix;
use audiospread_server::drupal::Reader;
use serde_json::Value;

use super::expected::Expected;
use crate::harness::{DrupalSite, Engine};

/// The catalogue of the fixture in this shape, compared field by field.
async fn agrees(engine: Engine, charset: &str, prefix: Prefix) {
    let site = DrupalSite::new().engine(engine).charset(charset).prefix(prefix).build().await;
    let config = site.config();
    let rows = Reader::new(&config).unwrap().read_all().await.unwrap();
    let expected = Expected::load();
    let (audio, rules, packs) = (expected.audio(), Rules::new(&config), load_packs(&config.packs_dir).unwrap().packs);
    let catalogue = Catalogue::new(&rows, &audio, &rules, &packs);

    let mut entities = BTreeMap::new();
    let mut reasons = BTreeMap::new();
    for key in catalogue.keys() {
        match catalogue.draft(&key).outcome {
            Outcome::Put(bytes) => {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                assert!(entities.insert(key.to_string(), value).is_none(), "{key} comes twice");
            }
            Outcome::Absent(reason) => drop(reasons.insert(key.to_string(), reason.as_str())),
            Outcome::Keep(wait) => panic!("{key} waits for {wait:?}"),
        }
    }
    let wanted = expected.entities(&config.packs_dir);
    for (key, value) in &wanted {
        assert_eq!(entities.get(key), Some(value), "{key} on {engine:?} {charset}");
    }
    let keys = |entities: &BTreeMap<String, Value>| entities.keys().cloned().collect::<BTreeSet<String>>();
    assert_eq!(keys(&entities), keys(&wanted));
    assert_eq!(reasons, expected.reasons());

    let count = |kind: Kind| entities.keys().filter(|key| key.starts_with(kind.as_str())).count();
    assert_eq!((count(Kind::Program), count(Kind::Category), count(Kind::Subscriber)), (60, 10, 21));
    let site_prompts = entities.values().filter(|value| value["source"] == "site");
    assert_eq!(site_prompts.count(), 55, "all of the 56 but the one that is not published");
}

fn per_table() -> Prefix {
    Prefix::PerTable([("default".into(), "main_".into()), ("node".into(), "shared_".into())].into())
}

#[tokio::test]
async fn the_fixture_as_it_is_gives_what_drupal_says() {
    agrees(Engine::InnoDb, "utf8", Prefix::default()).await;
}

#[tokio::test]
async fn myisam_tables_converted_by_hand_give_the_same() {
    agrees(Engine::MyIsam, "utf8mb4", Prefix::default()).await;
}

#[tokio::test]
async fn a_prefix_for_all_tables_gives_the_same() {
    agrees(Engine::MyIsam, "utf8", Prefix::All("d6_".into())).await;
}

#[tokio::test]
async fn prefixes_per_table_give_the_same() {
    agrees(Engine::InnoDb, "utf8mb4", per_table()).await;
}

/// The rows of a node read alone are those of the whole reading, and so are the entities.
#[tokio::test]
async fn naming_every_node_one_by_one_changes_nothing() {
    let site = DrupalSite::new().build().await;
    let config = site.config();
    let reader = Reader::new(&config).unwrap();
    let mut rows = reader.read_all().await.unwrap();
    let expected = Expected::load();
    let (audio, rules, packs) = (expected.audio(), Rules::new(&config), load_packs(&config.packs_dir).unwrap().packs);
    let drafts = |rows: &_| -> BTreeMap<EntityKey, _> {
        let catalogue = Catalogue::new(rows, &audio, &rules, &packs);
        catalogue.keys().map(|key| (key.clone(), catalogue.draft(&key))).collect()
    };
    let before = drafts(&rows);
    for nids in (0..500).collect::<Vec<u32>>().chunks(7) {
        rows.merge(reader.read_some(nids).await.unwrap());
    }
    assert_eq!(drafts(&rows), before);
}
