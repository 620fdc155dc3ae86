//! How the gateway stands, and what it lets this phone server do.

use serde::Deserialize;

use super::{Link, LinkError, SendError};

/// What the gateway says of itself and of the token.
#[derive(Debug, Deserialize)]
pub(crate) struct Standing {
    /// The feed's last version.
    pub(crate) version: u64,
    /// The entities that the token may see.
    pub(crate) entities: u64,
    /// What the token may be used for; a gateway of a former version does not say it.
    pub(crate) scopes: Option<Vec<String>>,
}

impl Link {
    /// Asks the gateway how it stands. The token needs the scope `feed` for that.
    pub(crate) async fn standing(&self) -> Result<Standing, LinkError> {
        let answer = self.ask(&self.url("v1/status")?, "application/json", None).await?;
        let status = answer.status().as_u16();
        self.read(answer).await.map_err(|error| match error {
            SendError::Link(error) => error,
            SendError::Refused(problem) => LinkError::Unexpected { status, detail: problem.detail },
        })
    }
}
