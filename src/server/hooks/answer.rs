//! A ruling as a door says it: the tables of statuses and headers.
//!
//! What is said to whoever is asked or refused is the same for everybody: nothing of it tells whether a user exists.

use super::door::Door;
use super::request::HookRequest;
use super::ruling::{Ruling, Told};
use super::step_up::Wanted;
use crate::device_token::COOKIE_NAME;
use crate::event::{Factor, FactorSet};
use crate::server::Answer;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::header::{SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use std::borrow::Cow;
use std::fmt::Write as _;

const CHALLENGE: &str = "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,\"code\":\"hook.challenge\",\
    \"detail\":\"a second factor is needed: open the page that Location names\"}";
const DENY: &str = "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"code\":\"hook.deny\",\
    \"detail\":\"this request is refused\"}";
/// All headers together stay under 3 KB, which is what nginx has room for.
const REASONS_BYTES_MAX: usize = 1024;
/// Seconds: a year, which is as long as a device can be known.
pub(super) const DEVICE_AGE_S: u32 = 31_536_000;

/// The answer to one request; `user` is who it is about, empty where that is nobody, and `location` where somebody who is asked goes.
pub(super) fn answer(
    door: Door,
    request: &HookRequest<'_>,
    (ruling, user): (&Ruling, &str),
    location: Option<String>,
) -> Answer {
    match ruling {
        Ruling::Allow(told) => allow(told, user),
        Ruling::Challenge(demand) => {
            challenge(door, request, location, demand.as_ref().and_then(|demand| demand.wanted))
        }
        Ruling::Deny => problem(StatusCode::FORBIDDEN, DENY),
    }
}

/// Every header each time: a proxy that copies one that is missing would hand on the client's own.
fn allow(told: &Told, user: &str) -> Answer {
    let mut answer = Answer::default();
    let headers = answer.headers_mut();
    // nginx and Caddy do not read a body here, and would give up the connection for one.
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let score = told.score.map_or_else(|| "none".to_owned(), |score| format!("{score:.2}"));
    let decision = told.decision.map_or_else(|| "none".to_owned(), |id| id.to_string());
    put(headers, "x-askance-action", "allow");
    put(headers, "x-askance-confidence", told.confidence.as_str());
    put(headers, "x-askance-score", &score);
    put(headers, "x-askance-reasons", &reasons(&told.reasons));
    put(headers, "x-askance-decision", &decision);
    put(headers, "x-askance-user", user);
    if let Some(value) = &told.cookie
        && let Ok(value) = HeaderValue::try_from(cookie(COOKIE_NAME, value, DEVICE_AGE_S))
    {
        headers.insert(SET_COOKIE, value);
    }
    answer
}

/// Of this host alone, and out of reach of scripts.
pub(super) fn cookie(name: &str, value: &str, age_s: u32) -> String {
    format!("{name}={value}; Path=/; Max-Age={age_s}; Secure; HttpOnly; SameSite=Lax")
}

/// A name of a user may hold any characters but controls, and stands there as UTF-8.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static("none"));
    headers.insert(HeaderName::from_static(name), value);
}

fn reasons(codes: &[Cow<'static, str>]) -> String {
    let mut list = String::new();
    for code in codes {
        if list.len() + code.len() >= REASONS_BYTES_MAX {
            break;
        }
        let separator = if list.is_empty() { "" } else { "," };
        write!(list, "{separator}{code}").unwrap_or_default();
    }
    if list.is_empty() { "none".to_owned() } else { list }
}

fn challenge(door: Door, request: &HookRequest<'_>, location: Option<String>, wanted: Option<Wanted>) -> Answer {
    let location = location.and_then(|url| HeaderValue::try_from(url).ok());
    let mut answer = if door.redirects() && request.is_navigation() {
        let mut answer = Answer::default();
        *answer.status_mut() = if request.is_read() { StatusCode::FOUND } else { StatusCode::SEE_OTHER };
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    } else {
        let mut answer = problem(StatusCode::UNAUTHORIZED, CHALLENGE);
        if let Ok(value) = HeaderValue::try_from(step_up(wanted)) {
            answer.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        answer
    };
    if let Some(location) = location {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// RFC 9470: how old a proof may be, and of which class.
fn step_up(wanted: Option<Wanted>) -> String {
    let max_age_s = wanted.map_or(0, |wanted| wanted.max_age_s);
    let only_webauthn = FactorSet::EMPTY.with(Factor::Webauthn);
    let acr = if wanted.is_some_and(|wanted| wanted.factors == only_webauthn) { "phr" } else { "mfa" };
    format!(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"a second factor is needed\", \
         acr_values=\"urn:askance:acr:{acr}\", max_age=\"{max_age_s}\""
    )
}

pub(super) fn problem(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()).into());
    *answer.status_mut() = status;
    as_problem(&mut answer);
    answer
}

/// Says what the body of a refusal is.
pub(super) fn as_problem(answer: &mut Answer) {
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
