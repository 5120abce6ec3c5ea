//! Where vendors put what: one table of paths, read in a single pass over a row.
//!
//! **Source:** field names as published by MaxMind (GeoIP2 and GeoLite databases), DB-IP (its MMDB format pages),
//! ip-location-db (README), IPinfo (Lite, Core, Plus, privacy detection), IP2Location (IP2Proxy types), November 2026.
//!
//! `registered_country` and `represented_country` are not in it: they say whose the network is, not where it is.

use super::value::{Text, Value};
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::units::CountryCode;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A logical field; the number says which of several paths wins, the lowest one.
#[derive(Debug, Clone, Copy)]
enum Field {
    Country(u8),
    City,
    Latitude,
    Longitude,
    Both,
    Radius,
    Asn(u8),
    Organization(u8),
    Flag(NetworkKind),
    Anonymous,
    Word(fn(&str) -> Option<NetworkKind>),
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    /// What a value here means.
    field: Option<Field>,
    /// What a map here holds.
    below: &'static [Step],
}

const fn value(name: &'static str, field: Field) -> Step {
    Step { name, field: Some(field), below: &[] }
}

const fn map(name: &'static str, below: &'static [Step]) -> Step {
    Step { name, field: None, below }
}

const ROW: &[Step] = &[
    // MaxMind and DB-IP nest; IPinfo has a code here (older files) or a name, which is no code and does not count.
    Step { name: "country", field: Some(Field::Country(2)), below: &[value("iso_code", Field::Country(0))] },
    value("country_code", Field::Country(1)),
    Step { name: "city", field: Some(Field::City), below: &[map("names", &[value("en", Field::City)])] },
    map(
        LOCATION,
        &[
            value("latitude", Field::Latitude),
            value("longitude", Field::Longitude),
            value("accuracy_radius", Field::Radius),
        ],
    ),
    value("latitude", Field::Latitude),
    value("longitude", Field::Longitude),
    value("lat", Field::Latitude),
    value("lng", Field::Longitude),
    value("loc", Field::Both),
    value("radius", Field::Radius),
    value("accuracy_radius", Field::Radius),
    value("autonomous_system_number", Field::Asn(0)),
    value("autonomous_system_organization", Field::Organization(0)),
    value("asn", Field::Asn(1)),
    value("as_name", Field::Organization(1)),
    value("name", Field::Organization(2)),
    map("traits", TRAITS),
    value("is_anonymous", Field::Anonymous),
    value("is_anonymous_vpn", Field::Flag(NetworkKind::Vpn)),
    value("is_vpn", Field::Flag(NetworkKind::Vpn)),
    value("vpn", Field::Flag(NetworkKind::Vpn)),
    value("is_public_proxy", Field::Flag(NetworkKind::PublicProxy)),
    value("is_proxy", Field::Flag(NetworkKind::PublicProxy)),
    value("proxy", Field::Flag(NetworkKind::PublicProxy)),
    value("is_residential_proxy", Field::Flag(NetworkKind::ResidentialProxy)),
    value("is_tor_exit_node", Field::Flag(NetworkKind::Tor)),
    value("is_tor", Field::Flag(NetworkKind::Tor)),
    value("tor", Field::Flag(NetworkKind::Tor)),
    value("is_relay", Field::Flag(NetworkKind::Relay)),
    value("relay", Field::Flag(NetworkKind::Relay)),
    value("is_hosting_provider", Field::Flag(NetworkKind::Hosting)),
    value("is_hosting", Field::Flag(NetworkKind::Hosting)),
    value("hosting", Field::Flag(NetworkKind::Hosting)),
    value("is_satellite_provider", Field::Flag(NetworkKind::Satellite)),
    value("is_satellite", Field::Flag(NetworkKind::Satellite)),
    value("type", Field::Word(of_network_type)),
    value("as_type", Field::Word(of_network_type)),
    value("user_type", Field::Word(of_network_type)),
    value("connection_type", Field::Word(of_network_type)),
    value("proxy_type", Field::Word(of_proxy_type)),
    value("usage_type", Field::Word(of_proxy_type)),
];

/// A value here that is no map is a place that cannot be read.
const LOCATION: &str = "location";

/// MaxMind's Enterprise and DB-IP's ISP databases.
const TRAITS: &[Step] = &[
    value("autonomous_system_number", Field::Asn(0)),
    value("autonomous_system_organization", Field::Organization(0)),
    value("is_anonymous", Field::Anonymous),
    value("is_anonymous_vpn", Field::Flag(NetworkKind::Vpn)),
    value("is_public_proxy", Field::Flag(NetworkKind::PublicProxy)),
    value("is_residential_proxy", Field::Flag(NetworkKind::ResidentialProxy)),
    value("is_tor_exit_node", Field::Flag(NetworkKind::Tor)),
    value("is_hosting_provider", Field::Flag(NetworkKind::Hosting)),
    value("is_satellite_provider", Field::Flag(NetworkKind::Satellite)),
    value("user_type", Field::Word(of_network_type)),
    value("connection_type", Field::Word(of_network_type)),
];

fn of_network_type(word: &str) -> Option<NetworkKind> {
    if word.eq_ignore_ascii_case("hosting") {
        return Some(NetworkKind::Hosting);
    }
    word.eq_ignore_ascii_case("satellite").then_some(NetworkKind::Satellite)
}

/// IP2Proxy's codes. Not in it: SES, crawlers; EPN, networks of companies, whose people are no strangers.
fn of_proxy_type(code: &str) -> Option<NetworkKind> {
    Some(match code {
        "VPN" => NetworkKind::Vpn,
        "TOR" => NetworkKind::Tor,
        "PUB" | "WEB" => NetworkKind::PublicProxy,
        "RES" => NetworkKind::ResidentialProxy,
        "CPN" => NetworkKind::Relay,
        "DCH" | "CDN" => NetworkKind::Hosting,
        _ => return None,
    })
}

/// What a row says, whatever its shape; texts are those of the file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RawRow<'a> {
    pub(super) country: Option<CountryCode>,
    pub(super) city: Option<&'a str>,
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) radius_km: Option<f64>,
    /// Something stands where a number of the place belongs, and is none.
    pub(super) place_is_broken: bool,
    pub(super) asn: Option<u32>,
    pub(super) organization: Option<&'a str>,
    pub(super) kinds: NetworkKinds,
    /// Whether any field about kinds is there, whatever it says.
    pub(super) tells_kinds: bool,
    is_anonymous: bool,
    ranks: Ranks,
}

/// By which path a field was found so far.
#[derive(Debug, Default, PartialEq)]
struct Ranks {
    country: u8,
    asn: u8,
    organization: u8,
}

impl<'de> Deserialize<'de> for RawRow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut row = Self::default();
        Level { row: &mut row, step: &Step { name: "", field: None, below: ROW } }.deserialize(deserializer)?;
        // "Any sort of anonymous network" says a kind only where nothing else does.
        if row.is_anonymous && row.kinds.is_empty() {
            row.kinds = NetworkKinds::NONE.with(NetworkKind::Vpn);
        }
        Ok(row)
    }
}

impl<'a> RawRow<'a> {
    fn take(&mut self, step: &Step, value: Value<'a>) {
        match step.field {
            Some(field) => self.take_field(field, value),
            None => self.place_is_broken |= step.name == LOCATION,
        }
    }

    fn take_field(&mut self, field: Field, value: Value<'a>) {
        match field {
            Field::Latitude => take_number(&mut self.latitude, value, &mut self.place_is_broken),
            Field::Longitude => take_number(&mut self.longitude, value, &mut self.place_is_broken),
            Field::Radius => take_number(&mut self.radius_km, value, &mut self.place_is_broken),
            Field::Both => {
                if let Some((latitude, longitude)) = value.text().and_then(|both| both.split_once(',')) {
                    take_number(&mut self.latitude, Value::Text(latitude), &mut self.place_is_broken);
                    take_number(&mut self.longitude, Value::Text(longitude), &mut self.place_is_broken);
                }
            }
            Field::Country(rank) => {
                take_ranked(&mut self.country, &mut self.ranks.country, rank, value.text().and_then(CountryCode::new));
            }
            Field::City => self.city = self.city.or(value.text()),
            Field::Asn(rank) => take_ranked(&mut self.asn, &mut self.ranks.asn, rank, value.asn()),
            Field::Organization(rank) => {
                take_ranked(&mut self.organization, &mut self.ranks.organization, rank, value.text());
            }
            Field::Flag(kind) => self.take_kind(value.flag() == Some(true), kind),
            Field::Anonymous => {
                self.tells_kinds = true;
                self.is_anonymous |= value.flag() == Some(true);
            }
            Field::Word(meaning) => {
                self.tells_kinds = true;
                for kind in value.text().into_iter().flat_map(|words| words.split('/')).filter_map(meaning) {
                    self.take_kind(true, kind);
                }
            }
        }
    }

    fn take_kind(&mut self, is_set: bool, kind: NetworkKind) {
        self.tells_kinds = true;
        if is_set {
            self.kinds = self.kinds.with(kind);
        }
    }
}

fn take_number(slot: &mut Option<f64>, value: Value<'_>, is_broken: &mut bool) {
    match value.number() {
        Text::Says(number) => *slot = slot.or(Some(number)),
        Text::Empty => {}
        Text::Nonsense => *is_broken = true,
    }
}

fn take_ranked<T>(slot: &mut Option<T>, best: &mut u8, rank: u8, value: Option<T>) {
    if value.is_some() && (slot.is_none() || rank < *best) {
        *slot = value;
        *best = rank;
    }
}

/// One value of a row, with what the table says of its path.
struct Level<'r, 'a> {
    row: &'r mut RawRow<'a>,
    step: &'r Step,
}

impl<'a> DeserializeSeed<'a> for Level<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Level<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row of a database")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.step.below.is_empty() {
            self.row.take(self.step, Value::Other);
        }
        while let Some(name) = entries.next_key::<&str>()? {
            match self.step.below.iter().find(|step| step.name == name) {
                Some(step) => entries.next_value_seed(Level { row: &mut *self.row, step })?,
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        self.row.take(self.step, Value::Other);
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.row.take(self.step, Value::Text(text));
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.row.take(self.step, Value::Flag(flag));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.row.take(self.step, Value::Number(number));
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        #[expect(clippy::cast_precision_loss, reason = "no field here has values near 2^53")]
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        #[expect(clippy::cast_precision_loss, reason = "no field here has values near 2^53")]
        self.visit_f64(number as f64)
    }

    fn visit_u128<E: serde::de::Error>(self, number: u128) -> Result<(), E> {
        #[expect(clippy::cast_precision_loss, reason = "no field here has values near 2^53")]
        self.visit_f64(number as f64)
    }

    fn visit_borrowed_bytes<E>(self, _: &'a [u8]) -> Result<(), E> {
        self.row.take(self.step, Value::Other);
        Ok(())
    }
}
