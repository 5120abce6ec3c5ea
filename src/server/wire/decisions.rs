//! Decisions as they are listed.

use super::super::error::Failure;
use super::Time;
use crate::clock::Timestamp;
use crate::memory::decisions::{DecisionId, Listed, Page};
use crate::server::uri::parameters;
use crate::signals::{Code, Signal};
use crate::verdict::Action;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::net::IpAddr;

/// `GET /v1/decisions`: what the query asks for.
#[derive(Debug)]
pub(in crate::server) struct ListQuery<'q> {
    /// `user`: the id, 1 to 256 bytes.
    pub(in crate::server) user: Option<Cow<'q, str>>,
    /// `action`: `allow`, `challenge`, `verify_email` or `deny`, as it was answered.
    pub(in crate::server) action: Option<Action>,
    /// `since`: RFC 3339; decisions made then or later.
    pub(in crate::server) since: Option<Timestamp>,
    /// `limit`: 1 to 1000, default 100.
    pub(in crate::server) limit: usize,
    /// `cursor`: what another page gave as `next`.
    pub(in crate::server) before: Option<DecisionId>,
}

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
const ACTIONS: [Action; 4] = [Action::Allow, Action::Challenge, Action::VerifyEmail, Action::Deny];

impl<'q> ListQuery<'q> {
    /// Refuses what is unknown, repeated or out of range, by the parameter's name.
    pub(in crate::server) fn parse(query: Option<&'q str>) -> Result<Self, Failure> {
        let [user, action, since, limit, cursor] = parameters(query, ["user", "action", "since", "limit", "cursor"])?;
        let invalid = |field, detail| move || Failure::invalid(field, detail);
        if user.as_ref().is_some_and(|user| !(1..=256).contains(&user.len())) {
            return Err(invalid("user", "must be 1 to 256 bytes")());
        }
        let action = action.map(|word| {
            let known = ACTIONS.into_iter().find(|action| action.as_str() == word);
            known.ok_or_else(invalid("action", "must be allow, challenge, verify_email or deny"))
        });
        let since = since.map(|text| {
            Timestamp::parse(&text).ok_or_else(invalid("since", "must be an RFC 3339 time from 1970 to 2105"))
        });
        let limit = limit.map(|text| {
            let number = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            number.filter(|_| !text.starts_with('+')).ok_or_else(invalid("limit", "must be 1 to 1000"))
        });
        let before =
            cursor.map(|text| DecisionId::parse(&text).ok_or_else(invalid("cursor", "must be `next` of another page")));
        Ok(Self {
            user,
            action: action.transpose()?,
            since: since.transpose()?,
            limit: limit.transpose()?.unwrap_or(LIMIT_DEFAULT),
            before: before.transpose()?,
        })
    }
}

/// `GET /v1/decisions`: a part of the list.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ListBody<'a> {
    /// Newest first.
    decisions: Vec<DecisionBody<'a>>,
    /// The `cursor` of the next part; null at the end. Opaque.
    next: Option<String>,
}

impl<'a> ListBody<'a> {
    pub(in crate::server) fn new(page: &'a Page) -> Self {
        let next = page.next.map(|id| id.to_string());
        Self { decisions: page.decisions.iter().map(DecisionBody::new).collect(), next }
    }
}

/// One decision. User and address are in clear.
#[derive(Debug, Serialize)]
pub(in crate::server) struct DecisionBody<'a> {
    /// A UUID.
    decision_id: String,
    /// When it was made, by the server's clock.
    time: Time,
    /// The id, as the client gave it.
    user: &'a str,
    /// What was answered: `allow`, `challenge`, `verify_email` or `deny`.
    action: &'static str,
    /// What mode `enforce` would have answered.
    would_be: &'static str,
    /// `enforce` or `observe`.
    mode: &'static str,
    /// `high`, `medium`, `low` or `neutral`.
    confidence: &'static str,
    /// As in the answer to `POST /v1/score`.
    decided_by: &'a str,
    /// Whether a factor was demanded.
    demand_mfa: bool,
    /// The code of each assessor.
    codes: Codes,
    /// The address in its plain form; null where what was given is none.
    ip: Option<IpAddr>,
    /// ISO 3166-1; absent where not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    /// The autonomous system; absent where not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    /// `success`, `failure` or `abandoned`; null where nobody told, yet (`expires_at` stands beside it) or in time.
    outcome: Option<&'static str>,
    /// The factor that was passed; absent where none was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<&'static str>,
    /// Until when the outcome is awaited; absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
}

impl<'a> DecisionBody<'a> {
    pub(in crate::server) fn new(listed: &'a Listed) -> Self {
        let given = &listed.given;
        Self {
            decision_id: listed.id.to_string(),
            time: Time(listed.id.time()),
            user: given.name.user(),
            action: given.action.as_str(),
            would_be: given.would_be.as_str(),
            mode: given.mode.as_str(),
            confidence: given.confidence.as_str(),
            decided_by: given.decided_by.as_str(),
            demand_mfa: given.action.demands_mfa(),
            codes: Codes(given.codes),
            ip: given.ip,
            country: given.login.country.as_ref().map(|country| country.as_str()),
            asn: given.login.asn,
            outcome: listed.result.map(|result| result.as_str()),
            factor: listed.factor.map(|factor| factor.as_str()),
            expires_at: listed.expires.map(Time),
        }
    }
}

/// An object: assessor to code.
#[derive(Debug)]
struct Codes([Code; Signal::ALL.len()]);

impl Serialize for Codes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let codes = self.0.iter().map(|code| code.as_str());
        serializer.collect_map(Signal::ALL.iter().map(|signal| signal.as_str()).zip(codes))
    }
}
