//! What the catalogue is made of: the rows of a Drupal 6 site that matter for the phone, in memory.
//!
//! Filled by [`crate::drupal`]; pure data, compact because a site may have a million programs. It says what Drupal's tables hold, not what
//! the phone makes of it: that is the business of the rules beside it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use super::partial::Partial;

use super::Finding;

/// `node.nid`.
pub type Nid = u32;
/// `node.vid`: a revision, and no `nid`.
pub type Vid = u32;
/// `term_data.tid`.
pub type Tid = u32;
/// `files.fid`.
pub type Fid = u32;
/// A language code of Drupal's, such as `fr` or `pt-br`; shared, since there are few.
pub type Language = Arc<str>;

/// A Drupal site's rows at one moment.
///
/// Nodes and files are in B-trees: built from ascending keys they are full, while a hash table of a million nodes may be half empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Names the field layout and configuration under which the nodes were read; another one needs another whole reading.
    pub layout: u64,
    /// The site's languages.
    pub languages: Languages,
    /// The variable `audiospread_settings`, decoded; `Null` where it is absent.
    pub settings: serde_json::Value,
    /// The terms of the phone's vocabulary, those below *minimals* included.
    pub terms: HashMap<Tid, Term>,
    /// The nodes of the program types, phone messages included.
    pub programs: BTreeMap<Nid, ProgramNode>,
    /// The nodes that carry a category's sounds.
    pub sounds: BTreeMap<Nid, SoundNode>,
    /// The nodes that carry a prompt.
    pub prompts: BTreeMap<Nid, PromptNode>,
    /// The phone subscribers.
    pub subscribers: BTreeMap<Nid, SubscriberNode>,
    /// fileframework's nodes of type `file`.
    pub files: BTreeMap<Nid, FileNode>,
    /// The rows of `files` that nodes above refer to.
    pub managed_files: BTreeMap<Fid, ManagedFile>,
    /// What was seen while reading: missing tables, values of a strange type.
    pub notes: Vec<Finding>,
}

/// The site's languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Languages {
    /// The variable `language_default`, else English.
    pub default: Language,
    /// The enabled rows of `languages` by weight and name; the default one alone where there is no such table.
    pub enabled: Vec<Language>,
}

impl Default for Languages {
    fn default() -> Self {
        let english: Language = "en".into();
        Self { default: english.clone(), enabled: vec![english] }
    }
}

/// A taxonomy term of the phone's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// `term_data.name`.
    pub name: Box<str>,
    /// `term_data.description`.
    pub description: Box<str>,
    /// Its place among all terms by weight, then by name as the database collates: the order of siblings.
    pub rank: u32,
    /// The rows of `term_hierarchy`, ascending; 0 is the top level.
    pub parents: Vec<Tid>,
}

/// By what a save of a node is told from a later one: Drupal writes it before anything else of the node, and never the same a second later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `node.vid`.
    pub vid: Vid,
    /// `node.changed`, Unix seconds.
    pub changed: i64,
}

/// What nodes of all types have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The current revision.
    pub vid: Vid,
    /// `status = 1`.
    pub published: bool,
    /// Whether all rows are there that the current revision's type should have; if not, a save is in flight.
    pub complete: bool,
    /// `node.language`, absent where neutral.
    pub language: Option<Language>,
    /// The mapped language field, absent where it has no value.
    pub language_field: Option<Language>,
    /// `node.title`.
    pub title: Box<str>,
    /// `node.created`, Unix seconds.
    pub created: i64,
    /// `node.changed`, Unix seconds.
    pub changed: i64,
    /// `node.tnid`: the source of the translation set, 0 outside sets.
    pub tnid: Nid,
    /// The terms of the current revision that are of the phone's vocabulary, ascending.
    pub terms: Box<[Tid]>,
}

/// Where a field or an attachment points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRef {
    /// At a node of type `file` (fileframework: `file_cck` fields, `file_attachments`).
    Node(Nid),
    /// At a row of `files` (filefield, core `upload`).
    Managed(Fid),
}

/// A node of a program type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramNode {
    /// The common part.
    pub node: Node,
    /// The field of the spoken title.
    pub title: Option<FileRef>,
    /// The field of the body.
    pub body: Option<FileRef>,
    /// The listed attachments: core upload by weight and fid, then `file_attachments` by weight and fnid.
    pub attachments: Box<[FileRef]>,
    /// The weight field; `NULL` is 0.
    pub weight: i32,
}

/// A node with the sounds of the categories it is tagged with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundNode {
    /// The common part.
    pub node: Node,
    /// The spoken name.
    pub title: Option<FileRef>,
    /// Heard before the items.
    pub header: Option<FileRef>,
    /// Heard after the items.
    pub footer: Option<FileRef>,
}

/// A node with one sound of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptNode {
    /// The common part.
    pub node: Node,
    /// The key field.
    pub key: Option<Box<str>>,
    /// The sound.
    pub audio: Option<FileRef>,
}

/// A phone subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberNode {
    /// The common part.
    pub node: Node,
    /// The numbers as people typed them, by delta; empty values left out.
    pub numbers: Vec<Box<str>>,
    /// The plan field.
    pub plan: Option<Box<str>>,
    /// The balance in seconds; absent is unlimited.
    pub balance_seconds: Option<i64>,
}

/// A node of type `file` with its row of `file_nodes` at the current revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNode {
    /// The current revision.
    pub vid: Vid,
    /// `status = 1`, its own and not that of the node that has it.
    pub published: bool,
    /// `node.changed`, Unix seconds.
    pub changed: i64,
    /// Whether the row of `file_nodes` is there for the current revision.
    pub complete: bool,
    /// Whether the type or the name says audio; decides only which attachments count.
    pub looks_like_audio: bool,
    /// Where the bytes are; absent where the URI is of no known form.
    pub source: Option<AudioSource>,
}

/// A row of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedFile {
    /// `files.status = 1`.
    pub permanent: bool,
    /// Whether `filemime` or the name says audio; decides only which attachments count.
    pub looks_like_audio: bool,
    /// Where the bytes are.
    pub source: AudioSource,
}

/// Where Drupal has the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AudioSource {
    /// `bitcache://` and the SHA-1 of the bytes; in which repository must be tried.
    Bitcache([u8; 20]),
    /// `files.filepath`: a path relative to Drupal's root.
    Path(Box<str>),
}

/// What is known of the bytes at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioState {
    /// They are audio.
    Ready(audiospread_protocol::AudioRef),
    /// They were not looked at yet.
    Pending,
    /// They are not there.
    Missing,
    /// They are there, and no audio.
    NotAudio,
}

/// What is known of Drupal's audio, without opening any.
pub trait AudioIndex: Send + Sync {
    /// What is known of the bytes at `source`.
    fn state(&self, source: &AudioSource) -> AudioState;
}
