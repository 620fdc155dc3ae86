//! Text messages out: what the dialplan wrote down goes to a configured address, or to a program, oldest first, each once.
//!
//! Once, unless an answer was lost on the way: then nobody here can know, and the message goes again, with the same id.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::calls::{Calls, CallsError, Outgoing};
use crate::config::{Send, SendMethod};
use crate::text_message::coding;
use crate::{Config, ConfigError, Event, Observer, Stop};

/// How often the table is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message that waited for so many seconds helps nobody any more: a day.
const TOO_OLD: i64 = 86_400;

/// Sends what waits in `sms_out`.
pub(super) struct Sender {
    way: Way,
    calls: Calls,
    /// Sent, and not noted yet: the database was locked or the disk full.
    sent: HashSet<i64>,
}

/// How a message leaves this host.
enum Way {
    /// By an address, with the message in its places.
    Address { template: SecretString, method: SendMethod, client: Client },
    /// By a program.
    Program(Vec<String>),
}

/// Why a message was not sent now.
enum Trouble {
    /// It never will be.
    Refused(String),
    /// It may be later.
    Later(String),
}

impl Sender {
    pub(super) fn new(send: &Send, calls: Calls) -> Result<Self, ConfigError> {
        Ok(Self { way: Way::new(send)?, calls, sent: HashSet::new() })
    }

    /// Sends until it is told to stop.
    pub(super) async fn run(&mut self, stop: &Stop, tell: Observer<'_>) {
        let mut delays = super::later_and_later();
        while !stop.is_wished() {
            let delay = match self.send_all(stop).await {
                Ok(()) => {
                    delays = super::later_and_later();
                    LOOK
                }
                Err(message) => {
                    let delay = delays.next().unwrap_or(LOOK);
                    tell(Event::Warning { message: format!("text messages wait: {message}") });
                    delay
                }
            };
            super::sleep(stop, delay).await;
        }
    }

    /// One look at the table. What stands against one message stands against those after it too, unless it is the message itself.
    async fn send_all(&mut self, stop: &Stop) -> Result<(), String> {
        let words = |error: CallsError| error.to_string();
        let uuid = self.calls.uuid().map_err(words)?;
        for message in self.calls.pending_messages().map_err(words)? {
            if stop.is_wished() {
                return Ok(());
            }
            let now = Timestamp::now().as_second();
            let outcome = if self.sent.contains(&message.id) {
                Ok(())
            } else if now - message.written_at > TOO_OLD {
                Err("it could not be sent for a day".to_owned())
            } else {
                match self.way.send(&message, &format!("{uuid}-{}", message.id)).await {
                    Ok(()) => {
                        self.sent.insert(message.id);
                        Ok(())
                    }
                    Err(Trouble::Refused(why)) => Err(why),
                    Err(Trouble::Later(why)) => return Err(why),
                }
            };
            self.calls
                .settle_message(message.id, outcome.as_ref().map_or_else(|why| Err(why.as_str()), |()| Ok(())), now)
                .map_err(words)?;
            self.sent.remove(&message.id);
        }
        Ok(())
    }
}

impl Way {
    fn new(send: &Send) -> Result<Self, ConfigError> {
        if let Some(command) = &send.command {
            return Ok(Self::Program(command.clone()));
        }
        let template = match &send.url_file {
            Some(path) => Config::read_secret(path)?,
            None => SecretString::from(send.url.clone().unwrap_or_default()),
        };
        let client = Client::builder()
            .user_agent(concat!("audiospread/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ConfigError::Client(error.to_string()))?;
        Ok(Self::Address { template, method: send.method, client })
    }

    async fn send(&self, message: &Outgoing, id: &str) -> Result<(), Trouble> {
        match self {
            Self::Address { template, method, client } => post(template, *method, client, message, id).await,
            Self::Program(command) => Box::pin(hand_over(command, message, id)).await,
        }
    }
}

async fn post(
    template: &SecretString,
    method: SendMethod,
    client: &Client,
    message: &Outgoing,
    id: &str,
) -> Result<(), Trouble> {
    let url = filled(template.expose_secret(), &message.number, &message.body, id)
        .ok_or_else(|| Trouble::Later("the url of [send] makes no address".to_owned()))?;
    let request = match method {
        SendMethod::Get => client.get(url),
        SendMethod::Post => client.post(url).json(&json!({ "to": message.number, "text": message.body, "id": id })),
    };
    // The address may hold a password: it is in no error.
    let answer = request.send().await.map_err(|error| Trouble::Later(error.without_url().to_string()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status @ (StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND) => Err(Trouble::Later(format!("the address of [send] answers {status}"))),
        status if status.is_client_error() => Err(Trouble::Refused(format!("refused with {status}"))),
        status => Err(Trouble::Later(format!("the address of [send] answers {status}"))),
    }
}

/// Gives a message to a program, which has it once it ends with 0. No shell reads any of it.
async fn hand_over(command: &[String], message: &Outgoing, id: &str) -> Result<(), Trouble> {
    let later = |why: String| Trouble::Later(format!("the command of [send]: {why}"));
    let Some((program, arguments)) = command.split_first() else { return Err(later("there is none".to_owned())) };
    let arguments = arguments.iter().map(|argument| argument.replace("{number}", &message.number).replace("{id}", id));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| later(format!("{program} cannot be run: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // Whoever does not read it says why by how he ends.
        let _ = input.write_all(message.body.as_bytes()).await;
    }
    match tokio::time::timeout(PATIENCE, child.wait_with_output()).await {
        Ok(Ok(ended)) if ended.status.success() => Ok(()),
        Ok(Ok(ended)) => {
            let said = String::from_utf8_lossy(&ended.stderr);
            let last = said.lines().last().unwrap_or_default().chars().take(200).collect::<String>();
            Err(later(format!("{program} ended with {}: {last}", ended.status)))
        }
        Ok(Err(error)) => Err(later(error.to_string())),
        Err(_) => Err(later(format!("{program} does not come to an end"))),
    }
}

/// The address with `{number}`, `{text}`, `{coding}` and `{id}` in their places; whatever they hold, they are values and nothing else.
fn filled(template: &str, number: &str, text: &str, id: &str) -> Option<Url> {
    let encoded = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    // In one pass: a text may hold what looks like a place.
    let mut url = String::with_capacity(template.len() + 3 * text.len());
    let mut rest = template;
    while let Some(begin) = rest.find('{') {
        let (before, from) = rest.split_at(begin);
        url.push_str(before);
        let places = [("{number}", number), ("{text}", text), ("{coding}", coding(text)), ("{id}", id)];
        if let Some((place, value)) = places.into_iter().find(|(place, _)| from.starts_with(place)) {
            url.push_str(&encoded(value));
            rest = &from[place.len()..];
        } else {
            url.push('{');
            rest = &from[1..];
        }
    }
    url.push_str(rest);
    url.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_values() {
        let url =
            filled("http://h/send?u=a&to={number}&text={text}&id={id}", "+221", "a&to=+1 {id} é\n#", "u-1").unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [("u", "a"), ("to", "+221"), ("text", "a&to=+1 {id} é\n#"), ("id", "u-1")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(filled("no address", "1", "2", "3"), None);
        for (text, coding) in [("171 Été à l'eau [1]", "0"), ("225 Préparer l’eau", "2"), ("234 صحة", "2")] {
            let url = filled("http://h/?coding={coding}", "+221", text, "1").unwrap();
            assert_eq!(url.query(), Some(format!("coding={coding}").as_str()), "{text}");
        }
    }
}
