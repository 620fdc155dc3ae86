//! A small site for the tests of the rules, and ways to change it.
//!
//! Terms: *Agriculture* (1) with *Crops* (2) and *Livestock* (3), *Health* (4), *minimals* (12) with *home* (13). Languages: en, fr.

use std::collections::HashMap;

use audiospread_protocol::{AudioRef, EntityKey, Kind, Sha256Digest};

use super::site::{
    AudioIndex, AudioSource, AudioState, FileNode, FileRef, Languages, ManagedFile, Nid, Node, ProgramNode, PromptNode,
    Site, SoundNode, SubscriberNode, Term, Tid,
};
use super::{Catalogue, Draft, Outcome, Packs, PromptName, Rules};
use crate::config::{Content, Menu, Numbers};

pub(super) struct Sample {
    pub(super) site: Site,
    pub(super) audio: KnownAudio,
    pub(super) rules: Rules,
    pub(super) packs: Packs,
}

/// Audio that is there unless a test says otherwise.
#[derive(Default)]
pub(super) struct KnownAudio(pub(super) HashMap<AudioSource, AudioState>);

impl AudioIndex for KnownAudio {
    fn state(&self, source: &AudioSource) -> AudioState {
        self.0.get(source).cloned().unwrap_or_else(|| AudioState::Ready(sound(&format!("{source:?}"))))
    }
}

pub(super) fn sound(name: &str) -> AudioRef {
    AudioRef {
        sha256: Sha256Digest::of(name.as_bytes()),
        size: 1,
        mime: "audio/mpeg".into(),
        duration_ms: 1000,
        phone: None,
    }
}

/// Where the bytes of the file node `nid` are.
pub(super) fn blob(nid: Nid) -> AudioSource {
    let mut sha1 = [0; 20];
    sha1[..4].copy_from_slice(&nid.to_be_bytes());
    AudioSource::Bitcache(sha1)
}

/// The audio of the file node `nid`.
pub(super) fn sound_of(nid: Nid) -> AudioRef {
    sound(&format!("{:?}", blob(nid)))
}

pub(super) fn term(name: &str, rank: u32, parents: &[Tid]) -> Term {
    Term { name: name.into(), description: "".into(), rank, parents: parents.to_vec() }
}

pub(super) fn node(nid: Nid, terms: &[Tid]) -> Node {
    Node {
        vid: nid + 1000,
        published: true,
        complete: true,
        language: None,
        language_field: None,
        title: format!("Node {nid}").into(),
        created: 1_299_000_000,
        changed: 1_299_000_100,
        tnid: 0,
        terms: terms.into(),
    }
}

pub(super) fn content() -> Content {
    Content::default()
}

pub(super) fn rules(content: &Content, menu: &Menu) -> Rules {
    let numbers =
        Numbers { country_code: "221".into(), international_prefix: "00".into(), national_prefix: "0".into() };
    Rules::of(content, &numbers, menu)
}

impl Sample {
    pub(super) fn new() -> Self {
        let terms = [
            (1, term("Agriculture", 0, &[0])),
            (2, term("Crops", 1, &[1])),
            (3, term("Livestock", 2, &[1])),
            (4, term("Health", 3, &[0])),
            (12, term("minimals", 10, &[0])),
            (13, term("home", 4, &[12])),
        ];
        let languages = Languages { default: "en".into(), enabled: vec!["en".into(), "fr".into()] };
        Self {
            site: Site { terms: terms.into(), languages, ..Site::default() },
            audio: KnownAudio::default(),
            rules: rules(&content(), &Menu::default()),
            packs: Packs::new(vec![PromptName::new("home", "welcome"), PromptName::new("minimals", "digit_1")]),
        }
    }

    pub(super) fn catalogue(&self) -> Catalogue<'_> {
        Catalogue::new(&self.site, &self.audio, &self.rules, &self.packs)
    }

    /// A published file node with audio of its own.
    pub(super) fn file(&mut self, nid: Nid) -> FileRef {
        let file = FileNode {
            vid: nid,
            published: true,
            changed: 1,
            complete: true,
            looks_like_audio: true,
            source: Some(blob(nid)),
        };
        self.site.files.insert(nid, file);
        FileRef::Node(nid)
    }

    /// A permanent row of `files` with audio of its own.
    pub(super) fn managed(&mut self, fid: u32) -> FileRef {
        let source = AudioSource::Path(format!("sites/default/files/{fid}.mp3").into());
        self.site.managed_files.insert(fid, ManagedFile { permanent: true, looks_like_audio: true, source });
        FileRef::Managed(fid)
    }

    /// A program in *Crops* whose title and body are the file nodes after it.
    pub(super) fn program(&mut self, nid: Nid) -> &mut ProgramNode {
        let (title, body) = (Some(self.file(nid + 1)), Some(self.file(nid + 2)));
        let program = ProgramNode { node: node(nid, &[2]), title, body, attachments: Box::default(), weight: 0 };
        self.site.programs.entry(nid).insert_entry(program).into_mut()
    }

    /// The sounds of a category, whose title, header and footer are the file nodes after them.
    pub(super) fn sounds(&mut self, nid: Nid, tid: Tid) -> &mut SoundNode {
        let (title, header, footer) = (Some(self.file(nid + 1)), Some(self.file(nid + 2)), Some(self.file(nid + 3)));
        let sound = SoundNode { node: node(nid, &[tid]), title, header, footer };
        self.site.sounds.entry(nid).insert_entry(sound).into_mut()
    }

    /// A prompt of *home*, whose sound is the file node after it.
    pub(super) fn prompt(&mut self, nid: Nid, key: &str) -> &mut PromptNode {
        let prompt = PromptNode { node: node(nid, &[13]), key: Some(key.into()), audio: Some(self.file(nid + 1)) };
        self.site.prompts.entry(nid).insert_entry(prompt).into_mut()
    }

    pub(super) fn subscriber(&mut self, nid: Nid, plan: &str, numbers: &[&str]) -> &mut SubscriberNode {
        let subscriber = SubscriberNode {
            node: node(nid, &[]),
            numbers: numbers.iter().map(|&number| number.into()).collect(),
            plan: (!plan.is_empty()).then(|| plan.into()),
            balance_seconds: None,
        };
        self.site.subscribers.entry(nid).insert_entry(subscriber).into_mut()
    }

    pub(super) fn draft(&self, kind: Kind, id: &str) -> Draft {
        self.catalogue().draft(&EntityKey::new(kind, id).unwrap())
    }
}

impl Draft {
    /// The value that is put.
    pub(super) fn value(&self) -> serde_json::Value {
        match &self.outcome {
            Outcome::Put(bytes) => serde_json::from_slice(bytes).unwrap(),
            other => panic!("not put but {other:?}: {:?}", self.findings),
        }
    }

    /// The codes of the findings.
    pub(super) fn codes(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| &*finding.code).collect()
    }
}
