//! Waves: what their heads say, and those that nobody closed. Asterisk writes the length into the head when a recording ends, so that of a
//! killed one says 0 bytes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};

use crate::shared::{set_mode, sync_directory};

/// What was found of a recording's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It has sound, and its head says how much.
    Whole,
    /// There is no sound in it, or no file.
    Nothing,
}

/// The sound of a recording: 16 bit, of one or two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wave {
    /// How long it is, in milliseconds.
    pub(crate) duration_ms: u64,
}

/// Samples a second that an encoder takes, and telephones have.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

impl Wave {
    /// Looks at a file, and repairs its head where nobody closed it. An encoder would take whatever it is given for sound.
    ///
    /// The inner error says why there is no sound that anybody could hear, today or tomorrow.
    pub(crate) fn of(path: &Utf8Path) -> io::Result<Result<Self, &'static str>> {
        // One that is not there is another matter than one without sound.
        fs::metadata(path)?;
        if repair(path, Origin::Any)? == Found::Nothing {
            return Ok(Err("there is no sound in it"));
        }
        let mut file = File::open(path)?;
        let Some(Head { data, size, format: Some(format) }) = head(&mut file)? else {
            return Ok(Err("it does not say of what form its sound is"));
        };
        let there = file.metadata()?.len().saturating_sub(data).min(u64::from(size));
        let is_plain = format.tag == 1 && format.bits == 16;
        if !is_plain || !matches!(format.channels, 1 | 2) || !RATES.contains(&format.rate) {
            return Ok(Err("its sound is of another form than 16 bit, one or two channels, 8 to 48 kHz"));
        }
        let a_second = u64::from(format.rate) * u64::from(format.channels) * 2;
        Ok(Ok(Self { duration_ms: there * 1000 / a_second }))
    }
}

/// What the chunks in front of the samples say.
struct Head {
    /// Where the samples begin.
    data: u64,
    /// How many bytes of them are promised.
    size: u32,
    format: Option<Format>,
}

#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Format {
    const fn of(bytes: [u8; 16]) -> Self {
        let [tag, tag_, channels, channels_, r, a, t, e, _, _, _, _, _, _, bits, bits_] = bytes;
        Self {
            tag: u16::from_le_bytes([tag, tag_]),
            channels: u16::from_le_bytes([channels, channels_]),
            rate: u32::from_le_bytes([r, a, t, e]),
            bits: u16::from_le_bytes([bits, bits_]),
        }
    }
}

/// Chunks in front of the samples, and behind them, that are looked at; Asterisk writes one in front.
const MAX_CHUNKS: usize = 16;

/// What is known of who wrote a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Asterisk, which was killed meanwhile: its head may be of some moment before, and nothing but samples comes after that.
    LeftOver,
    /// Whoever: what it says that can be so is so.
    Any,
}

/// Repairs the head of a wave that nobody closed. The file is replaced by a repaired copy, since it belongs to Asterisk's user; a crash leaves the
/// one or the other, and a failure the one that was there.
pub(super) fn repair(path: &Utf8Path, origin: Origin) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let Some(Head { data, size: said, .. }) = head(&mut file)? else { return Ok(Found::Nothing) };
    let behind = metadata.len().saturating_sub(data);
    if !metadata.is_file() || behind == 0 {
        return Ok(Found::Nothing);
    }
    let said = u64::from(said);
    let is_closed = match (said, origin) {
        (0, _) if ends_in_chunks(&mut file, data, metadata.len())? => return Ok(Found::Nothing),
        (0, _) => false,
        (_, Origin::LeftOver) if said < behind => ends_in_chunks(&mut file, data + said, metadata.len())?,
        // The unknown length of a stream, 0xFFFFFFFF, is among those that are too long.
        _ => said <= behind,
    };
    if is_closed {
        return Ok(Found::Whole);
    }
    // A sample has two bytes; half a one was cut off.
    let there = behind & !1;
    if there == 0 {
        return Ok(Found::Nothing);
    }
    let copy = Utf8PathBuf::from(format!("{path}.repaired"));
    write_repaired(path, &copy, data, there).inspect_err(|_| {
        // On a full disk it would keep others from being repaired; the error that is told matters more.
        let _ = fs::remove_file(&copy);
    })?;
    Ok(Found::Whole)
}

/// Writes a copy with the right head and puts it into the place of the wave.
fn write_repaired(path: &Utf8Path, repaired: &Utf8Path, data: u64, there: u64) -> io::Result<()> {
    let (size, riff) = (length(there)?, length(data + there - 8)?);
    fs::copy(path, repaired)?;
    set_mode(repaired, 0o660)?;
    let mut copy = File::options().write(true).open(repaired)?;
    copy.set_len(data + there)?;
    copy.seek(SeekFrom::Start(4))?;
    copy.write_all(&riff.to_le_bytes())?;
    copy.seek(SeekFrom::Start(data - 4))?;
    copy.write_all(&size.to_le_bytes())?;
    copy.sync_all()?;
    fs::rename(repaired, path)?;
    sync_directory(path.parent().unwrap_or(path)).map_err(io::Error::other)
}

/// Whether what comes from `at` to the end are chunks such as `LIST`, `bext` or `id3 `, and not samples: names that can be printed, and lengths
/// that lead to the end exactly.
fn ends_in_chunks(file: &mut File, at: u64, end: u64) -> io::Result<bool> {
    let mut at = at + at % 2;
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        if !filled(file, &mut chunk)? {
            return Ok(false);
        }
        let [name @ .., a, b, c, d] = chunk;
        if !name.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(false);
        }
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8 + size;
        // Many programs leave out the last byte of filling.
        if at == end || at + size % 2 == end {
            return Ok(true);
        }
        at += size % 2;
    }
    Ok(false)
}

/// The head of a wave; `None`, if it is none.
fn head(file: &mut File) -> io::Result<Option<Head>> {
    let mut form = [0; 12];
    if !filled(file, &mut form)? || &form[..4] != b"RIFF" || &form[8..] != b"WAVE" {
        return Ok(None);
    }
    let (mut at, mut format) = (12_u64, None);
    for _ in 0..MAX_CHUNKS {
        let mut chunk = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        if !filled(file, &mut chunk)? {
            return Ok(None);
        }
        let [a, b, c, d, size @ ..] = chunk;
        let size = u32::from_le_bytes(size);
        at += 8;
        match &[a, b, c, d] {
            b"data" => return Ok(Some(Head { data: at, size, format })),
            b"fmt " => {
                let mut said = [0; 16];
                format = filled(file, &mut said)?.then(|| Format::of(said));
            }
            _ => {}
        }
        at += u64::from(size) + u64::from(size % 2);
    }
    Ok(None)
}

/// Whether there were enough bytes.
fn filled(file: &mut File, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn length(bytes: u64) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a wave has at most 4 GB"))
}
