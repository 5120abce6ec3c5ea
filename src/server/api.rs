//! The main listener: `POST /v1/score`, `POST /v1/decisions/{id}/outcome`, `POST /v1/decisions/{id}/feedback`,
//! `POST /v1/import`.

use super::auth::{Access, Caller, Scope};
use super::body;
use super::error::Failure;
use super::limits::InFlight;
use super::wire::answer;
use super::wire::import::Summary;
use super::wire::login::{LoginBody, Reception};
use super::wire::outcome::{FeedbackBody, OutcomeBody};
use super::wire::{self, Object};
use super::{Answer, Settings};
use crate::clock::{Clock, Timestamp};
use crate::memory::Memory;
use crate::memory::decisions::{DecisionId, Feedback, IdSource, LoginResult, Refusal, Report};
use crate::pipeline::{Pipeline, SettleError};
use crate::telemetry::{Meters, Route};
use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A login may be this far from the server's clock, either way. **Source:** http-api.md.
const TIME_OFF_MS_MAX: i64 = 300_000;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What both listeners need of the service. One for the process, shared through an `Arc`.
#[derive(Debug)]
pub(super) struct Service<M> {
    pub(super) pipeline: Arc<Pipeline<M>>,
    pub(super) access: Access,
    pub(super) meters: Arc<Meters>,
    pub(super) clock: Clock,
    draining: AtomicBool,
    in_flight: InFlight,
    body_bytes_max: usize,
    request_timeout: Duration,
}

impl<M: Memory> Service<M> {
    pub(super) fn new(pipeline: Arc<Pipeline<M>>, settings: &Settings, meters: Arc<Meters>, clock: Clock) -> Self {
        let access = Access::new(&settings.clients);
        Self {
            in_flight: InFlight::new(settings.in_flight_max.as_usize(), access.shares()),
            pipeline,
            access,
            meters,
            clock,
            draining: AtomicBool::new(false),
            body_bytes_max: settings.body_bytes_max.as_usize(),
            request_timeout: Duration::from_millis(settings.request_timeout_ms.get().into()),
        }
    }

    /// Answers one request of the main listener, whatever it is.
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let request_id = request_id(&head.headers, self.pipeline.ids());
        let route = route(head.uri.path());
        let mut answer = self.answer(&route, &head, body).await.unwrap_or_else(|failure| failure.answer());
        answer.headers_mut().insert(REQUEST_ID, request_id);
        self.meters.requested(route.label(), answer.status().as_u16());
        answer
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    async fn answer(&self, route: &Path<'_>, head: &Parts, body: Incoming) -> Result<Answer, Failure> {
        if self.is_draining() {
            return Err(Failure::Draining);
        }
        let caller = self.access.authenticate(&head.headers, head.uri.authority())?;
        let _permit = self.in_flight.enter(caller.share)?;
        if matches!(route, Path::Unknown) {
            return Err(Failure::NotFound);
        }
        if head.method != Method::POST {
            return Err(Failure::MethodNotAllowed { allow: "POST" });
        }
        match route {
            Path::Score => self.score(caller, &head.headers, body).await,
            Path::Outcome(id) => self.outcome(caller, id, &head.headers, body).await,
            Path::Feedback(id) => self.feedback(caller, id, &head.headers, body).await,
            Path::Import => self.import(caller, &head.headers, body).await,
            Path::Unknown => Err(Failure::NotFound),
        }
    }

    async fn score(&self, caller: Caller<'_>, headers: &HeaderMap, body: Incoming) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let minimal = prefers_minimal(headers);
        let body = self.json_body(headers, body).await?;
        let Object(login): Object<LoginBody<'_>> = wire::parse(&body)?;
        caller.may_act_for(login.tenant())?;
        let now = self.clock.now();
        let event = login.of_the_present()?.into_event(reception(caller, now))?;
        if event.time.ms_since(now).abs() > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        let scored = self.pipeline.score(caller.tag(), &event, now).await;
        Ok(answer_of(if minimal { answer::minimal(&scored) } else { answer::full(&scored) }))
    }

    async fn outcome(
        &self,
        caller: Caller<'_>,
        id: &str,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let body = self.json_body(headers, body).await?;
        let Object(outcome): Object<OutcomeBody> = wire::parse(&body)?;
        let id = DecisionId::parse(id).ok_or(Failure::DecisionNotFound)?;
        let factor = outcome.factor.map(|factor| factor.0);
        let report = Report { client: caller.tag(), result: outcome.result.0, factor };
        self.pipeline.settle(id, report).await.map(|()| no_content()).map_err(|error| settle_failure(&error))
    }

    /// An operator is who has the scope `admin`.
    async fn feedback(
        &self,
        caller: Caller<'_>,
        id: &str,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Answer, Failure> {
        let by_operator = caller.needs(Scope::Admin).is_ok();
        if !by_operator {
            caller.needs(Scope::Score)?;
        }
        let body = self.json_body(headers, body).await?;
        let Object(feedback): Object<FeedbackBody> = wire::parse(&body)?;
        let id = DecisionId::parse(id).ok_or(Failure::DecisionNotFound)?;
        let feedback = Feedback { client: caller.tag(), by_operator, label: feedback.label.0 };
        self.pipeline.label(id, feedback).await.map(|()| no_content()).map_err(|error| settle_failure(&error))
    }

    async fn json_body(&self, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Failure> {
        has_type(headers, JSON)?;
        body::read(body, self.body_bytes_max, self.request_timeout).await
    }

    /// Takes lines as they come. What was recorded before a connection broke stays; sending the file again changes
    /// nothing of it.
    async fn import(&self, caller: Caller<'_>, headers: &HeaderMap, mut body: Incoming) -> Result<Answer, Failure> {
        caller.needs(Scope::History)?;
        has_type(headers, NDJSON)?;
        let mut summary = Summary::default();
        let mut rest = BytesMut::new();
        let mut skipping = false;
        while let Some(bytes) = body::next(&mut body, self.request_timeout).await? {
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end);
                rest.advance(1);
                if !std::mem::take(&mut skipping) {
                    self.import_line(caller, &line, &mut summary).await;
                }
            }
            if rest.len() > self.body_bytes_max {
                if !std::mem::replace(&mut skipping, true) {
                    summary.lines += 1;
                    summary.read += 1;
                    summary.reject(&Failure::TooLarge { bytes_max: self.body_bytes_max });
                }
                rest.clear();
            }
            // A long import leaves room for logins on the same core.
            tokio::task::yield_now().await;
        }
        if !skipping {
            self.import_line(caller, &rest, &mut summary).await;
        }
        Ok(json(&summary))
    }

    async fn import_line(&self, caller: Caller<'_>, line: &[u8], summary: &mut Summary) {
        summary.lines += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        summary.read += 1;
        let imported = self.import_login(caller, line).await;
        self.meters.imported(imported.is_ok());
        match imported {
            Ok(()) => summary.recorded += 1,
            Err(failure) => summary.reject(&failure),
        }
    }

    async fn import_login(&self, caller: Caller<'_>, line: &[u8]) -> Result<(), Failure> {
        let Object(login): Object<LoginBody<'_>> = wire::parse(line)?;
        caller.may_act_for(login.tenant())?;
        let (result, mfa_passed) = login.of_the_past()?;
        let now = self.clock.now();
        let event = login.into_event(reception(caller, now))?;
        if event.time.ms_since(now) > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        if result != LoginResult::Success {
            // A login that failed teaches nothing, and is no mistake in the file.
            return Ok(());
        }
        self.pipeline.import(&event, mfa_passed, now).await.map_err(|_| Failure::MemoryUnavailable)
    }
}

fn settle_failure(error: &SettleError) -> Failure {
    match error {
        SettleError::NotFound => Failure::DecisionNotFound,
        SettleError::Memory(_) => Failure::MemoryUnavailable,
        SettleError::Refused(Refusal::OtherClient) => Failure::OtherClient,
        SettleError::Refused(Refusal::AlreadySettled) => Failure::AlreadySettled,
        SettleError::Refused(Refusal::NotCompleted) => Failure::NotCompleted,
        SettleError::Refused(Refusal::FactorMissing) => {
            Failure::invalid("factor", "success of a challenge needs the factor that was passed")
        }
        SettleError::Refused(Refusal::FactorNotOffered) => Failure::invalid("factor", "this factor was not offered"),
    }
}

/// What a path asks for.
#[derive(Debug)]
enum Path<'a> {
    Score,
    Outcome(&'a str),
    Feedback(&'a str),
    Import,
    Unknown,
}

impl Path<'_> {
    fn label(&self) -> Route {
        match self {
            Self::Score => Route::Score,
            Self::Outcome(_) => Route::Outcome,
            Self::Feedback(_) => Route::Feedback,
            Self::Import => Route::Import,
            Self::Unknown => Route::Unknown,
        }
    }
}

fn route(path: &str) -> Path<'_> {
    match path {
        "/v1/score" => Path::Score,
        "/v1/import" => Path::Import,
        path => match path.strip_prefix("/v1/decisions/").and_then(|rest| rest.split_once('/')) {
            Some((id, "outcome")) if !id.is_empty() => Path::Outcome(id),
            Some((id, "feedback")) if !id.is_empty() => Path::Feedback(id),
            Some(_) | None => Path::Unknown,
        },
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
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Failure::ContentType { expected }) }
}

/// RFC 7240.
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        preference.eq_ignore_ascii_case("return=minimal")
    })
}

pub(super) fn json(body: &impl Serialize) -> Answer {
    // Our own types into memory: there is nothing in it that could fail.
    answer_of(serde_json::to_vec(body).unwrap_or_default())
}

fn answer_of(json: Vec<u8>) -> Answer {
    let mut answer = Response::new(Bytes::from(json).into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

fn no_content() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}
