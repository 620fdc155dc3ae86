//! How an answer begins: whether it is the gateway's, and what it means.

use std::time::Duration;

use audiospread_protocol::Problem;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::error::printable;
use super::{LinkError, SendError};

/// The media type of the feed.
pub(crate) const FEED_TYPE: &str = "application/x-ndjson";

const PROBLEM_TYPE: &str = "application/problem+json";

/// More of an error's body is not read.
const MAX_PROBLEM: usize = 64 << 10;

/// Passes on what was asked for: 200, 206 and 416 of the right type; everything else is an error that says what to do.
pub(super) async fn judge(response: Response, accept: &str, idle: Duration) -> Result<Response, LinkError> {
    let status = response.status();
    let media_type = media_type(&response);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(response);
    }
    if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        let is_wanted = if accept == FEED_TYPE { media_type == FEED_TYPE } else { media_type != "text/html" };
        if is_wanted {
            return Ok(response);
        }
        return Err(not_a_gateway(&response, &media_type));
    }
    Err(match refusal(response, idle).await {
        SendError::Link(error) => error,
        SendError::Refused(problem) => {
            let detail = in_short(&problem);
            match problem.status {
                404 => LinkError::NotFound(detail),
                410 => LinkError::SnapshotNeeded(detail),
                status => LinkError::Unexpected { status, detail },
            }
        }
    })
}

/// Passes on what was taken; everything else is an error, or the gateway's refusal of what was sent.
pub(super) async fn judge_sent(response: Response, idle: Duration) -> Result<Response, SendError> {
    let media_type = media_type(&response);
    if !response.status().is_success() {
        return Err(refusal(response, idle).await);
    }
    if media_type == "text/html" {
        return Err(not_a_gateway(&response, &media_type).into());
    }
    Ok(response)
}

/// What an answer means that is not what was asked for.
async fn refusal(response: Response, idle: Duration) -> SendError {
    let (status, media_type) = (response.status(), media_type(&response));
    let stranger = not_a_gateway(&response, &media_type);
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let problem = if media_type == PROBLEM_TYPE { problem(response, idle).await } else { None };
    let detail = match &problem {
        Some(problem) => in_short(problem),
        None => status.canonical_reason().unwrap_or("no reason given").to_owned(),
    };
    let error = match (status.as_u16(), problem) {
        // A balancer in front of the gateway may speak for it, in its own words.
        (code @ (429 | 500..=599), _) => {
            LinkError::Unwell { status: code, detail, retry_after: retry_after.map(Duration::from_secs) }
        }
        (401, _) if media_type != "text/html" => LinkError::TokenRefused(detail),
        (_, None) => stranger,
        (403, Some(_)) => LinkError::ScopeMissing(detail),
        (code, Some(problem)) => return SendError::Refused(Problem { status: code, ..problem }),
    };
    SendError::Link(error)
}

/// What a problem says, fit for a terminal and a log.
pub(super) fn in_short(problem: &Problem) -> String {
    printable(&format!("{} ({})", problem.detail, problem.title))
}

pub(super) fn media_type(response: &Response) -> String {
    let text = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn not_a_gateway(response: &Response, media_type: &str) -> LinkError {
    let what = if media_type.is_empty() { "nothing that has a type" } else { media_type };
    LinkError::NotGateway(printable(&format!(
        "{} answers {} with {what}, which is not what a gateway of AudioSpread says",
        response.url(),
        response.status().as_u16(),
    )))
}

async fn problem(mut response: Response, idle: Duration) -> Option<Problem> {
    let mut body = Vec::new();
    while let Ok(Ok(Some(piece))) = tokio::time::timeout(idle, response.chunk()).await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_PROBLEM {
            return None;
        }
    }
    serde_json::from_slice(&body).ok()
}
