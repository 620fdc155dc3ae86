//! Whether the databases can be read by the way that Asterisk takes: by ODBC, here as this user.

use std::io;
use std::process::Stdio;

use audiospread_protocol::Check;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::in_short;

const ODBC: &str = "ODBC";

/// The data sources of `scripts/asterisk`, and what each must be able to answer.
const QUESTIONS: [(&str, &str); 2] = [
    ("audiospread-mirror", "SELECT count(*) FROM phone_mirror"),
    ("audiospread-calls", "SELECT count(*) FROM recordings"),
];

pub(super) async fn examine() -> Check {
    for (source, question) in QUESTIONS {
        match ask(source, question).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                return Check::bad(
                    ODBC,
                    format!(
                        "the data source {source} cannot be read ({why}): apt-get install libsqliteodbc unixodbc, then \
                         scripts/asterisk/install"
                    ),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Check::doubtful(
                    ODBC,
                    "there is no isql to try the data sources with, and Debian 11 needs what comes with it: apt-get install unixodbc",
                );
            }
            Err(error) => return Check::doubtful(ODBC, format!("isql cannot be asked: {error}")),
        }
    }
    Check::good(ODBC, "both databases can be read by their data sources")
}

/// Why a source does not answer, if it does not.
async fn ask(source: &str, question: &str) -> io::Result<Option<String>> {
    let mut isql = Command::new("isql");
    let mut child = isql
        .args([source, "-b", "-v"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // One that cannot connect has ended by now, and says why.
        let _ = input.write_all(format!("{question}\n").as_bytes()).await;
    }
    let ended = tokio::time::timeout(super::PATIENCE, child.wait_with_output()).await;
    let ran = ended.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let said = [ran.stdout, ran.stderr].concat();
    let is_answered = ran.status.success() && !String::from_utf8_lossy(&said).contains("[ISQL]ERROR");
    Ok((!is_answered).then(|| in_short(&said)))
}
