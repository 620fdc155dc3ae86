//! Keys as RTP carries them: telephone-events of RFC 4733.

use std::collections::VecDeque;

/// Samples of a packet: 20 ms.
pub(crate) const PACKET: u16 = 160;
/// Packets for which a key is held: 100 ms.
const HELD: u16 = 5;
/// The end of a key is sent three times, should one be lost (RFC 4733, 2.5.1.4).
const ENDS: u8 = 3;
/// Packets of nothing after a key, so that two of the same are told apart: 80 ms.
const GAP: u8 = 4;

/// Keys that are being pressed, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    waiting: VecDeque<u8>,
    now: Option<Pressed>,
    gap: u8,
}

#[derive(Debug)]
struct Pressed {
    event: u8,
    /// The RTP timestamp at which it began, which all its packets bear.
    since: u32,
    held: u16,
}

/// What goes out in this packet's time instead of sound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPacket {
    pub(crate) timestamp: u32,
    pub(crate) first: bool,
    pub(crate) payload: [u8; 4],
    /// How many times it is sent.
    pub(crate) times: u8,
}

/// The event of a key; nothing if no telephone has it.
pub(crate) fn event(key: char) -> Option<u8> {
    "0123456789*#".find(key).and_then(|place| u8::try_from(place).ok())
}

impl Keys {
    pub(crate) fn press(&mut self, event: u8) {
        self.waiting.push_back(event);
    }

    /// Whether all is pressed and let go.
    pub(crate) fn are_up(&self) -> bool {
        self.waiting.is_empty() && self.now.is_none() && self.gap == 0
    }

    /// What to send in the packet of this timestamp; nothing if that is sound.
    pub(crate) fn next(&mut self, timestamp: u32) -> Option<KeyPacket> {
        if self.now.is_none() {
            if self.gap > 0 {
                self.gap -= 1;
                return None;
            }
            let event = self.waiting.pop_front()?;
            self.now = Some(Pressed { event, since: timestamp, held: 0 });
        }
        let pressed = self.now.as_mut()?;
        let first = pressed.held == 0;
        pressed.held += 1;
        let last = pressed.held > HELD;
        let duration = (pressed.held.min(HELD) * PACKET).to_be_bytes();
        // The end bit and -10 dBm0.
        let packet = KeyPacket {
            timestamp: pressed.since,
            first,
            payload: [pressed.event, if last { 0x8a } else { 0x0a }, duration[0], duration[1]],
            times: if last { ENDS } else { 1 },
        };
        if last {
            self.now = None;
            self.gap = GAP;
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_let_go_three_times_and_followed_by_a_gap() {
        let mut keys = Keys::default();
        keys.press(event('#').unwrap());
        keys.press(event('1').unwrap());
        let mut sent = Vec::new();
        let mut timestamp = 1000;
        while !keys.are_up() {
            sent.push(keys.next(timestamp));
            timestamp += 160;
        }
        let first = sent[0].as_ref().unwrap();
        assert!(first.first && first.payload == [11, 0x0a, 0, 160] && first.timestamp == 1000);
        let end = sent[5].as_ref().unwrap();
        assert_eq!(end, &KeyPacket { timestamp: 1000, first: false, payload: [11, 0x8a, 3, 32], times: 3 });
        assert!(sent[6..10].iter().all(Option::is_none));
        assert_eq!(sent[10].as_ref().unwrap().payload[0], 1);
        assert_eq!(sent.len(), 20);
    }

    #[test]
    fn only_keys_of_a_telephone_are_keys() {
        assert_eq!(event('*'), Some(10));
        assert_eq!(event('é'), None);
        assert_eq!(event('A'), None);
    }
}
