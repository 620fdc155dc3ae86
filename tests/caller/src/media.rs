//! The sound of one call: a thread that sends a packet every 20 ms, as telephones do, and takes in what comes.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rtp_types::{RtpPacket, RtpPacketBuilder};

use crate::keys::{Keys, PACKET, event};
use crate::session::Agreed;
use crate::timeline::Timeline;

const PACKET_TIME: Duration = Duration::from_millis(20);

/// The sound of a call, from before it is answered until after it has ended.
#[derive(Debug)]
pub(crate) struct Media {
    socket: UdpSocket,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    heard: Timeline,
    keys: Keys,
    speech: VecDeque<i16>,
    ended: bool,
}

/// What a listener sees of it.
pub(crate) struct Snapshot {
    pub(crate) samples: Vec<i16>,
    pub(crate) ended: bool,
}

impl Media {
    pub(crate) fn new(ip: IpAddr) -> io::Result<Arc<Self>> {
        let socket = UdpSocket::bind((ip, 0))?;
        Ok(Arc::new(Self { socket, state: Mutex::default(), changed: Condvar::new() }))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Begins to speak and listen; once.
    pub(crate) fn start(self: &Arc<Self>, agreed: Agreed) {
        let mut state = self.lock();
        if state.began.is_some() || state.ended {
            return;
        }
        state.began = Some(Instant::now());
        drop(state);
        let media = Arc::clone(self);
        thread::spawn(move || media.serve(agreed));
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Presses keys, those that a telephone has.
    pub(crate) fn press(&self, keys: &str) {
        let mut state = self.lock();
        for event in keys.chars().filter_map(event) {
            state.keys.press(event);
        }
    }

    pub(crate) fn speak(&self, samples: &[i16]) {
        self.lock().speech.extend(samples);
    }

    /// Waits until all is said and all keys are up; false if the call ended before.
    pub(crate) fn wait_until_done(&self) -> bool {
        let busy = |state: &mut State| !(state.ended || state.keys.are_up() && state.speech.is_empty());
        let state = self.changed.wait_while(self.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        state.keys.are_up() && state.speech.is_empty()
    }

    /// How many samples were heard until now.
    pub(crate) fn heard(&self) -> usize {
        self.lock().heard.samples().len()
    }

    /// How long the call has been going on, and how much of it was heard.
    pub(crate) fn elapsed(&self) -> Duration {
        self.lock().began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// What was heard from a sample on, as soon as there are so many or the call has ended; at the latest at the deadline.
    pub(crate) fn wait_for(&self, from: usize, enough: usize, deadline: Instant) -> Snapshot {
        let mut state = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() || state.heard.samples().len() >= from + enough {
                let samples = state.heard.samples();
                return Snapshot { samples: samples[from.min(samples.len())..].to_vec(), ended: state.ended };
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, agreed: Agreed) {
        let mut sender = Sender::new(agreed);
        let mut due = Instant::now();
        let mut buffer = [0; 2048];
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let mut state = self.lock();
                if state.ended {
                    return;
                }
                let packets = sender.next(&mut state);
                drop(state);
                self.changed.notify_all();
                for packet in packets {
                    // A port that is closed while the other end hangs up.
                    let _ = self.socket.send_to(&packet, agreed.to);
                }
                due += PACKET_TIME;
                continue;
            }
            if self.socket.set_read_timeout(Some(left)).is_err() {
                return;
            }
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                self.hear(&buffer[..length]);
            }
        }
    }

    fn hear(&self, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::parse(datagram) else { return };
        let Some(codec) = crate::codec::Codec::of(packet.payload_type()) else { return };
        let samples: Vec<i16> = packet.payload().iter().map(|byte| codec.decode(*byte)).collect();
        let mut state = self.lock();
        let after = state.began.map_or(Duration::ZERO, |began| began.elapsed());
        state.heard.put(packet.ssrc(), packet.timestamp(), &samples, after);
        drop(state);
        self.changed.notify_all();
    }
}

/// What goes out, packet by packet.
struct Sender {
    agreed: Agreed,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Sender {
    fn new(agreed: Agreed) -> Self {
        Self { agreed, ssrc: rand::random(), sequence: rand::random(), timestamp: rand::random() }
    }

    fn next(&mut self, state: &mut State) -> Vec<Vec<u8>> {
        let now = self.timestamp;
        self.timestamp = now.wrapping_add(PACKET.into());
        if let Some(key) = state.keys.next(now) {
            return (0..key.times)
                .filter_map(|_| self.packet(self.agreed.keys, key.timestamp, key.first, &key.payload))
                .collect();
        }
        let samples = state.speech.len().min(PACKET.into());
        let mut payload: Vec<u8> =
            state.speech.drain(..samples).map(|sample| self.agreed.codec.encode(sample)).collect();
        payload.resize(PACKET.into(), self.agreed.codec.encode(0));
        self.packet(self.agreed.codec.payload_type(), now, false, &payload).into_iter().collect()
    }

    fn packet(&mut self, payload_type: u8, timestamp: u32, marker: bool, payload: &[u8]) -> Option<Vec<u8>> {
        let packet = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(payload_type)
            .marker_bit(marker)
            .sequence_number(self.sequence)
            .timestamp(timestamp)
            .ssrc(self.ssrc)
            .payload(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet.write_vec().ok()
    }
}
