//! Who asks, and from where: from a request to what can be judged.

use super::jwt::{JwtSettings, Named, Tokens, Unverified};
use super::request::HookRequest;
use super::settings::Settings;
use crate::clock::Timestamp;
use crate::device_token::COOKIE_NAME;
use crate::event::{ClientHints, ClientIp, Edge, FactorSet, FirstFactor, Flow, GivenLocation, LoginEvent, User};
use crate::server::client_ip::{Client, ClientError};
use hyper::header::{HeaderMap, USER_AGENT};
use std::borrow::Cow;
use std::fmt;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody says who the user is, or nobody who is believed.
    UserMissing,
    /// More than one line says so.
    UserAmbiguous,
    /// What says so is no name.
    UserUnreadable,
    /// A token is none, is for others, or has expired.
    TokenRefused,
    /// A token is signed by a key that is not known.
    TokenKeyUnknown,
    /// A trusted proxy does not say who its client is.
    AddressMissing,
    /// Memory does not give the history.
    Memory,
    /// Time is up.
    Late,
    /// Too many requests are under way.
    Overloaded,
}

impl Fault {
    /// Whether it is ours, so that the operator says what becomes of the request. What is wrong with a request might be a client's
    /// doing, and lets nobody in.
    pub(super) fn is_ours(self) -> bool {
        match self {
            Self::Memory | Self::Late | Self::Overloaded => true,
            Self::UserMissing
            | Self::UserAmbiguous
            | Self::UserUnreadable
            | Self::TokenRefused
            | Self::TokenKeyUnknown
            | Self::AddressMissing => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserMissing => "no user (hooks.user_header, from a peer in hooks.trusted_proxies; or hooks.jwt)",
            Self::UserAmbiguous => "more than one line of hooks.user_header",
            Self::UserUnreadable => "what names the user holds no name",
            Self::TokenRefused => "a token is none of hooks.jwt, or has expired",
            Self::TokenKeyUnknown => "a token is signed by a key that is not in hooks.jwt.jwks_file, or at jwks_url",
            Self::AddressMissing => "a trusted proxy sends no hooks.client_ip_header",
            Self::Memory => "memory does not answer",
            Self::Late => "not done within hooks.deadline_ms",
            Self::Overloaded => "too many requests at a time (server.in_flight_max)",
        })
    }
}

/// A name is at most so long. **Source:** http-api.md.
const USER_BYTES_MAX: usize = 256;
/// A user agent is at most so long. **Source:** http-api.md.
pub(super) const AGENT_BYTES_MAX: usize = 4096;

/// What can be judged.
#[derive(Debug)]
pub(super) struct Subject<'r> {
    pub(super) event: LoginEvent<'r>,
    /// Somebody said who the user is.
    pub(super) is_named: bool,
    /// The address of the account, as far as it is told.
    pub(super) email: Option<String>,
}

impl<'r> Subject<'r> {
    pub(super) fn of(
        request: &HookRequest<'r>,
        (settings, tokens): (&'r Settings, Option<&Tokens>),
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let ip = match request.client {
            Client::Known(address) => ClientIp::Address { text: address.to_string().into(), ip: address },
            // No address is worse than any: it is hard evidence.
            Client::Unknown(_) => ClientIp::Invalid("unknown".into()),
            Client::Error(ClientError::HeaderMissing) => return Err(Fault::AddressMissing),
        };
        let user = match user(request, settings, tokens, now) {
            Ok(user) => Some(user),
            Err(_) if !settings.require_user => None,
            Err(fault) => return Err(fault),
        };
        let is_named = user.is_some();
        // An empty id is nobody's: callers of the API cannot name it.
        let Named { user, email } = user.unwrap_or_default();
        let event = event(user, ip, request, settings, now);
        Ok(Self { event, is_named, email })
    }
}

/// By a token, or by a header, and never by both: a client can always send the other one.
fn user(
    request: &HookRequest<'_>,
    settings: &Settings,
    tokens: Option<&Tokens>,
    now: Timestamp,
) -> Result<Named, Fault> {
    let Some(tokens) = tokens else { return named(request, settings) };
    let JwtSettings { cookie, header, .. } = &tokens.settings;
    let in_cookie = cookie.as_ref().and_then(|name| request.cookie(name));
    let in_header = || super::request::text(request.headers, header.as_ref()?.0.as_str());
    let token = in_cookie.or_else(in_header).ok_or(Fault::UserMissing)?;
    let token =
        token.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map_or(token, |(_, it)| it);
    let Named { user, email } = tokens.verify(token, now).map_err(|error| match error {
        Unverified::KeyUnknown => Fault::TokenKeyUnknown,
        Unverified::Refused => Fault::TokenRefused,
    })?;
    Ok(Named { user: name(&user, settings.user_lowercase)?, email })
}

fn named(request: &HookRequest<'_>, settings: &Settings) -> Result<Named, Fault> {
    let mut lines = request.headers.get_all(&settings.user_header.0).iter().filter(|_| request.is_trusted);
    let line = lines.next().ok_or(Fault::UserMissing)?;
    if lines.next().is_some() {
        return Err(Fault::UserAmbiguous);
    }
    let user = std::str::from_utf8(line.as_bytes()).map_err(|_| Fault::UserUnreadable)?;
    let email =
        settings.email_header.as_ref().and_then(|header| super::request::text(request.headers, header.0.as_str()));
    Ok(Named { user: name(user, settings.user_lowercase)?, email: email.map(str::to_owned) })
}

/// A name as histories know it.
pub(super) fn name(given: &str, is_lowercase: bool) -> Result<String, Fault> {
    let given = given.trim();
    if given.is_empty() {
        return Err(Fault::UserMissing);
    }
    let name = plain(given, is_lowercase);
    let is_name = name.len() <= USER_BYTES_MAX && !name.chars().any(char::is_control);
    is_name.then_some(name).ok_or(Fault::UserUnreadable)
}

/// One form of each name: another one of the same would have no history.
fn plain(name: &str, is_lowercase: bool) -> String {
    let lower = if is_lowercase { Cow::Owned(name.to_lowercase()) } else { Cow::Borrowed(name) };
    if is_nfc(&lower) { lower.into_owned() } else { lower.nfc().collect() }
}

fn event<'r>(
    user: String,
    ip: ClientIp<'r>,
    request: &HookRequest<'r>,
    settings: &'r Settings,
    time: Timestamp,
) -> LoginEvent<'r> {
    LoginEvent {
        user_agent: readable(request.headers, USER_AGENT.as_str()),
        client_hints: hints(request.headers),
        device_token: request.cookie(COOKIE_NAME).map(Cow::Borrowed),
        ..bare(user, ip, settings.tenant(), time)
    }
}

/// Somebody of whom only name and address are told.
pub(super) fn bare<'r>(user: String, ip: ClientIp<'r>, tenant: &'r str, time: Timestamp) -> LoginEvent<'r> {
    LoginEvent {
        tenant: tenant.into(),
        user: User {
            id: user.into(),
            has_email: false,
            email_verified: None,
            phone_number: None,
            phone_region: None,
            // Nobody here knows which factors there are, so that the user counts as enrolled.
            enrolled: FactorSet::ALL,
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
            groups: Vec::new(),
        },
        client_id: None,
        attributes: Vec::new(),
        ip,
        user_agent: None,
        client_hints: None,
        device_token: None,
        device_id: None,
        location: GivenLocation::Absent,
        edge: Edge::default(),
        edge_ignored: false,
        flow: Flow::Proxy,
        first_factor: FirstFactor::Pwd,
        remembered_browser: false,
        time,
    }
}

pub(super) fn hints(headers: &HeaderMap) -> Option<ClientHints<'_>> {
    let brands = readable(headers, "sec-ch-ua");
    let hint = |name| readable(headers, name);
    brands.map(|brands| ClientHints {
        brands: Some(brands),
        platform: hint("sec-ch-ua-platform"),
        mobile: hint("sec-ch-ua-mobile"),
    })
}

pub(super) fn readable<'r>(headers: &'r HeaderMap, name: &str) -> Option<Cow<'r, str>> {
    let text = super::request::text(headers, name)?;
    (text.len() <= AGENT_BYTES_MAX).then_some(text.into())
}

#[cfg(test)]
mod tests;
