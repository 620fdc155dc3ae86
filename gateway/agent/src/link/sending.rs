//! What goes to the gateway: uploads by tus 1.0.0, and JSON. Nothing counts as taken before the gateway itself has said so.

use audiospread_protocol::{CallBatch, CallsReceipt, Receipt, RecordingFacts};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::answer::{judge_sent, media_type, not_a_gateway};
use super::{Link, LinkError, SendError, error};

/// The version of tus that is spoken.
const TUS: &str = "1.0.0";

/// With a limit, so many bytes go at once: a call beside it hears nothing of that.
const SIP: usize = 1024;

/// More of an answer is not read.
const MAX_ANSWER: usize = 1 << 20;

/// How an upload stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Bytes that are there.
    pub(crate) offset: u64,
    /// Bytes that it will have.
    pub(crate) length: Option<u64>,
}

/// What became of a recording that the gateway took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new there.
    New,
    /// It was there.
    Known,
}

impl Link {
    /// Begins an upload of so many bytes; its name at the gateway.
    pub(crate) async fn begin_upload(&self, bytes: u64) -> Result<String, SendError> {
        let request = self.tus(Method::POST, self.url("v1/uploads")?).header("Upload-Length", bytes);
        let answer = self.sent(request.header(CONTENT_LENGTH, 0), 0).await?;
        // Its last part alone: the gateway may stand behind another address than it knows, and the token goes nowhere else.
        let name = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok()?.rsplit('/').next());
        let is_name = |name: &&str| {
            (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        name.filter(is_name).map(str::to_owned).ok_or_else(|| stranger(&answer))
    }

    /// How an upload stands; `None` if the gateway has none of this name any more.
    pub(crate) async fn upload_standing(&self, name: &str) -> Result<Option<Standing>, SendError> {
        let response = self.send(self.tus(Method::HEAD, self.upload_url(name)?)).await?;
        // The answer to HEAD has no body that would say more.
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) && is_of_tus(&response) {
            return Ok(None);
        }
        let answer = judge_sent(response, self.idle).await?;
        let offset = number(&answer, "upload-offset").ok_or_else(|| stranger(&answer))?;
        Ok(Some(Standing { offset, length: number(&answer, "upload-length") }))
    }

    /// Adds a piece to an upload from an offset on; how many bytes are there now.
    pub(crate) async fn append(&self, name: &str, offset: u64, piece: Vec<u8>) -> Result<u64, SendError> {
        let checksum = format!("sha256 {}", BASE64_STANDARD.encode(Sha256::digest(&piece)));
        let request = self
            .tus(Method::PATCH, self.upload_url(name)?)
            .header(CONTENT_TYPE, "application/offset+octet-stream")
            .header("Upload-Offset", offset)
            .header("Upload-Checksum", checksum);
        let answer = self.sent_with(request, piece).await?;
        number(&answer, "upload-offset").ok_or_else(|| stranger(&answer))
    }

    /// Hands in a recording whose bytes are uploaded.
    pub(crate) async fn put_recording(&self, uuid: &str, facts: &RecordingFacts) -> Result<Taken, SendError> {
        #[derive(Deserialize)]
        struct Kept {
            uuid: String,
        }
        let url = self.url(&format!("v1/recordings/{uuid}"))?;
        let answer = self.send_json(Method::PUT, url, facts).await?;
        let taken = if answer.status() == StatusCode::CREATED { Taken::New } else { Taken::Known };
        let stranger = stranger(&answer);
        let kept: Kept = self.read(answer).await?;
        if kept.uuid == uuid { Ok(taken) } else { Err(stranger) }
    }

    /// Hands in call records.
    pub(crate) async fn post_calls(&self, batch: &CallBatch) -> Result<CallsReceipt, SendError> {
        let answer = self.send_json(Method::POST, self.url("v1/calls")?, batch).await?;
        let stranger = stranger(&answer);
        let receipt: CallsReceipt = self.read(answer).await?;
        let told = u64::from(receipt.accepted) + u64::from(receipt.known) + receipt.refused.len() as u64;
        if told == batch.calls.len() as u64 { Ok(receipt) } else { Err(stranger) }
    }

    /// Says how this phone server is doing.
    pub(crate) async fn put_receipt(&self, receipt: &Receipt) -> Result<(), SendError> {
        let answer = self.send_json(Method::PUT, self.url("v1/receipt")?, receipt).await?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(stranger(&answer)) }
    }

    async fn send_json(&self, method: Method, url: Url, value: &impl serde::Serialize) -> Result<Response, SendError> {
        let body = serde_json::to_vec(value).map_err(|error| LinkError::Broken(error.to_string()))?;
        let request = self.request(method, url).header(CONTENT_TYPE, "application/json");
        self.sent_with(request, body).await
    }

    /// Sends a body at the pace of the limit.
    async fn sent_with(&self, request: RequestBuilder, body: Vec<u8>) -> Result<Response, SendError> {
        let length = body.len();
        // A stream whose length is said, since not everything between here and the gateway takes pieces without it.
        let request = request.header(CONTENT_LENGTH, length);
        self.sent(request.body(self.paced(Bytes::from(body))), length).await
    }

    fn paced(&self, bytes: Bytes) -> Body {
        let limiter = std::sync::Arc::clone(&self.limiter);
        Body::wrap_stream(stream::unfold((bytes, limiter), |(mut rest, limiter)| async move {
            if rest.is_empty() {
                return None;
            }
            let sip = rest.split_to(rest.len().min(SIP));
            limiter.take(sip.len()).await;
            Some((Ok::<_, std::convert::Infallible>(sip), (rest, limiter)))
        }))
    }

    async fn sent(&self, request: RequestBuilder, bytes: usize) -> Result<Response, SendError> {
        let patience = self.idle + self.limiter.time_of(bytes);
        let response = self.send_within(request, patience).await?;
        judge_sent(response, self.idle).await
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, mut answer: Response) -> Result<T, SendError> {
        let mut body = Vec::new();
        loop {
            match tokio::time::timeout(self.idle, answer.chunk()).await {
                Ok(Ok(Some(piece))) if body.len() + piece.len() <= MAX_ANSWER => body.extend_from_slice(&piece),
                Ok(Ok(Some(_))) => return Err(stranger(&answer)),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(LinkError::Broken(error::chain(&error)).into()),
                Err(_) => return Err(LinkError::Silent(self.idle.as_secs()).into()),
            }
        }
        serde_json::from_slice(&body).map_err(|_| stranger(&answer))
    }

    fn tus(&self, method: Method, url: Url) -> RequestBuilder {
        self.request(method, url).header("Tus-Resumable", TUS)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        self.client.request(method, url).headers(headers)
    }

    fn upload_url(&self, name: &str) -> Result<Url, LinkError> {
        self.url(&format!("v1/uploads/{name}"))
    }
}

fn stranger(answer: &Response) -> SendError {
    not_a_gateway(answer, &media_type(answer)).into()
}

fn is_of_tus(response: &Response) -> bool {
    response.headers().get("tus-resumable").is_some_and(|version| version == TUS)
}

fn number(answer: &Response, name: &str) -> Option<u64> {
    answer.headers().get(name)?.to_str().ok()?.parse().ok()
}
