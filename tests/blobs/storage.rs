//! What happens when files, or whole disks, go and come back.

use std::fs;

use audiospread_protocol::Sha256Digest;
use audiospread_server::blobs::{BlobError, StorageError};
use audiospread_server::catalogue::site::{AudioSource, AudioState};

use super::site_with_audio::{SiteWithAudio, blob, blob_name, file, ready, speech};

/// A site with five blobs in a repository of their own.
async fn site_with_blobs() -> (SiteWithAudio, Vec<AudioSource>) {
    let mut site = SiteWithAudio::new().await;
    site.storage.repositories = vec![site.file_repository("blobs")];
    let sources: Vec<_> = (1..=5).map(|number| blob(&speech(number))).collect();
    for number in 1..=5 {
        site.write(format!("blobs/{}", blob_name(&speech(number))), &speech(number));
    }
    site.index(sources.clone()).await;
    (site, sources)
}

fn all_ready(site: &SiteWithAudio, sources: &[AudioSource]) -> bool {
    sources.iter().all(|source| matches!(site.state(source), AudioState::Ready(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmounted_disk_fails_the_refresh_and_loses_nothing() {
    let (site, sources) = site_with_blobs().await;
    let directory = site.site.files().join("blobs");
    let disk = site.site.directory().join("disk");
    fs::rename(&directory, &disk).unwrap();
    fs::create_dir(&directory).unwrap();

    let error = site.blobs.check_storage(site.storage.clone()).await.unwrap_err();
    assert!(matches!(&error, StorageError::Emptied { directory: named, known: 5 } if *named == directory), "{error}");
    site.blobs.sweep().await;
    site.blobs.index().recheck(sources.clone());
    site.until("all were looked at", |blobs| blobs.index().progress().postponed == 5).await;
    assert!(all_ready(&site, &sources));
    assert!(matches!(site.blobs.open(&Sha256Digest::of(&speech(1))).await, Err(BlobError::Unavailable(_))));

    fs::remove_dir(&directory).unwrap();
    let error = site.blobs.check_storage(site.storage.clone()).await.unwrap_err();
    assert!(matches!(&error, StorageError::Unreachable { directory: named, .. } if *named == directory), "{error}");

    fs::rename(&disk, &directory).unwrap();
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
    site.blobs.open(&Sha256Digest::of(&speech(1))).await.unwrap();
    assert!(all_ready(&site, &sources));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_disk_in_the_same_place_fails_the_refresh_too() {
    let (site, sources) = site_with_blobs().await;
    let directory = site.site.files().join("blobs");
    fs::rename(&directory, site.site.directory().join("disk")).unwrap();
    fs::create_dir_all(directory.join("lost+found")).unwrap();
    let error = site.blobs.check_storage(site.storage.clone()).await.unwrap_err();
    assert!(matches!(&error, StorageError::Vanished { known: 5, .. }), "{error}");
    assert!(all_ready(&site, &sources));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_directory_in_the_configuration_is_named() {
    let mut site = SiteWithAudio::new().await;
    site.storage.files_directory = "sites/radio/files".into();
    let error = site.blobs.check_storage(site.storage.clone()).await.unwrap_err().to_string();
    assert!(error.contains("sites/radio/files"), "{error}");
    // A plain file is no directory.
    site.storage.files_directory = "index.php".into();
    assert!(site.blobs.check_storage(site.storage.clone()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_never_used_is_no_error() {
    let mut site = SiteWithAudio::new().await;
    site.storage.repositories.push(site.file_repository("never made"));
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_away_when_the_gateway_starts_is_noticed_as_well() {
    let (site, sources) = site_with_blobs().await;
    let directory = site.site.files().join("blobs");
    fs::rename(&directory, site.site.directory().join("disk")).unwrap();
    fs::create_dir(&directory).unwrap();
    let site = site.restarted().await;
    assert!(site.blobs.check_storage(site.storage.clone()).await.is_err());
    site.blobs.index().want_only(sources.clone());
    assert!(site.blobs.check_storage(site.storage.clone()).await.is_err());
    assert!(all_ready(&site, &sources));
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_that_vanish_from_the_database_take_no_audio_along() {
    let (mut site, sources) = site_with_blobs().await;
    site.storage.repositories.clear();
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
    site.blobs.sweep().await;
    site.until("all were looked at", |blobs| blobs.index().progress().postponed == 5).await;
    assert!(all_ready(&site, &sources));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_site_names_no_longer_is_not_missed() {
    let (site, _) = site_with_blobs().await;
    let directory = site.site.files().join("blobs");
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    site.blobs.index().want_only([]);
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_finds_what_vanished_and_what_came_back() {
    let (site, sources) = site_with_blobs().await;
    let path = site.site.files().join("blobs").join(blob_name(&speech(1)));
    fs::remove_file(&path).unwrap();
    assert!(all_ready(&site, &sources), "nobody has looked");
    site.blobs.sweep().await;
    site.until_state(&sources[0], |state| *state == AudioState::Missing).await;
    assert!(all_ready(&site, &sources[1..]));

    site.write(format!("blobs/{}", blob_name(&speech(1))), &speech(1));
    site.blobs.sweep().await;
    site.until_state(&sources[0], |state| matches!(state, AudioState::Ready(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_audio_is_found_when_its_node_is_named() {
    let site = SiteWithAudio::new().await;
    let source = file("late.mp3");
    assert_eq!(site.indexed(&source).await, AudioState::Missing);
    site.write("late.mp3", &speech(1));
    site.blobs.index().recheck([source.clone()]);
    site.until_state(&source, |state| matches!(state, AudioState::Ready(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_not_served_and_read_anew() {
    let site = SiteWithAudio::new().await;
    let source = file("news.mp3");
    let path = site.write("news.mp3", &speech(1));
    let old = ready(&site.indexed(&source).await).sha256;
    // The same size, in place, and an older date than before.
    site.write("news.mp3", &speech(2));
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();

    assert!(matches!(site.blobs.open(&old).await, Err(BlobError::Changed)));
    site.until_state(&source, |state| ready(state).sha256 != old).await;
    let new = ready(&site.state(&source)).sha256;
    assert_eq!(new, Sha256Digest::of(&speech(2)));
    site.blobs.open(&new).await.unwrap();
    assert!(matches!(site.blobs.open(&old).await, Err(BlobError::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_finds_what_was_replaced() {
    let site = SiteWithAudio::new().await;
    let source = file("news.mp3");
    site.write("news.mp3", &speech(1));
    let old = ready(&site.indexed(&source).await).sha256;
    site.write("news.mp3", &speech(2).repeat(2));
    site.blobs.sweep().await;
    site.until_state(&source, |state| ready(state).sha256 != old).await;
    assert_eq!(ready(&site.state(&source)).duration_ms, 2 * 2232);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_was_moved_is_found_again() {
    let (mut site, sources) = site_with_blobs().await;
    let (root, moved) = (site.site.root(), site.site.directory().join("moved"));
    fs::rename(&root, &moved).unwrap();
    site.storage.root = moved.clone();
    site.storage.repositories = vec![audiospread_server::drupal::Repository {
        name: "blobs".into(),
        adapter: audiospread_server::drupal::Adapter::File { directory: moved.join("sites/default/files/blobs") },
    }];
    site.blobs.check_storage(site.storage.clone()).await.unwrap();
    let before = site.blobs.index().progress().generation;
    site.blobs.sweep().await;
    let digests: Vec<_> = (1..=5).map(|number| Sha256Digest::of(&speech(number))).collect();
    site.until("all are known in their new place", |blobs| blobs.index().progress().generation > before).await;
    for digest in digests {
        site.blobs.open(&digest).await.unwrap();
    }
    assert!(all_ready(&site, &sources));
}
