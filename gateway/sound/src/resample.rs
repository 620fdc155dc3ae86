//! From any rate to another one, block by block.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler};

use crate::DecodeError;

/// Frames that go in at once, about.
const CHUNK: usize = 1024;

/// A resampler of one channel that neither begins late nor ends early.
pub(super) struct Resampled {
    from: u32,
    to: u32,
    /// Nothing, where the rate is the wanted one already.
    resampler: Option<Fft<f32>>,
    waiting: Vec<f32>,
    produced: Vec<f32>,
    /// Frames that the filter is still late by.
    late: usize,
    taken: u64,
    given: u64,
}

impl Resampled {
    pub(super) fn new(from: u32, to: u32) -> Result<Self, DecodeError> {
        let resampler = if from == to {
            None
        } else {
            Some(Fft::new(from as usize, to as usize, CHUNK, 1, FixedSync::Input).map_err(odd)?)
        };
        let late = resampler.as_ref().map_or(0, Resampler::output_delay);
        Ok(Self { from, to, resampler, waiting: Vec::new(), produced: Vec::new(), late, taken: 0, given: 0 })
    }

    pub(super) const fn source_rate(&self) -> u32 {
        self.from
    }

    /// Takes samples, and appends what comes of them.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), DecodeError> {
        self.taken += samples.len() as u64;
        if self.resampler.is_none() {
            out.extend_from_slice(samples);
            return Ok(());
        }
        self.waiting.extend_from_slice(samples);
        let mut begin = 0;
        while let Some(used) = self.step(begin, None, out)? {
            begin += used;
        }
        self.waiting.drain(..begin);
        Ok(())
    }

    /// The last samples, which the filter still holds.
    pub(super) fn finish(mut self, out: &mut Vec<f32>) -> Result<(), DecodeError> {
        if self.resampler.is_none() {
            return Ok(());
        }
        let due = (self.taken * u64::from(self.to)).div_ceil(u64::from(self.from));
        let mut rest = self.waiting.len();
        while self.given < due {
            let before = out.len();
            self.step(0, Some(rest), out)?;
            rest = 0;
            if self.given > due {
                // At least `before` stay, since fewer were due then.
                let surplus = usize::try_from(self.given - due).unwrap_or(0);
                out.truncate(out.len().saturating_sub(surplus).max(before));
                break;
            }
        }
        Ok(())
    }

    /// One chunk from `begin` on, or `partial` samples and silence; says how many were used, or that there are too few.
    fn step(&mut self, begin: usize, partial: Option<usize>, out: &mut Vec<f32>) -> Result<Option<usize>, DecodeError> {
        let Some(resampler) = &mut self.resampler else { return Ok(None) };
        let needed = resampler.input_frames_next();
        if partial.is_none() && self.waiting.len() - begin < needed {
            return Ok(None);
        }
        self.produced.resize(resampler.output_frames_next(), 0.0);
        let frames = self.produced.len();
        let input = InterleavedSlice::new(&self.waiting, 1, self.waiting.len()).map_err(odd)?;
        let mut output = InterleavedSlice::new_mut(&mut self.produced, 1, frames).map_err(odd)?;
        let mut indexing = Indexing::new().input_offset(begin);
        if let Some(partial) = partial {
            indexing = indexing.partial_len(partial);
        }
        let (used, made) = resampler.process_into_buffer(&input, &mut output, Some(&indexing)).map_err(odd)?;
        let late = self.late.min(made);
        self.late -= late;
        out.extend_from_slice(&self.produced[late..made]);
        self.given += (made - late) as u64;
        Ok(Some(used))
    }
}

fn odd(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Undecodable(format!("its rate cannot be converted: {error}"))
}
