//! What may be asked of the agent by HTTP: text messages in, for whatever speaks to a modem or a provider (Kannel, Gammu, a plain JSON post), and
//! by XML-RPC that it syncs now.
//!
//! It knows who may ask, how much, and how a number is written; what a message means is the dialplan's (`audiospread-sms`), which gets it as a
//! call file. Listens on the loopback unless configured otherwise.

mod budget;
mod call_file;
mod message;
mod refusal;
mod xmlrpc;

use std::io;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use audiospread_protocol::{NumberForms, PhoneNumber, ProblemCode};
use camino::Utf8PathBuf;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use self::budget::Budget;
use self::message::Asked;
use self::refusal::Refusal;
use crate::calls::Calls;
use crate::config::Hook;
use crate::run::Wake;
use crate::shared::DataDir;
use crate::{Config, ConfigError};

/// The largest body of a request: a message has some hundred bytes.
const MAX_BODY: usize = 16 << 10;

/// What the hook works with.
struct Desk {
    token: SecretString,
    numbers: NumberForms,
    trunk: String,
    outgoing: Utf8PathBuf,
    spare: Utf8PathBuf,
    calls: Mutex<Calls>,
    budget: Mutex<Budget>,
    wake: Wake,
}

/// Why the hook does not open.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Its token or numbers.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its address.
    #[error(
        "cannot listen on {address} (is another `audiospread run` at work? else change listen in [hook]): {source}"
    )]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Opens the hook; it answers once the returned server is awaited.
pub(crate) fn open(
    config: &Config,
    hook: &Hook,
    directory: &DataDir,
    calls: Calls,
    wake: Wake,
) -> Result<Server, HookError> {
    let desk = web::Data::new(Desk {
        token: Config::read_token(&hook.token_file)?,
        numbers: NumberForms::new(&hook.country_code, &hook.international_prefix, &hook.national_prefix),
        trunk: hook.trunk.clone(),
        outgoing: config.asterisk.outgoing.clone(),
        spare: directory.path().join("incoming"),
        calls: Mutex::new(calls),
        budget: Mutex::new(Budget::new(hook.messages_a_number_an_hour, hook.messages_an_hour)),
        wake,
    });
    let listen = |source| HookError::Listen { address: hook.listen.to_string(), source };
    let listener = TcpListener::bind(hook.listen).map_err(listen)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::clone(&desk))
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .service(
                web::resource("/v1/sms")
                    .route(web::post().to(post))
                    .route(web::get().to(get))
                    .default_service(web::to(wrong_method)),
            )
            .service(
                web::resource("/xmlrpc")
                    .route(web::post().to(xmlrpc::post))
                    .default_service(web::to(xmlrpc::wrong_method)),
            )
            .default_service(web::to(nothing_here))
    })
    .workers(1)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(5)
    .disable_signals()
    .listen(listener)
    .map_err(listen)?
    .run();
    Ok(server)
}

async fn post(
    desk: web::Data<Desk>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let body = body.map_err(|error| {
        if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
            Refusal::new(ProblemCode::TooLarge, format!("The body has more than {MAX_BODY} bytes."))
        } else {
            Refusal::new(ProblemCode::BadRequest, "The body did not come whole.")
        }
    })?;
    let asked = Asked::of_body(request.headers(), &body)?;
    receive(desk, &request, asked).await
}

async fn get(desk: web::Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let asked = Asked::of_form(request.query_string().as_bytes())?;
    receive(desk, &request, asked).await
}

async fn wrong_method() -> HttpResponse {
    not_allowed("/v1/sms takes POST (JSON or form) and GET (form).", "GET, POST")
}

fn not_allowed(detail: &str, allow: &'static str) -> HttpResponse {
    let refusal = Refusal::new(ProblemCode::MethodNotAllowed, detail);
    let mut answer = actix_web::ResponseError::error_response(&refusal);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

async fn nothing_here() -> Refusal {
    Refusal::new(
        ProblemCode::NotFound,
        "There is nothing at this address; text messages go to /v1/sms, XML-RPC to /xmlrpc.",
    )
}

/// Takes a message: who asks, what is asked, whether it came already, whether it is too much, and then to the dialplan.
async fn receive(desk: web::Data<Desk>, request: &HttpRequest, asked: Asked) -> Result<HttpResponse, Refusal> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !desk.knows(message::token(header).as_deref().or(asked.token.as_deref())) {
        return Err(Refusal::new(
            ProblemCode::Unauthorized,
            "Send the token of [hook] token_file: `Authorization: Bearer TOKEN`, or Basic with the token as password.",
        ));
    }
    let from = desk.numbers.e164(&asked.from).ok_or_else(|| {
        Refusal::new(ProblemCode::BadRequest, "`from` is no telephone number, so that nobody could be answered.")
    })?;
    let taken = web::block(move || desk.take(&from, &asked)).await;
    taken.map_err(|_| Refusal::unavailable("The agent"))??;
    // Kannel takes no other code of success but this and 200, and makes a text to the sender of each other answer.
    Ok(HttpResponse::Accepted().content_type("text/plain").finish())
}

impl Desk {
    fn knows(&self, token: Option<&str>) -> bool {
        token.is_some_and(|token| token.as_bytes().ct_eq(self.token.expose_secret().as_bytes()).into())
    }

    /// Blocks: the database and the spool.
    fn take(&self, from: &PhoneNumber, asked: &Asked) -> Result<(), Refusal> {
        let mut calls = self.calls.lock().map_err(|_| Refusal::unavailable("calls.db"))?;
        let id = asked.id.as_deref();
        if let Some(id) = id
            && calls.has_come(id).map_err(|_| Refusal::unavailable("calls.db"))?
        {
            return Ok(());
        }
        let wait = self
            .budget
            .lock()
            .map_or(Some(Duration::from_secs(60)), |mut budget| budget.take(from.as_str(), Instant::now()).err());
        if let Some(wait) = wait {
            return Err(Refusal::new(
                ProblemCode::TooManyRequests,
                "More messages than the budget of [hook] allows an hour, of this number or in all.",
            )
            .retry_after(wait));
        }
        call_file::drop_into(&self.outgoing, &self.spare, from, &asked.body, id, &self.trunk)
            .map_err(|_| Refusal::unavailable("Asterisk's spool"))?;
        // Only now: what was lost on the way comes again, and a call file of the same id takes the former one's place.
        match id {
            Some(id) => calls.note_came(id).map_err(|_| Refusal::unavailable("calls.db")),
            None => Ok(()),
        }
    }
}
