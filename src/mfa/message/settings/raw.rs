//! The keys of a connector as they stand in the file.

use super::{SecretSource, SmtpTls};
use crate::bounded::Bounded;
use crate::mfa::recipient::Channel;
use crate::outbound::{Networks, Target};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Every key of every type. `config.toml` says what they are for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) name: Name,
    pub(super) kind: Channel,
    pub(super) r#type: Type,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout_ms: Option<Bounded<100, 30_000>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_flight_max: Option<Bounded<1, 1_000>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failures_max: Option<Bounded<1, 1_000>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rest_s: Option<Bounded<1, 3_600>>,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) allow: Networks,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_sid: Option<Sid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messaging_service_sid: Option<Sid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sign: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Host>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<Bounded<1, 65_535>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<SmtpTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) danger_log_codes: Option<bool>,
}

fn is_none(networks: &Networks) -> bool {
    *networks == Networks::default()
}

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    Twilio,
    Smsaero,
    Http,
    Smtp,
    Log,
}

impl Type {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Smsaero => "smsaero",
            Self::Http => "http",
            Self::Smtp => "smtp",
            Self::Log => "log",
        }
    }
}

impl Raw {
    pub(super) fn auth_token(&mut self) -> Result<Option<SecretSource>, String> {
        source("auth_token", self.auth_token_file.take(), self.auth_token_env.take())
    }

    pub(super) fn api_key(&mut self) -> Result<Option<SecretSource>, String> {
        source("api_key", self.api_key_file.take(), self.api_key_env.take())
    }

    pub(super) fn authorization(&mut self) -> Result<Option<SecretSource>, String> {
        source("authorization", self.authorization_file.take(), self.authorization_env.take())
    }

    pub(super) fn password(&mut self) -> Result<Option<SecretSource>, String> {
        source("password", self.password_file.take(), self.password_env.take())
    }

    /// A key that no type took.
    pub(super) fn left(&self) -> Option<&'static str> {
        let keys = [
            ("url", self.url.is_some()),
            ("account_sid", self.account_sid.is_some()),
            ("auth_token_file", self.auth_token_file.is_some()),
            ("auth_token_env", self.auth_token_env.is_some()),
            ("messaging_service_sid", self.messaging_service_sid.is_some()),
            ("from", self.from.is_some()),
            ("account", self.account.is_some()),
            ("api_key_file", self.api_key_file.is_some()),
            ("api_key_env", self.api_key_env.is_some()),
            ("sign", self.sign.is_some()),
            ("authorization_file", self.authorization_file.is_some()),
            ("authorization_env", self.authorization_env.is_some()),
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("tls", self.tls.is_some()),
            ("username", self.username.is_some()),
            ("password_file", self.password_file.is_some()),
            ("password_env", self.password_env.is_some()),
            ("danger_log_codes", self.danger_log_codes.is_some()),
        ];
        keys.into_iter().find(|(_, is_there)| *is_there).map(|(key, _)| key)
    }
}

fn source(key: &str, file: Option<PathBuf>, variable: Option<String>) -> Result<Option<SecretSource>, String> {
    match (file, variable) {
        (Some(_), Some(_)) => Err(format!("{key}_file and {key}_env are two places for one secret")),
        (file, variable) => Ok(file.map(SecretSource::File).or(variable.map(SecretSource::Variable))),
    }
}

/// 1 to 64 letters, digits, - and _.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no name: 1 to 64 letters, digits, - and _"))
        }
    }
}

/// One of Twilio's ids: it stands in a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Sid(pub(super) String);

impl TryFrom<String> for Sid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text))
        } else {
            Err("must be letters and digits, such as \"AC\" and 32 digits".to_owned())
        }
    }
}

/// A name or an address, without a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Host(pub(super) String);

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_name = !text.is_empty()
            && text.len() <= 253
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if is_name || text.parse::<std::net::IpAddr>().is_ok() {
            Ok(Self(text))
        } else {
            Err(format!("{text:?} is no host, such as \"mail.example.org\""))
        }
    }
}
