//! How long a RIFF WAVE is: the chunks are walked, the samples neither read nor decoded.

use std::io;

use super::section::Section;

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const MS_ADPCM: u16 = 2;
const IMA_ADPCM: u16 = 0x11;
/// What Asterisk writes as `wav49`.
const GSM: u16 = 0x31;
const EXTENSIBLE: u16 = 0xfffe;

/// The length in milliseconds of what of the file is there; 0 for what is no audio that a telephone could play.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn duration_ms(file: &Section) -> io::Result<u64> {
    let mut bytes_per_second = 0;
    let mut position = 12;
    // Between the format and the samples stand a handful of chunks; a file made of thousands is made to waste time.
    for _ in 0..256 {
        let mut head = [0; 8];
        if file.read_fully_at(&mut head, position)? < head.len() {
            break;
        }
        let [name @ .., l0, l1, l2, l3] = head;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        position += 8;
        match &name {
            b"fmt " => {
                let mut format = [0; 16];
                if file.read_fully_at(&mut format, position)? == format.len() {
                    bytes_per_second = byte_rate(&format);
                }
            }
            b"data" => {
                // Recorders that were stopped by force leave 0 or the greatest length here.
                let there = file.len().saturating_sub(position);
                let samples = if length == 0 || length == u64::from(u32::MAX) { there } else { length.min(there) };
                return Ok(samples.saturating_mul(1000).checked_div(bytes_per_second).unwrap_or(0));
            }
            _ => {}
        }
        position += length + length % 2;
    }
    Ok(0)
}

/// Bytes a second; 0 for formats that are not known to have a constant rate.
fn byte_rate(format: &[u8; 16]) -> u64 {
    let word = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([format[at], format[at + 1], format[at + 2], format[at + 3]]);
    let (channels, rate, stated, align, bits) = (word(2), long(4), long(8), word(12), word(14));
    if !(1..=8).contains(&channels) || !(1000..=384_000).contains(&rate) {
        return 0;
    }
    match word(0) {
        PCM | IEEE_FLOAT | A_LAW | MU_LAW | EXTENSIBLE => {
            let frame = u64::from(channels) * u64::from(bits).div_ceil(8);
            if frame == 0 || frame != u64::from(align) { 0 } else { frame * u64::from(rate) }
        }
        MS_ADPCM | IMA_ADPCM | GSM => u64::from(stated),
        _ => 0,
    }
}
