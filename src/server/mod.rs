//! HTTP: listeners, limits, who may call, and the contract on the wire. No judgement.
//!
//! One thread accepts and keeps house (`run`); one thread per core serves (`worker`), each with a runtime of its own,
//! and connections are handed to them in turn.

mod admin;
mod api;
mod auth;
mod body;
pub mod client_ip;
mod connection;
mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod hooks;
mod limits;
mod listen;
pub mod logged;
mod run;
pub mod tls;
mod uri;
mod wire;
mod worker;

pub use auth::{ClientSettings, KeyDigest, Scope};
pub use listen::Listen;
pub use run::{BindError, Server};

use crate::bounded::Bounded;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use serde::{Deserialize, Serialize};

/// An answer with its whole body.
type Answer = Response<Full<Bytes>>;

/// The tunables of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where logins are scored: an address, or several.
    pub listen: OneOrMore,
    /// Where health, readiness and metrics are.
    pub admin_listen: Listen,
    /// Threads that serve; 0 is one per core.
    pub workers: Bounded<0, 1024>,
    /// A larger body is refused (imports stream, and only their lines are held to this).
    pub body_bytes_max: Bounded<1024, 16_777_216>,
    /// A longer head is refused.
    pub head_bytes_max: Bounded<1024, 1_048_576>,
    /// Milliseconds within which a head, and then a body, must be complete.
    pub request_timeout_ms: Bounded<10, 600_000>,
    /// Seconds after which a connection without a request is closed.
    pub idle_timeout_s: Bounded<1, 86_400>,
    /// Requests at a time, shared out evenly among the clients.
    pub in_flight_max: Bounded<1, 1_000_000>,
    /// Connections at a time.
    pub connections_max: Bounded<1, 1_000_000>,
    /// Seconds for requests under way when the service stops.
    pub drain_s: Bounded<0, 3_600>,
    /// Certificates; with them, TCP speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<tls::Settings>,
    /// MiB of answers that are kept for retries, shared out evenly among the clients.
    pub retry_answers_mib_max: Bounded<1, 4_096>,
    /// Who may call; without any, only local callers.
    pub clients: Vec<ClientSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = |port| Listen::Tcp((std::net::Ipv4Addr::LOCALHOST, port).into());
        Self {
            listen: OneOrMore(vec![loopback(8470)]),
            admin_listen: loopback(8471),
            workers: Bounded::of::<0>(),
            body_bytes_max: Bounded::of::<65_536>(),
            head_bytes_max: Bounded::of::<16_384>(),
            request_timeout_ms: Bounded::of::<10_000>(),
            // Longer than the 60 s for which nginx keeps its own end, so that the server is never the first to hang up.
            idle_timeout_s: Bounded::of::<75>(),
            in_flight_max: Bounded::of::<1024>(),
            connections_max: Bounded::of::<8192>(),
            drain_s: Bounded::of::<10>(),
            tls: None,
            retry_answers_mib_max: Bounded::of::<8>(),
            clients: Vec::new(),
        }
    }
}

impl Settings {
    /// Without clients nobody is asked for a key, so nobody beyond this machine may be able to ask.
    ///
    /// # Errors
    ///
    /// Names the first address that is not local.
    pub fn refuse_open_doors(&self) -> Result<(), String> {
        let doors = || self.listen.0.iter().map(|listen| ("server.listen", listen));
        let mut doors = doors().chain([("server.admin_listen", &self.admin_listen)]);
        match doors.find(|(_, listen)| self.clients.is_empty() && !listen.is_local()) {
            None => Ok(()),
            Some((key, listen)) => Err(format!(
                "{key} = {listen} can be reached from other machines, but no [[server.clients]] is configured: add one \
                 (`askance client-key NAME`), or listen on loopback or a Unix socket"
            )),
        }
    }
}

impl Settings {
    /// Every client has something to show, and nobody else shows the same.
    ///
    /// # Errors
    ///
    /// Names the first client that nobody could be, or that is never found.
    pub fn refuse_unknowable_clients(&self) -> Result<(), String> {
        let has_authority = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        for (place, client) in self.clients.iter().enumerate() {
            let (key, name) = (format!("server.clients[{place}]"), &client.name);
            match &client.cert_name {
                None if client.key_sha256.is_none() => {
                    return Err(format!("{key}: client {name:?} needs key_sha256, cert_name, or both"));
                }
                Some(_) if !has_authority => {
                    return Err(format!(
                        "{key}.cert_name: client {name:?} needs server.tls.client_ca, which verifies it"
                    ));
                }
                Some(_) if self.clients[..place].iter().any(|earlier| earlier.cert_name == client.cert_name) => {
                    return Err(format!("{key}.cert_name: another client has the same"));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// One address, or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMore(pub Vec<Listen>);

impl Serialize for OneOrMore {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            more => more.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address or a list of addresses")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Listen::try_from(text.to_owned()).map(|listen| OneOrMore(vec![listen])).map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut entries: A) -> Result<OneOrMore, A::Error> {
                let mut all = Vec::new();
                while let Some(listen) = entries.next_element()? {
                    all.push(listen);
                }
                if all.is_empty() {
                    return Err(serde::de::Error::custom("at least one address is needed"));
                }
                Ok(OneOrMore(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
