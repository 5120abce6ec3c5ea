//! What fails on the way, injected: each row of the table "When something fails" in docs/ARCHITECTURE.md that a test can
//! cause without a debugger.

use crate::support::{Askance, Settings, json_of, plain_login, with};
use serde_json::{Value, json};

/// A database in which some rows are of the wrong types; it is in the repository, with the script that made it.
const CITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test-city.mmdb");

fn travel_of(settings: &Settings, ip: &str) -> Value {
    let server = Askance::start(settings);
    let past = with(plain_login("amelie"), json!({"result": "success", "time": "2026-01-01T00:00:00Z"}));
    assert_eq!(json_of(&server.main().import(&[past]))["recorded"], 1);
    let answer = json_of(&server.main().score(&with(plain_login("amelie"), json!({"ip": ip}))));
    answer["risk_assessment"]["assessments"]["ImpossibleTravel"].clone()
}

#[test]
fn a_row_that_cannot_be_read_is_an_assessment_that_is_not_available() {
    let city = || Settings::new().set("geoip.city", CITY);
    for wrong in ["214.2.2.1", "214.2.2.65"] {
        let travel = travel_of(&city(), wrong);
        assert_eq!(
            (&travel["code"], &travel["confidence"]),
            (&json!("assessment_not_available"), &json!("low")),
            "{wrong}"
        );
    }
    let neutral = city().set("signals.impossible_travel.on_failure", "neutral");
    assert_eq!(travel_of(&neutral, "214.2.2.1")["confidence"], "neutral");
}

#[test]
fn a_row_without_usable_coordinates_says_nothing() {
    let city = Settings::new().set("geoip.city", CITY);
    for (vague, code) in
        [("2.3.3.1", "unknown_location"), ("149.101.100.1", "unknown_location"), ("9.9.9.9", "missing_geoip")]
    {
        let travel = travel_of(&city, vague);
        assert_eq!((&travel["code"], &travel["confidence"]), (&json!(code), &json!("neutral")), "{vague}");
    }
}

#[test]
fn a_city_database_places_by_city() {
    let server = Askance::start(&Settings::new().set("geoip.city", CITY));
    let answer = json_of(&server.main().score(&with(plain_login("amelie"), json!({"ip": "89.160.20.112"}))));
    assert_eq!(answer["evidence"]["location"], json!({"resolution": "city", "country": "SE"}));
}

#[test]
fn what_does_not_load_on_hangup_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list.netset");
    std::fs::write(&list, "198.51.100.0/24\n").unwrap();
    let server = Askance::start(&Settings::new().abuse_list(&list));
    let code = |ip: &str| {
        let answer = json_of(&server.main().score(&with(plain_login("amelie"), json!({"ip": ip}))));
        answer["risk_assessment"]["assessments"]["UntrustedIP"]["code"].clone()
    };
    assert_eq!(code("198.51.100.7"), "found_on_deny_list");

    std::fs::write(&list, "0.0.0.0/0\n").unwrap();
    server.signal("HUP");
    crate::support::eventually("the refusal in the log", || server.log().contains("a list is refused").then_some(()));
    assert_eq!(
        (code("198.51.100.7"), code("203.0.113.7")),
        (json!("found_on_deny_list"), json!("not_found_on_deny_list"))
    );

    std::fs::write(&list, "203.0.113.0/24\n").unwrap();
    server.signal("HUP");
    crate::support::eventually("the new list", || (code("203.0.113.7") == "found_on_deny_list").then_some(()));
    assert_eq!(code("198.51.100.7"), "not_found_on_deny_list");
}
