//! Builds `data/country.mmdb`, the country-level `GeoIP` database that askance carries.
//!
//! ```text
//! cargo run --release --example build-country               writes data/country.mmdb
//! cargo run --release --example build-country -- --check    rebuilds in memory, fails if the committed file differs
//! cargo run --release --example build-country -- --places   prints centre and radius of every country
//! ```
//!
//! Flow: `ranges.bin` says which country code an address has, `countries-50m.json` where that country is and how far it
//! reaches; this file joins the two. Both inputs are committed, so the output is the same to the byte everywhere.
//! `data/README.md` has sources, licences and limits.

mod countries;
mod mmdb;
mod places;
mod ranges;
mod shapes;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use places::Place;
use ranges::Range;

const OUTPUT: &str = "country.mmdb";
const INPUTS: [&str; 3] = ["ranges.bin", "countries-50m.json", "LICENSE-world-atlas.txt"];

fn main() -> Result<(), Box<dyn Error>> {
    let atlas = std::fs::read_to_string(mmdb::path("countries-50m.json"))?;
    let places = places::all(&shapes::read(&atlas)?)?;
    if std::env::args().any(|argument| argument == "--places") {
        print_places(&places);
        return Ok(());
    }

    let ranges = ranges::read(&std::fs::read(mmdb::path("ranges.bin"))?)?;
    let records = records(&places)?;
    let mut writer = mmdb::writer(
        "Askance-Country-Approx",
        "Country, continent, and centre and radius of the country. Ranges: IPFire location data, CC BY-SA 4.0. \
         Places: Natural Earth, public domain",
    );
    for range in &ranges {
        insert(&mut writer, range, &records)?;
    }
    clear_reserved(&mut writer)?;
    let database = writer.to_bytes()?;

    mmdb::probe(&database, &PROBES)?;
    mmdb::settle(OUTPUT, &database, &INPUTS)
}

/// Gives each code the record its addresses get, or `None` where no record is honest.
fn records(places: &BTreeMap<&'static str, Option<Place>>) -> Result<BTreeMap<String, Option<Value>>, Box<dyn Error>> {
    let mut records = BTreeMap::new();
    for (continent, country) in countries::all() {
        let place = places.get(country).ok_or_else(|| format!("no place decided for {country}"))?;
        records.insert(country.to_owned(), Some(record(continent, country, place.as_ref())));
    }
    for (code, means, _) in countries::ODD_CODES {
        let value = means.and_then(|country| records.get(country).cloned().flatten());
        records.insert(code.to_owned(), value);
    }
    Ok(records)
}

/// The shape of `MaxMind`'s own databases, so that one reader serves this file and theirs.
fn record(continent: &str, country: &str, place: Option<&Place>) -> Value {
    let mut fields = vec![
        ("continent", Value::map([("code", Value::from(continent))])),
        ("country", Value::map([("iso_code", Value::from(country))])),
    ];
    if let Some(place) = place {
        let location = Value::map([
            ("latitude", Value::from(place.latitude)),
            ("longitude", Value::from(place.longitude)),
            ("accuracy_radius", Value::from(place.radius_km)),
        ]);
        fields.push(("location", location));
    }
    Value::map(fields)
}

fn insert(writer: &mut Writer, range: &Range, records: &BTreeMap<String, Option<Value>>) -> Result<(), Box<dyn Error>> {
    // A code nobody has decided about stops the build: guessing would put people in the wrong place.
    let record = records.get(&range.code).ok_or_else(|| format!("undecided country code {}", range.code))?;
    let Some(record) = record else { return Ok(()) };
    if is_six_to_four(range.first) {
        return Ok(());
    }
    Ok(writer.insert_range(range.first, range.last, record)?)
}

/// `2002::/16` embeds IPv4 addresses: the writer answers it from their records and refuses anything else there.
fn is_six_to_four(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.segments()[0] == 0x2002)
}

/// Removes what the source puts on addresses that are nowhere, whatever a future source may hold there.
fn clear_reserved(writer: &mut Writer) -> Result<(), Box<dyn Error>> {
    for block in RESERVED {
        writer.insert_with(block.parse::<IpNet>()?, |_| None)?;
    }
    Ok(())
}

fn print_places(places: &BTreeMap<&'static str, Option<Place>>) {
    for (country, place) in places {
        match place {
            Some(place) => {
                println!("{country} {:9.4} {:9.4} {:5} km", place.latitude, place.longitude, place.radius_km);
            }
            None => println!("{country} no location"),
        }
    }
}

/// Blocks that belong to no place.
///
/// **Source**: IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates), and the multicast
/// blocks (RFC 5771, RFC 4291).
const RESERVED: [&str; 21] = [
    "0.0.0.0/8",       // RFC 791: "this network"
    "10.0.0.0/8",      // RFC 1918: private
    "100.64.0.0/10",   // RFC 6598: carrier NAT
    "127.0.0.0/8",     // RFC 1122: loopback
    "169.254.0.0/16",  // RFC 3927: link-local
    "172.16.0.0/12",   // RFC 1918: private
    "192.0.0.0/24",    // RFC 6890: IETF protocol assignments
    "192.0.2.0/24",    // RFC 5737: documentation
    "192.88.99.0/24",  // RFC 7526: former 6to4 relays
    "192.168.0.0/16",  // RFC 1918: private
    "198.18.0.0/15",   // RFC 2544: benchmarks
    "198.51.100.0/24", // RFC 5737: documentation
    "203.0.113.0/24",  // RFC 5737: documentation
    "224.0.0.0/3",     // RFC 5771: multicast, RFC 1112: reserved
    "100::/64",        // RFC 6666: discard
    "2001::/23",       // RFC 2928: IETF protocol assignments
    "2001:db8::/32",   // RFC 3849: documentation
    "3fff::/20",       // RFC 9637: documentation
    "fc00::/7",        // RFC 4193: unique local
    "fe80::/10",       // RFC 4291: link-local
    "ff00::/8",        // RFC 4291: multicast
];

/// Addresses whose answer is known: the build fails when one differs.
///
/// **Source**: the addresses are those of `MaxMind`'s public test databases, the University of Tokyo's network, and one
/// address of each kind of block that must stay without a record.
const PROBES: [(&str, Option<&str>); 18] = [
    ("81.2.69.142", Some("GB")),
    ("2.125.160.216", Some("GB")),
    ("89.160.20.112", Some("SE")),
    ("216.160.83.56", Some("US")),
    ("175.16.199.1", Some("CN")),
    ("133.11.0.1", Some("JP")),
    ("2001:630::1", Some("GB")),
    ("2001:200::1", Some("JP")),
    // 6to4 of 81.2.69.142, answered from the IPv4 record
    ("2002:5102:458e::1", Some("GB")),
    ("10.0.0.1", None),
    ("100.64.1.1", None),
    ("192.0.2.1", None),
    ("192.168.11.1", None),
    ("198.51.100.1", None),
    ("203.0.113.1", None),
    ("2001:db8::1", None),
    ("fd00::1", None),
    ("::1", None),
];
