//! The language packs, and the programs of the host by which sounds are made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use audiospread_protocol::Check;
use audiospread_sound::{Lame, LameError, Source};
use camino::Utf8PathBuf;
use tokio::process::Command;

use super::run;
use crate::Config;
use crate::store::{PackMemory, Packs};

const PACKS: &str = "language packs";
const LAME: &str = "lame";
const GSM: &str = "sound format";

/// Whether what the menus say before anything was pulled is there.
pub(super) fn packs(config: &Config) -> Check {
    let Some(directory) = &config.packs_dir else {
        return Check::doubtful(
            PACKS,
            "packs_dir is not set, so that every prompt travels, and nothing is heard before the first pull: name the packs of \
             AudioSpread (scripts/asterisk/packs)",
        );
    };
    if let Err(error) = std::fs::read_dir(directory) {
        return Check::bad(
            PACKS,
            format!("{directory}: {error}; set packs_dir to scripts/asterisk/packs of AudioSpread, or a copy of it"),
        );
    }
    let packs = match Packs::look(directory, &PackMemory::new()) {
        Ok((packs, _)) => packs,
        Err(error) => return Check::bad(PACKS, format!("{error}: let the agent's user read it")),
    };
    let made = config.data_dir.join("packs");
    let (mut languages, mut unmade) = (BTreeMap::<String, u32>::new(), 0_u32);
    for (_, _, name) in packs.names() {
        // A directory that is not there, or closed to this user, was told of already.
        if config.data_dir.exists()
            && made.join(format!("{name}.{}", config.sound_format)).try_exists().is_ok_and(|there| !there)
        {
            unmade += 1;
        }
        if let Some((language, _)) = name.split_once('/') {
            *languages.entry(language.to_owned()).or_default() += 1;
        }
    }
    if languages.is_empty() {
        return Check::bad(
            PACKS,
            format!(
                "there is none in {directory}: set packs_dir to scripts/asterisk/packs of AudioSpread, or a copy of it"
            ),
        );
    }
    if unmade > 0 {
        let message = format!(
            "{unmade} prompts of {directory} are not yet made for the phone: `audiospread pull` does it, without the link too"
        );
        return Check::doubtful(PACKS, message);
    }
    let languages: Vec<String> =
        languages.iter().map(|(language, count)| format!("{count} prompts in {language}")).collect();
    Check::good(PACKS, languages.join(", "))
}

/// Whether what callers leave can be made mp3: a second of silence is.
pub(super) async fn encoder(program: &str) -> Check {
    let lame = Lame::new(program.to_owned());
    match encode_silence(&lame).await {
        Ok(0) => Check::bad(LAME, format!("{program} makes no mp3: is it lame? apt-get install lame")),
        Ok(_) => match lame.version().await {
            Ok(version) => Check::good(LAME, format!("what callers leave is made mp3 by {version}")),
            Err(error) => Check::bad(LAME, error.to_string()),
        },
        Err(error) => Check::bad(LAME, format!("nothing of what callers leave can be sent: {error}")),
    }
}

/// How many bytes come out, in a file that has no name.
async fn encode_silence(lame: &Lame) -> Result<u64, LameError> {
    const SECOND: usize = 2 * Lame::RATE as usize;
    let made =
        File::from(rustix::fs::memfd_create("doctor", rustix::fs::MemfdFlags::CLOEXEC).map_err(io::Error::from)?);
    let to = Utf8PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), made.as_raw_fd()));
    // A second of it fits into a pipe.
    let (silence, mut samples) = io::pipe()?;
    samples.write_all(&vec![0; SECOND])?;
    drop(samples);
    lame.encode(Source::Samples(silence), 1000, &to).await?;
    Ok(made.metadata()?.len())
}

/// Whether one of the programs is there by which sounds become GSM.
pub(super) async fn maker_of_gsm() -> Check {
    for (program, asked) in [("sox", "--version"), ("ffmpeg", "-version")] {
        if run(Command::new(program).arg(asked)).await.is_ok_and(|ran| ran.status.success()) {
            return Check::good(GSM, format!("gsm is made by {program}"));
        }
    }
    Check::bad(GSM, "sound_format = \"gsm\" needs sox or ffmpeg: apt-get install sox, or choose \"wav\" or \"ulaw\"")
}
