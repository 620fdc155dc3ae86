//! One call as SIP sees it: who speaks with whom under which tags, and how far it has come.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::media::Media;
use crate::message::{Message, tag_of};

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Ringing,
    Talking,
    Refused { code: u16, cause: Option<u8> },
    Ended,
}

/// A call.
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Our own address with its tag, and the other's.
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) tag: String,
    /// Where requests go.
    pub(crate) target: String,
    pub(crate) cseq: u32,
    /// The INVITE that began it.
    pub(crate) invite: Option<Message>,
    pub(crate) incoming: bool,
    /// Whether somebody has gone to the telephone.
    pub(crate) claimed: bool,
    pub(crate) dialled: String,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) phase: Phase,
    pub(crate) media: Arc<Media>,
}

impl Dialog {
    pub(crate) fn new(call_id: String, local: String, remote: String, target: String, media: Arc<Media>) -> Self {
        Self {
            tag: tag_of(&local).unwrap_or_default().to_owned(),
            call_id,
            local,
            remote,
            target,
            cseq: 0,
            invite: None,
            incoming: false,
            claimed: false,
            dialled: String::new(),
            from: None,
            phase: Phase::Ringing,
            media,
        }
    }

    pub(crate) fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.media.end();
    }
}
