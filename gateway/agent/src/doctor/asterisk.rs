//! Whether Asterisk runs, is one that the menus know, has what they need, and has them.

use std::collections::HashSet;
use std::io;

use audiospread_protocol::Check;
use camino::Utf8Path;
use rustix::fs::Access;

use super::PATIENCE;
use crate::asterisk::{AskError, ask};

const ASTERISK: &str = "Asterisk";
const MODULES: &str = "modules";
const MENUS: &str = "menus";
const LOOKUPS: &str = "lookups";
const SILENCE: &str = "silence";

/// The versions on which the menus are tested, and those between them.
const VERSIONS: std::ops::RangeInclusive<u32> = 16..=22;

/// The list that is installed for an Asterisk that loads only what is named.
const NEEDED: &str = include_str!("../../../../scripts/asterisk/etc/audiospread/modules.conf");

/// Without it nothing can be looked up.
const FUNC_ODBC: &str = "func_odbc.so";

/// A lookup of each database.
const QUESTIONS: [&str; 2] = ["odbc read AS_HOME_COUNT x exec", "odbc read AS_CHOSEN_LANGUAGE x exec"];

pub(super) async fn examine(command: &[String], checks: &mut Vec<Check>) {
    let version = match ask(command, "core show version", PATIENCE).await {
        Ok(said) => said,
        Err(error) => return checks.push(silent(&error)),
    };
    checks.push(self::version(&version));
    let answers = async {
        let modules = ask(command, "module show", PATIENCE).await?;
        let missing = missing(&modules);
        let has_lookups = !missing.contains(&FUNC_ODBC);
        checks.push(self::modules(&missing));
        checks.push(menus(
            &ask(command, "dialplan show audiospread-home", PATIENCE).await?,
            &ask(command, "dialplan show", PATIENCE).await?,
        ));
        if has_lookups {
            checks.push(lookups(command).await?);
        }
        checks.push(silence(&ask(command, "core show settings", PATIENCE).await?));
        Ok(())
    };
    if let Err(error) = answers.await {
        checks.push(silent(&error));
    }
}

/// Why Asterisk says nothing: it does not run, or this user may not ask.
fn silent(error: &AskError) -> Check {
    let may_not = || {
        Check::doubtful(
            ASTERISK,
            format!(
                "{error}: this user may not use its console; set astctlgroup and astctlpermissions in asterisk.conf, so that recordings \
                 which a crash leaves over are found"
            ),
        )
    };
    match error {
        AskError::Run { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => may_not(),
        AskError::Run { .. } => {
            Check::bad(ASTERISK, format!("{error}: apt-get install asterisk, or set command in [asterisk]"))
        }
        AskError::Silent(why) if is_forbidden(why) => may_not(),
        AskError::Silent(_) => Check::bad(
            ASTERISK,
            format!("{error}: start it (systemctl start asterisk), and look at its log if it ends again"),
        ),
        AskError::Odd(_) => Check::bad(ASTERISK, error.to_string()),
    }
}

/// Whether the control socket that Asterisk's program names is there and closed to this user.
fn is_forbidden(why: &str) -> bool {
    let socket = why.split_once("(does ").and_then(|(_, rest)| Some(Utf8Path::new(rest.split_once(" exist")?.0)));
    socket.is_some_and(|socket| {
        let denied = |outcome: rustix::io::Result<()>| outcome == Err(rustix::io::Errno::ACCESS);
        denied(rustix::fs::access(socket.as_str(), Access::WRITE_OK))
    })
}

fn version(said: &str) -> Check {
    let named = said.trim().split(" built by").next().unwrap_or_default().chars().take(80).collect::<String>();
    let number = named.trim_start_matches("Asterisk ").trim_start_matches("certified/");
    let number: String = number.chars().take_while(char::is_ascii_digit).collect();
    match number.parse() {
        Ok(number) if VERSIONS.contains(&number) => Check::good(ASTERISK, format!("{named} answers")),
        _ => Check::doubtful(
            ASTERISK,
            format!("{named} answers; the menus are for {} to {}", VERSIONS.start(), VERSIONS.end()),
        ),
    }
}

/// The modules that the menus need and that do not run.
fn missing(said: &str) -> Vec<&'static str> {
    let running: HashSet<&str> = said
        .lines()
        .filter(|line| line.contains(" Running ") && !line.contains(" Not Running "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let needed = NEEDED.lines().filter_map(|line| line.strip_prefix("load = "));
    needed.filter(|module| !running.contains(module)).collect()
}

fn modules(missing: &[&str]) -> Check {
    match missing {
        [] => Check::good(MODULES, "all that the menus need are loaded"),
        [first, ..] => Check::bad(
            MODULES,
            format!(
                "not loaded: {}; see what `asterisk -rx \"module load {first}\"` says, and modules.conf (scripts/asterisk/install adds the \
                 list where autoload is off)",
                missing.join(", ")
            ),
        ),
    }
}

fn menus(home: &str, all: &str) -> Check {
    if !home.contains("Context 'audiospread-home'") {
        return Check::bad(
            MENUS,
            "Asterisk has not loaded them: scripts/asterisk/install, then `asterisk -rx \"core restart when convenient\"`",
        );
    }
    let mut context = "";
    let mut trunks = Vec::new();
    for line in all.lines() {
        if let Some(name) = line.strip_prefix("[ Context '").and_then(|rest| rest.split('\'').next()) {
            context = name;
        } else if line.contains("Include =>") && line.contains("'audiospread-arrivals'") {
            trunks.push(context);
        }
    }
    if trunks.is_empty() {
        return Check::doubtful(
            MENUS,
            "they are loaded, and no trunk leads to them: scripts/asterisk/install --trunk sip-trunk, gsm-dongle or softphone",
        );
    }
    Check::good(MENUS, format!("loaded; calls come by {}", trunks.join(", ")))
}

/// Whether Asterisk itself, as its own user, reads both databases.
async fn lookups(command: &[String]) -> Result<Check, AskError> {
    for question in QUESTIONS {
        let said = ask(command, question, PATIENCE).await?;
        if !said.contains("Query executed on handle") {
            let said = super::in_short(said.as_bytes());
            return Ok(Check::bad(
                LOOKUPS,
                format!(
                    "Asterisk cannot read what the agent keeps ({said}): restart it if it was put into the group just now, and see \
                     `asterisk -rx \"odbc show\"`"
                ),
            ));
        }
    }
    Ok(Check::good(LOOKUPS, "Asterisk reads both databases as its own user"))
}

/// Whether a caller who records is sent anything meanwhile.
fn silence(said: &str) -> Check {
    let setting = said.lines().find_map(|line| line.trim().strip_prefix("Transmit silence during rec:"));
    if setting.is_some_and(|value| value.trim() == "Enabled") {
        return Check::good(SILENCE, "whoever records is sent silence meanwhile");
    }
    Check::doubtful(
        SILENCE,
        "whoever records is sent nothing meanwhile, and some networks end such calls: transmit_silence = yes in [options] of asterisk.conf, \
         then `asterisk -rx \"core restart when convenient\"`",
    )
}

#[cfg(test)]
mod tests {
    use audiospread_protocol::Verdict;

    use super::*;

    #[test]
    fn versions_are_known_by_their_number() {
        for (said, verdict) in [
            ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1 built by nobody @ x", Verdict::Good),
            ("Asterisk 16.28.0~dfsg-0+deb11u4 built by x", Verdict::Good),
            ("Asterisk certified/20.7-cert1 built by x", Verdict::Good),
            ("Asterisk 13.22.0 built by x", Verdict::Doubtful),
            ("Asterisk GIT-master-1 built by x", Verdict::Doubtful),
            ("", Verdict::Doubtful),
        ] {
            assert_eq!(version(said).verdict, verdict, "{said}");
        }
    }

    #[test]
    fn modules_that_do_not_run_are_missing() {
        let all: Vec<String> = NEEDED
            .lines()
            .filter_map(|line| line.strip_prefix("load = "))
            .map(|module| format!("{module:<30} Some words    0          Running              core"))
            .collect();
        let all = all.join("\n");
        assert!(missing(&all).is_empty());
        let without = all.replacen("func_odbc.so ", "func_odd.so ", 1);
        assert_eq!(missing(&without), ["func_odbc.so"]);
        let declined: String = all
            .lines()
            .map(|line| if line.starts_with("app_read.so") { line.replace(" Running ", " Not Running ") } else { line.to_owned() } + "\n")
            .collect();
        assert_eq!(missing(&declined), ["app_read.so"]);
    }

    #[test]
    fn trunks_are_the_contexts_that_lead_to_the_menus() {
        let home = "[ Context 'audiospread-home' created by 'pbx_config' ]";
        let all =
            "[ Context 'mine' created by 'pbx_config' ]\n  Include =>        'audiospread-arrivals'   [pbx_config]\n";
        assert!(menus(home, all).message.ends_with("by mine"));
        assert_eq!(menus(home, "").verdict, Verdict::Doubtful);
        assert_eq!(menus("There is no existence of 'audiospread-home' context", all).verdict, Verdict::Bad);
    }

    #[test]
    fn an_asterisk_that_sends_nothing_while_somebody_records_is_doubtful() {
        let settings = "\nPBX Core settings\n-----------------\n  Version:                     22.10.1\n  Transmit silence during rec: Disabled\n";
        assert_eq!(silence(settings).verdict, Verdict::Doubtful);
        assert_eq!(silence(&settings.replace("Disabled", "Enabled")).verdict, Verdict::Good);
        assert_eq!(silence("").verdict, Verdict::Doubtful);
    }

    #[test]
    fn an_asterisk_that_does_not_run_is_told_from_one_that_may_not_be_asked() {
        let directory = tempfile::tempdir().unwrap();
        let gone =
            format!("Unable to connect to remote asterisk (does {} exist?)", directory.path().join("x").display());
        assert!(!is_forbidden(&gone));
        assert_eq!(silent(&AskError::Silent(gone)).verdict, Verdict::Bad);
        let denied = AskError::Run { program: "asterisk".into(), source: io::ErrorKind::PermissionDenied.into() };
        assert_eq!(silent(&denied).verdict, Verdict::Doubtful);
    }
}
