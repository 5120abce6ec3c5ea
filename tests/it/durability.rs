//! What the embedded memory keeps: over a stop, over a crash, and for one process at a time.

mod velocity;

use crate::support::{Askance, Settings, eventually, import, json_of, risky_login, score};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

fn embedded(state: &Path) -> Settings {
    Settings::new()
        .set("memory.backend", "embedded")
        .set("memory.path", state.to_str().expect("a UTF-8 path"))
        // Only what is waited for is written, but for the end.
        .set("memory.flush_ms", 60_000)
}

fn stop(mut server: Askance) {
    server.signal("TERM");
    assert!(server.wait_for_exit().success(), "{}", server.log());
}

/// The code of `NewDevice` for a login with this cookie.
fn device_code(server: &Askance, user: &str, token: &serde_json::Value) -> serde_json::Value {
    let answer = score(server, user, json!({"device_id": null, "device_token": token}));
    answer["risk_assessment"]["assessments"]["NewDevice"]["code"].clone()
}

#[test]
fn users_and_their_browsers_are_known_after_a_restart() {
    let state = TempDir::new().unwrap();
    let settings = embedded(&state.path().join("state"));
    let server = Askance::start(&settings);
    assert!(server.admin().get("/readyz").text().contains(r#""memory":{"backend":"embedded","degraded":false}"#));
    assert!(!server.log().contains("volatile"), "{}", server.log());
    import(&server, "anna", json!({}));
    // Two logins, so that what the second one teaches is behind what it was taught before.
    score(&server, "anna", json!({}));
    import(&server, "anna", json!({"device_id": "d2"}));
    stop(server);
    let server = Askance::start(&settings);
    assert!(server.log().contains(r#""users":1"#), "{}", server.log());
    for (user, device, code) in [("anna", "d1", "match"), ("anna", "d2", "match"), ("berta", "d1", "initial_login")] {
        let answer = score(&server, user, json!({"device_id": device}));
        assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], code, "{user} on {device}");
    }
}

/// What a sync is worth is a matter of power failures.
#[test]
fn an_outcome_that_was_acknowledged_outlives_the_end_of_its_process_under_every_sync() {
    for sync in ["always", "everysec", "never"] {
        let state = TempDir::new().unwrap();
        let settings = embedded(&state.path().join("state")).set("memory.sync", sync);
        let mut server = Askance::start(&settings);
        let challenged = json_of(&server.main().score(&risky_login("carla")));
        let outcome = format!("/v1/decisions/{}/outcome", challenged["decision_id"].as_str().unwrap());
        let told = server.main().post(&outcome, &json!({"result": "success", "factor": "totp"}));
        assert_eq!(told.status, 204, "{told:?}");
        server.signal("KILL");
        server.wait_for_exit();
        let server = Askance::start(&settings);
        let token = &challenged["device"]["token"];
        assert_eq!(device_code(&server, "carla", token), "match", "{sync}");
    }
}

#[test]
fn what_nobody_waited_for_is_written_within_its_window() {
    let state = TempDir::new().unwrap();
    let settings = embedded(&state.path().join("state")).set("memory.flush_ms", 10);
    let mut server = Askance::start(&settings);
    import(&server, "dora", json!({}));
    eventually("a row on the disk", || {
        let metrics = server.admin().get("/metrics").text();
        metrics.contains("askance_memory_rows_written_total 1").then_some(())
    });
    server.signal("KILL");
    server.wait_for_exit();
    let server = Askance::start(&settings);
    assert_eq!(server.main().get("/v1/users/dora").status, 200);
    let answer = score(&server, "dora", json!({}));
    assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], "match");
}

#[test]
fn one_process_at_a_time_has_a_store() {
    let state = TempDir::new().unwrap();
    let settings = embedded(&state.path().join("state"));
    let first = Askance::start(&settings);
    let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("it is taken");
    assert_eq!(refusal.code, Some(1), "{}", refusal.log);
    assert!(refusal.log.contains("another process has the store"), "{}", refusal.log);
    stop(first);
    stop(Askance::start(&settings));
}

#[test]
fn a_store_without_its_key_or_with_another_stops_the_start() {
    let state = TempDir::new().unwrap();
    let path = state.path().join("state");
    let settings = embedded(&path);
    stop(Askance::start(&settings));
    let key = path.join("pseudonymise.key");
    let kept = std::fs::read(&key).unwrap();
    for (wrong, told) in [(None, "pseudonymise.key"), (Some("0".repeat(64)), "another pseudonymisation key")] {
        match wrong {
            None => std::fs::remove_file(&key).unwrap(),
            Some(text) => write_private(&key, text.as_bytes()),
        }
        let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("nobody would be found");
        assert!(refusal.log.contains(told), "{}", refusal.log);
    }
    write_private(&key, &kept);
    stop(Askance::start(&settings.set("memory.must_exist", true)));
    let missing = embedded(&state.path().join("elsewhere")).set("memory.must_exist", true);
    let refusal = Askance::try_start(&missing, TempDir::new().unwrap()).expect_err("there is no store");
    assert!(refusal.log.contains("memory.must_exist"), "{}", refusal.log);
}

fn write_private(path: &Path, text: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text).unwrap();
}
