//! One login as the caller tells it: parsed and valid, nothing looked up yet.
//!
//! Texts are borrowed from the request wherever they hold no escapes.

use crate::clock::Timestamp;
use crate::units::{Coordinates, CountryCode, Kilometres};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;

/// The tenant of whoever names none.
pub const DEFAULT_TENANT: &str = "default";

/// A login to be judged, or one of the past to be learnt from.
#[derive(Debug, Clone)]
pub struct LoginEvent<'a> {
    /// Separates all memory.
    pub tenant: Cow<'a, str>,
    /// Who claims to log in.
    pub user: User<'a>,
    /// From which address.
    pub ip: ClientIp<'a>,
    /// The `User-Agent` header of the browser.
    pub user_agent: Option<Cow<'a, str>>,
    /// The `Sec-CH-UA*` headers of the browser.
    pub client_hints: Option<ClientHints<'a>>,
    /// What the browser sent as askance's device cookie.
    pub device_token: Option<Cow<'a, str>>,
    /// A first-party device id that nobody can guess.
    pub device_id: Option<Cow<'a, str>>,
    /// The application that asks, for rules.
    pub client_id: Option<Cow<'a, str>>,
    /// Whatever the caller wants rules to see, by name; no name twice.
    pub attributes: Vec<(Cow<'a, str>, Scalar<'a>)>,
    /// Where an edge that locates has seen the client.
    pub location: GivenLocation,
    /// What an edge knows beside the place.
    pub edge: Edge<'a>,
    /// A location or edge was given by a caller who is not trusted with them, and dropped.
    pub edge_ignored: bool,
    /// Which protocol flow asks.
    pub flow: Flow,
    /// How the first factor was given.
    pub first_factor: FirstFactor,
    /// The browser holds the caller's "remember this browser" session.
    pub remembered_browser: bool,
    /// When the login happened.
    pub time: Timestamp,
}

/// The account, as far as the caller tells.
#[derive(Debug, Clone)]
pub struct User<'a> {
    /// Opaque, 1 to 256 bytes.
    pub id: Cow<'a, str>,
    /// Whether an email address is known.
    pub has_email: bool,
    /// Whether that address was proved; `None` when nothing is said.
    pub email_verified: Option<bool>,
    /// E.164, or national together with a region.
    pub phone_number: Option<Cow<'a, str>>,
    /// The region a national number belongs to.
    pub phone_region: Option<CountryCode>,
    /// The factors that the caller's own MFA holds.
    pub enrolled: FactorSet,
    /// Groups of the user, for rules.
    pub groups: Vec<Cow<'a, str>>,
    /// When the account was made.
    pub created_at: Option<Timestamp>,
    /// When the phone number last changed.
    pub phone_changed_at: Option<Timestamp>,
    /// When the email address last changed.
    pub email_changed_at: Option<Timestamp>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(Cow<'a, str>),
}

/// An address, or the text that was none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIp<'a> {
    /// The address as the caller wrote it, and in its plain form: a v4-mapped one is the v4 address that it is.
    Address {
        /// As written, for answers.
        text: Cow<'a, str>,
        /// To compute with.
        ip: IpAddr,
    },
    /// Not an address.
    Invalid(Cow<'a, str>),
}

impl<'a> ClientIp<'a> {
    /// Never fails: what is no address is kept as such.
    #[must_use]
    pub fn parse(text: Cow<'a, str>) -> Self {
        match text.parse::<IpAddr>() {
            Ok(ip) => Self::Address { ip: ip.to_canonical(), text },
            Err(_) => Self::Invalid(text),
        }
    }

    /// The address, where there is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Address { ip, .. } => Some(*ip),
            Self::Invalid(_) => None,
        }
    }

    /// As the caller wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Address { text, .. } | Self::Invalid(text) => text,
        }
    }
}

/// `Sec-CH-UA*` as the browser sent them: structured fields, quotes included (RFC 8941, User-Agent Client Hints).
#[derive(Debug, Clone, Default)]
pub struct ClientHints<'a> {
    /// `sec-ch-ua`: brands with major versions.
    pub brands: Option<Cow<'a, str>>,
    /// `sec-ch-ua-platform`.
    pub platform: Option<Cow<'a, str>>,
    /// `sec-ch-ua-mobile`.
    pub mobile: Option<Cow<'a, str>>,
}

/// The `location` member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GivenLocation {
    /// None was given, or the caller is not trusted to give one.
    Absent,
    /// One was given that cannot be used: out of range, not numbers, a coordinate missing.
    Invalid,
    /// A usable one; no radius means 50 km.
    Valid {
        /// The point.
        at: Coordinates,
        /// How far from it the client may be.
        radius: Option<Kilometres>,
        /// The country, where named.
        country: Option<CountryCode>,
    },
}

/// What an edge says of the client.
#[derive(Debug, Clone, Default)]
pub struct Edge<'a> {
    /// 0 (a bot for certain) to 99.
    pub bot_score: Option<u8>,
    /// A crawler that the edge knows by name.
    pub verified_bot: bool,
    /// Autonomous system number; wins over the ASN database.
    pub asn: Option<u32>,
    /// Its name.
    pub as_organization: Option<Cow<'a, str>>,
}

/// A login that failed before anybody asked for a verdict.
#[derive(Debug, Clone)]
pub struct FailureEvent<'a> {
    /// Separates all memory.
    pub tenant: Cow<'a, str>,
    /// Who claimed to log in, where that is told.
    pub user_id: Option<Cow<'a, str>>,
    /// From which address.
    pub ip: IpAddr,
    /// What was wrong.
    pub kind: FailureKind,
}

/// What was wrong with a login that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The password.
    Password,
    /// The caller knows no such user.
    UnknownUser,
    /// A second factor.
    Mfa,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Password, Self::UnknownUser, Self::Mfa];

    /// The word that stands in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::UnknownUser => "unknown_user",
            Self::Mfa => "mfa",
        }
    }
}

/// The flow in which the login happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// OAuth 2 authorization code.
    #[default]
    AuthorizationCode,
    /// The same with PKCE.
    Pkce,
    /// OpenID Connect implicit with form post.
    ImplicitFormPost,
    /// OpenID Connect hybrid.
    Hybrid,
    /// SAML, started at the service provider.
    SamlSp,
    /// WS-Federation.
    WsFederation,
    /// An LDAP bind.
    Ldap,
    /// A reverse proxy's auth hook.
    Proxy,
    /// SAML, started at the identity provider.
    SamlIdp,
    /// OAuth 2 device authorization.
    DeviceCode,
    /// OAuth 2 token exchange.
    TokenExchange,
    /// OAuth 2 refresh.
    RefreshToken,
    /// Resource owner password grant.
    Password,
    /// No end user: refused.
    ClientCredentials,
}

impl Flow {
    /// Every flow.
    pub const ALL: [Self; 14] = [
        Self::AuthorizationCode,
        Self::Pkce,
        Self::ImplicitFormPost,
        Self::Hybrid,
        Self::SamlSp,
        Self::WsFederation,
        Self::Ldap,
        Self::Proxy,
        Self::SamlIdp,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::RefreshToken,
        Self::Password,
        Self::ClientCredentials,
    ];

    /// The word that stands in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Pkce => "pkce",
            Self::ImplicitFormPost => "implicit_form_post",
            Self::Hybrid => "hybrid",
            Self::SamlSp => "saml_sp",
            Self::WsFederation => "ws_federation",
            Self::Ldap => "ldap",
            Self::Proxy => "proxy",
            Self::SamlIdp => "saml_idp",
            Self::DeviceCode => "device_code",
            Self::TokenExchange => "token_exchange",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Whether the caller can ask the user for a factor within the flow.
    #[must_use]
    pub fn is_interactive(self) -> bool {
        match self {
            Self::AuthorizationCode
            | Self::Pkce
            | Self::ImplicitFormPost
            | Self::Hybrid
            | Self::SamlSp
            | Self::WsFederation
            | Self::Ldap
            | Self::Proxy => true,
            Self::SamlIdp
            | Self::DeviceCode
            | Self::TokenExchange
            | Self::RefreshToken
            | Self::Password
            | Self::ClientCredentials => false,
        }
    }
}

/// How the first factor was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstFactor {
    /// A password.
    #[default]
    Pwd,
    /// A passkey with user verification.
    Passkey,
    /// Another identity provider.
    Federated,
    /// A code by SMS.
    Sms,
    /// A code or link by email.
    Email,
}

impl FirstFactor {
    /// Every first factor.
    pub const ALL: [Self; 5] = [Self::Pwd, Self::Passkey, Self::Federated, Self::Sms, Self::Email];

    /// The word that stands in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
            Self::Passkey => "passkey",
            Self::Federated => "federated",
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

/// A means of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// A passkey or security key.
    Webauthn,
    /// A time-based one-time password.
    Totp,
    /// A code by SMS.
    Sms,
    /// A code by email.
    Email,
    /// A single-use code from a list.
    BackupCode,
}

impl Factor {
    /// Every factor, in the order in which they are offered: strongest first, backup codes last.
    pub const ALL: [Self; 5] = [Self::Webauthn, Self::Totp, Self::Sms, Self::Email, Self::BackupCode];

    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webauthn => "webauthn",
            Self::Totp => "totp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::BackupCode => "backup_code",
        }
    }
}

/// A set of factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactorSet(u8);

impl FactorSet {
    /// No factor.
    pub const EMPTY: Self = Self(0);

    /// Every factor.
    pub const ALL: Self = Self(0b1_1111);

    /// This set and `factor`.
    #[must_use]
    pub fn with(self, factor: Factor) -> Self {
        Self(self.0 | Self::bit(factor))
    }

    /// This set but `factor`.
    #[must_use]
    pub fn without(self, factor: Factor) -> Self {
        Self(self.0 & !Self::bit(factor))
    }

    /// What is in both.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// As it stands in what is signed.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// From how it stood there.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Whether `factor` is in it.
    #[must_use]
    pub fn has(self, factor: Factor) -> bool {
        self.0 & Self::bit(factor) != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The factors in the order in which they are offered.
    pub fn iter(self) -> impl Iterator<Item = Factor> {
        Factor::ALL.into_iter().filter(move |factor| self.has(*factor))
    }

    fn bit(factor: Factor) -> u8 {
        match factor {
            Factor::Webauthn => 1,
            Factor::Totp => 2,
            Factor::Sms => 4,
            Factor::Email => 8,
            Factor::BackupCode => 16,
        }
    }
}

impl FromIterator<Factor> for FactorSet {
    fn from_iter<I: IntoIterator<Item = Factor>>(factors: I) -> Self {
        factors.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_plain_and_anything_else_as_text() {
        let mapped = ClientIp::parse("::ffff:198.51.100.7".into());
        assert_eq!(mapped.ip().map(|ip| ip.to_string()).as_deref(), Some("198.51.100.7"));
        for bad in ["", "999.1.1.1", "12.34.56.", "1.2.3.4 ", "fe80::1%eth0", "1.2.3.4:80"] {
            assert_eq!(ClientIp::parse(bad.into()), ClientIp::Invalid(bad.into()), "{bad}");
        }
    }

    #[test]
    fn factors_come_strongest_first_and_backup_codes_last() {
        let set: FactorSet = [Factor::BackupCode, Factor::Sms, Factor::Webauthn].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Factor::Webauthn, Factor::Sms, Factor::BackupCode]);
        assert!(!set.without(Factor::Sms).has(Factor::Sms));
        assert_eq!(Factor::ALL.into_iter().collect::<FactorSet>(), FactorSet::ALL);
    }
}
