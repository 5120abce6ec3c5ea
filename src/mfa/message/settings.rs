//! Connectors as they are configured: each `type` has its own keys, and those of others are refused.

mod raw;

use crate::bounded::Bounded;
use crate::mfa::recipient::Channel;
use crate::outbound::{Networks, Target};
use lettre::message::Mailbox;
use raw::{Raw, Type};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All connectors, in the order in which they are tried. No two have one name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ConnectorSettings>")]
pub struct Connectors(Vec<ConnectorSettings>);

impl Connectors {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &ConnectorSettings> {
        self.0.iter()
    }

    /// Whether there is anybody to carry messages of this kind.
    #[must_use]
    pub fn carry(&self, kind: Channel) -> bool {
        self.iter().any(|settings| settings.kind() == kind)
    }

    /// Whether one of them writes codes to the log.
    #[must_use]
    pub fn log_codes(&self) -> bool {
        self.iter().any(|settings| settings.provider == ProviderSettings::Log)
    }

    /// The one of this name, by itself.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<Self> {
        self.iter().find(|settings| settings.name() == name).map(|settings| Self(vec![settings.clone()]))
    }
}

impl TryFrom<Vec<ConnectorSettings>> for Connectors {
    type Error = String;

    fn try_from(connectors: Vec<ConnectorSettings>) -> Result<Self, String> {
        for (at, connector) in connectors.iter().enumerate() {
            if connectors[..at].iter().any(|other| other.name() == connector.name()) {
                return Err(format!("the name `{}` stands twice", connector.name()));
            }
        }
        Ok(Self(connectors))
    }
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct ConnectorSettings {
    raw: Raw,
    provider: ProviderSettings,
}

/// What a call is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) deadline: Duration,
    pub(super) in_flight_max: usize,
    pub(super) failures_max: u32,
    pub(super) rest: Duration,
}

/// **Source:** mfa.md has 3 s for calls to others.
const TIMEOUT_MS: Bounded<100, 30_000> = Bounded::of::<3_000>();
/// Assumption: 32 calls of a tenth of a second are 300 messages a second.
const IN_FLIGHT_MAX: Bounded<1, 1_000> = Bounded::of::<32>();
/// Assumptions: what fails five times in a row is not there, and half a minute is what a restart takes.
const FAILURES_MAX: Bounded<1, 1_000> = Bounded::of::<5>();
const REST_S: Bounded<1, 3_600> = Bounded::of::<30>();

impl ConnectorSettings {
    /// How it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.raw.name.0
    }

    /// What it carries.
    #[must_use]
    pub fn kind(&self) -> Channel {
        self.raw.kind
    }

    /// Whether the text of a message is written here.
    pub(super) fn needs_templates(&self) -> bool {
        !matches!(self.provider, ProviderSettings::Http(_))
    }

    pub(super) fn provider(&self) -> &ProviderSettings {
        &self.provider
    }

    pub(super) fn allow(&self) -> &Networks {
        &self.raw.allow
    }

    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.raw.ca_file.as_deref()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            deadline: Duration::from_millis(self.raw.timeout_ms.unwrap_or(TIMEOUT_MS).get().into()),
            in_flight_max: self.raw.in_flight_max.unwrap_or(IN_FLIGHT_MAX).as_usize(),
            failures_max: self.raw.failures_max.unwrap_or(FAILURES_MAX).get(),
            rest: Duration::from_secs(self.raw.rest_s.unwrap_or(REST_S).get().into()),
        }
    }
}

impl TryFrom<Raw> for ConnectorSettings {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let provider = provider(raw.clone()).map_err(|why| format!("`{}`: {why}", raw.name.0))?;
        Ok(Self { raw, provider })
    }
}

impl From<ConnectorSettings> for Raw {
    fn from(settings: ConnectorSettings) -> Self {
        settings.raw
    }
}

/// Where a secret is. It stands in no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file, readable by the service's user only.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// What each type needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ProviderSettings {
    Twilio(TwilioSettings),
    SmsAero(SmsAeroSettings),
    Http(HttpSettings),
    Smtp(Box<SmtpSettings>),
    Log,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TwilioSettings {
    pub(super) url: Target,
    pub(super) account_sid: String,
    pub(super) auth_token: SecretSource,
    pub(super) sender: TwilioSender,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TwilioSender {
    Service(String),
    From(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct SmsAeroSettings {
    pub(super) url: Target,
    pub(super) account: String,
    pub(super) api_key: SecretSource,
    pub(super) sign: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct HttpSettings {
    pub(super) url: Target,
    pub(super) authorization: Option<SecretSource>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: SmtpTls,
    pub(super) credentials: Option<(String, SecretSource)>,
    pub(super) from: Sender,
}

/// How mail is kept from others on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SmtpTls {
    /// TLS from the first byte.
    Implicit,
    /// TLS from STARTTLS on, or no mail.
    Starttls,
    /// Not at all: to this machine only.
    DangerPlain,
}

impl SmtpTls {
    /// **Source:** the registry of ports of IANA.
    fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::Starttls => 587,
            Self::DangerPlain => 25,
        }
    }
}

/// From whom mail is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Sender(pub(super) Mailbox);

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mailbox = text.parse::<Mailbox>().ok().filter(|_| !text.chars().any(char::is_control));
        mailbox
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no address of mail, such as \"Example <codes@example.org>\""))
    }
}

impl From<Sender> for String {
    fn from(sender: Sender) -> Self {
        sender.0.to_string()
    }
}

/// What a type needs is taken out; what is left is another type's.
fn provider(mut raw: Raw) -> Result<ProviderSettings, String> {
    let of = raw.r#type;
    let kinds: &[Channel] = match of {
        Type::Twilio | Type::Smsaero => &[Channel::Sms],
        Type::Smtp => &[Channel::Email],
        Type::Http | Type::Log => &[Channel::Sms, Channel::Email],
    };
    if !kinds.contains(&raw.kind) {
        return Err(format!("type `{}` carries no {}", of.as_str(), raw.kind.as_str()));
    }
    let provider = match of {
        Type::Twilio => ProviderSettings::Twilio(TwilioSettings {
            url: raw.url.take().map_or_else(|| known("https://api.twilio.com"), Ok)?,
            account_sid: needed("account_sid", raw.account_sid.take())?.0,
            auth_token: needed("auth_token_file (or auth_token_env)", raw.auth_token()?)?,
            sender: match (raw.messaging_service_sid.take(), raw.from.take()) {
                (Some(sid), None) => TwilioSender::Service(sid.0),
                (None, Some(from)) => TwilioSender::From(from),
                (Some(_), Some(_)) | (None, None) => {
                    return Err("needs one of messaging_service_sid and from".to_owned());
                }
            },
        }),
        Type::Smsaero => ProviderSettings::SmsAero(SmsAeroSettings {
            url: raw.url.take().map_or_else(|| known("https://gate.smsaero.ru"), Ok)?,
            account: needed("account", raw.account.take())?,
            api_key: needed("api_key_file (or api_key_env)", raw.api_key()?)?,
            sign: needed("sign", raw.sign.take())?,
        }),
        Type::Http => ProviderSettings::Http(HttpSettings {
            url: needed("url", raw.url.take())?,
            authorization: raw.authorization()?,
        }),
        Type::Smtp => ProviderSettings::Smtp(Box::new(smtp(&mut raw)?)),
        Type::Log => {
            if raw.danger_log_codes.take() != Some(true) {
                return Err("writes codes to the log: needs danger_log_codes = true".to_owned());
            }
            ProviderSettings::Log
        }
    };
    match raw.left() {
        Some(key) => Err(format!("{key} is no key of type `{}`", of.as_str())),
        None => Ok(provider),
    }
}

fn smtp(raw: &mut Raw) -> Result<SmtpSettings, String> {
    let tls = raw.tls.take().unwrap_or(SmtpTls::Implicit);
    let host = needed("host", raw.host.take())?.0;
    if tls == SmtpTls::DangerPlain && !crate::outbound::is_this_machine(&host) {
        return Err("tls = \"danger_plain\" is for this machine only, such as host = \"127.0.0.1\"".to_owned());
    }
    let credentials = match (raw.username.take(), raw.password()?) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        (Some(_), None) => return Err("username needs password_file (or password_env)".to_owned()),
        (None, Some(_)) => return Err("a password needs username".to_owned()),
    };
    let from = Sender::try_from(needed("from", raw.from.take())?).map_err(|why| format!("from: {why}"))?;
    let port = raw.port.take().map_or(tls.port(), |port| u16::try_from(port.get()).unwrap_or(u16::MAX));
    Ok(SmtpSettings { host, port, tls, credentials, from })
}

fn needed<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("needs {key}"))
}

fn known(url: &str) -> Result<Target, String> {
    Target::try_from(url.to_owned())
}

#[cfg(test)]
mod tests;
