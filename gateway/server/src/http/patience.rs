//! Bodies that stop coming: whoever sends nothing for two minutes is given up, so that a link that died without a word holds nothing for ever.
//!
//! How fast a body comes does not matter: links are slow.

use std::io;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};

const PATIENCE: Duration = Duration::from_secs(120);

/// The request, with a body that ends with an error where nothing more comes of it.
pub(super) fn limited(mut request: ServiceRequest) -> ServiceRequest {
    match request.take_payload() {
        Payload::None => {}
        body => {
            request.set_payload(Payload::Stream { payload: Box::pin(within(PATIENCE, body)) });
        }
    }
    request
}

fn within<S>(patience: Duration, body: S) -> impl Stream<Item = Result<Bytes, PayloadError>>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(patience, body.next()).await {
            Ok(piece) => piece.map(|piece| (piece, Some(body))),
            Err(_) => Some((Err(PayloadError::Incomplete(Some(io::ErrorKind::TimedOut.into()))), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_stops_coming_ends_with_an_error_and_what_came_before_is_whole() {
        let pieces = || stream::iter(["so ", "far"].map(|piece| Ok(Bytes::from(piece))));
        let all: Vec<_> = within(Duration::from_millis(20), pieces().chain(stream::pending())).collect().await;
        assert_eq!(all.iter().flatten().collect::<Vec<_>>(), ["so ", "far"]);
        assert!(matches!(&all[2], Err(PayloadError::Incomplete(Some(why))) if why.kind() == io::ErrorKind::TimedOut));
        assert_eq!(all.len(), 3);
        assert!(within(PATIENCE, pieces()).all(|piece| std::future::ready(piece.is_ok())).await);
    }
}
