//! Opening blobs by their digest.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use audiospread_protocol::Sha256Digest;
use audiospread_server::blobs::BlobError;

use super::site_with_audio::{SiteWithAudio, blob, blob_name, file, ready, speech};

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_opened_by_its_digest() {
    let site = SiteWithAudio::new().await;
    site.write("a b é.mp3", &speech(1));
    let digest = ready(&site.indexed(&file("a b é.mp3")).await).sha256;
    let mut opened = site.blobs.open(&digest).await.unwrap();
    assert_eq!((opened.size, opened.mime), (speech(1).len() as u64, "audio/mpeg"));
    let mut bytes = Vec::new();
    opened.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, speech(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_no_audio_is_not_found() {
    let site = SiteWithAudio::new().await;
    site.write("secret.txt", b"database password");
    site.index([file("secret.txt")]).await;
    for digest in [Sha256Digest::of(b"database password"), Sha256Digest::of(b""), Sha256Digest([0; 32])] {
        assert!(matches!(site.blobs.open(&digest).await, Err(BlobError::NotFound)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_in_two_places_are_served_from_whichever_is_left() {
    let site = SiteWithAudio::new().await;
    let one = site.write("one.mp3", &speech(1));
    site.write("two.mp3", &speech(1));
    site.write(format!("bitcache/file/{}", blob_name(&speech(1))), &speech(1));
    let sources = [file("one.mp3"), file("two.mp3"), blob(&speech(1))];
    site.index(sources.clone()).await;
    let digest = Sha256Digest::of(&speech(1));
    for source in &sources {
        assert_eq!(ready(&site.state(source)).sha256, digest);
    }
    fs::remove_file(one).unwrap();
    site.blobs.open(&digest).await.unwrap();
    fs::remove_file(site.site.files().join("two.mp3")).unwrap();
    site.blobs.open(&digest).await.unwrap();
    fs::remove_file(site.site.files().join("bitcache/file").join(blob_name(&speech(1)))).unwrap();
    assert!(matches!(site.blobs.open(&digest).await, Err(BlobError::Changed | BlobError::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_put_in_the_place_of_a_file_is_not_followed() {
    let site = SiteWithAudio::new().await;
    let path = site.write("a.mp3", &speech(1));
    let digest = ready(&site.indexed(&file("a.mp3")).await).sha256;
    let moved = site.site.directory().join("moved.mp3");
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    assert!(matches!(site.blobs.open(&digest).await, Err(BlobError::Changed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sounds_of_the_language_packs_are_blobs_too() {
    let site = SiteWithAudio::new().await;
    let packs = site.site.directory().join("packs");
    fs::write(packs.join("prompts.toml"), "[[prompt]]\ncontext = \"home\"\nkey = \"goodbye\"\n").unwrap();
    fs::create_dir_all(packs.join("en/home")).unwrap();
    fs::write(packs.join("en/home/goodbye.mp3"), speech(9)).unwrap();
    let site = site.restarted().await;
    let digest = Sha256Digest::of(&speech(9));
    assert_eq!(site.blobs.open(&digest).await.unwrap().mime, "audio/mpeg");
    // Another sound by the same name is not the one that was promised.
    fs::write(packs.join("en/home/goodbye.mp3"), speech(8)).unwrap();
    assert!(matches!(site.blobs.open(&digest).await, Err(BlobError::NotFound)));
}
