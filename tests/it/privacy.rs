//! What of people lies on the disk: nothing in clear, nothing once they are erased; and that keys can be replaced.

use crate::support::{Askance, Request, Settings, import, json_of, plain_login, risky_login, score, with};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn key_file(directory: &Path, name: &str, digit: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, digit.repeat(64) + "\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn settings(state: &Path, keys: &[&Path]) -> Settings {
    let keys: Vec<_> = keys.iter().map(|path| path.to_str().unwrap()).collect();
    Settings::new()
        .set("memory.backend", "embedded")
        .set("memory.path", state.to_str().unwrap())
        .set("privacy.pseudonymise_key_file", keys)
}

fn stop(mut server: Askance) {
    server.signal("TERM");
    assert!(server.wait_for_exit().success(), "{}", server.log());
}

fn new_device(server: &Askance, user: &str, change: Value) -> Value {
    score(server, user, change)["risk_assessment"]["assessments"]["NewDevice"]["code"].clone()
}

fn erase(server: &Askance, user: &str) {
    let answer = server.main().send(Request::new("DELETE", &format!("/v1/users/{user}")));
    assert_eq!(answer.status, 204, "{answer:?}");
}

fn devices(server: &Askance, user: &str) -> usize {
    json_of(&server.main().get(&format!("/v1/users/{user}")))["devices"].as_array().unwrap().len()
}

#[test]
fn a_key_is_replaced_and_everybody_who_comes_meanwhile_stays_known() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let [old, new] = [("old.key", "a"), ("new.key", "b")].map(|(name, digit)| key_file(directory.path(), name, digit));
    let server = Askance::start(&settings(&state, &[&old]));
    for user in ["scored", "imported", "shown", "erased", "away"] {
        import(&server, user, json!({}));
    }
    let waiting = ["waiting", "listed"].map(|user| json_of(&server.main().score(&risky_login(user))));
    stop(server);
    let both = settings(&state, &[&new, &old]);
    let server = Askance::start(&both);
    let outcome = format!("/v1/decisions/{}/outcome", waiting[0]["decision_id"].as_str().unwrap());
    let told = server.main().post(&outcome, &json!({"result": "success", "factor": "totp"}));
    assert_eq!(told.status, 204, "what waited under the old key waits on: {told:?}");
    assert_eq!(new_device(&server, "scored", json!({"device_id": "d1"})), "match");
    import(&server, "imported", json!({"device_id": "d2"}));
    assert_eq!(devices(&server, "shown"), 1);
    erase(&server, "erased");
    stop(server);
    let refusal = Askance::try_start(&settings(&state, &[&old]), TempDir::new().unwrap());
    let refusal = refusal.expect_err("the store is of the new key now");
    assert!(refusal.log.contains("another pseudonymisation key"), "{}", refusal.log);
    let server = Askance::start(&settings(&state, &[&new]));
    assert!(server.log().contains(r#""users":5"#), "one was erased, nobody is there twice: {}", server.log());
    for (user, known) in [("scored", 1), ("imported", 2), ("shown", 1), ("waiting", 1), ("erased", 0), ("away", 0)] {
        assert_eq!(devices(&server, user), known, "{user}");
    }
    for user in ["waiting", "listed"] {
        let listed = json_of(&server.main().get(&format!("/v1/decisions?user={user}")));
        assert_eq!(listed["decisions"].as_array().map(Vec::len), Some(1), "{listed}");
    }
    stop(server);
    let server = Askance::start(&both);
    assert_eq!(devices(&server, "away"), 1, "as long as the old key is there, nobody is lost");
    assert_eq!(devices(&server, "erased"), 0);
}

/// All bytes below a directory.
fn bytes_below(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.flat_map(|path| if path.is_dir() { bytes_below(&path) } else { std::fs::read(path).unwrap() }).collect()
}

/// Everything by which a client names people, and what is made of it.
#[test]
fn nobody_stands_on_the_disk_in_clear() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let server = Askance::start(&settings(&state, &[]));
    let person = json!({
        "user": {"id": "someone-who-is-named", "phone_number": "+447700900123", "enrolled_factors": ["totp"]},
        "tenant": "default", "device_id": "a-device-of-theirs", "session_id": "a-session-of-theirs",
    });
    json_of(&server.main().score(&with(plain_login("someone-who-is-named"), person)));
    let risky = with(risky_login("someone-who-is-named"), json!({"ip": "198.51.100.77"}));
    let waiting = json_of(&server.main().score(&risky));
    let token = waiting["device"]["token"].as_str().unwrap();
    let kept = |name: &str| std::fs::read_to_string(state.join(name)).unwrap();
    let keys = [kept("pseudonymise.key"), kept("device-token.key")];
    stop(server);
    let bytes = bytes_below(&state);
    assert!(bytes.len() > 4096, "there is a store");
    for name in [
        "someone-who-is-named",
        "447700900123",
        "a-device-of-theirs",
        "a-session-of-theirs",
        "198.51.100.77",
        token,
        waiting["decision_id"].as_str().unwrap(),
    ] {
        assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    assert!(keys.iter().all(|key| key.trim().len() == 64));
}

/// What stands on the disk of a user has no name, so that it is looked for by what the service calls it: a device and a decision.
#[test]
fn nothing_of_an_erased_user_is_on_the_disk_after_a_stop() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let settings = settings(&state, &[]);
    let server = Askance::start(&settings);
    import(&server, "erased", json!({}));
    import(&server, "other", json!({}));
    let waiting = json_of(&server.main().score(&risky_login("erased")));
    let decision = waiting["decision_id"].as_str().unwrap().replace('-', "");
    let decision = u128::from_str_radix(&decision, 16).unwrap().to_le_bytes();
    let tag = |user: &str| {
        let shown = json_of(&server.main().get(&format!("/v1/users/{user}")));
        u64::from_str_radix(shown["devices"][0]["id"].as_str().unwrap(), 16).unwrap().to_le_bytes()
    };
    let (tag, of_other) = (tag("erased"), tag("other"));
    stop(server);
    let is_there = |what: &[u8]| bytes_below(&state).windows(what.len()).any(|window| window == what);
    assert!(is_there(&tag) && is_there(&decision) && is_there(&of_other));
    let server = Askance::start(&settings);
    erase(&server, "erased");
    stop(server);
    assert_eq!((is_there(&tag), is_there(&decision), is_there(&of_other)), (false, false, true));
}

/// Where a user was last, to whatever is kept of it.
fn latitude(server: &Askance, user: &str) -> f64 {
    json_of(&server.main().get(&format!("/v1/users/{user}")))["places"][0]["latitude"].as_f64().unwrap()
}

#[test]
fn coordinates_are_exact_until_they_are_written() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory.path().join("state"), &[]).set("privacy.coordinate_decimals", 1);
    let settings = settings.set("verdict.policy", "always");
    let server = Askance::start(&settings);
    let place = json!({"latitude": 51.123_456, "longitude": -0.123_456, "accuracy_radius_km": 1, "country": "GB"});
    import(&server, "placed", json!({"location": place}));
    assert!((latitude(&server, "placed") - 51.123_456).abs() < 1e-9);
    let waiting = json_of(&server.main().score(&with(plain_login("waiting"), json!({"location": place}))));
    stop(server);
    let server = Askance::start(&settings);
    assert!((latitude(&server, "placed") - 51.1).abs() < 1e-9);
    let outcome = format!("/v1/decisions/{}/outcome", waiting["decision_id"].as_str().unwrap());
    assert_eq!(server.main().post(&outcome, &json!({"result": "success", "factor": "totp"})).status, 204);
    assert!((latitude(&server, "waiting") - 51.1).abs() < 1e-9, "what was sealed is not more exact either");
}

/// A cookie is no history: what an erased user's browser still holds makes nothing known again.
#[test]
fn a_cookie_of_an_erased_user_makes_no_device_known() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory.path().join("state"), &[]);
    let server = Askance::start(&settings);
    let first = score(&server, "erased", json!({"device_id": null}));
    let cookie = json!({"device_id": null, "device_token": first["device"]["token"]});
    assert_eq!(new_device(&server, "erased", cookie.clone()), "match");
    erase(&server, "erased");
    stop(server);
    let server = Askance::start(&settings);
    let old_account = json!({"user": {"created_at": "2020-01-01T00:00:00Z"}});
    for (change, code) in [(json!({}), "initial_login"), (old_account, "history_missing")] {
        let login = with(with(plain_login("erased"), cookie.clone()), change);
        let answer = json_of(&server.main().score(&login));
        assert_eq!(answer["device"]["presented"], "good", "it is one of ours: {answer}");
        assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], code, "{answer}");
        erase(&server, "erased");
    }
}
