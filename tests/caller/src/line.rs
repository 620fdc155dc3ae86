//! A telephone line: one UDP port that speaks SIP with one server, for any number of calls and text messages both ways. To a server it is a
//! trunk, or a softphone that has an account.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::call::{Call, CallError, Ringing};
use crate::codec::Codec;
use crate::dialog::{Dialog, Phase};
use crate::media::Media;
use crate::message::{Message, Start, uri_of, user_of};
use crate::session::{self, Agreed};

/// How often a request is sent again that nobody answers (RFC 3261, timer E).
const AGAIN: Duration = Duration::from_millis(500);
/// After this nobody will (timers B and F).
const NOBODY: Duration = Duration::from_secs(32);
/// Who withholds the number (RFC 3323).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// A telephone line; closed when it is dropped.
pub struct Line(Arc<Exchange>);

/// A text message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The number it was sent to.
    pub to: String,
    /// The number it says it is from.
    pub from: String,
    /// What it says.
    pub body: String,
}

/// All of a line, as its threads share it.
pub(crate) struct Exchange {
    socket: UdpSocket,
    pub(crate) address: SocketAddr,
    server: SocketAddr,
    account: Option<Account>,
    codec: Codec,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) dialogs: HashMap<String, Dialog>,
    texts: Vec<Text>,
    /// Requests outside calls: the final answer, when it is there.
    answers: HashMap<String, Option<u16>>,
    /// What was sent and is not answered yet.
    pending: Vec<Pending>,
    closed: bool,
}

struct Pending {
    call_id: String,
    cseq: (u32, String),
    message: Message,
    to: SocketAddr,
    due: Instant,
    until: Instant,
}

impl Line {
    /// Opens a line to a server, on a free port of an IP of this machine.
    ///
    /// # Errors
    /// If there is no such IP here.
    pub fn open(ip: std::net::IpAddr, server: SocketAddr, codec: Codec) -> io::Result<Self> {
        Self::bind(SocketAddr::new(ip, 0), server, codec, None)
    }

    /// Opens a line with an account.
    ///
    /// # Errors
    /// If there is no such IP here.
    pub fn with_account(ip: std::net::IpAddr, server: SocketAddr, account: Account) -> io::Result<Self> {
        Self::bind(SocketAddr::new(ip, 0), server, Codec::Alaw, Some(account))
    }

    fn bind(address: SocketAddr, server: SocketAddr, codec: Codec, account: Option<Account>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let address = socket.local_addr()?;
        let exchange =
            Exchange { socket, address, server, account, codec, state: Mutex::default(), changed: Condvar::new() };
        let line = Self(Arc::new(exchange));
        let exchange = Arc::clone(&line.0);
        thread::spawn(move || exchange.serve());
        Ok(line)
    }

    /// Where the server finds it.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Dials; `from` is the number as the line writes it, or empty to withhold it. Returns at once.
    ///
    /// # Errors
    /// If there is no port for its sound.
    pub fn dial(&self, from: &str, to: &str) -> io::Result<Call> {
        let user = if from.is_empty() { ANONYMOUS.to_owned() } else { self.identity(from) };
        let privacy =
            if from.is_empty() && self.0.account.is_none() { &[("privacy", "id".to_owned())][..] } else { &[] };
        self.invite(&user, to, privacy)
    }

    /// Dials as a carrier does for somebody who withholds the number: it is sent all the same, to be shown to nobody (RFC 3325).
    ///
    /// # Errors
    /// If there is no port for its sound.
    pub fn dial_restricted(&self, from: &str, to: &str) -> io::Result<Call> {
        let asserted = [("p-asserted-identity", self.identity(from)), ("privacy", "id".to_owned())];
        self.invite(ANONYMOUS, to, &asserted)
    }

    fn identity(&self, from: &str) -> String {
        format!("\"{from}\" <sip:{from}@{}>", self.0.address)
    }

    /// Dials as somebody, with further headers.
    fn invite(&self, user: &str, to: &str, headers: &[(&str, String)]) -> io::Result<Call> {
        let exchange = &self.0;
        let media = Media::new(exchange.address.ip())?;
        let call_id = token();
        let local = match &exchange.account {
            Some(account) => format!("<sip:{}@{}>;tag={}", account.name, exchange.server, token()),
            None => format!("{user};tag={}", token()),
        };
        let target = format!("sip:{to}@{}", exchange.server);
        let remote = format!("<{target}>");
        let mut dialog = Dialog::new(call_id.clone(), local, remote, target, Arc::clone(&media));
        let mut invite = exchange.request(&mut dialog, "INVITE");
        for (name, value) in headers {
            invite = invite.with(name, value);
        }
        invite = invite.with_body("application/sdp", session::offer(media.address()?, exchange.codec));
        dialog.invite = Some(invite.clone());
        let mut state = exchange.lock();
        state.dialogs.insert(call_id.clone(), dialog);
        exchange.send_until_answered(&mut state, invite, exchange.server);
        drop(state);
        Ok(Call::new(Arc::clone(exchange), call_id, media))
    }

    /// Waits until somebody rings this number, or any that ends with it.
    ///
    /// # Errors
    /// If nobody does.
    pub fn wait_for_ring(&self, number: &str, patience: Duration) -> Result<Ringing, CallError> {
        let taken = self.0.wait(patience, |state| {
            let ringing = state.dialogs.values_mut().find(|dialog| {
                dialog.incoming && !dialog.claimed && dialog.phase == Phase::Ringing && dialog.dialled.ends_with(number)
            })?;
            ringing.claimed = true;
            Some((ringing.call_id.clone(), ringing.dialled.clone(), Arc::clone(&ringing.media)))
        });
        let (call_id, dialled, media) = taken.ok_or_else(|| CallError::NoRing(number.to_owned()))?;
        Ok(Ringing::new(Call::new(Arc::clone(&self.0), call_id, media), dialled))
    }

    /// Whether somebody rings this number now, or has since the line was opened.
    pub fn was_rung(&self, number: &str) -> bool {
        self.0.lock().dialogs.values().any(|dialog| dialog.incoming && dialog.dialled.ends_with(number))
    }

    /// Sends a text message, and waits until the server has taken or refused it: the code of SIP.
    ///
    /// # Errors
    /// If it does neither.
    pub fn send_text(&self, from: &str, to: &str, text: &str, patience: Duration) -> Result<u16, CallError> {
        let exchange = &self.0;
        let call_id = token();
        let target = format!("sip:{to}@{}", exchange.server);
        let message = Message::request("MESSAGE", &target)
            .with("via", exchange.via())
            .with("max-forwards", "70")
            .with("from", format!("<sip:{from}@{}>;tag={}", exchange.address, token()))
            .with("to", format!("<{target}>"))
            .with("call-id", &call_id)
            .with("cseq", "1 MESSAGE")
            .with_body("text/plain;charset=UTF-8", text);
        let mut state = exchange.lock();
        state.answers.insert(call_id.clone(), None);
        exchange.send_until_answered(&mut state, message, exchange.server);
        drop(state);
        exchange.wait(patience, |state| state.answers.get(&call_id).copied().flatten()).ok_or(CallError::NoAnswer)
    }

    /// Waits for a text message to a number, or to any that ends with it; each is taken once.
    ///
    /// # Errors
    /// If none comes.
    pub fn wait_for_text(&self, number: &str, patience: Duration) -> Result<Text, CallError> {
        let text = self.0.wait(patience, |state| {
            let place = state.texts.iter().position(|text| text.to.ends_with(number))?;
            Some(state.texts.remove(place))
        });
        text.ok_or_else(|| CallError::NoText(number.to_owned()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.lock().closed = true;
    }
}

impl Exchange {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds something; nothing when patience is at its end.
    pub(crate) fn wait<T>(&self, patience: Duration, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next request within a call.
    pub(crate) fn request(&self, dialog: &mut Dialog, method: &str) -> Message {
        // An ACK and a CANCEL bear the number of what they belong to.
        if !matches!(method, "ACK" | "CANCEL") {
            dialog.cseq += 1;
        }
        Message::request(method, &dialog.target)
            .with("via", self.via())
            .with("max-forwards", "70")
            .with("from", &dialog.local)
            .with("to", &dialog.remote)
            .with("call-id", &dialog.call_id)
            .with("cseq", format!("{} {method}", dialog.cseq))
            .with("contact", format!("<sip:{}@{}>", user_of(uri_of(&dialog.local)), self.address))
    }

    fn via(&self) -> String {
        format!("SIP/2.0/UDP {};branch=z9hG4bK{};rport", self.address, token())
    }

    pub(crate) fn send_until_answered(&self, state: &mut State, message: Message, to: SocketAddr) {
        self.send(&message, to);
        let Some(cseq) = message.cseq().map(|(number, method)| (number, method.to_owned())) else { return };
        let call_id = message.call_id().to_owned();
        let now = Instant::now();
        state.pending.push(Pending { call_id, cseq, message, to, due: now + AGAIN, until: now + NOBODY });
    }

    fn send(&self, message: &Message, to: SocketAddr) {
        // What is lost is sent again; a server that is down refuses the port.
        let _ = self.socket.send_to(&message.write(), to);
    }

    fn serve(&self) {
        let mut buffer = vec![0; 65_536];
        loop {
            let received = self.socket.recv_from(&mut buffer);
            let mut state = self.lock();
            if state.closed {
                for dialog in state.dialogs.values() {
                    dialog.media.end();
                }
                return;
            }
            if let Ok((length, from)) = received
                && let Some(message) = Message::parse(&buffer[..length])
            {
                match message.start {
                    Start::Response { code } => self.take_answer(&mut state, &message, code, from),
                    Start::Request { .. } => self.take_request(&mut state, &message, from),
                }
            }
            self.send_again(&mut state);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn send_again(&self, state: &mut State) {
        let now = Instant::now();
        for pending in &mut state.pending {
            if pending.due <= now {
                self.send(&pending.message, pending.to);
                pending.due = now + AGAIN;
            }
        }
        let (late, pending) = std::mem::take(&mut state.pending).into_iter().partition(|pending| pending.until <= now);
        state.pending = pending;
        for Pending { call_id, cseq: (_, method), .. } in late {
            if let Some(dialog) = state.dialogs.get_mut(&call_id).filter(|_| method == "INVITE") {
                dialog.end(Phase::Refused { code: 408, cause: None });
            }
        }
    }

    fn take_answer(&self, state: &mut State, message: &Message, code: u16, from: SocketAddr) {
        let Some((number, method)) = message.cseq() else { return };
        let call_id = message.call_id();
        state
            .pending
            .retain(|pending| pending.call_id != call_id || pending.cseq.0 != number || pending.cseq.1 != method);
        if let Some(answer) = state.answers.get_mut(call_id) {
            if code >= 200 {
                *answer = Some(code);
            }
            return;
        }
        if method != "INVITE" || code < 200 {
            return;
        }
        let Some(mut dialog) = state.dialogs.remove(call_id) else { return };
        if let Some(again) = self.answered(&mut dialog, message, code, number, from) {
            self.send_until_answered(state, again, from);
        }
        state.dialogs.insert(call_id.to_owned(), dialog);
    }

    /// What a final answer to our INVITE means; perhaps an INVITE with a password.
    fn answered(
        &self,
        dialog: &mut Dialog,
        message: &Message,
        code: u16,
        number: u32,
        from: SocketAddr,
    ) -> Option<Message> {
        if code < 300 {
            message.get("to").unwrap_or_default().clone_into(&mut dialog.remote);
            if let Some(contact) = message.get("contact") {
                uri_of(contact).clone_into(&mut dialog.target);
            }
            let acknowledgement = self.request(dialog, "ACK").replacing("cseq", format!("{number} ACK"));
            self.send(&acknowledgement, from);
            match session::read(&message.body) {
                _ if dialog.phase != Phase::Ringing => {}
                Some(agreed) => {
                    dialog.phase = Phase::Talking;
                    dialog.media.start(agreed);
                }
                None => dialog.end(Phase::Refused { code: 488, cause: None }),
            }
            return None;
        }
        let invite = dialog.invite.clone()?;
        let Start::Request { target, .. } = &invite.start else { return None };
        if invite.cseq().is_none_or(|(ours, _)| ours != number) {
            return None;
        }
        let mut acknowledgement = Message::request("ACK", target).with("max-forwards", "70");
        for name in ["via", "from", "call-id"] {
            acknowledgement = acknowledgement.with(name, invite.get(name).unwrap_or_default());
        }
        acknowledgement = acknowledgement.with("to", message.get("to").unwrap_or_default());
        self.send(&acknowledgement.with("cseq", format!("{number} ACK")), from);
        let asked = message.get("www-authenticate").filter(|_| code == 401 && invite.get("authorization").is_none());
        if let (Some(challenge), Some(account)) = (asked, &self.account)
            && let Some(answer) = account.answer(challenge, "INVITE", target, &token())
        {
            dialog.cseq += 1;
            let again = invite
                .replacing("via", self.via())
                .replacing("cseq", format!("{} INVITE", dialog.cseq))
                .with("authorization", answer);
            dialog.invite = Some(again.clone());
            return Some(again);
        }
        dialog.end(Phase::Refused { code, cause: message.cause() });
        None
    }

    fn take_request(&self, state: &mut State, message: &Message, from: SocketAddr) {
        let Start::Request { method, target } = &message.start else { return };
        let known = state.dialogs.get_mut(message.call_id());
        match (method.as_str(), known) {
            ("INVITE", None) => {
                let Some(dialog) = self.rung(message, target, from) else {
                    self.send(&message.answer(488, &token()), from);
                    return;
                };
                self.send(&message.answer(180, &dialog.tag), from);
                state.dialogs.insert(message.call_id().to_owned(), dialog);
            }
            ("INVITE", Some(dialog)) => match dialog.phase {
                Phase::Ringing => self.send(&message.answer(180, &dialog.tag), from),
                Phase::Talking => {
                    if let Some(answer) = self.acceptance(dialog, message) {
                        self.send(&answer, from);
                    }
                }
                Phase::Refused { code, .. } => self.send(&message.answer(code, &dialog.tag), from),
                Phase::Ended => self.send(&message.answer(481, &dialog.tag), from),
            },
            ("ACK", _) => {
                let call_id = message.call_id();
                state.pending.retain(|pending| pending.call_id != call_id || !pending.is_answer());
            }
            ("BYE", Some(dialog)) => {
                self.send(&message.answer(200, &dialog.tag), from);
                dialog.end(Phase::Ended);
            }
            ("CANCEL", Some(dialog)) => {
                self.send(&message.answer(200, &dialog.tag), from);
                if dialog.phase == Phase::Ringing {
                    if let Some(invite) = &dialog.invite {
                        self.send(&invite.answer(487, &dialog.tag), from);
                    }
                    dialog.end(Phase::Ended);
                }
            }
            ("MESSAGE", _) => {
                self.send(&message.answer(200, &token()), from);
                // Sent again because our answer was lost, it is the same one.
                if state.answers.insert(message.call_id().to_owned(), Some(200)).is_none() {
                    let sender = user_of(uri_of(message.get("from").unwrap_or_default())).to_owned();
                    let text = Text { to: user_of(target).to_owned(), from: sender, body: message.body.clone() };
                    state.texts.push(text);
                }
            }
            ("BYE" | "CANCEL", None) => self.send(&message.answer(481, &token()), from),
            _ => self.send(&message.answer(200, &token()), from),
        }
    }

    /// A call that comes in.
    fn rung(&self, invite: &Message, target: &str, from: SocketAddr) -> Option<Dialog> {
        let media = Media::new(self.address.ip()).ok()?;
        let tag = token();
        let local = format!("{};tag={tag}", invite.get("to")?);
        let contact = uri_of(invite.get("contact")?).to_owned();
        let mut dialog =
            Dialog::new(invite.call_id().to_owned(), local, invite.get("from")?.to_owned(), contact, media);
        dialog.tag = tag;
        dialog.incoming = true;
        user_of(target).clone_into(&mut dialog.dialled);
        dialog.from = Some(from);
        dialog.invite = Some(invite.clone());
        Some(dialog)
    }

    /// "Yes" to an INVITE.
    fn acceptance(&self, dialog: &Dialog, invite: &Message) -> Option<Message> {
        let contact = format!("<sip:{}@{}>", dialog.dialled, self.address);
        let offer = session::offer(dialog.media.address().ok()?, self.codec);
        Some(invite.answer(200, &dialog.tag).with("contact", contact).with_body("application/sdp", offer))
    }

    /// Takes up the receiver of a call that rings; false if it has stopped.
    pub(crate) fn accept(&self, call_id: &str) -> bool {
        let mut state = self.lock();
        let Some(dialog) = state.dialogs.get_mut(call_id).filter(|dialog| dialog.phase == Phase::Ringing) else {
            return false;
        };
        let agreed = dialog.invite.as_ref().and_then(|invite| session::read(&invite.body));
        let answer = dialog.invite.as_ref().and_then(|invite| self.acceptance(dialog, invite));
        let (Some(agreed), Some(answer), Some(from)) = (agreed, answer, dialog.from) else { return false };
        dialog.phase = Phase::Talking;
        // Of what was offered our answer takes one, which need not be the first.
        dialog.media.start(Agreed { codec: self.codec, ..agreed });
        self.send_until_answered(&mut state, answer, from);
        true
    }

    /// Says no to a call that rings.
    pub(crate) fn refuse(&self, call_id: &str, code: u16) {
        let mut state = self.lock();
        let Some(dialog) = state.dialogs.get_mut(call_id).filter(|dialog| dialog.phase == Phase::Ringing) else {
            return;
        };
        dialog.end(Phase::Refused { code, cause: None });
        let answer = dialog.invite.as_ref().map(|invite| invite.answer(code, &dialog.tag));
        if let (Some(answer), Some(from)) = (answer, dialog.from) {
            self.send_until_answered(&mut state, answer, from);
        }
    }

    /// Ends a call in whatever phase it is.
    pub(crate) fn hang_up(&self, call_id: &str) {
        let mut state = self.lock();
        let Some(mut dialog) = state.dialogs.remove(call_id) else { return };
        let last = match dialog.phase {
            Phase::Talking => Some(self.request(&mut dialog, "BYE")),
            Phase::Ringing if dialog.incoming => dialog.invite.as_ref().map(|invite| invite.answer(486, &dialog.tag)),
            Phase::Ringing => dialog.invite.clone().map(|invite| {
                let via = invite.get("via").unwrap_or_default().to_owned();
                let number = invite.cseq().map_or(1, |(number, _)| number);
                let cancel = self.request(&mut dialog, "CANCEL");
                cancel.replacing("via", via).replacing("cseq", format!("{number} CANCEL"))
            }),
            _ => None,
        };
        if let Some(message) = last {
            let to = dialog.from.unwrap_or(self.server);
            self.send_until_answered(&mut state, message, to);
        }
        if dialog.phase == Phase::Talking || dialog.incoming {
            dialog.end(Phase::Ended);
        } else {
            // The answer to the INVITE, 487, is still to come.
            dialog.media.end();
        }
        state.dialogs.insert(call_id.to_owned(), dialog);
    }
}

impl Pending {
    /// Whether it is an answer of ours that waits for its ACK.
    fn is_answer(&self) -> bool {
        matches!(self.message.start, Start::Response { .. })
    }
}

/// Letters and digits that nobody else has.
fn token() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}
