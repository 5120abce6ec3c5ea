//! `GET /v1/users/{id}/export`: all that is held about a user. Devices, networks and addresses are held as keyed hashes,
//! which are told as they are held; times are RFC 3339, days are dates (UTC).

use super::Time;
use super::decisions::DecisionBody;
use super::mfa::HeldFactor;
use super::users::resolution;
use crate::clock::Timestamp;
use crate::context::Place;
use crate::context::agent::Agent;
use crate::history::{Held, HeldDevice, HeldNetwork, Login, Subject, Used, UserHistory, ValidPlace};
use crate::memory::decisions::Listed;
use crate::pipeline::{Remembered, UserName};
use crate::units::CountryCode;
use serde::{Serialize, Serializer};

/// The whole. Lists stand in the order in which memory holds them, decisions newest first.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ExportBody<'a> {
    tenant: &'a str,
    user: &'a str,
    exported_at: Time,
    /// Null where that never happened, as of the next four.
    last_login_at: Option<Time>,
    last_factor_at: Option<Time>,
    /// Places from before are compared with no login.
    last_confirmed_place_at: Option<Time>,
    last_unmet_demand_at: Option<Time>,
    last_fraud_label_at: Option<Time>,
    devices: Vec<DeviceExport>,
    agents: Vec<AgentExport>,
    networks: Vec<NetworkExport>,
    countries: Vec<CountryExport>,
    /// On which the user came through an anonymiser; absent where they never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymizer_days: Option<Days>,
    places: Vec<PlaceExport>,
    /// What was labelled fraud.
    marks: Vec<MarkExport>,
    decisions: Vec<DecisionExport<'a>>,
    /// Where askance keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    factors: Option<Vec<HeldFactor>>,
}

#[derive(Debug, Serialize)]
struct DeviceExport {
    /// 16 hex digits.
    id: String,
    family: Option<String>,
    first_seen: Time,
    last_seen: Time,
    /// The days of use among the 16 up to the last one, latest first; so everywhere below.
    days: Days,
    /// The last device cookie that was accepted; null where there was none.
    token: Option<TokenExport>,
}

#[derive(Debug, Serialize)]
struct TokenExport {
    generation: u32,
    since: Time,
    /// A hash of network and browser.
    origin: u16,
}

#[derive(Debug, Serialize)]
struct AgentExport {
    family: String,
    /// Major; null where it was not told.
    version: Option<u16>,
    last_seen: Time,
    days: Days,
}

#[derive(Debug, Serialize)]
struct NetworkExport {
    /// 8 hex digits.
    id: String,
    asn: Option<u32>,
    last_day: Date,
    days: Days,
}

#[derive(Debug, Serialize)]
struct CountryExport {
    country: Country,
    last_seen: Time,
    days: Days,
}

#[derive(Debug, Serialize)]
struct PlaceExport {
    time: Time,
    #[serde(flatten)]
    place: Point,
    /// The network's id; null where not known.
    network: Option<String>,
    asn: Option<u32>,
    device: Option<String>,
}

#[derive(Debug, Serialize)]
struct Point {
    country: Option<Country>,
    latitude: f64,
    longitude: f64,
    radius_km: f64,
    resolution: &'static str,
}

/// One of the four stands beside the time of the login.
#[derive(Debug, Serialize)]
struct MarkExport {
    login_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// 16 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Latitude and longitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
}

#[derive(Debug, Serialize)]
struct DecisionExport<'a> {
    #[serde(flatten)]
    decision: DecisionBody<'a>,
    login: LoginExport,
}

/// What the decision can teach, beside what stands in it.
#[derive(Debug, Serialize)]
struct LoginExport {
    /// As the caller told it.
    time: Time,
    /// By an id of the caller's, and by the device cookie.
    devices: Vec<String>,
    token_generation: Option<u32>,
    family: Option<String>,
    version: Option<u16>,
    /// 16 hex digits.
    address: Option<String>,
    network: Option<String>,
    /// Null where it is none that counts.
    place: Option<Point>,
}

impl<'a> ExportBody<'a> {
    pub(in crate::server) fn new(
        user: UserName<'a>,
        remembered: &'a Remembered,
        factors: Option<Vec<HeldFactor>>,
    ) -> Self {
        let nothing = UserHistory::default();
        let history = remembered.history.as_deref().unwrap_or(&nothing);
        Self {
            tenant: user.tenant,
            user: user.id,
            exported_at: Time(remembered.at),
            last_login_at: history.last_login().map(Time),
            last_factor_at: history.factor_passed().map(Time),
            last_confirmed_place_at: history.place_confirmed().map(Time),
            last_unmet_demand_at: history.unfinished().map(Time),
            last_fraud_label_at: history.fraud_labelled().map(Time),
            devices: history.devices().map(DeviceExport::new).collect(),
            agents: history.agents().map(AgentExport::new).collect(),
            networks: history.networks().map(NetworkExport::new).collect(),
            countries: history.countries().map(CountryExport::new).collect(),
            anonymizer_days: history.hidden().map(Days),
            places: history.places_kept().map(PlaceExport::new).collect(),
            marks: history.marks().map(MarkExport::new).collect(),
            decisions: remembered.decisions.iter().map(DecisionExport::new).collect(),
            factors,
        }
    }
}

impl DeviceExport {
    fn new(device: HeldDevice) -> Self {
        let token = device.token.map(|token| TokenExport {
            generation: token.generation,
            since: Time(token.since),
            origin: token.origin,
        });
        Self {
            id: device.tag.to_string(),
            family: device.family.map(|family| family.to_string()),
            first_seen: Time(device.first),
            last_seen: Time(device.used.last),
            days: Days(device.used),
            token,
        }
    }
}

impl AgentExport {
    fn new(held: Held<Agent>) -> Self {
        let (family, version) = (held.what.family.to_string(), version(held.what));
        Self { family, version, last_seen: Time(held.used.last), days: Days(held.used) }
    }
}

impl NetworkExport {
    fn new(network: HeldNetwork) -> Self {
        let last_day = Date(network.used.last);
        Self { id: network.tag.to_string(), asn: network.asn, last_day, days: Days(network.used) }
    }
}

impl CountryExport {
    fn new(held: Held<CountryCode>) -> Self {
        Self { country: Country(held.what), last_seen: Time(held.used.last), days: Days(held.used) }
    }
}

impl PlaceExport {
    fn new(visit: &ValidPlace) -> Self {
        Self {
            time: Time(visit.time()),
            place: Point::new(visit.place),
            network: visit.network.map(|tag| tag.to_string()),
            asn: visit.asn,
            device: visit.device.map(|tag| tag.to_string()),
        }
    }
}

impl Point {
    fn new(place: Place) -> Self {
        Self {
            country: place.country.map(Country),
            latitude: place.at.latitude(),
            longitude: place.at.longitude(),
            radius_km: place.radius.value(),
            resolution: resolution(place.grain),
        }
    }
}

impl MarkExport {
    fn new((subject, time): (Subject, Timestamp)) -> Self {
        let none = Self { login_at: Time(time), device: None, address: None, place: None, country: None };
        match subject {
            Subject::Device(tag) => Self { device: Some(tag.to_string()), ..none },
            Subject::Address(tag) => Self { address: Some(tag.to_string()), ..none },
            Subject::Spot(at) => Self { place: Some([at.latitude(), at.longitude()]), ..none },
            Subject::Country(code) => Self { country: Some(Country(code)), ..none },
        }
    }
}

impl<'a> DecisionExport<'a> {
    fn new(listed: &'a Listed) -> Self {
        Self { decision: DecisionBody::new(listed), login: LoginExport::new(&listed.given.login) }
    }
}

impl LoginExport {
    fn new(login: &Login) -> Self {
        Self {
            time: Time(login.time),
            devices: login.devices().into_iter().flatten().map(|tag| tag.to_string()).collect(),
            token_generation: login.token.map(|token| token.generation),
            family: login.agent.map(|agent| agent.family.to_string()),
            version: login.agent.and_then(version),
            address: login.address.map(|tag| tag.to_string()),
            network: login.network.map(|tag| tag.to_string()),
            place: login.place.map(Point::new),
        }
    }
}

/// 0 is a version that is not told.
fn version(agent: Agent) -> Option<u16> {
    (agent.major != 0).then_some(agent.major)
}

#[derive(Debug)]
struct Country(CountryCode);

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// "2026-11-21".
#[derive(Debug)]
struct Date(Timestamp);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0; 24];
        let (date, _) = self.0.encode(&mut buffer).split_at(10);
        serializer.serialize_str(date)
    }
}

#[derive(Debug)]
struct Days(Used);

impl Serialize for Days {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.days().map(Date))
    }
}
