//! The files that nodes point at: fileframework's file nodes, rows of `files`, and attachments.

use super::error::ReadError;
use super::marks::Marks;
use super::nodes::Nodes;
use super::page::Rows;
use super::scan::{Key, Keys, Scan, or_empty};
use super::session::Session;
use super::values;
use crate::catalogue::site::{AudioSource, Fid, FileRef, ManagedFile, Nid, Vid};

/// Reads `file_nodes`: where the bytes of the file nodes are, at their current revision.
pub(super) async fn read_file_nodes(
    session: &mut Session<'_>,
    nodes: &mut Nodes<'_>,
    marks: Option<&mut Marks>,
) -> Result<(), ReadError> {
    let scan = Scan::new(session.table("file_nodes")?, Key::Nid, &["vid", "uri", &or_empty("type")]);
    let nids: Vec<Nid> = if marks.is_some() { Vec::new() } else { nodes.files.iter().map(|(nid, _)| *nid).collect() };
    let keys = Keys::all_or(marks, &nids);
    let files = &mut nodes.files;
    session
        .scan(&scan, keys, |nid, rows| {
            let Ok(found) = files.binary_search_by_key(&nid, |(nid, _)| *nid) else { return };
            let file = &mut files[found].1;
            let Some(row) = rows.iter().find(|row| values::id(row[1]) == Some(file.vid)) else { return };
            let [_, _, uri, mime] = row else { return };
            file.complete = true;
            file.looks_like_audio |= values::looks_like_audio(mime, b"");
            file.source = bitcache(uri).map(AudioSource::Bitcache);
        })
        .await
}

/// `bitcache://` and 40 lower-case hex digits.
fn bitcache(uri: &[u8]) -> Option<[u8; 20]> {
    let digits = uri.strip_prefix(b"bitcache://")?;
    let is_lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let mut sha1 = [0; 20];
    (is_lower && hex::decode_to_slice(digits, &mut sha1).is_ok()).then_some(sha1)
}

/// An attachment of a current revision; ordered as Drupal lists them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Attachment {
    vid: Vid,
    /// core's upload before `file_attachments`.
    module: u8,
    weight: i64,
    id: u32,
}

impl Attachment {
    const UPLOAD: u8 = 0;
    const FILE_ATTACH: u8 = 1;

    fn file(&self) -> FileRef {
        if self.module == Self::UPLOAD { FileRef::Managed(self.id) } else { FileRef::Node(self.id) }
    }
}

/// Reads the listed attachments of programs.
pub(super) async fn read_attachments(
    session: &mut Session<'_>,
    nodes: &mut Nodes<'_>,
    (has_upload, has_file_attachments): (bool, bool),
    mut marks: Option<&mut Marks>,
) -> Result<(), ReadError> {
    let vids = if marks.is_some() { Vec::new() } else { nodes.vids() };
    let mut attachments = Vec::new();
    if has_upload {
        let mut scan = Scan::new(session.table("upload")?, Key::Vid, &["vid", "weight", "fid"]);
        scan.only = "AND list = 1";
        let keys = Keys::all_or(marks.as_deref_mut(), &vids);
        collect(session, &scan, keys, Attachment::UPLOAD, nodes, &mut attachments).await?;
    }
    if has_file_attachments {
        // The table's only index is that of the file nodes.
        let key = if marks.is_some() { Key::Fnid } else { Key::Vid };
        let mut scan = Scan::new(session.table("file_attachments")?, key, &["vid", "weight", "fnid"]);
        scan.only = "AND cid = 0 AND list = 1";
        let keys = Keys::all_or(marks, &vids);
        collect(session, &scan, keys, Attachment::FILE_ATTACH, nodes, &mut attachments).await?;
    }
    attachments.sort_unstable();
    attachments.dedup();
    for group in attachments.chunk_by(|one, other| one.vid == other.vid) {
        if let Some(program) = nodes.program_of(group[0].vid) {
            program.attachments = group.iter().map(Attachment::file).collect();
        }
    }
    Ok(())
}

async fn collect(
    session: &mut Session<'_>,
    scan: &Scan,
    keys: Keys<'_>,
    module: u8,
    nodes: &mut Nodes<'_>,
    attachments: &mut Vec<Attachment>,
) -> Result<(), ReadError> {
    session
        .scan(scan, keys, |_, rows: Rows<'_>| {
            for row in rows.iter() {
                let [_, vid, weight, id] = row else { continue };
                let (Some(vid), Some(id)) = (values::id(vid), values::id(id)) else { continue };
                if nodes.program_of(vid).is_some() {
                    attachments.push(Attachment { vid, module, weight: values::int(weight).unwrap_or(0), id });
                }
            }
        })
        .await
}

/// Reads these rows of `files`, which are in ascending order.
pub(super) async fn read_managed_files(
    session: &mut Session<'_>,
    fids: &[Fid],
    marks: Option<&mut Marks>,
) -> Result<Vec<(Fid, ManagedFile)>, ReadError> {
    let mut found = Vec::with_capacity(fids.len());
    let texts = ["filepath", "filename", "filemime"].map(or_empty);
    let scan = Scan::new(session.table("files")?, Key::Fid, &["status", &texts[0], &texts[1], &texts[2]]);
    session
        .scan(&scan, Keys::all_or(marks, fids), |fid, rows| {
            if fids.binary_search(&fid).is_err() {
                return;
            }
            let Some([_, status, path, name, mime]) = rows.iter().next() else { return };
            let looks_like_audio = values::looks_like_audio(mime, name) || values::name_says_audio(path);
            let source = AudioSource::Path(values::text(path).into());
            found.push((fid, ManagedFile { permanent: values::int(status) == Some(1), looks_like_audio, source }));
        })
        .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bitcaches_own_uris_name_a_hash() {
        let good = b"bitcache://c07eac72242c739b17184081a5757aead82d3ade";
        assert_eq!(bitcache(good).map(hex::encode).as_deref(), Some("c07eac72242c739b17184081a5757aead82d3ade"));
        for bad in [
            "",
            "bitcache://",
            "bitcache://c07eac",
            "bitcache://C07EAC72242C739B17184081A5757AEAD82D3ADE",
            "bitcache://../../../../../../../../../../etc/pass",
            "http://example.org/a.mp3",
            "bitcache://c07eac72242c739b17184081a5757aead82d3ade0",
        ] {
            assert_eq!(bitcache(bad.as_bytes()), None, "{bad}");
        }
    }
}
