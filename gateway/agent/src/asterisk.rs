//! Asking Asterisk how it is, by its own command line (`asterisk -rx`).
//!
//! Its control socket needs neither a port nor a password, speaks on 16 and 22 alike, and its rights are those of a group (`astctlgroup`); the
//! manager interface would be one more thing that listens. It is asked seldom: once a pull, and once a minute by `run`.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use tokio::process::Command;

use crate::calls::Running;

/// One that is stopped in its middle still takes connections, and answers none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why Asterisk did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{program} cannot be run: {source}")]
    Run { program: String, source: std::io::Error },
    /// It does not run, does not let this user ask, or says nothing.
    #[error("Asterisk does not answer: {0}")]
    Silent(String),
    #[error("Asterisk's answer is not understood: {0:?}")]
    Odd(String),
}

/// Asks which channels are up and since when Asterisk runs; `command` is such as `["asterisk", "-rx"]`.
pub(crate) async fn running(command: &[String]) -> Result<Running, AskError> {
    // The channels first: a later start than theirs would make all of them leftovers.
    let channels = ask(command, "core show channels concise", PATIENCE).await?;
    let uptime = ask(command, "core show uptime seconds", PATIENCE).await?;
    let seconds = uptime_of(&uptime).ok_or_else(|| AskError::Odd(uptime.chars().take(200).collect()))?;
    Ok(Running { since: Timestamp::now().as_second() - seconds, channels: names_of(&channels) })
}

/// What Asterisk's console says to a command.
pub(crate) async fn ask(command: &[String], what: &str, patience: Duration) -> Result<String, AskError> {
    let (program, arguments) = command.split_first().map_or(("asterisk", [].as_slice()), |(p, a)| (p.as_str(), a));
    let ran = Command::new(program).args(arguments).arg(what).stdin(Stdio::null()).kill_on_drop(true).output();
    let ran = tokio::time::timeout(patience, ran)
        .await
        .map_err(|_| AskError::Silent(format!("not within {} seconds", patience.as_secs())))?
        .map_err(|source| AskError::Run { program: program.to_owned(), source })?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.status.success() && !said.contains("Unable to connect") {
        return Ok(said);
    }
    let why = if ran.stderr.is_empty() { said } else { String::from_utf8_lossy(&ran.stderr).into_owned() };
    Err(AskError::Silent(why.trim().chars().take(200).collect()))
}

/// `System uptime: 4711`.
fn uptime_of(said: &str) -> Option<i64> {
    said.lines().find_map(|line| line.trim().strip_prefix("System uptime:")?.trim().parse().ok())
}

/// `PJSIP/trunk-00000001!context!…`, a line for each channel.
fn names_of(said: &str) -> HashSet<String> {
    said.lines().filter_map(|line| line.split_once('!')).map(|(name, _)| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use rustix::process::Pid;

    use super::*;

    #[test]
    fn what_asterisk_says_is_read() {
        assert_eq!(uptime_of("System uptime: 4711\nLast reload: 12\n"), Some(4711));
        assert_eq!(uptime_of("Unable to connect to remote asterisk"), None);
        let names = names_of("PJSIP/a-00000001!audiospread-home!s!3!Up!Record!x!221!!!3!7!(None)!1.2\nno channel\n");
        assert_eq!(names, HashSet::from(["PJSIP/a-00000001".to_owned()]));
    }

    #[tokio::test]
    async fn an_asterisk_that_does_not_run_is_no_reason_to_call_anything_left_over() {
        let command =
            ["sh", "-c", "echo 'Unable to connect to remote asterisk (does /run/asterisk.ctl exist?)'; exit 1"];
        let error = running(&command.map(str::to_owned)).await.unwrap_err();
        assert!(matches!(&error, AskError::Silent(why) if why.contains("Unable to connect")), "{error}");
        assert!(matches!(running(&["/no/such/program".to_owned()]).await, Err(AskError::Run { .. })));
    }

    #[tokio::test]
    async fn an_asterisk_that_is_stopped_in_its_middle_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let noted = directory.path().join("pid");
        let script = format!("echo $$ >'{}'; exec sleep 600", noted.display());
        let error = ask(&["sh", "-c", &script].map(str::to_owned), "", Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(&error, AskError::Silent(why) if why == "not within 2 seconds"), "{error}");
        let asking = std::fs::read_to_string(noted).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap();
        while rustix::process::test_kill_process(asking).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
