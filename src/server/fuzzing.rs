//! The parsers of bodies, for fuzz targets: what stands on the wire is private to the server.

use super::error::Failure;
use super::wire::login::{LoginBody, Reception};
use super::wire::outcome::{FeedbackBody, OutcomeBody};
use super::wire::{self, Object};
use crate::clock::Timestamp;
use crate::event::{Factor, LoginEvent};
use crate::memory::decisions::{Label, LoginResult};

/// How a body is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// The path of the field that is wrong.
    pub field: Option<String>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let (code, field) = failure.code_and_field();
        Self { status: failure.answer().status().as_u16(), code, field }
    }
}

/// A body of `/v1/score`, by a caller whose edge is trusted.
///
/// # Errors
///
/// As the call answers.
pub fn login(body: &[u8], now: Timestamp) -> Result<LoginEvent<'_>, Refused> {
    let Object(login): Object<LoginBody<'_>> = wire::parse(body)?;
    Ok(login.of_the_present()?.into_event(Reception { now, is_edge_trusted: true })?)
}

/// A line of `/v1/import`: the login, how it ended, and whether a factor was passed.
///
/// # Errors
///
/// As the summary of the call names it.
pub fn past_login(line: &[u8], now: Timestamp) -> Result<(LoginEvent<'_>, LoginResult, bool), Refused> {
    let Object(login): Object<LoginBody<'_>> = wire::parse(line)?;
    let (result, factor_passed) = login.of_the_past()?;
    Ok((login.into_event(Reception { now, is_edge_trusted: true })?, result, factor_passed))
}

/// A body of `/v1/decisions/{id}/outcome`.
///
/// # Errors
///
/// As the call answers.
pub fn outcome(body: &[u8]) -> Result<(LoginResult, Option<Factor>), Refused> {
    let Object(outcome): Object<OutcomeBody> = wire::parse(body)?;
    Ok((outcome.result.0, outcome.factor.map(|factor| factor.0)))
}

/// A body of `/v1/decisions/{id}/feedback`.
///
/// # Errors
///
/// As the call answers.
pub fn feedback(body: &[u8]) -> Result<Label, Refused> {
    let Object(feedback): Object<FeedbackBody> = wire::parse(body)?;
    Ok(feedback.label.0)
}
