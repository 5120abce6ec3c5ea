//! Compiled tables against the reader of the crate, files that are none, and which file wins what.

#[path = "../../../tests/it/support/mmdb.rs"]
mod mmdb;

use super::database::Database;
use super::row::Row;
use super::schema::RawRow;
use super::*;
use crate::context::Place;
use maxminddb::Reader;
use mmdb::{ANONYMOUS_SHAPES, ASN_SHAPES, BUILT_S, CITY_SHAPES, TOWNS, Town, data_record, database, raw, row};
use proptest::prelude::*;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::sync::LazyLock;

type Outcome = Result<(), Box<dyn Error>>;

fn towns() -> impl Iterator<Item = (&'static str, Town)> {
    TOWNS.into_iter().map(|town| (town.network, town))
}

/// A name, the file, and what compiling makes of it.
type Fixture = (String, Vec<u8>, Option<Database>);

/// Every fixture there is.
static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let file = |path: &str| std::fs::read(path).ok().map(|bytes| (path.to_owned(), bytes));
    let kinds = |networks: [&'static str; 4]| networks.into_iter().zip(1..);
    let ipv4_only = || {
        let mut writer = mmdb_writer::Writer::builder("IPv4")
            .ip_version(mmdb_writer::IpVersion::V4)
            .description(&[("en", "written by a test")])
            .build();
        let row = row(&json!({"country_code": "GB"}));
        writer.insert_value("81.2.69.0/24".parse::<IpNet>().ok()?, row).ok()?;
        Some(("IPv4 only".to_owned(), writer.to_bytes().ok()?))
    };
    let whole = database("One row", BUILT_S, [("::/0", row(&json!({"country_code": "GB"})))]);
    let files = [file("data/country.mmdb"), file("data/test-city.mmdb"), ipv4_only()];
    let written = CITY_SHAPES.iter().map(|shape| (shape.vendor, shape.write(towns())));
    let written = written
        .chain(
            ASN_SHAPES.iter().map(|shape| (shape.vendor, shape.write([("81.2.69.0/24", ()), ("2001:630::/32", ())]))),
        )
        .chain(ANONYMOUS_SHAPES.iter().map(|shape| {
            (shape.vendor, shape.write(kinds(["81.2.69.1/32", "81.2.69.2/32", "2001:630::3/128", "2001:630::/64"])))
        }))
        .chain([("one row", whole)]);
    let written = written.filter_map(|(name, bytes)| Some((name.to_owned(), bytes.ok()?)));
    let all = files.into_iter().flatten().chain(written);
    all.map(|(name, bytes)| {
        let compiled = Database::compile(&bytes, true).ok();
        (name, bytes, compiled)
    })
    .collect()
});

/// What the reader of the crate says, made a row in the same way; IPv6 addresses that carry IPv4 are asked for that, too.
fn by_reader(reader: &Reader<&[u8]>, grain: Grain, ip: IpAddr) -> Option<Row> {
    let found = reader.lookup(ip).ok().filter(|found| found.has_data());
    let Some(found) = found else {
        let IpAddr::V6(ip) = ip else { return None };
        return by_reader(reader, grain, carried_ipv4(ip)?.into());
    };
    // Names are numbered by the table, so that they are not compared.
    Some(found.decode().ok().flatten().map_or(Row::FAILED, |raw: RawRow<'_>| Row::new(&raw, grain, |_| Some(0))))
}

fn seen(row: &Row) -> (Location, Option<CountryCode>, Option<u32>, NetworkKinds) {
    (row.location(), row.country(), row.asn(), row.kinds())
}

fn agree(ip: IpAddr) -> Result<(), TestCaseError> {
    for (name, bytes, compiled) in &*FIXTURES {
        let reader = Reader::from_source(&bytes[..]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let Some(compiled) = compiled else { return Err(TestCaseError::fail(format!("{name} does not compile"))) };
        let expected = by_reader(&reader, compiled.about().grain, ip);
        let hit = compiled.look_up(ip);
        prop_assert_eq!(hit.map(|hit| seen(hit.row)), expected.as_ref().map(seen), "{} in {}", ip, name);
        if let Some(hit) = hit.filter(|hit| hit.network.contains(&ip))
            && let Ok(network) = reader.lookup(ip).and_then(|found| found.network())
            && network.is_ipv4() == ip.is_ipv4()
        {
            prop_assert_eq!(hit.network.to_string(), network.to_string(), "{} in {}", ip, name);
        }
    }
    Ok(())
}

/// An IPv6 address, often in a prefix that is out of the ordinary.
fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    let prefixes = [
        (0, 96),
        (0xffff << 32, 96),
        (0x2002 << 112, 16),
        (0x2001 << 112, 32),
        (0x64_ff9b << 96, 96),
        (0x2001_0630 << 96, 32),
        (0x2a00 << 112, 12),
        (0x2000 << 112, 3),
        (0, 0),
    ];
    (prop::sample::select(prefixes.to_vec()), any::<u128>()).prop_map(
        |((prefix, length), bits): ((u128, u32), u128)| {
            let mask = u128::MAX.checked_shr(length).unwrap_or(0);
            Ipv6Addr::from(prefix | bits & mask)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn tables_agree_with_the_reader_on_ipv4(ip in any::<u32>()) {
        agree(Ipv4Addr::from(ip).into())?;
    }

    #[test]
    fn tables_agree_with_the_reader_on_ipv6(ip in ipv6()) {
        agree(ip.into())?;
    }

    /// Whatever a file holds, reading it ends, with an error or a database.
    #[test]
    fn bytes_at_random_are_no_database(at in 0_usize..4111, bytes in prop::collection::vec(any::<u8>(), 1..64)) {
        let mut file = std::fs::read("data/test-city.mmdb").map_err(|error| TestCaseError::fail(error.to_string()))?;
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
        drop(Database::compile(&file, true));
        prop_assert!(Database::compile(&bytes, true).is_err());
    }
}

#[test]
fn tables_agree_with_the_reader_at_the_edges() -> Outcome {
    for text in [
        "81.2.69.0",
        "81.2.69.255",
        "81.2.70.0",
        "81.2.68.255",
        "0.0.0.1",
        "255.255.255.255",
        "133.11.255.255",
        "::",
        "::1",
        "::51:0",
        "ffff::",
        "2001:630::",
        "2001:630:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:631::",
        "2001:630::3",
        "2002:5102:4501::1",
        "64:ff9b::81.2.69.1",
        "::ffff:81.2.69.1",
        "::81.2.69.1",
        "2001:0:5102:4501::",
    ] {
        agree(text.parse()?).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn compile_error(bytes: &[u8]) -> String {
    Database::compile(bytes, true).map_or_else(|why| why.to_string(), |database| format!("{database:?}"))
}

#[test]
fn files_that_are_no_database_are_refused_soon() -> Outcome {
    let data = data_record(2);
    assert!(Database::compile(&raw(&[(1, 2), (2, data)], 4), true).is_ok(), "a good one");
    for (what, bytes, refusal) in [
        ("every node twice", mmdb::shared_nodes(false), "shares nodes"),
        ("every node twice, down to IPv4", mmdb::shared_nodes(true), "shares nodes"),
        ("a circle", raw(&[(1, 1), (0, 0)], 4), "shares nodes"),
        ("a circle in IPv6", raw(&[(1, data), (1, 1)], 6), "shares nodes"),
        ("a tree of itself", raw(&[(0, 0)], 6), "shares nodes"),
        ("no network", raw(&[(1, 2), (2, 2)], 4), "holds no network"),
        ("data beyond the file", raw(&[(1, 4_000_000), (2, 2)], 4), "is no valid"),
        ("nothing", Vec::new(), "is no valid"),
    ] {
        let error = compile_error(&bytes);
        assert!(error.contains(refusal), "{what}: {error}");
    }
    let whole = std::fs::read("data/test-city.mmdb")?;
    for length in (0..whole.len()).step_by(7) {
        assert!(Database::compile(&whole[..length], true).is_err(), "cut to {length} bytes");
    }
    Ok(())
}

/// What the embedded data skip when they are compiled.
#[test]
fn the_embedded_data_are_valid() -> Outcome {
    Reader::from_source(&std::fs::read("data/country.mmdb")?[..])?.verify()?;
    Ok(())
}

/// Writes each file and opens them all; an entry is (role, name, content).
fn open(files: &[(Role, &str, Vec<u8>)], directory: &Path) -> Result<GeoIp, Box<dyn Error>> {
    let mut table = toml::Table::new();
    for (role, name, content) in files {
        let path = directory.join(name);
        std::fs::write(&path, content)?;
        let paths = table.entry(role.as_str()).or_insert_with(|| toml::Value::Array(Vec::new()));
        paths.as_array_mut().ok_or("an array")?.push(path.display().to_string().into());
    }
    table.insert("hosting_asns".to_owned(), vec!["AS64501"].into());
    table.insert("satellite_asns".to_owned(), vec!["AS64502"].into());
    Ok(GeoIp::open(&table.try_into::<Settings>()?)?)
}

fn place(latitude: f64, longitude: f64, country: &str) -> Option<Place> {
    given_place(crate::units::Coordinates::new(latitude, longitude)?, None, CountryCode::new(country))
}

#[test]
fn the_first_file_that_tells_a_field_wins_it() -> Outcome {
    let directory = tempfile::tempdir()?;
    let write = |rows: &[(&'static str, serde_json::Value)]| {
        database("Some-City", BUILT_S, rows.iter().map(|(network, json)| (*network, row(json))))
    };
    let first = write(&[
        ("81.2.0.0/16", json!({"country_code": "FR"})),
        ("81.3.0.0/16", json!({"latitude": 1.0, "longitude": 2.0})),
        ("81.4.0.0/16", json!({"latitude": true, "longitude": 2.0})),
    ])?;
    let second = write(&[
        ("81.2.69.0/24", json!({"latitude": 51.5, "longitude": 0.0, "country_code": "GB", "asn": "AS64501"})),
        ("81.3.0.0/16", json!({"latitude": 9.0, "longitude": 9.0, "country_code": "DE"})),
    ])?;
    let asn = write(&[
        ("81.2.69.0/25", json!({"asn": "AS64502", "as_name": "Sky", "country_code": "IT"})),
        ("81.5.0.0/16", json!({"asn": 22351, "country_code": "IT"})),
    ])?;
    let hiders = write(&[("81.2.69.7/32", json!({"tor": true})), ("81.2.69.8/32", json!({"tor": false}))])?;
    let more = write(&[("81.2.69.0/24", json!({"vpn": true}))])?;
    let geoip = open(
        &[
            (Role::City, "a.mmdb", first),
            (Role::City, "b.mmdb", second),
            (Role::Asn, "c.mmdb", asn),
            (Role::Anonymous, "d.mmdb", hiders),
            (Role::Anonymous, "e.mmdb", more),
        ],
        directory.path(),
    )?;
    let found = |ip: &str| Ok::<_, Box<dyn Error>>(geoip.look_up(ip.parse()?));
    let country = |code: &str| CountryCode::new(code);

    let both = found("81.2.69.7")?;
    assert_eq!(both.location, Location::Known(place(51.5, 0.0, "GB").ok_or("a place")?), "coordinates from one row");
    assert_eq!((both.country, both.asn), (country("FR"), Some(64_502)), "the first country, the ASN by its own files");
    assert_eq!(both.as_organization.as_deref(), Some("Sky"));
    let kinds = [NetworkKind::Tor, NetworkKind::Vpn, NetworkKind::Satellite];
    assert_eq!(both.kinds, kinds.into_iter().fold(NetworkKinds::NONE, NetworkKinds::with), "all of them");
    let from = both.kinds_from.ok_or("a source")?;
    assert_eq!((&*from.source, from.matches.to_string().as_str()), ("d", "81.2.69.7/32"));

    let other_half = found("81.2.69.200")?;
    assert_eq!(other_half.asn, Some(64_501), "a file for places tells it where the others do not");
    assert!(other_half.kinds.has(NetworkKind::Hosting), "by configuration");
    assert_eq!(other_half.as_organization, None);

    let filled = found("81.3.1.1")?;
    assert_eq!(filled.location, Location::Known(place(1.0, 2.0, "DE").ok_or("a place")?), "the country is filled in");
    assert_eq!(found("81.4.1.1")?.location, Location::Failed, "a flag for a latitude");
    let space = found("81.5.1.1")?;
    assert_eq!((space.location, space.country), (Location::Missing, country("IT")));
    assert_eq!(space.kinds_from.map(|from| from.source.to_string()).as_deref(), Some("c"), "by number");
    assert_eq!(found("9.9.9.9")?, Found::NOTHING);
    Ok(())
}

#[test]
fn places_are_dropped_never_bent() -> Outcome {
    let directory = tempfile::tempdir()?;
    let rows = [
        (json!({"latitude": 90.0, "longitude": -180.0}), true),
        (json!({"latitude": 90.5, "longitude": 0.0}), false),
        (json!({"latitude": "nan", "longitude": 0.0}), false),
        (json!({"latitude": "", "longitude": ""}), false),
        (json!({"latitude": 1.0}), false),
        (json!({"latitude": 1.0, "longitude": 1.0, "radius": 499}), true),
        (json!({"latitude": 1.0, "longitude": 1.0, "radius": 500}), false),
        (json!({"latitude": 1.0, "longitude": 1.0, "radius": -1}), false),
        (json!({"latitude": 1.0, "longitude": 1.0, "country": 7, "city": [1]}), true),
    ];
    let networks: Vec<String> = (0..rows.len()).map(|at| format!("81.2.{at}.0/24")).collect();
    let bytes = |database_type: &str| {
        database(
            database_type,
            BUILT_S,
            networks.iter().map(String::as_str).zip(rows.iter().map(|(json, _)| row(json))),
        )
    };
    let city = open(&[(Role::City, "city.mmdb", bytes("Some-City")?)], directory.path())?;
    let country = open(&[(Role::City, "country.mmdb", bytes("Some-Country")?)], directory.path())?;
    for (at, (json, usable)) in rows.iter().enumerate() {
        let ip: IpAddr = format!("81.2.{at}.1").parse()?;
        let is_known = |geoip: &GeoIp| matches!(geoip.look_up(ip).location, Location::Known(_));
        assert_eq!(is_known(&city), *usable, "{json}");
        // The radius of a country is a bound, whatever it is; without one there is none.
        let bounded = json["radius"].as_i64().is_some_and(|radius| radius > 0);
        assert_eq!(is_known(&country), bounded, "{json} as a country");
    }
    assert!(country.is_country_level() && !city.is_country_level());
    Ok(())
}

#[test]
fn local_addresses_are_nowhere_whatever_a_file_holds() -> Outcome {
    let directory = tempfile::tempdir()?;
    let everywhere = row(&json!({"latitude": 1.0, "longitude": 1.0, "country_code": "GB", "vpn": true, "asn": 22351}));
    let bytes = database("Some-City", BUILT_S, [("::/0", everywhere)])?;
    let geoip = open(&[(Role::City, "all.mmdb", bytes)], directory.path())?;
    for local in [
        "10.0.0.1",
        "127.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "2002:a00:1::1",
        "64:ff9b::10.0.0.1",
    ] {
        assert_eq!(geoip.look_up(local.parse()?), Found::NOTHING, "{local}");
    }
    for public in ["9.9.9.9", "100.64.0.1", "2620:fe::fe", "::ffff:9.9.9.9"] {
        let found = geoip.look_up(public.parse()?);
        assert!(matches!(found.location, Location::Known(_)) && found.asn.is_some(), "{public}: {found:?}");
    }
    Ok(())
}

#[test]
fn a_file_in_the_wrong_place_is_refused() -> Outcome {
    let directory = tempfile::tempdir()?;
    let town = || CITY_SHAPES[0].write(towns());
    let asn = || ASN_SHAPES[0].write([("81.2.69.0/24", ())]);
    for (role, bytes) in [(Role::City, asn()?), (Role::Asn, town()?), (Role::Anonymous, asn()?)] {
        let error = open(&[(role, "wrong.mmdb", bytes)], directory.path())
            .map_or_else(|error| error.to_string(), |_| "it was taken".to_owned());
        assert!(error.contains(&format!("says nothing that geoip.{} is for", role.as_str())), "{error}");
    }
    Ok(())
}
