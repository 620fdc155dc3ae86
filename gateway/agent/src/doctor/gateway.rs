//! Whether the gateway answers, what it lets this phone server do, and what its clock shows.

use audiospread_protocol::Check;

use crate::link::{Link, Standing, TOLERATED_SKEW};
use crate::{Config, LinkError};

const GATEWAY: &str = "gateway";
const SCOPES: &str = "scopes";
const CLOCK: &str = "clock";

/// Without these something of what a phone server is for does not work.
const NEEDED: [&str; 4] = ["feed", "blobs", "recordings", "calls"];
/// Without it everybody is a standard caller.
const SUBSCRIBERS: &str = "subscribers";

pub(super) async fn examine(config: &Config, checks: &mut Vec<Check>) {
    let link = match Link::new(config, None) {
        Ok(link) => link,
        // Of the token was told already.
        Err(crate::LinkOpenError::Config(_)) => return,
        Err(error) => return checks.push(Check::bad(GATEWAY, error.to_string())),
    };
    let said = link.standing().await;
    let answers = match &said {
        Ok(standing) => {
            format!("{} answers: version {}, {} entities", config.gateway, standing.version, standing.entities)
        }
        Err(LinkError::TokenRefused(_) | LinkError::ScopeMissing(_)) => format!("{} answers", config.gateway),
        Err(error) => return checks.push(Check::bad(GATEWAY, error.to_string())),
    };
    checks.push(Check::good(GATEWAY, answers));
    checks.push(match said {
        Ok(standing) => scopes(&standing),
        Err(error) => Check::bad(SCOPES, error.to_string()),
    });
    checks.push(match link.take_clock_warning() {
        Some(warning) => Check::doubtful(CLOCK, warning),
        None => Check::good(CLOCK, format!("within {} minutes of the gateway's", TOLERATED_SKEW.as_secs() / 60)),
    });
}

fn scopes(standing: &Standing) -> Check {
    let Some(scopes) = &standing.scopes else {
        return Check::good(SCOPES, "the token is accepted; a gateway of this version does not say what for");
    };
    let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|scope| !has(scope)).collect();
    if !missing.is_empty() {
        return Check::bad(
            SCOPES,
            format!(
                "the token lacks {}: ask the gateway's administrator to add that in the token file there",
                missing.join(", ")
            ),
        );
    }
    if !has(SUBSCRIBERS) {
        return Check::doubtful(
            SCOPES,
            format!(
                "the token lacks {SUBSCRIBERS}, so that premium callers are not known here: if they are wanted, ask the gateway's \
                 administrator to add it in the token file there"
            ),
        );
    }
    Check::good(SCOPES, format!("the token is accepted for {}", scopes.join(", ")))
}
