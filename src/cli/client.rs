//! A small HTTP client, for commands that call a running service: one request at a time on one connection, HTTP/1.1 over TCP or
//! a Unix socket.

use super::target::{Address, Target};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long one call may take. The slowest is a piece of an import, which takes a fraction of a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// No answer of the API is longer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection that is opened when it is needed, and again when it broke.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What the service said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct CallError {
    address: Address,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not answer: {}", self.address, self.source)?;
        // hyper says what failed, and its source says why.
        self.source.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Error for CallError {}

impl Client {
    /// A client of `target`; nothing is opened yet.
    pub(super) fn new(target: Target) -> Self {
        Self { target, timeout: CALL_TIMEOUT, sender: None }
    }

    /// The same, for calls that take longer.
    pub(super) fn patient(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends a request, whose URI is a path, and waits for the whole answer.
    pub(super) async fn call(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let sender = self.sender.take();
        let called = tokio::time::timeout(self.timeout, self.exchange(sender, request)).await;
        let called = called.unwrap_or_else(|_| Err(format!("not within {} s", self.timeout.as_secs()).into()));
        let (sender, answer) = called.map_err(|source| CallError { address: self.target.address.clone(), source })?;
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn exchange(
        &self,
        sender: Option<SendRequest<Full<Bytes>>>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, Answer), Box<dyn Error + Send + Sync>> {
        let mut sender = match sender.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let headers = request.headers_mut();
        headers.insert(HOST, self.target.host.clone());
        headers.extend(self.target.authorization.iter().map(|value| (AUTHORIZATION, value.clone())));
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok((sender, Answer { status: head.status, body }))
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        match &self.target.address {
            Address::Tcp(authority) => converse(TcpStream::connect(authority).await?).await,
            Address::Unix(path) => converse(UnixStream::connect(path).await?).await,
        }
    }
}

async fn converse<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong on it is told to whoever waits for an answer.
    tokio::spawn(async { connection.await.unwrap_or_default() });
    Ok(sender)
}

impl Answer {
    /// Whether the same request may fare better a little later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 429 | 500 | 502..=504)
    }

    /// What the service says is wrong, in one line.
    pub(super) fn problem(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
            detail: String,
        }
        match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => format!("{} {}: {}", self.status.as_u16(), problem.code, problem.detail),
            Err(_) => format!("{}, from something that is no askance", self.status),
        }
    }
}

/// A path below `/v1/users`, whatever stands in the id.
pub(super) fn user_path(id: &str, rest: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    format!("/v1/users/{}{rest}", id.bytes().map(encode).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        for (id, path) in [
            ("alice", "/v1/users/alice/export"),
            ("a/b?c#d%2F", "/v1/users/a%2Fb%3Fc%23d%252F/export"),
            ("..", "/v1/users/%2E%2E/export"),
            ("é @", "/v1/users/%C3%A9%20%40/export"),
        ] {
            assert_eq!(user_path(id, "/export"), path);
            assert!(path.parse::<hyper::Uri>().is_ok());
        }
    }

    #[test]
    fn a_problem_is_told_in_one_line() {
        let answer = |status, body: &'static str| Answer { status, body: Bytes::from_static(body.as_bytes()) };
        let known = answer(StatusCode::FORBIDDEN, r#"{"code":"auth.tenant","detail":"not yours","status":403}"#);
        assert_eq!(known.problem(), "403 auth.tenant: not yours");
        assert!(answer(StatusCode::BAD_GATEWAY, "<html>").problem().starts_with("502 Bad Gateway"));
    }
}
