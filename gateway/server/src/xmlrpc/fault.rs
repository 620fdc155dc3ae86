//! Faults: a code and a sentence that says what to do, and the cause, which is for the log.

use audiospread_protocol::ProblemCode;

use crate::http::problems::Refusal;

/// Why a call has no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: i32,
    sentence: String,
    cause: Option<String>,
}

impl Fault {
    /// The text is no XML, or none that is accepted.
    pub(super) const NOT_WELL_FORMED: i32 = -32_700;
    /// The XML is no call.
    pub(super) const NO_CALL: i32 = -32_600;
    /// There is no such method.
    pub(super) const NO_SUCH_METHOD: i32 = -32_601;
    const NONSENSE: i32 = 400;
    const FORBIDDEN: i32 = 403;

    pub(super) fn new(code: i32, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), cause: None }
    }

    /// Arguments that make no sense.
    pub(super) fn nonsense(sentence: impl Into<String>) -> Self {
        Self::new(Self::NONSENSE, sentence)
    }

    /// A token without the scope.
    pub(super) fn forbidden(scope: &str) -> Self {
        let sentence =
            format!("The token needs the scope `{scope}`. The gateway's operator can add it in the token file.");
        Self::new(Self::FORBIDDEN, sentence)
    }

    /// What a client is told.
    pub(super) fn told(&self) -> dxr::Fault {
        dxr::Fault::new(self.code, self.sentence.clone())
    }

    /// Why, for the log; nothing where the caller alone is at fault.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = i32::from(refusal.code().status());
        let sentence = match refusal.code() {
            // That of REST speaks of a header that Drupal's administrator never sees.
            ProblemCode::Unauthorized => {
                "The gateway does not know this token. Copy the one that its operator made for this site into the settings."
            }
            _ => refusal.detail(),
        };
        Self { code, sentence: sentence.to_owned(), cause: refusal.cause() }
    }
}
