//! GeoIP databases of any vendor: what `askance geo` makes of them, and what becomes of a running service when their
//! files change.

mod reload;
mod verdict;

use crate::support::mmdb::{ANONYMOUS_SHAPES, ASN_SHAPES, BUILT_S, CITY_SHAPES, RADIUS_KM, TOWNS, database, row};
use crate::support::{Settings, run};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// What `askance geo --json` says of each address, with these databases: (key, name, content).
fn geo(files: &[(&str, &str, Vec<u8>)], addresses: &[&str]) -> Vec<Value> {
    let directory = TempDir::new().unwrap();
    let mut settings = Settings::new();
    for key in ["city", "asn", "anonymous"] {
        let of_key = files.iter().filter(|(its, ..)| *its == key);
        let paths: Vec<String> = of_key.map(|(_, name, content)| written(directory.path(), name, content)).collect();
        // One path, or a list: both are taken.
        settings = match <[String; 1]>::try_from(paths) {
            Ok([one]) => settings.set(&format!("geoip.{key}"), one),
            Err(several) => settings.set(&format!("geoip.{key}"), several),
        };
    }
    settings.write_to(directory.path());
    let arguments = [&["--config", "askance.toml", "geo", "--json"], addresses].concat();
    let finished = run(directory.path(), &arguments, &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn written(directory: &Path, name: &str, content: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A database that says nothing of the addresses of these tests, so that the big one in the binary is not loaded.
fn elsewhere() -> Vec<u8> {
    database("Elsewhere-City", BUILT_S, [("9.9.9.0/24", row(&json!({"country_code": "CH"})))]).unwrap()
}

#[test]
fn the_same_facts_are_printed_whatever_the_vendor() {
    let addresses = ["81.2.69.142", "133.11.0.1", "197.210.1.1", "2001:630::1", "2002:5102:458e::1", "9.9.9.9"];
    for shape in &CITY_SHAPES {
        let content = shape.write(TOWNS.map(|town| (town.network, town))).unwrap();
        let facts = geo(&[("city", "city.mmdb", content)], &addresses);
        for (town, facts) in TOWNS.iter().zip(&facts) {
            let expected = json!({"network": town.network, "city": town.name, "country": town.country,
                "latitude": town.latitude, "longitude": town.longitude, "radius_km": f64::from(RADIUS_KM),
                "resolution": "city", "asn": null, "as_organization": null, "kinds": [], "kinds_from": null, "lists": []});
            let mut facts = facts.clone();
            facts.as_object_mut().unwrap().remove("ip");
            assert_eq!(facts, expected, "{} of {}", town.network, shape.vendor);
        }
        assert_eq!((&facts[4]["city"], &facts[4]["network"]), (&json!("London"), &json!(TOWNS[0].network)), "6to4");
        assert_eq!((&facts[5]["network"], &facts[5]["country"]), (&Value::Null, &Value::Null), "{}", shape.vendor);
    }
}

#[test]
fn systems_are_named_whatever_the_vendor() {
    for shape in &ASN_SHAPES {
        let content = shape.write([("81.2.69.0/24", ()), ("2001:630::/32", ())]).unwrap();
        let files = [("city", "city.mmdb", elsewhere()), ("asn", "asn.mmdb", content)];
        for facts in geo(&files, &["81.2.69.142", "2001:630::1"]) {
            let system = (&facts["asn"], &facts["as_organization"], &facts["kinds"]);
            assert_eq!(system, (&json!(64500), &json!("Example Net"), &json!([])), "{}", shape.vendor);
        }
    }
}

#[test]
fn who_hides_is_told_whatever_the_vendor() {
    let networks = ["81.2.69.1/32", "81.2.69.2/32", "81.2.69.3/32", "81.2.69.4/32"];
    for shape in &ANONYMOUS_SHAPES {
        let content = shape.write(networks.into_iter().zip(1..)).unwrap();
        let files = [("city", "city.mmdb", elsewhere()), ("anonymous", "hidden.mmdb", content)];
        let facts = geo(&files, &["81.2.69.1", "81.2.69.2", "81.2.69.3", "81.2.69.4"]);
        let kinds: Vec<&Value> = facts.iter().map(|facts| &facts["kinds"]).collect();
        assert_eq!(kinds, [&json!(["vpn"]), &json!(["tor"]), &json!(["hosting"]), &json!([])], "{}", shape.vendor);
        assert_eq!(facts[1]["kinds_from"], "hidden 81.2.69.2/32", "{}", shape.vendor);
        assert_eq!(facts[3]["kinds_from"], Value::Null, "{}", shape.vendor);
    }
}

#[test]
fn the_first_file_that_tells_a_field_wins_it() {
    let one = |json: Value| database("Some-City", BUILT_S, [("81.2.69.0/24", row(&json))]).unwrap();
    let files = [
        ("city", "a.mmdb", one(json!({"country_code": "FR"}))),
        ("city", "b.mmdb", one(json!({"country_code": "GB", "latitude": 51.5, "longitude": 0.25, "city": "London"}))),
        ("city", "c.mmdb", one(json!({"latitude": 1.0, "longitude": 1.0, "asn": "AS64499", "as_name": "Last"}))),
        ("asn", "d.mmdb", one(json!({"asn": 22351, "country_code": "IT"}))),
        ("anonymous", "e.mmdb", one(json!({"relay": true}))),
    ];
    let facts = &geo(&files, &["81.2.69.142"])[0];
    let place = (&facts["city"], &facts["country"], &facts["latitude"], &facts["longitude"]);
    assert_eq!(place, (&json!("London"), &json!("FR"), &json!(51.5), &json!(0.25)));
    assert_eq!((&facts["asn"], &facts["as_organization"]), (&json!(22351), &Value::Null), "both from one row");
    assert_eq!((&facts["kinds"], &facts["kinds_from"]), (&json!(["relay", "satellite"]), &json!("e 81.2.69.0/24")));
}
