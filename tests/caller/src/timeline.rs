//! What was heard, in its own time: packets put where their timestamps say, so that a busy machine's delays are not heard as gaps.

use std::time::Duration;

use crate::sound::{RATE, samples};

/// An hour: nothing a test listens to is longer.
const LONGEST: usize = 3600 * RATE as usize;
/// Timestamps that jump further than this begin a new count.
const JUMP: i64 = 60 * RATE as i64;

/// The samples heard since a call began.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    samples: Vec<i16>,
    /// The source that is heard, and where its timestamp 0 lies.
    source: Option<(u32, i64)>,
    /// The last timestamp, counted on beyond 32 bits.
    last: i64,
}

impl Timeline {
    /// Puts in a packet that arrived so long after the beginning.
    pub(crate) fn put(&mut self, ssrc: u32, timestamp: u32, heard: &[i16], after: Duration) {
        let unwrapped = match self.source {
            Some((known, _)) if known == ssrc => {
                // The nearest to the last one among those with these 32 bits.
                #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
                let delta = i64::from(timestamp.wrapping_sub(self.last as u32) as i32);
                (delta.abs() <= JUMP).then_some(self.last + delta)
            }
            _ => None,
        };
        let timestamp = unwrapped.unwrap_or(i64::from(timestamp));
        if unwrapped.is_none() {
            let begin = self.samples.len().max(samples(after));
            self.source = Some((ssrc, i64::try_from(begin).unwrap_or(0) - timestamp));
        }
        self.last = timestamp;
        let Some(place) = self.source.and_then(|(_, zero)| usize::try_from(timestamp + zero).ok()) else { return };
        let end = place + heard.len();
        if end > LONGEST {
            return;
        }
        if end > self.samples.len() {
            self.samples.resize(end, 0);
        }
        self.samples[place..end].copy_from_slice(heard);
    }

    pub(crate) fn samples(&self) -> &[i16] {
        &self.samples
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKET: [i16; 160] = [7; 160];

    #[test]
    fn late_and_swapped_packets_lie_where_they_belong() {
        let mut timeline = Timeline::default();
        timeline.put(1, 1000, &[1; 160], Duration::ZERO);
        timeline.put(1, 1320, &[3; 160], Duration::from_secs(9));
        timeline.put(1, 1160, &[2; 160], Duration::from_secs(9));
        assert_eq!(timeline.samples().len(), 480);
        assert!(
            [1, 2, 3]
                .iter()
                .enumerate()
                .all(|(at, value)| timeline.samples()[at * 160..][..160].iter().all(|s| s == value))
        );
    }

    #[test]
    fn a_pause_is_heard_as_silence_as_long_as_it_was() {
        let mut timeline = Timeline::default();
        timeline.put(1, 0, &PACKET, Duration::ZERO);
        timeline.put(1, 8160, &PACKET, Duration::from_secs(1));
        assert_eq!(timeline.samples().len(), 8320);
        assert!(timeline.samples()[160..8160].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn another_source_goes_on_behind_the_first_one() {
        let mut timeline = Timeline::default();
        timeline.put(1, 4_000_000_000, &PACKET, Duration::ZERO);
        timeline.put(2, 5, &PACKET, Duration::from_millis(1));
        timeline.put(2, 165, &PACKET, Duration::from_secs(3));
        assert_eq!(timeline.samples().len(), 480);
    }

    proptest! {
        #[test]
        fn timestamps_that_overflow_are_counted_on(start in any::<u32>(), packets in 1_u32..200) {
            let mut timeline = Timeline::default();
            for number in 0..packets {
                timeline.put(1, start.wrapping_add(number * 160), &PACKET, Duration::ZERO);
            }
            prop_assert_eq!(timeline.samples().len(), packets as usize * 160);
            prop_assert!(timeline.samples().iter().all(|sample| *sample == 7));
        }

        #[test]
        fn no_packets_bring_it_down(packets in proptest::collection::vec((0_u32..3, any::<u32>(), 0_usize..400), 0..50)) {
            let mut timeline = Timeline::default();
            for (ssrc, timestamp, length) in packets {
                timeline.put(ssrc, timestamp, &vec![1; length], Duration::ZERO);
            }
            prop_assert!(timeline.samples().len() <= LONGEST);
        }
    }
}
