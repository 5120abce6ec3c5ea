//! Attacks as callers tell them, and what becomes of the logins of others from there.

use crate::support::mmdb::{BUILT_S, database, row};
use crate::support::{Askance, Settings, import, score, time_from_now};
use serde_json::{Value, json};
use tempfile::TempDir;

const CLEAN: (&str, &str) = ("high", "not_found_on_deny_list");
const HIGH: (&str, &str) = ("low", "high_velocity");

fn fail(server: &Askance, ip: &str, user: &str) {
    let failure = json!({"user": {"id": user}, "ip": ip, "kind": "password"});
    assert_eq!(server.main().post("/v1/failures", &failure).status, 204);
}

/// A run of `count` failures, each of another user; `{}` in the address is the number of the failure.
fn run(server: &Askance, count: u32, address: &str) {
    for number in 0..count {
        fail(server, &address.replace("{}", &number.to_string()), &format!("tried-{number}"));
    }
}

fn untrusted_ip(answer: &Value) -> (&str, &str) {
    let assessment = &answer["risk_assessment"]["assessments"]["UntrustedIP"];
    (assessment["confidence"].as_str().unwrap_or_default(), assessment["code"].as_str().unwrap_or_default())
}

fn details(answer: &Value) -> &Value {
    &answer["risk_assessment"]["assessments"]["UntrustedIP"]["details"]
}

/// What UntrustedIP says of a user's first login from there, and what becomes of it.
fn check(server: &Askance, user: &str, ip: &str, expected: (&str, &str), action: &str) -> Value {
    let answer = score(server, user, json!({"ip": ip}));
    assert_eq!((untrusted_ip(&answer), answer["action"].as_str()), (expected, Some(action)), "{ip}: {answer}");
    answer
}

#[test]
fn a_run_from_one_address_makes_it_hard_evidence() {
    let server = Askance::start(&Settings::new());
    check(&server, "before", "198.51.100.7", CLEAN, "allow");
    run(&server, 12, "198.51.100.7");
    let answer = check(&server, "after", "198.51.100.7", HIGH, "challenge");
    let details = details(&answer);
    let users = details["users"].as_u64().unwrap_or_default();
    assert!((8..=16).contains(&users), "{details}");
    let expected =
        json!({"ip": "198.51.100.7", "matches": "198.51.100.7/32", "window_s": 300, "failures": 12, "users": users});
    assert_eq!(*details, expected);
    let reason = &answer["reasons"][0];
    let text =
        format!("12 logins of {users} users failed from 198.51.100.7/32 within 5 min, far more than usual there");
    assert_eq!(*reason, json!({"code": "high_velocity", "text": text}), "{answer}");
    // The challenged login, and the one before, are no failures.
    check(&server, "again", "198.51.100.7", HIGH, "challenge");
    let metrics = server.admin().get("/metrics").text();
    assert!(metrics.contains(r#"askance_assessments_total{signal="UntrustedIP",code="high_velocity"} 2"#), "{metrics}");
    check(&server, "elsewhere", "203.0.113.7", CLEAN, "allow");
}

#[test]
fn a_run_from_one_prefix_makes_its_addresses_hard_evidence() {
    let server = Askance::start(&Settings::new());
    run(&server, 12, "198.51.100.{}");
    let answer = check(&server, "neighbour", "198.51.100.200", HIGH, "challenge");
    assert_eq!(details(&answer)["matches"], "198.51.100.0/24", "{answer}");
    check(&server, "elsewhere", "198.51.101.1", CLEAN, "allow");
    run(&server, 12, "2001:db8:7:{}::1");
    let answer = check(&server, "neighbour-6", "2001:db8:7:ffff::9", HIGH, "challenge");
    assert_eq!(details(&answer)["matches"], "2001:db8:7::/48", "{answer}");
    run(&server, 12, "2001:db8:8:1::{}");
    let answer = check(&server, "line-6", "2001:db8:8:1::ffff", HIGH, "challenge");
    assert_eq!(details(&answer)["matches"], "2001:db8:8:1::/64", "{answer}");
}

#[test]
fn a_run_over_an_autonomous_system_is_a_doubt_and_never_hard() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("asn.mmdb");
    let system = row(&json!({"autonomous_system_number": 64_500, "autonomous_system_organization": "Example Net"}));
    std::fs::write(&path, database("Test-ASN", BUILT_S, [("203.0.0.0/16", system)]).unwrap()).unwrap();
    let settings =
        Settings::new().set("geoip.asn", path.to_str().unwrap()).set("signals.untrusted_ip.allow", vec!["AS64500"]);
    let server = Askance::start_in(&settings, directory);
    check(&server, "before", "203.0.200.1", CLEAN, "allow");
    run(&server, 60, "203.0.{}.1");
    // The operator's word for a system lifts what lists say, and not what happens there now.
    let answer = check(&server, "after", "203.0.200.1", HIGH, "allow");
    assert_eq!(details(&answer)["matches"], "AS64500", "{answer}");
    assert_eq!(answer["risk_assessment"]["confidence"], "medium", "a doubt among others: {answer}");
    check(&server, "elsewhere", "203.1.0.1", CLEAN, "allow");
}

/// Twenty people who log in as always, and some who mistype.
#[test]
fn an_office_with_known_devices_is_not_locked_out() {
    let server = Askance::start(&Settings::new());
    for number in 0..20 {
        let user = format!("office-{number}");
        import(&server, &user, json!({"ip": "198.51.100.7"}));
        let answer = score(&server, &user, json!({"ip": "198.51.100.7"}));
        assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], "match", "{answer}");
    }
    run(&server, 16, "198.51.100.7");
    check(&server, "office-new", "198.51.100.7", CLEAN, "allow");
    // As many where nobody is known.
    run(&server, 16, "203.0.113.7");
    check(&server, "nowhere-new", "203.0.113.7", HIGH, "challenge");
    // And an attack is one, office or not.
    run(&server, 150, "198.51.100.7");
    check(&server, "office-newer", "198.51.100.7", HIGH, "challenge");
    let known = score(&server, "office-1", json!({"ip": "198.51.100.7"}));
    assert_eq!((untrusted_ip(&known), known["action"].as_str()), (CLEAN, Some("allow")), "{known}");
}

#[test]
fn a_user_is_not_locked_out_by_failures_in_their_name_from_elsewhere() {
    let server = Askance::start(&Settings::new());
    import(&server, "victim", json!({"ip": "203.0.113.7"}));
    for _ in 0..60 {
        fail(&server, "198.51.100.7", "victim");
    }
    for device in ["d1", "d2"] {
        let answer = score(&server, "victim", json!({"ip": "203.0.113.7", "device_id": device}));
        assert_eq!((untrusted_ip(&answer), answer["action"].as_str()), (CLEAN, Some("allow")), "{device}: {answer}");
    }
}

#[test]
fn failed_outcomes_count_once_each_and_abandoned_ones_do_not() {
    let server = Askance::start(&Settings::new());
    let challenged = |number: u32, ip: &str| {
        let change = json!({"ip": ip, "user": {"created_at": time_from_now(-90_000)}});
        let answer = score(&server, &format!("outcomes-{number}"), change);
        assert_eq!(answer["action"], "challenge", "{answer}");
        answer["decision_id"].as_str().unwrap().to_owned()
    };
    let settle = |decision: &str, result: &str| {
        let path = format!("/v1/decisions/{decision}/outcome");
        assert_eq!(server.main().post(&path, &json!({"result": result})).status, 204);
    };
    for (ip, decisions, result, times, expected, action) in [
        ("198.51.100.7", 4, "failure", 3, CLEAN, "allow"),
        ("203.0.113.7", 12, "failure", 1, HIGH, "challenge"),
        ("192.0.2.7", 12, "abandoned", 1, CLEAN, "allow"),
    ] {
        for number in 0..decisions {
            let decision = challenged(number, ip);
            (0..times).for_each(|_| settle(&decision, result));
        }
        check(&server, &format!("after-{ip}"), ip, expected, action);
    }
}

/// An honest crowd without known devices: half of its logins fail, which is not ten failures out of ten.
#[test]
fn completed_logins_speak_for_their_address() {
    let server = Askance::start(&Settings::new());
    for number in 0..14 {
        let answer = score(&server, &format!("crowd-{number}"), json!({"ip": "198.51.100.7"}));
        assert_eq!(answer["action"], "allow", "{answer}");
    }
    run(&server, 12, "198.51.100.7");
    check(&server, "crowd-new", "198.51.100.7", CLEAN, "allow");
}

#[test]
fn one_tenant_is_not_judged_by_the_failures_of_another() {
    let server = Askance::start(&Settings::new());
    let login = |user: &str, ip: &str, tenant: &str| score(&server, user, json!({"ip": ip, "tenant": tenant}));
    for (attacked, other, ip) in [("default", "acme", "198.51.100.7"), ("acme", "default", "203.0.113.7")] {
        for number in 0..12 {
            let failure = json!({"user": {"id": format!("tried-{number}")}, "ip": ip, "kind": "unknown_user", "tenant": attacked});
            assert_eq!(server.main().post("/v1/failures", &failure).status, 204);
        }
        let (theirs, others) = (login("theirs", ip, attacked), login("others", ip, other));
        assert_eq!((untrusted_ip(&theirs), untrusted_ip(&others)), (HIGH, CLEAN), "{attacked}: {theirs} {others}");
    }
}

#[test]
fn an_allow_list_lifts_it_a_list_that_stands_by_itself_comes_first_and_it_can_be_left_out() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("abuse.netset");
    std::fs::write(&path, "203.0.113.0/24\n").unwrap();
    // A list stands by itself there: whoever is listed is asked.
    let settings = Settings::new().abuse_list(&path).set("verdict.aggregator", "strict");
    let settings = settings.set("signals.untrusted_ip.allow", vec!["198.51.100.0/24"]);
    let server = Askance::start_in(&settings, directory);
    for (ip, expected, action) in [
        ("198.51.100.7", ("high", "on_allow_list"), "allow"),
        ("203.0.113.7", ("low", "found_on_deny_list"), "challenge"),
        ("192.0.2.7", HIGH, "challenge"),
    ] {
        run(&server, 12, ip);
        check(&server, &format!("order-{ip}"), ip, expected, action);
    }
    let server = Askance::start(&Settings::new().set("signals.untrusted_ip.judges", vec!["address", "edge"]));
    run(&server, 12, "192.0.2.7");
    check(&server, "left-out", "192.0.2.7", CLEAN, "allow");
}

#[test]
fn every_threshold_can_be_set() {
    for (key, value, failures, expected) in [
        ("failures_min", 4, 4, HIGH),
        ("failures_min", 5, 4, CLEAN),
        ("users_min", 4, 4, HIGH),
        ("surprise_min", 100, 12, CLEAN),
    ] {
        let key = format!("signals.untrusted_ip.velocity.{key}");
        let settings = if key.ends_with("surprise_min") {
            Settings::new().set(&key, f64::from(value))
        } else {
            Settings::new().set(&key, value)
        };
        let server = Askance::start(&settings);
        run(&server, failures, "198.51.100.7");
        let answer = score(&server, "threshold", json!({"ip": "198.51.100.7"}));
        assert_eq!(untrusted_ip(&answer), expected, "{key} {value}: {answer}");
    }
}
