//! What is counted of addresses and networks outlives a stop and a crash.

use super::{embedded, stop};
use crate::support::{Askance, Request, Settings, score};
use serde_json::{Value, json};
use tempfile::TempDir;

fn untrusted_ip(answer: &Value) -> &str {
    answer["risk_assessment"]["assessments"]["UntrustedIP"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn attack(server: &Askance, ip: &str) {
    for number in 0..12 {
        let failure = json!({"user": {"id": format!("tried-{number}")}, "ip": ip, "kind": "password"});
        assert_eq!(server.main().post("/v1/failures", &failure).status, 204);
    }
}

/// A login from there, of somebody who never came before.
fn judged(server: &Askance, user: &str, ip: &str) -> String {
    untrusted_ip(&score(server, user, json!({"ip": ip}))).to_owned()
}

#[test]
fn an_attack_goes_on_to_be_known_after_a_stop_and_after_a_crash() {
    let state = TempDir::new().unwrap();
    let settings = embedded(&state.path().join("state"));
    let server = Askance::start(&settings);
    attack(&server, "198.51.100.7");
    stop(server);
    let mut server = Askance::start(&settings);
    assert_eq!(judged(&server, "anna", "198.51.100.7"), "high_velocity", "{}", server.log());
    assert_eq!(judged(&server, "anna", "203.0.113.7"), "not_found_on_deny_list");
    attack(&server, "203.0.113.7");
    // Whatever is waited for is written with all that changed before it.
    assert_eq!(server.main().send(Request::new("DELETE", "/v1/users/nobody")).status, 204);
    server.signal("KILL");
    server.wait_for_exit();
    let server = Askance::start(&settings);
    for ip in ["198.51.100.7", "203.0.113.7"] {
        assert_eq!(judged(&server, &format!("berta-{ip}"), ip), "high_velocity", "{}", server.log());
    }
    assert_eq!(judged(&server, "carla", "192.0.2.7"), "not_found_on_deny_list");
}

/// Rows lie in the order of the table: one of another size has them elsewhere.
#[test]
fn a_table_of_another_size_takes_over_what_was_counted() {
    let state = TempDir::new().unwrap();
    let settings = embedded(&state.path().join("state"));
    let with = |sources_max: u32| -> Settings {
        settings.clone().set("signals.untrusted_ip.velocity.sources_max", sources_max)
    };
    let server = Askance::start(&settings);
    attack(&server, "198.51.100.7");
    stop(server);
    for (round, sources_max) in [65_536, 1_024, 1_024, 32_768].into_iter().enumerate() {
        let server = Askance::start(&with(sources_max));
        let code = judged(&server, &format!("anna-{round}"), "198.51.100.7");
        assert_eq!(code, "high_velocity", "{sources_max} sources: {}", server.log());
        stop(server);
    }
}
