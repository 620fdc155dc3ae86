//! What the hook for text messages needs: its address, and Asterisk's spool.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use audiospread_protocol::Check;
use camino::Utf8Path;
use rustix::fs::Access;

use crate::config::Hook;

const SPOOL: &str = "spool";
const ADDRESS: &str = "hook";

/// Whether call files can be put where Asterisk takes them.
pub(super) fn spool(outgoing: &Utf8Path) -> Check {
    if !outgoing.is_dir() {
        return Check::bad(
            SPOOL,
            format!(
                "there is no directory {outgoing}, by which text messages reach Asterisk: set outgoing in [asterisk]"
            ),
        );
    }
    match rustix::fs::access(outgoing.as_str(), Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::good(SPOOL, format!("{outgoing} takes call files of this user")),
        Err(_) => Check::bad(
            SPOOL,
            format!(
                "this user may not write into {outgoing}, by which text messages reach Asterisk: put the agent's user into the \
                 group with which scripts/asterisk/install shares it"
            ),
        ),
    }
}

/// Whether the hook's address is free, or held by an agent.
pub(super) async fn address(hook: &Hook) -> Check {
    match TcpListener::bind(hook.listen) {
        Ok(_) => Check::good(ADDRESS, format!("{} is free for `audiospread run`", hook.listen)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if is_agent(hook).await {
                Check::good(ADDRESS, format!("`audiospread run` answers on {}", hook.listen))
            } else {
                Check::bad(
                    ADDRESS,
                    format!(
                        "another program listens on {}: change listen in [hook], and what sends messages there",
                        hook.listen
                    ),
                )
            }
        }
        Err(error) => {
            Check::bad(ADDRESS, format!("cannot listen on {}: {error}; change listen in [hook]", hook.listen))
        }
    }
}

/// Without a token an agent answers with a problem of ours.
async fn is_agent(hook: &Hook) -> bool {
    let asked = async {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().ok()?;
        let answer = client.get(format!("http://{}/v1/sms?from=&text=", hook.listen)).send().await.ok()?;
        answer.json::<audiospread_protocol::Problem>().await.ok()
    };
    asked.await.is_some_and(|problem| problem.kind.starts_with("urn:audiospread:"))
}
