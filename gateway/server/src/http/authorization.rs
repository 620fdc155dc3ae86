//! Who asks, and whether the token allows it: the first argument of each handler that is not open to everybody.
//!
//! A token comes as `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic`, since Drupal 6 can send nothing else.
//! Which tokens there are is the business of `tokens`.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpRequest, web};
use audiospread_protocol::ProblemCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::State;
use super::problems::Refusal;
use super::tokens::{Scope, Token};

/// The scope that a handler asks for.
pub(crate) trait Needs: 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// Asks for [`Scope::Feed`].
pub(crate) struct Feed;
/// Asks for [`Scope::Blobs`].
pub(crate) struct Blobs;
/// Asks for [`Scope::Recordings`].
pub(crate) struct Recordings;
/// Asks for [`Scope::Calls`].
pub(crate) struct Calls;
/// Asks for [`Scope::Admin`].
pub(crate) struct Admin;

impl Needs for Feed {
    const SCOPE: Scope = Scope::Feed;
}
impl Needs for Blobs {
    const SCOPE: Scope = Scope::Blobs;
}
impl Needs for Recordings {
    const SCOPE: Scope = Scope::Recordings;
}
impl Needs for Calls {
    const SCOPE: Scope = Scope::Calls;
}
impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// Proof that the request carries a token with the scope `N`.
pub(crate) struct Authorized<N> {
    /// The token's entry.
    pub(crate) token: Arc<Token>,
    scope: PhantomData<N>,
}

impl<N: Needs> FromRequest for Authorized<N> {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authorize(request, N::SCOPE).map(|token| Self { token, scope: PhantomData }))
    }
}

/// The token that a request carries, whatever it may be used for.
pub(crate) fn caller(request: &HttpRequest) -> Result<Arc<Token>, Refusal> {
    let state = request
        .app_data::<web::Data<State>>()
        .ok_or_else(|| Refusal::fault("a handler was routed without the gateway's state"))?;
    let presented = presented(request.headers()).ok_or_else(|| {
        challenge(
            ProblemCode::Unauthorized,
            "Send the token of this phone server as `Authorization: Bearer TOKEN`.",
            r#"Bearer realm="audiospread""#.into(),
        )
    })?;
    state.tokens.find(&presented).ok_or_else(|| {
        challenge(
            ProblemCode::Unauthorized,
            "The gateway does not know this token. Ask the gateway's operator for one; a replaced token stops working.",
            r#"Bearer realm="audiospread", error="invalid_token""#.into(),
        )
    })
}

fn authorize(request: &HttpRequest, scope: Scope) -> Result<Arc<Token>, Refusal> {
    let token = caller(request)?;
    if token.allows(scope) {
        return Ok(token);
    }
    let scope = scope.as_str();
    Err(challenge(
        ProblemCode::Forbidden,
        &format!("The token needs the scope `{scope}`. The gateway's operator can add it in the token file."),
        format!(r#"Bearer realm="audiospread", error="insufficient_scope", scope="{scope}""#),
    ))
}

fn challenge(code: ProblemCode, detail: &str, challenge: String) -> Refusal {
    let refusal = Refusal::new(code, detail);
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => refusal.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => refusal,
    }
}

/// The token that a request carries; several `Authorization` headers are as good as none.
fn presented(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        presented(&headers)
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_the_password_of_basic() {
        assert_eq!(of(&["Bearer a_B-1"]).as_deref(), Some("a_B-1"));
        assert_eq!(of(&["bearer  a_B-1"]).as_deref(), Some("a_B-1"));
        assert_eq!(of(&[&format!("Basic {}", BASE64_STANDARD.encode("drupal:a_B-1"))]).as_deref(), Some("a_B-1"));
        assert_eq!(of(&[&format!("Basic {}", BASE64_STANDARD.encode(":a_B-1"))]).as_deref(), Some("a_B-1"));
    }

    #[test]
    fn anything_else_carries_no_token() {
        for values in [&[][..], &["a_B-1"], &["Digest x"], &["Basic !"], &["Basic YQ=="], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
