//! Databases in the shapes of different vendors, and in shapes that no vendor has.
//!
//! The unit tests of `context::geoip` use this file, too.

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use serde_json::{Value as Json, json};
use std::error::Error;
use std::time::{Duration, UNIX_EPOCH};

/// When databases here are built, unless a test says otherwise: 2026-06-01T00:00:00Z.
pub(crate) const BUILT_S: u64 = 1_780_272_000;

/// Writes a database of these rows.
pub(crate) fn database<'a>(
    database_type: &str,
    built_s: u64,
    rows: impl IntoIterator<Item = (&'a str, Value)>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut writer = Writer::builder(database_type)
        .description(&[("en", "written by a test")])
        .build_epoch(UNIX_EPOCH + Duration::from_secs(built_s))
        .build();
    for (network, row) in rows {
        writer.insert_value(network.parse::<IpNet>()?, row)?;
    }
    Ok(writer.to_bytes()?)
}

/// A row: whole numbers become `uint32` or `int32`, others doubles.
pub(crate) fn row(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => Value::U32(u32::try_from(whole).unwrap_or(u32::MAX)),
            (None, Some(negative)) => Value::I32(i32::try_from(negative).unwrap_or(i32::MIN)),
            (None, None) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(items) => Value::Array(items.iter().map(row).collect()),
        Json::Object(fields) => Value::Map(fields.iter().map(|(name, field)| (name.clone(), row(field))).collect()),
        Json::Null => Value::Map(std::collections::BTreeMap::new()),
    }
}

/// The same row with single precision, as some vendors store it.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(crate) fn narrow(mut value: Value) -> Value {
    if let Value::Double(number) = value {
        return Value::Float(number as f32);
    }
    if let Value::Map(fields) = &mut value {
        for field in fields.values_mut() {
            *field = narrow(field.clone());
        }
    }
    value
}

/// A place, whatever a vendor makes of it. Its coordinates fit single precision, its radius is what counts where none is
/// given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Town {
    pub(crate) network: &'static str,
    pub(crate) name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

pub(crate) const RADIUS_KM: u32 = 50;

pub(crate) const TOWNS: [Town; 4] = [
    Town { network: "81.2.69.0/24", name: "London", country: "GB", latitude: 51.5, longitude: -0.125 },
    Town { network: "133.11.0.0/16", name: "Tokyo", country: "JP", latitude: 35.6875, longitude: 139.6875 },
    Town { network: "197.210.0.0/16", name: "Null Island", country: "NG", latitude: 0.0, longitude: 0.0 },
    Town { network: "2001:630::/32", name: "London", country: "GB", latitude: 51.5, longitude: -0.125 },
];

/// How one vendor writes one row.
pub(crate) struct Shape<T> {
    pub(crate) vendor: &'static str,
    pub(crate) database_type: &'static str,
    pub(crate) row: fn(&T) -> Value,
}

impl<T> Shape<T> {
    pub(crate) fn write<'a>(&self, rows: impl IntoIterator<Item = (&'a str, T)>) -> Result<Vec<u8>, Box<dyn Error>> {
        database(self.database_type, BUILT_S, rows.into_iter().map(|(network, facts)| (network, (self.row)(&facts))))
    }
}

/// Databases of cities; the foreign countries in some of them are not where the network is.
pub(crate) const CITY_SHAPES: [Shape<Town>; 7] = [
    Shape {
        vendor: "MaxMind",
        database_type: "GeoIP2-City",
        row: |town| {
            row(&json!({
                "city": {"geoname_id": 1, "names": {"de": "Anderswo", "en": town.name}},
                "continent": {"code": "EU"},
                "country": {"geoname_id": 2, "iso_code": town.country, "names": {"en": "Country"}},
                "registered_country": {"iso_code": "US"},
                "represented_country": {"iso_code": "US", "type": "military"},
                "location": {"accuracy_radius": RADIUS_KM, "latitude": town.latitude, "longitude": town.longitude,
                             "time_zone": "Europe/London"},
                "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}],
                "traits": {"is_anycast": true}}))
        },
    },
    Shape {
        vendor: "DB-IP",
        database_type: "DBIP-City-Lite",
        row: |town| {
            narrow(row(&json!({
                "city": {"names": {"en": town.name}},
                "country": {"iso_code": town.country, "is_in_european_union": false},
                "location": {"latitude": town.latitude, "longitude": town.longitude}})))
        },
    },
    Shape {
        vendor: "ip-location-db",
        database_type: "dbip-city",
        row: |town| {
            narrow(row(&json!({"country_code": town.country, "state1": "State", "city": town.name, "postcode": "",
                               "latitude": town.latitude, "longitude": town.longitude, "timezone": ""})))
        },
    },
    Shape {
        vendor: "IPinfo, older",
        database_type: "ipinfo standard_location.mmdb",
        row: |town| {
            row(&json!({"city": town.name, "country": town.country, "region": "Region", "geoname_id": "1",
                        "lat": town.latitude.to_string(), "lng": town.longitude.to_string(), "postal_code": ""}))
        },
    },
    Shape {
        vendor: "IPinfo Plus",
        database_type: "ipinfo ipinfo_plus.mmdb",
        row: |town| {
            row(&json!({"city": town.name, "country": "Some Country", "country_code": town.country,
                        "latitude": town.latitude.to_string(), "longitude": town.longitude.to_string(),
                        "radius": RADIUS_KM.to_string(), "is_anonymous": "false", "is_hosting": ""}))
        },
    },
    Shape {
        vendor: "IPinfo, one text",
        database_type: "ipinfo custom.mmdb",
        row: |town| {
            row(&json!({"city": town.name, "country": town.country,
                        "loc": format!("{},{}", town.latitude, town.longitude)}))
        },
    },
    Shape {
        vendor: "IP2Location",
        database_type: "IP2LITE-Country-Region-City",
        row: |town| {
            row(&json!({
                "city": {"names": {"en": town.name}},
                "country": {"iso_code": town.country, "names": {"en": "Country"}},
                "location": {"latitude": town.latitude, "longitude": town.longitude}}))
        },
    },
];

/// Databases of AS64500, "Example Net".
pub(crate) const ASN_SHAPES: [Shape<()>; 5] = [
    Shape {
        vendor: "MaxMind",
        database_type: "GeoLite2-ASN",
        row: |()| row(&json!({"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"})),
    },
    Shape {
        vendor: "DB-IP",
        database_type: "DBIP-ISP",
        row: |()| {
            row(&json!({"traits": {"autonomous_system_number": 64500, "isp": "Reseller",
                                   "autonomous_system_organization": "Example Net", "user_type": "residential"}}))
        },
    },
    Shape {
        vendor: "IPinfo Lite",
        database_type: "ipinfo generic_bundle_free.mmdb",
        row: |()| {
            row(&json!({"asn": "AS64500", "as_name": "Example Net", "as_domain": "example.net",
                        "country": "United Kingdom", "country_code": "GB"}))
        },
    },
    Shape {
        vendor: "IPinfo ASN",
        database_type: "ipinfo standard_asn.mmdb",
        row: |()| row(&json!({"asn": "AS64500", "name": "Example Net", "type": "isp", "domain": "example.net"})),
    },
    Shape {
        vendor: "IP2Location",
        database_type: "IP2LITE-ASN",
        row: |()| row(&json!({"autonomous_system_number": "64500", "autonomous_system_organization": "Example Net"})),
    },
];

/// Databases that know of each address what its last part says: 1 VPN, 2 Tor, 3 hosting, 4 nothing.
pub(crate) const ANONYMOUS_SHAPES: [Shape<u8>; 5] = [
    Shape {
        vendor: "MaxMind",
        database_type: "GeoIP2-Anonymous-IP",
        row: |kind| {
            row(&match kind {
                1 => json!({"is_anonymous": true, "is_anonymous_vpn": true}),
                2 => json!({"is_anonymous": true, "is_tor_exit_node": true}),
                3 => json!({"is_anonymous": true, "is_hosting_provider": true}),
                _ => json!({"is_anonymous": false}),
            })
        },
    },
    Shape {
        vendor: "IPinfo, flags",
        database_type: "ipinfo standard_privacy.mmdb",
        row: |kind| {
            row(&json!({"vpn": *kind == 1, "tor": *kind == 2, "hosting": *kind == 3, "proxy": false, "relay": false,
                        "service": "Some Service"}))
        },
    },
    Shape {
        vendor: "IPinfo, texts",
        database_type: "ipinfo privacy.mmdb",
        row: |kind| {
            let word = |it: u8| if *kind == it { "true" } else { "" };
            row(&json!({"is_vpn": word(1), "is_tor": word(2), "is_hosting": word(3), "is_anonymous": word(1)}))
        },
    },
    Shape {
        vendor: "whole numbers",
        database_type: "Anonymous",
        row: |kind| {
            row(&json!({"vpn": u8::from(*kind == 1), "tor": (if *kind == 2 { "1" } else { "0" }),
                        "hosting": u8::from(*kind == 3)}))
        },
    },
    Shape {
        vendor: "IP2Proxy",
        database_type: "IP2PROXY-PX4",
        row: |kind| {
            row(&match kind {
                1 => json!({"proxy_type": "VPN", "usage_type": "ISP/MOB", "country_code": "GB"}),
                2 => json!({"proxy_type": "TOR", "usage_type": "ISP"}),
                3 => json!({"proxy_type": "DCH", "usage_type": "DCH"}),
                _ => json!({"proxy_type": "-", "usage_type": "ISP"}),
            })
        },
    },
];

/// The record of `raw` that leads to its one row, for a tree of so many nodes.
pub(crate) fn data_record(nodes: u32) -> u32 {
    nodes + 16
}

/// A database of these nodes, whatever they say, with one row: country GB.
pub(crate) fn raw(nodes: &[(u32, u32)], ip_version: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (zero, one) in nodes {
        bytes.extend(zero.to_be_bytes());
        bytes.extend(one.to_be_bytes());
    }
    bytes.extend([0; 16]);
    bytes.extend(b"\xe1\x4ccountry_code\x42GB");
    bytes.extend(b"\xab\xcd\xefMaxMind.com\xe9");
    let mut field = |name: &str, value: &[u8]| {
        bytes.push(0x40 | u8::try_from(name.len()).unwrap_or(0));
        bytes.extend(name.as_bytes());
        bytes.extend(value);
    };
    let count = u32::try_from(nodes.len()).unwrap_or(0).to_be_bytes();
    let epoch = u32::try_from(BUILT_S).unwrap_or(0).to_be_bytes();
    // Types and lengths as in the format: text 0x40, uint16 0xa0, uint32 0xc0, map 0xe0; uint64 is 0x02 after its length.
    field("record_size", &[0xa1, 32]);
    field("ip_version", &[0xa1, ip_version]);
    field("node_count", &[&[0xc4][..], &count].concat());
    field("build_epoch", &[&[0x04, 0x02][..], &epoch].concat());
    field("binary_format_major_version", &[0xa1, 2]);
    field("binary_format_minor_version", &[0xa0]);
    field("database_type", b"\x43Raw");
    field("description", b"\xe1\x42en\x44test");
    field("languages", &[0x00, 0x04]);
    bytes
}

/// A small file whose nodes have both children in common: it has 2⁹⁶ paths. With `through_ipv4` they all end where IPv4
/// begins.
pub(crate) fn shared_nodes(through_ipv4: bool) -> Vec<u8> {
    let nodes = if through_ipv4 { 97 } else { 96 };
    let data = data_record(nodes);
    let both = |next: u32| if next < nodes { (next, next) } else { (data, data) };
    raw(&(1..=nodes).map(both).collect::<Vec<_>>(), 6)
}
