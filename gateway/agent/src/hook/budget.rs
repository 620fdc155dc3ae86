//! How many messages an hour are taken, of one number and in all: each may cost an answer, and a loop of two machines costs without end.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// The messages of the last hour.
#[derive(Debug)]
pub(super) struct Budget {
    of_a_number: usize,
    in_all: usize,
    taken: VecDeque<(Instant, String)>,
    by_number: HashMap<String, usize>,
}

impl Budget {
    pub(super) fn new(of_a_number: usize, in_all: usize) -> Self {
        Self { of_a_number, in_all, taken: VecDeque::new(), by_number: HashMap::new() }
    }

    /// Takes one message; if that is too much, says how long it is.
    pub(super) fn take(&mut self, number: &str, now: Instant) -> Result<(), Duration> {
        while let Some((at, _)) = self.taken.front()
            && now.saturating_duration_since(*at) >= HOUR
        {
            if let Some((_, number)) = self.taken.pop_front()
                && let Some(count) = self.by_number.get_mut(&number)
            {
                *count -= 1;
                if *count == 0 {
                    self.by_number.remove(&number);
                }
            }
        }
        let of_this = self.by_number.get(number).copied().unwrap_or(0);
        let first = if self.taken.len() >= self.in_all {
            self.taken.front()
        } else if of_this >= self.of_a_number {
            self.taken.iter().find(|(_, other)| other == number)
        } else {
            self.taken.push_back((now, number.to_owned()));
            *self.by_number.entry(number.to_owned()).or_default() += 1;
            return Ok(());
        };
        Err(first.map_or(HOUR, |(at, _)| HOUR.saturating_sub(now.saturating_duration_since(*at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_all_numbers_have_their_hour() {
        let (mut budget, start) = (Budget::new(2, 3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(budget.take("+1", at(0)).is_ok() && budget.take("+1", at(10)).is_ok());
        assert_eq!(budget.take("+1", at(20)), Err(Duration::from_secs(3580)));
        assert!(budget.take("+2", at(20)).is_ok());
        assert_eq!(budget.take("+3", at(30)), Err(Duration::from_secs(3570)));
        assert!(budget.take("+1", at(3600)).is_ok());
        assert!(budget.take("+1", at(3601)).is_err());
    }
}
