//! Calls that this service makes to others, by the configuration's word: messages, and events that are told.
//!
//! Whoever writes an address into a configuration, or a record into a name server, must not get at what stands behind the same wall as this
//! service. So the address that is connected to is looked at, not the name: it is a public one, or one that the operator listed. Calls go
//! by https (by http on this machine only), follow no redirect, and end in time and at a size, whatever the other end does.
//!
//! A call has a connection of its own, which is closed after it: calls are few, and no state of one is met by another.

mod address;
mod dial;
mod target;
mod trust;

pub use address::Networks;
pub use dial::{Capped, dial};
pub use target::Target;
pub(crate) use target::is_this_machine;
pub use trust::{Authorities, TrustError, tls_client};

use crate::clock::{Clock, Timestamp};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Bytes of an answer's body that are read. **Source:** mfa.md.
pub const REPLY_BYTES_MAX: usize = 65_536;
/// Bytes of an answer's head, and how many headers.
const HEAD_BYTES_MAX: usize = 16_384;
const HEADERS_MAX: usize = 64;
/// Nobody is told to wait longer than a day.
const WAIT_S_MAX: i64 = 86_400;

/// One place that is called. Cloning shares what is trusted there.
#[derive(Clone)]
pub struct Destination {
    target: Target,
    allowed: Networks,
    tls: Option<Arc<ClientConfig>>,
    clock: Clock,
}

/// What is sent. Neither headers nor body are ever printed.
pub struct Call {
    /// How to read the body.
    pub content_type: &'static str,
    /// Beyond what every call has.
    pub headers: Vec<(HeaderName, Secret)>,
    /// The body.
    pub body: Bytes,
    /// For all of it: names, connection, answer.
    pub deadline: Duration,
}

/// A header's value that is never printed.
#[derive(Clone)]
pub struct Secret(HeaderValue);

impl Secret {
    /// `None` where it cannot stand in a header.
    #[must_use]
    pub fn new(value: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Any of 200 to 599. A redirect is an answer like any other.
    pub status: u16,
    /// At most [`REPLY_BYTES_MAX`] bytes.
    pub body: Bytes,
    /// Seconds after which to come again, where it says so; at most a day.
    pub retry_after_s: Option<u32>,
}

impl Reply {
    /// Whether it was taken.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. Neither the place nor what was sent is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// The name leads nowhere.
    Unresolved,
    /// It leads only to addresses that are neither public nor listed.
    NotAllowed,
    /// Nobody is there.
    Unreachable,
    /// Whoever is there is not who it should be, or speaks no TLS.
    Untrusted,
    /// It took too long.
    TimedOut,
    /// The answer is larger than it may be.
    TooLarge,
    /// The connection broke, or what came is no answer.
    Broken,
}

impl CallError {
    /// What logs and metrics call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::NotAllowed => "not_allowed",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "its name leads nowhere",
            Self::NotAllowed => "its name leads to addresses that are neither public nor listed",
            Self::Unreachable => "nobody is there",
            Self::Untrusted => "its certificate is not trusted, or it speaks no TLS",
            Self::TimedOut => "it took too long",
            Self::TooLarge => "its answer is too large",
            Self::Broken => "the connection broke, or what came is no answer",
        })
    }
}

impl std::error::Error for CallError {}

impl Destination {
    /// A place to call, though it be at one of `allowed`, trusted if one of `authorities` says so.
    ///
    /// # Errors
    ///
    /// It is called by https, and no authority can be had.
    pub fn new(
        target: Target,
        allowed: Networks,
        authorities: Authorities<'_>,
        clock: Clock,
    ) -> Result<Self, TrustError> {
        let tls = target.is_https().then(|| tls_client(authorities, clock)).transpose()?;
        Ok(Self { target, allowed, tls, clock })
    }

    /// Posts, and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. Unless nobody was reached, it may have arrived all the same.
    pub async fn post(&self, call: Call) -> Result<Reply, CallError> {
        let deadline = call.deadline;
        tokio::time::timeout(deadline, self.converse(call)).await.unwrap_or(Err(CallError::TimedOut))
    }

    /// Asks for what is there, and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn get(&self, deadline: Duration) -> Result<Reply, CallError> {
        let request = || {
            let mut request = Request::get(self.target.path()).body(Full::default()).ok()?;
            *request.headers_mut() = self.headers().ok()?;
            Some(request)
        };
        let request = request().ok_or(CallError::Unresolved)?;
        tokio::time::timeout(deadline, self.send(request, deadline)).await.unwrap_or(Err(CallError::TimedOut))
    }

    async fn converse(&self, call: Call) -> Result<Reply, CallError> {
        let deadline = call.deadline;
        self.send(self.request(call)?, deadline).await
    }

    async fn send(&self, request: Request<Full<Bytes>>, deadline: Duration) -> Result<Reply, CallError> {
        let plain_only = !self.target.is_https();
        let stream = dial(self.target.host(), self.target.port(), &self.allowed, plain_only, deadline).await?;
        match &self.tls {
            None => self.exchange(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.target.host().to_owned()).map_err(|_| CallError::Untrusted)?;
                let secured = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
                self.exchange(secured.map_err(|_| CallError::Untrusted)?, request).await
            }
        }
    }

    /// What every call has.
    fn headers(&self) -> Result<HeaderMap, CallError> {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(self.target.authority()).map_err(|_| CallError::Unresolved)?;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("askance"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(headers)
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, CallError> {
        let mut headers = self.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        headers.extend(call.headers.into_iter().map(|(name, Secret(value))| (name, value)));
        let mut request =
            Request::post(self.target.path()).body(Full::new(call.body)).map_err(|_| CallError::Unresolved)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn exchange<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Reply, CallError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut client = http1::Builder::new();
        let client = client.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(|_| CallError::Broken)?;
        let mut answer = pin!(async {
            let response = sender.send_request(request).await.map_err(|error| of_hyper(&error))?;
            self.reply(response).await
        });
        // Whoever closes the connection behind the answer has given it.
        tokio::select! {
            reply = &mut answer => return reply,
            _closed = connection => {}
        }
        answer.await
    }

    async fn reply(&self, response: Response<Incoming>) -> Result<Reply, CallError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, REPLY_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { CallError::TooLarge } else { CallError::Broken })?;
        let retry_after_s =
            head.headers.get(RETRY_AFTER).and_then(|value| wait_s(value.to_str().ok()?, self.clock.now()));
        Ok(Reply { status: head.status.as_u16(), body: body.to_bytes(), retry_after_s })
    }
}

fn of_hyper(error: &hyper::Error) -> CallError {
    if error.is_parse_too_large() { CallError::TooLarge } else { CallError::Broken }
}

/// Seconds, or a date. **Source:** RFC 9110, section 10.2.3.
fn wait_s(text: &str, now: Timestamp) -> Option<u32> {
    let seconds = text.trim().parse::<i64>().ok().or_else(|| {
        let until = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
        Some(until.unix_timestamp() - i64::from(now.unix_s()))
    })?;
    u32::try_from(seconds.clamp(0, WAIT_S_MAX)).ok()
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({}, {} bytes, …)", self.content_type, self.body.len())
    }
}

/// The origin only: paths of such addresses are at times secrets.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.target.authority())
    }
}

#[cfg(test)]
mod tests;
