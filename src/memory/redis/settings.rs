//! How to reach Redis, and what is asked of it.

use crate::bounded::Bounded;
use crate::telemetry::StoreMeters;
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The tunables of the shared store beside its address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The file with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The authorities that may sign the server's certificate; without it, those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Days after which a user who was not seen is forgotten.
    pub users_days: Bounded<1, 3_650>,
    /// Milliseconds in which what must not be lost has to be on the disk.
    pub durable_ms: Bounded<10, 60_000>,
    /// Lessons and decisions that wait for Redis to come back.
    pub queue_max: Bounded<16, 10_000_000>,
    /// Takes a server that may lose what it acknowledged.
    pub danger_weak_durability: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            password_file: None,
            ca_file: None,
            users_days: Bounded::of::<400>(),
            durable_ms: Bounded::of::<2_000>(),
            queue_max: Bounded::of::<65_536>(),
            danger_weak_durability: false,
        }
    }
}

/// How the store is set up.
#[derive(Debug)]
pub struct Setup {
    /// Where Redis is.
    pub url: RedisUrl,
    /// The tunables.
    pub settings: Settings,
    /// The password, where there is one.
    pub password: Option<String>,
    /// Authorities in PEM, where not those of the system.
    pub authorities: Option<Vec<u8>>,
    /// For one call.
    pub deadline: Duration,
    /// An empty store is not to be begun.
    pub must_exist: bool,
    /// No place is stored with more decimals of a degree.
    pub coordinate_decimals: u32,
    /// Users that are near.
    pub users_max: usize,
    /// Days for which decisions are kept, if there is room.
    pub decisions_days: u32,
    /// Decisions that may wait, in Redis.
    pub pending_max: usize,
    /// Decisions that wait no longer, in Redis.
    pub decisions_max: usize,
    /// What is counted.
    pub meters: StoreMeters,
}

/// Where Redis is. Holds no password, so that it can be printed.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisUrl {
    text: String,
    info: Connect,
}

/// What the address says; equal where its text is.
#[derive(Debug, Clone)]
struct Connect(ConnectionInfo);

impl PartialEq for Connect {
    fn eq(&self, other: &Self) -> bool {
        self.0.addr() == other.0.addr()
    }
}

impl RedisUrl {
    /// Parses `redis://`, `rediss://` (TLS) or `redis+unix://`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its text, which may hold a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let info = text
            .into_connection_info()
            .map_err(|_| "no address of Redis: redis://host:port, rediss://host:port for TLS, or redis+unix:///path")?;
        if info.redis_settings().password().is_some() {
            return Err("a password does not belong here: put it into the file of memory.redis.password_file");
        }
        match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Err("TLS without checking certificates is none"),
            _ => Ok(Self { text: text.to_owned(), info: Connect(info) }),
        }
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.info.0
    }

    /// Whether what is sent there leaves the machine.
    pub(super) fn is_remote(&self) -> bool {
        match self.info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => !is_loopback(host),
            _ => false,
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.info().addr(), ConnectionAddr::TcpTls { .. })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Default for RedisUrl {
    /// The port that Redis has when nobody says otherwise, on this machine.
    fn default() -> Self {
        let info = ConnectionAddr::Tcp("127.0.0.1".to_owned(), 6379).into_connection_info();
        #[expect(clippy::expect_used, reason = "an address that is one already is not parsed")]
        let info = info.expect("an address is all that a connection needs");
        Self { text: "redis://127.0.0.1:6379".to_owned(), info: Connect(info) }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whether_it_is_far_and_whether_it_is_safe() {
        for (text, remote, encrypted) in [
            ("redis://127.0.0.1:6379", false, false),
            ("redis://[::1]:6379", false, false),
            ("redis://localhost", false, false),
            ("redis://10.0.0.7:6379/2", true, false),
            ("rediss://askance@redis.internal:6380", true, true),
            ("redis+unix:///run/redis.sock", false, false),
        ] {
            let url = RedisUrl::parse(text);
            assert_eq!(url.map(|url| (url.is_remote(), url.is_encrypted())), Ok((remote, encrypted)), "{text}");
        }
        for text in ["", "10.0.0.7:6379", "http://redis", "redis://:secret@localhost", "rediss://host/#insecure"] {
            assert!(RedisUrl::parse(text).is_err_and(|why| !why.contains("secret")), "{text}");
        }
    }
}
