//! The facts of one login, before anybody judges them.
//!
//! The submodules look facts up, each from one source, synchronously and in memory; they may not judge. What could not
//! be had is a variant that says why.

pub mod agent;
pub mod client_hints;
pub mod data_file;
pub mod geoip;
pub mod ip_lists;
pub mod network;
pub mod phone;

use crate::clock::Timestamp;
use crate::context::agent::Agent;
use crate::context::ip_lists::{Hit, ListFinding};
use crate::context::network::NetworkKinds;
use crate::context::phone::Phone;
use crate::device_token::TokenUse;
use crate::event::{FactorSet, FirstFactor, Flow, Scalar};
use crate::keyed_hash::{AddressTag, Anchor, DeviceTag, NetworkTag, Sources, UserKey};
use crate::units::{Coordinates, CountryCode, Kilometres};
use crate::velocity::Finding;
use std::borrow::Cow;
use std::net::IpAddr;

/// All that is known of one login when it is judged, but the user's history.
#[derive(Debug)]
pub struct LoginContext<'a> {
    /// Who the user is; their tags are bound to it.
    pub anchor: Anchor,
    /// The user's key in memory.
    pub user: UserKey,
    /// When the login happened; every duration of a judgement ends here.
    pub time: Timestamp,
    /// The device leg, by an id of the caller's.
    pub device: Option<DeviceTag>,
    /// The device leg, by a token of ours that was presented.
    pub token: Option<TokenUse>,
    /// The user-agent leg; `None` where nothing could be parsed.
    pub agent: Option<Agent>,
    /// The network side.
    pub address: Address<'a>,
    /// The place.
    pub location: Location,
    /// The country, also where the place is too vague to use.
    pub country: Option<CountryCode>,
    /// The number, parsed.
    pub phone: Phone,
    /// What the caller tells of the account.
    pub account: Account,
    /// The flow in which the login happens.
    pub flow: Flow,
    /// How the first factor was given.
    pub first_factor: FirstFactor,
    /// Whether the browser holds a "remember this browser" session.
    pub remembered_browser: bool,
    /// What the caller tells that nobody reads but the operator's rules.
    pub claims: Claims<'a>,
}

/// What a caller tells that nobody reads but rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user's id.
    pub user_id: &'a str,
    /// The application that asks.
    pub client_id: Option<&'a str>,
    /// The `User-Agent` header of the browser.
    pub user_agent: Option<&'a str>,
    /// Groups of the user.
    pub groups: &'a [Cow<'a, str>],
    /// Attributes by name.
    pub attributes: &'a [(Cow<'a, str>, Scalar<'a>)],
}

/// What is known of the address.
#[derive(Debug)]
pub struct Address<'a> {
    /// As the caller wrote it.
    pub text: &'a str,
    /// `None` when that is no address.
    pub ip: Option<IpAddr>,
    /// The user's tag of it.
    pub tag: Option<AddressTag>,
    /// The user's tag of its /24 or /48.
    pub network: Option<NetworkTag>,
    /// Its autonomous system, where known.
    pub asn: Option<u32>,
    /// The name of that.
    pub as_organization: Option<Organization<'a>>,
    /// What the lists say.
    pub lists: ListFinding,
    /// Many users come from this network, as it was confirmed: that it is new to one of them is not counted.
    pub is_familiar: bool,
    /// What it shares with the logins of others, as velocity counts them.
    pub sources: Option<Sources>,
    /// Whether one of these fails far more often than it uses to.
    pub velocity: Option<Finding>,
    /// What the databases say that amounts to being on a list.
    pub database: Option<Hit>,
    /// What the network is used for, as far as lists and databases know.
    pub kinds: NetworkKinds,
    /// 0 (a bot for certain) to 99, where an edge says.
    pub bot_score: Option<u8>,
    /// The edge knows this client as a crawler.
    pub verified_bot: bool,
    /// What an edge said was dropped, since the caller is not trusted with it.
    pub edge_ignored: bool,
}

/// The name of an autonomous system.
#[derive(Debug, Clone)]
pub enum Organization<'a> {
    /// As the caller gave it.
    Given(&'a str),
    /// As a database has it.
    Known(geoip::OrganizationName),
}

impl Organization<'_> {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Given(name) => name,
            Self::Known(name) => name,
        }
    }
}

/// Where the client is, or why that is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Location {
    /// Here.
    Known(Place),
    /// No record of this address; private, loopback and link-local ones too.
    Missing,
    /// There is a record, or a location was given, but no usable coordinates.
    Unusable,
    /// The database could not be read. A failure of ours.
    Failed,
}

/// A point with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The point.
    pub at: Coordinates,
    /// How far from it the client may be.
    pub radius: Kilometres,
    /// What kind of row said so.
    pub grain: Grain,
    /// ISO 3166-1, where known.
    pub country: Option<CountryCode>,
}

/// By how much rounding to whole degrees moves a point at most: half a degree of latitude and half a degree of longitude.
///
/// **Source:** WGS 84: a degree of latitude has at most 111.70 km, at the poles, and one of longitude at most 111.32 km.
const HALF_DEGREES_KM: f64 = 78.85;

impl Place {
    /// The place with so many decimals of a degree. What it loses, the radius gains: it goes on to hold whatever it held. Rounding again
    /// changes nothing.
    #[must_use]
    pub fn rounded(self, decimals: u32) -> Self {
        let Some(at) = self.at.rounded(decimals).filter(|at| *at != self.at) else { return self };
        let moved_km = HALF_DEGREES_KM / 10_f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX));
        let radius = Kilometres::new(self.radius.value() + moved_km).unwrap_or(self.radius);
        Self { at, radius, ..self }
    }
}

/// What a place's radius means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// The middle of a country; the radius is a bound.
    Country,
    /// A city or better; the radius is an estimate.
    City,
}

/// What the caller tells of the account.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// The factors that the caller's own MFA holds.
    pub enrolled: FactorSet,
    /// Whether an email address is known.
    pub has_email: bool,
    /// Whether it was proved.
    pub email_verified: Option<bool>,
    /// When the account was made.
    pub created_at: Option<Timestamp>,
    /// When the phone number last changed.
    pub phone_changed_at: Option<Timestamp>,
    /// When the email address last changed.
    pub email_changed_at: Option<Timestamp>,
}
