//! The language packs, and the programs of the host by which sounds are made.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::process::Stdio;

use audiospread_protocol::Check;
use tokio::process::Command;

use super::{in_short, run};
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
    let silence = tempfile_with(&vec![0; 16_000]);
    let mut command = Command::new(program);
    command.args([
        "--quiet",
        "-r",
        "-s",
        "8",
        "--bitwidth",
        "16",
        "-m",
        "m",
        "--cbr",
        "-b",
        "24",
        "--resample",
        "16",
        "-",
        "-",
    ]);
    let ran = match silence {
        Ok(silence) => run(command.stdin(silence)).await,
        Err(error) => Err(error),
    };
    match ran {
        Ok(ran) if ran.status.success() && !ran.stdout.is_empty() => {
            Check::good(LAME, format!("{program} makes mp3s of what callers leave"))
        }
        Ok(ran) => Check::bad(
            LAME,
            format!(
                "{program} makes no mp3 ({}: {}): install it anew (apt-get install lame)",
                ran.status,
                in_short(&ran.stderr)
            ),
        ),
        Err(error) => Check::bad(
            LAME,
            format!(
                "{program} cannot be run ({error}), so that nothing of what callers leave is sent: apt-get install lame"
            ),
        ),
    }
}

/// A file without a name.
fn tempfile_with(bytes: &[u8]) -> std::io::Result<Stdio> {
    let memory = rustix::fs::memfd_create("silence", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
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
