//! The tunables of the hooks.

use super::jwt::JwtSettings;
use super::step_up::StepUp;
use crate::bounded::Bounded;
use crate::event::Factor;
use crate::mfa;
use crate::server::OneOrMore;
use crate::server::client_ip::{self, ClientHeader, TrustedProxies};
use hyper::Uri;
use hyper::header::HeaderName;
use hyper::http::uri::Authority;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The tunables of the hooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where proxies ask; nowhere unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<OneOrMore>,
    /// Where Envoy asks by gRPC; nowhere unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_listen: Option<OneOrMore>,
    /// Proxies that are believed.
    pub trusted_proxies: TrustedProxies,
    /// The header in which they write the client's address.
    pub client_ip_header: ClientHeader,
    /// The header in which they write the user.
    pub user_header: UserHeader,
    /// The header in which they write the user's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_header: Option<UserHeader>,
    /// Tokens that name the user, in place of that header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSettings>,
    /// Whether names of users are the same in capitals.
    pub user_lowercase: bool,
    /// Whether a request of nobody is an error.
    pub require_user: bool,
    /// Whose memory it is.
    pub tenant: Tenant,
    /// Milliseconds for an answer.
    pub deadline_ms: Bounded<1, 60_000>,
    /// What a failure of ours answers.
    pub on_error: OnError,
    /// Seconds for which a verdict is given again.
    pub verdict_ttl_s: Bounded<0, 3_600>,
    /// Verdicts that are kept.
    pub verdicts_max: Bounded<1_024, 10_000_000>,
    /// What requests teach.
    pub learn: Learn,
    /// Where somebody who is asked goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_url: Option<ChallengeUrl>,
    /// Hosts that may be returned to from there; its own unless there are some.
    pub return_hosts: Vec<ReturnHost>,
    /// Seconds for which a factor that was passed counts.
    pub assurance_ttl_s: Bounded<60, 2_592_000>,
    /// Parts of the site that want a proof of late.
    pub step_up: Vec<StepUp>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: None,
            grpc_listen: None,
            trusted_proxies: TrustedProxies::default(),
            client_ip_header: ClientHeader::default(),
            user_header: UserHeader(HeaderName::from_static("remote-user")),
            email_header: None,
            jwt: None,
            user_lowercase: true,
            require_user: true,
            tenant: Tenant("default".to_owned()),
            deadline_ms: Bounded::of::<100>(),
            on_error: OnError::Challenge,
            verdict_ttl_s: Bounded::of::<30>(),
            verdicts_max: Bounded::of::<65_536>(),
            learn: Learn::Never,
            challenge_url: None,
            return_hosts: Vec::new(),
            assurance_ttl_s: Bounded::of::<28_800>(),
            step_up: Vec::new(),
        }
    }
}

impl Settings {
    /// Whom to believe about the client's address.
    pub(super) fn client_ip(&self) -> client_ip::Settings {
        client_ip::Settings {
            trusted_proxies: self.trusted_proxies.clone(),
            client_ip_header: self.client_ip_header.clone(),
        }
    }

    pub(super) fn tenant(&self) -> &str {
        &self.tenant.0
    }

    /// Whether a browser may be sent to this host, with its port where it is named with one.
    pub(super) fn may_return_to(&self, host: &str) -> bool {
        if self.return_hosts.is_empty() {
            return self.challenge_url.as_ref().is_some_and(|url| url.authority.eq_ignore_ascii_case(host));
        }
        self.return_hosts.iter().any(|known| known.0.eq_ignore_ascii_case(host))
    }

    /// What does no harm, and nothing of what was meant: about our page, which others may serve in our place.
    #[must_use]
    pub fn warnings(&self, mfa: &mfa::Settings) -> Vec<&'static str> {
        let is_listening = self.listen.is_some() || self.grpc_listen.is_some();
        let Some(page) = self.challenge_url.as_ref().filter(|page| is_listening && page.is_ours()) else {
            return Vec::new();
        };
        let has_passkeys = mfa.enabled && mfa.factors.set().has(Factor::Webauthn);
        let is_origin = mfa.webauthn.origins.iter().any(|origin| page.is_of(origin.as_str()));
        let warnings = [
            (
                !mfa.enabled,
                "hooks.challenge_url leads to our page, and mfa.enabled is off: nobody can prove anything there",
            ),
            (
                has_passkeys && !is_origin,
                "mfa.webauthn.origins lacks the host of hooks.challenge_url: no passkey is good there",
            ),
        ];
        warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning).collect()
    }

    /// Whoever is asked must have somewhere to go, and a name one place to be.
    ///
    /// # Errors
    ///
    /// Names the setting that is missing.
    pub fn refuse_dead_ends(&self) -> Result<(), String> {
        if let Some(jwt) = &self.jwt {
            jwt.refuse_two_places()?;
        }
        let key = match (&self.listen, &self.grpc_listen) {
            (Some(_), _) => "hooks.listen",
            (None, Some(_)) => "hooks.grpc_listen",
            (None, None) => return Ok(()),
        };
        if self.challenge_url.is_some() {
            return Ok(());
        }
        Err(format!(
            "hooks.challenge_url is needed with {key}: where does somebody go who is asked for a factor? Such as \
             \"https://login.example.org/mfa\""
        ))
    }
}

/// What a failure of ours answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// A factor is demanded.
    Challenge,
    /// The request is refused.
    Deny,
    /// The request passes unseen.
    DangerAllow,
}

/// What requests teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// Nothing: only a passed challenge, or an outcome that was told, does.
    Never,
    /// The network, or the device, of the first request that is allowed to a known user there.
    FirstSeen,
}

/// The name of a header that holds a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserHeader(pub(super) HeaderName);

impl TryFrom<String> for UserHeader {
    type Error = String;

    /// Refuses underscores: several servers drop such headers, others take them for the ones with hyphens.
    fn try_from(name: String) -> Result<Self, String> {
        let parsed = HeaderName::try_from(name.to_ascii_lowercase()).ok().filter(|_| !name.contains('_'));
        parsed.map(Self).ok_or_else(|| format!("{name:?} is no header name such as remote-user"))
    }
}

impl From<UserHeader> for String {
    fn from(header: UserHeader) -> Self {
        header.0.as_str().to_owned()
    }
}

/// The name of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(pub(super) String);

impl TryFrom<String> for Tenant {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if (1..=256).contains(&name.len()) { Ok(Self(name)) } else { Err("a tenant has 1 to 256 bytes".to_owned()) }
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> Self {
        tenant.0
    }
}

/// An absolute URL, by https; on this machine, by http, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChallengeUrl {
    text: String,
    authority: String,
}

impl ChallengeUrl {
    /// The whole of it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether browsers that post from there say that they come from `origin`.
    pub(super) fn is_of(&self, origin: &str) -> bool {
        let own = self.text.split_once("://").map_or("", |(scheme, _)| scheme);
        origin.split_once("://").is_some_and(|(scheme, authority)| {
            scheme.eq_ignore_ascii_case(own) && authority.eq_ignore_ascii_case(&self.authority)
        })
    }

    /// Whether the page is the one that we serve.
    pub(super) fn is_ours(&self) -> bool {
        let path = super::passed::origin(&self.text).map(|origin| &self.text[origin.len()..]);
        path.is_some_and(|path| path.split('?').next() == Some(super::page::PATH))
    }

    /// Whether `url` is on the same host.
    pub(super) fn is_host_of(&self, url: &str) -> bool {
        super::passed::origin(url).is_some_and(|origin| self.is_of(origin))
    }
}

impl TryFrom<String> for ChallengeUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refused = |why: &str| format!("{text:?} {why}, such as \"https://login.example.org/mfa\"");
        let uri: Uri = text.parse().map_err(|_| refused("is no absolute URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("is no absolute URL"));
        };
        if !(scheme == "https" || scheme == "http" && is_loopback(authority.host())) {
            return Err(refused("is sent to browsers, and needs https"));
        }
        // The parser drops a fragment without a word, and a browser would never send it.
        if text.contains('#') || authority.as_str().contains('@') {
            return Err(refused("may have neither a fragment nor a user"));
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self { text, authority })
    }
}

impl From<ChallengeUrl> for String {
    fn from(url: ChallengeUrl) -> Self {
        url.text
    }
}

/// A host, with a port where it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnHost(String);

impl TryFrom<String> for ReturnHost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let authority: Option<Authority> = text.parse().ok();
        let is_host = authority.is_some_and(|authority| !authority.host().is_empty()) && !text.contains(['@', '*']);
        if is_host { Ok(Self(text)) } else { Err(format!("{text:?} is no host such as \"app.example.org\"")) }
    }
}

impl From<ReturnHost> for String {
    fn from(host: ReturnHost) -> Self {
        host.0
    }
}

/// A host that is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
