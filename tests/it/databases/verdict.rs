//! What databases tell, from the file to the answer: on the list that a network amounts to, on travel, and on what is learnt.

use crate::support::mmdb::{BUILT_S, database, row};
use crate::support::{Askance, Settings, import, score, time_from_now};
use serde_json::{Value, json};
use tempfile::TempDir;

const LONDON: &str = "81.2.69.142";
const TOKYO: &str = "133.11.0.1";
const VPN_IN_TOKYO: &str = "133.11.7.7";
const SATELLITE: &str = "9.9.9.9";
const HOSTING: &str = "8.8.4.4";

fn start(settings: Settings, directory: TempDir) -> Askance {
    let place = |latitude: f64, longitude: f64, country: &str| {
        row(
            &json!({"country": {"iso_code": country}, "location": {"latitude": latitude, "longitude": longitude, "accuracy_radius": 5}}),
        )
    };
    let system = |number: u32, name: &str| {
        row(&json!({"autonomous_system_number": number, "autonomous_system_organization": name}))
    };
    let files = [
        (
            "city",
            "Test-City",
            vec![
                ("81.2.69.0/24", place(51.5, -0.125, "GB")),
                ("133.11.0.0/16", place(35.6875, 139.6875, "JP")),
                // A ground station, far from the aircraft; and a data centre.
                ("9.9.9.0/24", place(1.336, 103.7716, "SG")),
                ("8.8.4.0/24", place(39.0, -77.5, "US")),
            ],
        ),
        (
            "asn",
            "Test-ASN",
            vec![
                ("81.2.69.0/24", system(64_500, "Example Net")),
                ("9.9.9.0/24", system(22_351, "Sky")),
                ("8.8.4.0/24", system(16_509, "Cloud")),
            ],
        ),
        ("anonymous", "Test-Anonymous-IP", vec![("133.11.7.0/24", row(&json!({"is_anonymous_vpn": true})))]),
    ];
    let mut settings = settings;
    for (role, database_type, rows) in files {
        let path = directory.path().join(format!("{role}.mmdb"));
        std::fs::write(&path, database(database_type, BUILT_S, rows).unwrap()).unwrap();
        settings = settings.set(&format!("geoip.{role}"), path.to_str().unwrap());
    }
    Askance::start_in(&settings, directory)
}

fn at_home(server: &Askance, user: &str) {
    import(server, user, json!({"ip": LONDON, "time": time_from_now(-3_600)}));
}

fn assessment<'a>(answer: &'a Value, assessor: &str) -> (&'a str, &'a str) {
    let assessment = &answer["risk_assessment"]["assessments"][assessor];
    (assessment["confidence"].as_str().unwrap_or_default(), assessment["code"].as_str().unwrap_or_default())
}

#[test]
fn networks_are_judged_by_what_databases_know_of_them() {
    let server = start(Settings::new(), TempDir::new().unwrap());
    let clean = ("high", "not_found_on_deny_list");
    let found = |confidence| (confidence, "found_on_deny_list");
    for (ip, untrusted, travel, category) in [
        (LONDON, clean, ("high", "minimal_travel_from_last_login"), None),
        (TOKYO, clean, ("low", "impossible_travel_from_last_login"), None),
        (
            VPN_IN_TOKYO,
            found("low"),
            ("neutral", "anonymous_proxy"),
            Some(("133.11.7.0/24", "anonymous", "anonymizer")),
        ),
        (SATELLITE, clean, ("neutral", "unknown_location"), None),
        (
            HOSTING,
            found("medium"),
            ("low", "impossible_travel_from_last_login"),
            Some(("8.8.4.0/24", "asn", "datacenter")),
        ),
    ] {
        at_home(&server, ip);
        let answer = score(&server, ip, json!({"ip": ip}));
        assert_eq!(assessment(&answer, "UntrustedIP"), untrusted, "{ip}: {answer}");
        assert_eq!(assessment(&answer, "ImpossibleTravel"), travel, "{ip}: {answer}");
        let details = &answer["risk_assessment"]["assessments"]["UntrustedIP"]["details"];
        let expected = category.map_or(
            Value::Null,
            |(matches, source, category)| json!({"ip": ip, "matches": matches, "source": source, "category": category}),
        );
        assert_eq!(*details, expected, "{ip}: {answer}");
    }
    let home = score(&server, LONDON, json!({"ip": LONDON}));
    let address = json!({"ip": LONDON, "asn": 64_500, "network": "Example Net"});
    assert_eq!(home["evidence"]["address"], address, "{home}");
}

/// An hour later the user is at home again: the way from there is judged, and not from where the network pretends to be.
#[test]
fn where_nobody_is_no_place_is_learnt() {
    let server = start(Settings::new(), TempDir::new().unwrap());
    for ip in [VPN_IN_TOKYO, SATELLITE] {
        at_home(&server, ip);
        let away = score(&server, ip, json!({"ip": ip, "time": time_from_now(-60)}));
        assert_eq!(away["action"], "allow", "completed, hence learnt from: {away}");
        let home = score(&server, ip, json!({"ip": LONDON}));
        assert_eq!(assessment(&home, "ImpossibleTravel").1, "minimal_travel_from_last_login", "{ip}: {home}");
    }
}

#[test]
fn a_system_that_the_operator_vouches_for_is_on_no_list_of_a_database() {
    let settings = Settings::new().set("signals.untrusted_ip.allow", vec!["AS16509"]);
    let server = start(settings, TempDir::new().unwrap());
    let answer = score(&server, "vouched", json!({"ip": HOSTING}));
    assert_eq!(assessment(&answer, "UntrustedIP"), ("high", "on_allow_list"), "{answer}");
}

/// The closest entry is the finding; that the address hides its user is true whatever stands closer.
#[test]
fn a_closer_list_does_not_hide_an_anonymiser() {
    let directory = TempDir::new().unwrap();
    let mut settings = Settings::new();
    for (category, prefix) in [("anonymizer", "133.11.0.0/16"), ("datacenter", "133.11.0.0/24")] {
        let path = directory.path().join(category);
        std::fs::write(&path, format!("{prefix}\n")).unwrap();
        let members = [("name", category), ("path", path.to_str().unwrap()), ("category", category)];
        settings = settings.push(
            "signals.untrusted_ip.lists",
            members.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        );
    }
    let server = start(settings, directory);
    at_home(&server, "closer");
    let answer = score(&server, "closer", json!({"ip": TOKYO}));
    assert_eq!(
        answer["risk_assessment"]["assessments"]["UntrustedIP"]["details"]["category"], "datacenter",
        "{answer}"
    );
    assert_eq!(assessment(&answer, "ImpossibleTravel"), ("neutral", "anonymous_proxy"), "{answer}");
}
