//! A disk that is full, as the system says it: class 1 is refused, logins go on, and all is well again by itself.

use crate::support::{Askance, Request, Settings, assert_problem, eventually, import, json_of, risky_login, score};
use serde_json::{Value, json};
use tempfile::TempDir;

fn settings(state: &TempDir) -> Settings {
    Settings::new()
        .set("memory.backend", "embedded")
        .set("memory.path", state.path().join("state").to_str().unwrap())
        .set("memory.flush_ms", 10)
}

/// Everything that is answered only when it is on the disk.
fn promises(decision: &str, labelled: &str) -> [Request; 4] {
    [
        Request::post(&format!("/v1/decisions/{decision}/outcome"))
            .json(&json!({"result": "success", "factor": "totp"})),
        Request::post(&format!("/v1/decisions/{labelled}/feedback")).json(&json!({"label": "fraud"})),
        Request::new("DELETE", "/v1/users/anna/devices/0000000000000001"),
        Request::new("DELETE", "/v1/users/berta"),
    ]
}

fn id(decision: &Value) -> String {
    decision["decision_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_full_disk_stops_promises_and_no_login_until_there_is_room_again() {
    let state = TempDir::new().unwrap();
    let mut server = Askance::start_with_limits(&settings(&state));
    for user in ["anna", "berta"] {
        import(&server, user, json!({}));
    }
    let waiting = json_of(&server.main().score(&risky_login("carla")));
    let labelled = json_of(&server.main().score(&risky_login("dora")));

    server.limit_files(Some(0));
    // The next write fails, and only then it is known.
    let is_degraded = || {
        import(&server, "anna", json!({"device_id": "while-full"}));
        let answer = score(&server, "anna", json!({}));
        (answer["degraded"] == json!(["memory"])).then_some(answer)
    };
    let answer = eventually("an answer that says what it lacks", is_degraded);
    let code = |answer: &Value| answer["risk_assessment"]["assessments"]["NewDevice"]["code"].clone();
    assert_eq!(code(&answer), "match", "logins go on, with all that is known: {answer}");
    for request in promises(&id(&waiting), &id(&labelled)) {
        assert_problem(&server.main().send(request), 503, "memory.unavailable");
    }
    let ready = server.admin().get("/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    let ready = json_of(&ready);
    assert_eq!(ready["memory"], json!({"backend": "embedded", "degraded": true}));
    assert!(ready["notes"].to_string().contains("memory is degraded"), "{ready}");

    server.limit_files(None);
    for request in promises(&id(&waiting), &id(&labelled)) {
        eventually("what is asked for is done", || {
            let answer = server.main().send(request.clone());
            assert!(matches!(answer.status, 204 | 503), "{answer:?}");
            (answer.status == 204).then_some(())
        });
    }
    let answer = score(&server, "anna", json!({}));
    assert!(answer["degraded"].is_null(), "{answer}");
    assert_eq!(json_of(&server.admin().get("/readyz"))["memory"]["degraded"], false);

    server.signal("KILL");
    server.wait_for_exit();
    let server = Askance::start(&settings(&state));
    let known = score(&server, "anna", json!({"device_id": "while-full"}));
    assert_eq!(code(&known), "match", "what was learnt meanwhile reached the disk with what was promised: {known}");
    let carla = score(&server, "carla", json!({"device_id": null, "device_token": waiting["device"]["token"]}));
    assert_eq!(code(&carla), "match", "{carla}");
    assert_eq!(code(&score(&server, "berta", json!({}))), "initial_login", "berta is erased");
}
