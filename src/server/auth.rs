//! Who may call, and what.

use super::error::Failure;
use super::tls::{CertName, Certified};
use crate::memory::decisions::ClientTag;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName};
use hyper::http::uri::Authority;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use subtle::{Choice, ConstantTimeEq};

/// A client as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// How logs call it; it also ties decisions to the client that asked.
    pub name: String,
    /// SHA-256 of the key, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<KeyDigest>,
    /// A name on the certificate that it may show instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_name: Option<CertName>,
    /// What it may call.
    pub scopes: Vec<Scope>,
    /// For which tenants.
    #[serde(default = "default_tenants")]
    pub tenants: Vec<String>,
    /// Whether its `location` and `edge` are believed.
    #[serde(default)]
    pub trust_edge: bool,
}

fn default_tenants() -> Vec<String> {
    vec!["default".to_owned()]
}

/// What a client may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Score logins and tell their outcome.
    Score,
    /// Read and write the past.
    History,
    /// Ask for factors.
    Mfa,
    /// Metrics and administration.
    Admin,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::History => "history",
            Self::Mfa => "mfa",
            Self::Admin => "admin",
        }
    }
}

/// SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Of this key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn is_digest_of(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

impl Serialize for KeyDigest {
    /// Masked: what is printed of a configuration helps nobody to search for a key.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let nibbles: Option<Vec<u8>> =
            text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let bytes: Option<Vec<u8>> = nibbles.map(|nibbles| {
            nibbles.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
        });
        bytes
            .filter(|_| text.len() == 64)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("must be the 64 hex digits of a SHA-256"))
    }
}

/// Who may call.
#[derive(Debug)]
pub(super) struct Access {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    settings: ClientSettings,
    tag: ClientTag,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    client: Option<&'a Client>,
    /// The caller's place among the clients, for its share of requests in flight.
    pub(super) share: usize,
}

/// Headers that only browsers or proxies send: neither is a local caller.
fn is_foreign(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "origin"
            | "sec-fetch-site"
            | "forwarded"
            | "via"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-real-ip"
            | "true-client-ip"
            | "cf-connecting-ip"
    )
}

impl Access {
    pub(super) fn new(clients: &[ClientSettings]) -> Self {
        let client = |settings: &ClientSettings| {
            let [a, b, c, d, e, f, g, h, ..] = KeyDigest::of(&settings.name).0;
            Client { settings: settings.clone(), tag: ClientTag(u64::from_le_bytes([a, b, c, d, e, f, g, h])) }
        };
        Self { clients: clients.iter().map(client).collect() }
    }

    /// Among how many callers the requests in flight are shared.
    pub(super) fn shares(&self) -> usize {
        self.clients.len().max(1)
    }

    /// Whether anybody is known by a key or a certificate.
    pub(super) fn has_clients(&self) -> bool {
        !self.clients.is_empty()
    }

    /// Finds out who calls, of programs that send their key as `X-API-Key`, too.
    pub(super) fn authenticate_program(
        &self,
        headers: &HeaderMap,
        authority: Option<&Authority>,
        certified: Option<Certified>,
    ) -> Result<Caller<'_>, Failure> {
        match headers.get("x-api-key") {
            Some(key) if self.has_clients() && !headers.contains_key(AUTHORIZATION) => self.of_key(key.to_str().ok()),
            _ => self.authenticate(headers, authority, certified),
        }
    }

    /// Finds out who calls. Without clients everybody local may; with clients a key decides where one is sent, be it good
    /// or bad, and else the certificate that came with the connection.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        authority: Option<&Authority>,
        certified: Option<Certified>,
    ) -> Result<Caller<'_>, Failure> {
        if self.clients.is_empty() {
            return local(headers, authority).map(|()| Caller { client: None, share: 0 });
        }
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            let Certified(share) = certified.ok_or(Failure::KeyInvalid)?;
            return self
                .clients
                .get(share)
                .map(|client| Caller { client: Some(client), share })
                .ok_or(Failure::KeyInvalid);
        };
        self.of_key(authorization.to_str().ok().and_then(bearer))
    }

    /// Whose key it is.
    fn of_key(&self, key: Option<&str>) -> Result<Caller<'_>, Failure> {
        let presented = KeyDigest::of(key.unwrap_or_default());
        // Every client is looked at, however early one fits: the time tells nothing.
        let mut found = None;
        for (share, client) in self.clients.iter().enumerate() {
            if client.settings.key_sha256.is_some_and(|own| own.is_digest_of(&presented).into()) {
                found = Some(Caller { client: Some(client), share });
            }
        }
        found.filter(|_| key.is_some()).ok_or(Failure::KeyInvalid)
    }
}

impl Caller<'_> {
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Failure> {
        match self.client {
            Some(client) if !client.settings.scopes.contains(&scope) => {
                Err(Failure::ScopeMissing { scope: scope.as_str() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn may_act_for(&self, tenant: &str) -> Result<(), Failure> {
        match self.client {
            Some(client) if !client.settings.tenants.iter().any(|own| own == tenant) => Err(Failure::Tenant),
            _ => Ok(()),
        }
    }

    pub(super) fn is_edge_trusted(&self) -> bool {
        self.client.is_none_or(|client| client.settings.trust_edge)
    }

    /// How the configuration calls it; a local caller has no name of its own.
    pub(super) fn name(&self) -> &str {
        self.client.map_or("local", |client| &client.settings.name)
    }

    /// Ties decisions to the client; a local caller is one client.
    pub(super) fn tag(&self) -> ClientTag {
        self.client.map_or(ClientTag(0), |client| client.tag)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

fn local(headers: &HeaderMap, authority: Option<&Authority>) -> Result<(), Failure> {
    let refused = |why| Err(Failure::NotLocal { why });
    if headers.keys().any(is_foreign) {
        return refused("the request comes from a browser or through a proxy");
    }
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    // HTTP/1.0 knows no Host; HTTP/2 carries it as the authority.
    let named = hosts.all(|host| host.is_some_and(|host| is_loopback(host_name(host))));
    if named && authority.is_none_or(|authority| is_loopback(authority.host())) {
        Ok(())
    } else {
        refused("Host is not loopback")
    }
}

/// The host of `host:port`, brackets of an IPv6 address kept.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_loopback(host: &str) -> bool {
    if host == "127.0.0.1" {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn local_callers_only() {
        let access = Access::new(&[]);
        for host in ["localhost", "LOCALHOST:8470", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:8470"] {
            let map: HeaderMap = [(HOST, HeaderValue::from_static(host))].into_iter().collect();
            assert!(access.authenticate(&map, None, None).is_ok(), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "127.0.0.1.nip.io", "10.0.0.1", "", "[::2]:80"] {
            let map: HeaderMap = [(HOST, HeaderValue::from_static(host))].into_iter().collect();
            assert!(access.authenticate(&map, None, None).is_err(), "{host}");
        }
        for name in ["origin", "sec-fetch-site", "forwarded", "x-forwarded-for", "x-real-ip", "via"] {
            let foreign = headers(&[("host", "localhost"), (name, "x")]);
            assert!(access.authenticate(&foreign, None, None).is_err(), "{name}");
        }
        assert!(access.authenticate(&HeaderMap::new(), None, None).is_ok(), "HTTP/1.0 without Host");
    }

    #[test]
    fn keys() {
        let settings = ClientSettings {
            name: "idp".to_owned(),
            key_sha256: Some(KeyDigest::of("s3cret")),
            cert_name: None,
            scopes: vec![Scope::Score],
            tenants: default_tenants(),
            trust_edge: false,
        };
        let access = Access::new(&[settings]);
        let caller = |value: &'static str| access.authenticate(&headers(&[("authorization", value)]), None, None);
        assert!(caller("Bearer s3cret").is_ok() && caller("bearer s3cret").is_ok());
        for bad in ["Bearer wrong", "Bearer ", "Bearer", "Basic s3cret", "s3cret", ""] {
            assert!(matches!(caller(bad), Err(Failure::KeyInvalid)), "{bad}");
        }
        assert!(matches!(access.authenticate(&HeaderMap::new(), None, None), Err(Failure::KeyInvalid)));
        let Ok(caller) = caller("Bearer s3cret") else { unreachable!("the key is right") };
        assert!(caller.needs(Scope::Score).is_ok() && caller.needs(Scope::Admin).is_err());
        assert!(caller.may_act_for("default").is_ok() && caller.may_act_for("other").is_err());
        assert!(!caller.is_edge_trusted());
    }

    #[test]
    fn a_digest_never_shows() {
        let digest = KeyDigest::of("s3cret");
        assert!(!format!("{digest:?}").contains(&digest.to_string()));
        assert!(!serde_json::to_string(&digest).is_ok_and(|text| text.contains(&digest.to_string())));
    }
}
