//! The main listener: who calls, which call it is, and its answer. Each call has a file of its own below `api/`.

mod asking;
mod decisions;
mod endpoint;
mod enroll;
mod factors;
mod failures;
mod import;
mod key_set;
mod mfa;
mod onboard;
mod openapi;
mod retry;
mod score;
mod step_up;
mod users;

use super::auth::{Access, Caller};
use super::body;
use super::error::Failure;
use super::hooks::Hooks;
use super::limits::InFlight;
use super::tls::{Certificates, Certified};
use super::wire::login::Reception;
use super::{Answer, Settings};
use crate::clock::{Clock, Timestamp};
use crate::memory::Memory;
use crate::memory::decisions::IdSource;
use crate::mfa::Mfa;
use crate::pipeline::Pipeline;
use crate::telemetry::{Meters, Route};
use bytes::Bytes;
use endpoint::Endpoint;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use retry::Retries;
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A login may be this far from the server's clock, either way. **Source:** http-api.md.
const TIME_OFF_MS_MAX: i64 = 300_000;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: &str = "application/json";

/// What both listeners need of the service. One for the process, shared through an `Arc`.
#[derive(Debug)]
pub(super) struct Service<M> {
    pub(super) pipeline: Arc<Pipeline<M>>,
    /// Asks for factors, where askance does that by itself.
    pub(super) mfa: Option<Arc<Mfa<M>>>,
    pub(super) access: Access,
    /// Of TLS; without them, every listener is plain.
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) meters: Arc<Meters>,
    pub(super) clock: Clock,
    draining: AtomicBool,
    in_flight: InFlight,
    pub(super) retries: Retries,
    pub(super) hooks: Hooks,
    pub(super) body_bytes_max: usize,
    request_timeout: Duration,
}

impl<M: Memory> Service<M> {
    pub(super) fn new(
        pipeline: Arc<Pipeline<M>>,
        mfa: Option<Arc<Mfa<M>>>,
        settings: &Settings,
        hooks: Hooks,
        certificates: Option<Arc<Certificates>>,
        meters: Arc<Meters>,
        clock: Clock,
    ) -> Self {
        let access = Access::new(&settings.clients);
        Self {
            in_flight: InFlight::new(settings.in_flight_max.as_usize(), access.shares()),
            retries: Retries::new(pipeline.ids().key(), clock, settings.retry_answers_mib_max, access.shares()),
            pipeline,
            mfa,
            access,
            certificates,
            meters,
            clock,
            draining: AtomicBool::new(false),
            hooks,
            body_bytes_max: settings.body_bytes_max.as_usize(),
            request_timeout: Duration::from_millis(settings.request_timeout_ms.get().into()),
        }
    }

    /// Answers one request of the main listener, whatever it is; `certified` is whose certificate came with its
    /// connection.
    ///
    /// Boxed, since hyper keeps the future of a request in the state of its connection, which no cache holds when the
    /// request comes, while what was freed last, is. Small for the same reason: what is large is done between two waits
    /// (`score.rs`), lent, or boxed.
    pub(super) fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        certified: Option<Certified>,
    ) -> Pin<Box<impl Future<Output = Answer>>> {
        let (head, mut body) = request.into_parts();
        Box::pin(async move {
            let request_id = request_id(&head.headers, self.pipeline.ids());
            let endpoint = Endpoint::find(head.uri.path());
            let answer = self.answer(endpoint.as_ref(), &head, &mut body, certified).await;
            let mut answer = answer.unwrap_or_else(|failure| failure.answer());
            answer.headers_mut().insert(REQUEST_ID, request_id);
            let route = endpoint.map_or(Route::Unknown, |endpoint| endpoint.label());
            self.meters.requested(route, answer.status().as_u16());
            answer
        })
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    async fn answer(
        &self,
        endpoint: Option<&Endpoint<'_>>,
        head: &Parts,
        body: &mut Incoming,
        certified: Option<Certified>,
    ) -> Result<Answer, Failure> {
        if self.is_draining() {
            return Err(Failure::Draining);
        }
        if let Some(Endpoint::KeySet) = endpoint {
            return self.key_set(head);
        }
        let caller = self.access.authenticate(&head.headers, head.uri.authority(), certified)?;
        let _permit = self.in_flight.enter(caller.share)?;
        let endpoint = endpoint.ok_or(Failure::NotFound)?;
        let methods = endpoint.methods();
        if !methods.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Failure::MethodNotAllowed { allow: methods });
        }
        let headers = &head.headers;
        // The future of a request is as large as the largest of these: but for the score, they are boxed.
        match endpoint {
            Endpoint::Score => self.score(caller, headers, body).await,
            Endpoint::Outcome(id) => Box::pin(self.outcome(caller, id, headers, body)).await,
            Endpoint::Feedback(id) => Box::pin(self.feedback(caller, id, headers, body)).await,
            Endpoint::Failures => Box::pin(self.failures(caller, headers, body)).await,
            Endpoint::Import => Box::pin(self.import(caller, headers, body)).await,
            Endpoint::Decisions => Box::pin(self.decisions(caller, head)).await,
            Endpoint::User(id) => Box::pin(self.user(caller, id, head)).await,
            Endpoint::Export(id) => Box::pin(self.export(caller, id, head)).await,
            Endpoint::Device(id, device) => Box::pin(self.device(caller, (*id, *device), head)).await,
            Endpoint::MfaFactors => Box::pin(self.mfa_factors(caller, head)).await,
            Endpoint::MfaChallenge => Box::pin(self.mfa_challenge(caller, headers, body)).await,
            Endpoint::MfaVerify => Box::pin(self.mfa_verify(caller, headers, body)).await,
            Endpoint::MfaEnroll => Box::pin(self.mfa_enroll(caller, headers, body)).await,
            Endpoint::MfaBind => Box::pin(self.mfa_bind(caller, headers, body)).await,
            Endpoint::MfaSkip => Box::pin(self.mfa_skip(caller, headers, body)).await,
            Endpoint::UserFactors(id) => Box::pin(self.user_factors(caller, id, head)).await,
            Endpoint::UserFactor(id, factor) => Box::pin(self.user_factor(caller, (*id, *factor), head)).await,
            Endpoint::BackupCodes(id) => Box::pin(self.user_backup_codes(caller, id, head)).await,
            Endpoint::Onboard => Box::pin(self.onboard(caller, headers, body)).await,
            Endpoint::StepUp => Box::pin(self.begin_step_up(caller, headers, body)).await,
            Endpoint::Consume => Box::pin(self.consume(caller, headers, body)).await,
            Endpoint::KeySet => self.key_set(head),
            Endpoint::Describe => Ok(openapi::describe()),
        }
    }

    pub(super) async fn json_body(&self, headers: &HeaderMap, body: &mut Incoming) -> Result<Bytes, Failure> {
        has_type(headers, JSON)?;
        body::read(body, self.body_bytes_max, self.request_timeout).await
    }
}

fn reception(caller: Caller<'_>, now: Timestamp) -> Reception {
    Reception { now, is_edge_trusted: caller.is_edge_trusted() }
}

/// The caller's id, if it is 1 to 64 of `[A-Za-z0-9._-]`, else a new one.
pub(super) fn request_id(headers: &HeaderMap, ids: &IdSource) -> HeaderValue {
    let is_good = |value: &&HeaderValue| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(allowed)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(is_good) {
        return given.clone();
    }
    let mut id = [0; 32];
    let hex = uuid::Uuid::from_u128(ids.request()).simple().encode_lower(&mut id);
    HeaderValue::from_str(hex).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

fn has_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Failure> {
    let given = headers.get(CONTENT_TYPE);
    if given.is_some_and(|value| value == expected) {
        return Ok(());
    }
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Failure::ContentType { expected }) }
}

pub(super) fn json(body: &impl Serialize) -> Answer {
    // Our own types into memory: there is nothing in it that could fail.
    answer_of(serde_json::to_vec(body).unwrap_or_default().into())
}

fn answer_of(json: Bytes) -> Answer {
    let mut answer = Response::new(json.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

fn no_content() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::volatile::Volatile;

    /// The size of what a function returns in a box, that is not called.
    fn size_of_output<A, B, C, F>(_: impl FnOnce(A, B, C) -> Pin<Box<F>>) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_request_is_small() {
        // It is copied once, and the allocator finds blocks of this size without a search.
        let bytes = size_of_output(Service::<Volatile>::handle);
        assert!(bytes <= 1000, "{bytes} bytes");
    }
}
