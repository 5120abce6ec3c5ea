//! What goes wrong on the way, as RFC 9457 problems: status, stable code and public text in one place.

mod mfa;

use super::Answer;
use crate::mfa::MfaError;
use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::borrow::Cow;

/// A request that is not answered as it asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    MalformedJson(String),
    Truncated,
    NotFound,
    MethodNotAllowed { allow: &'static str },
    Timeout,
    TooLarge { bytes_max: usize },
    ContentType { expected: &'static str },
    Invalid { field: Option<String>, detail: String },
    KeyInvalid,
    ScopeMissing { scope: &'static str },
    Tenant,
    NotLocal { why: &'static str },
    Overloaded,
    Draining,
    NoEndUser,
    TimeOutOfRange,
    DecisionNotFound,
    OtherClient,
    AlreadySettled,
    NotCompleted,
    MemoryUnavailable,
    NoBackups(String),
    BackupFailed(String),
    NotVerified,
    Mfa(MfaError),
}

impl From<MfaError> for Failure {
    fn from(error: MfaError) -> Self {
        Self::Mfa(error)
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_s: Option<u32>,
}

/// Seconds after which a caller may try again: an overload is short, and a new process needs about as long.
const RETRY_AFTER_S: &str = "1";

impl Failure {
    pub(super) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.to_owned()), detail: detail.into() }
    }

    /// The same failure of a part that stands under `parent`.
    pub(super) fn under(mut self, parent: &str) -> Self {
        if let Self::Invalid { field: Some(field), .. } = &mut self {
            *field = format!("{parent}.{field}");
        }
        self
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::MalformedJson(_) | Self::Truncated => StatusCode::BAD_REQUEST,
            Self::KeyInvalid => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing { .. }
            | Self::Tenant
            | Self::NotLocal { .. }
            | Self::OtherClient
            | Self::NotCompleted => StatusCode::FORBIDDEN,
            Self::NotFound | Self::DecisionNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::AlreadySettled | Self::NoBackups(_) | Self::NotVerified => StatusCode::CONFLICT,
            Self::Mfa(error) => mfa::status(error),
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid { .. } | Self::NoEndUser | Self::TimeOutOfRange => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded | Self::Draining | Self::MemoryUnavailable | Self::BackupFailed(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "request.malformed_json",
            Self::Truncated => "request.truncated",
            Self::NotFound => "request.not_found",
            Self::MethodNotAllowed { .. } => "request.method_not_allowed",
            Self::Timeout => "request.timeout",
            Self::TooLarge { .. } => "request.too_large",
            Self::ContentType { .. } => "request.content_type",
            Self::Invalid { .. } => "request.invalid",
            Self::KeyInvalid => "auth.key_invalid",
            Self::ScopeMissing { .. } => "auth.scope_missing",
            Self::Tenant => "auth.tenant",
            Self::NotLocal { .. } => "auth.not_local",
            Self::Overloaded => "server.overloaded",
            Self::Draining => "server.draining",
            Self::NoEndUser => "flow.no_end_user",
            Self::TimeOutOfRange => "event.time_out_of_range",
            Self::DecisionNotFound => "decision.not_found",
            Self::OtherClient => "decision.other_client",
            Self::AlreadySettled => "decision.already_settled",
            Self::NotCompleted => "decision.not_completed",
            Self::MemoryUnavailable => "memory.unavailable",
            Self::NoBackups(_) => "memory.no_backups",
            Self::BackupFailed(_) => "memory.backup_failed",
            Self::NotVerified => "decision.not_verified",
            Self::Mfa(error) => mfa::code(error),
        }
    }

    fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::MalformedJson(why) => format!("the body is not JSON: {why}").into(),
            Self::Truncated => "the body ended early".into(),
            Self::NotFound => "there is no such route or resource".into(),
            Self::MethodNotAllowed { allow } => format!("this route takes {allow}").into(),
            Self::Timeout => "the body came too slowly (server.request_timeout_ms)".into(),
            Self::TooLarge { bytes_max } => {
                format!("the body is over {bytes_max} bytes (server.body_bytes_max)").into()
            }
            Self::ContentType { expected } => format!("the content type must be {expected}").into(),
            Self::Invalid { detail, .. } => detail.into(),
            Self::KeyInvalid => "a known key is needed: Authorization: Bearer KEY".into(),
            Self::ScopeMissing { scope } => format!("the client lacks the scope {scope}").into(),
            Self::Tenant => "the client may not act for this tenant".into(),
            Self::NotLocal { why } => format!("without clients, only local callers are served: {why}").into(),
            Self::Overloaded => "too many requests at a time (server.in_flight_max)".into(),
            Self::Draining => "the service is stopping".into(),
            Self::NoEndUser => "flow client_credentials has no end user to judge".into(),
            Self::TimeOutOfRange => "time is too far from the server's clock".into(),
            Self::DecisionNotFound => "there is no such decision, or its time has passed".into(),
            Self::OtherClient => "only the client that scored a login may tell its outcome, or label it".into(),
            Self::NotCompleted => "only the scope admin may call a login legitimate that was not completed".into(),
            Self::AlreadySettled => "another outcome was reported before".into(),
            Self::MemoryUnavailable => "memory does not answer".into(),
            Self::NoBackups(why) | Self::BackupFailed(why) => why.into(),
            Self::NotVerified => {
                "an mfa_token was issued for this login: only POST /v1/mfa/verify makes it a success".into()
            }
            Self::Mfa(error) => mfa::detail(error),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid { field, .. } => field.as_deref(),
            Self::TimeOutOfRange => Some("time"),
            Self::NoEndUser => Some("flow"),
            Self::Mfa(error) => mfa::field(error),
            Self::MalformedJson(_)
            | Self::Truncated
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::Timeout
            | Self::TooLarge { .. }
            | Self::ContentType { .. }
            | Self::KeyInvalid
            | Self::ScopeMissing { .. }
            | Self::Tenant
            | Self::NotLocal { .. }
            | Self::Overloaded
            | Self::Draining
            | Self::DecisionNotFound
            | Self::OtherClient
            | Self::AlreadySettled
            | Self::NotCompleted
            | Self::MemoryUnavailable
            | Self::NoBackups(_)
            | Self::BackupFailed(_)
            | Self::NotVerified => None,
        }
    }

    /// For how many seconds to wait, where that is known.
    fn wait_s(&self) -> Option<u32> {
        if let Self::Mfa(error) = self { mfa::wait_s(error) } else { None }
    }

    /// The code and field of a line of an import.
    pub(super) fn code_and_field(&self) -> (&'static str, Option<String>) {
        (self.code(), self.field().map(str::to_owned))
    }

    pub(super) fn answer(&self) -> Answer {
        let status = self.status();
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code(),
            detail: &self.detail(),
            field: self.field(),
            wait_s: self.wait_s(),
        };
        // Texts and numbers only: this cannot fail, and an empty body would still carry the status.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut answer = Response::new(Bytes::from(body).into());
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        if let Some(wait_s) = self.wait_s() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
        }
        // The rest of what the client sent is not read, so the connection cannot go on.
        if matches!(self, Self::Draining | Self::Timeout | Self::TooLarge { .. } | Self::Truncated) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_about_factors_makes_no_failure_larger() {
        // It is part of what every request carries from one wait to the next.
        assert_eq!(size_of::<Failure>(), size_of::<(Option<String>, String)>());
    }
}
