//! The device cookie over the API: whose it is, how it goes on, and what a copy of it means.

use crate::support::{Askance, Client, Settings, json_of, plain_login, run, time_from_now, with};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn score(client: &Client, user: &str, change: Value) -> Value {
    json_of(&client.score(&with(plain_login(user), change)))
}

fn token(answer: &Value) -> &str {
    answer["device"]["token"].as_str().expect("every answer carries the cookie")
}

fn new_device(answer: &Value) -> (&str, &str) {
    let code = answer["risk_assessment"]["assessments"]["NewDevice"]["code"].as_str().unwrap();
    (answer["device"]["presented"].as_str().unwrap(), code)
}

fn key_file(directory: &Path, name: &str, digit: &str, mode: u32) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, digit.repeat(64) + "\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn with_keys(paths: &[&Path]) -> Settings {
    let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    Settings::new().set("device_token.key_files", paths)
}

#[test]
fn a_cookie_is_for_browsers_and_goes_on_with_every_answer() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let first = score(&client, "cookie", json!({}));
    let header = first["device"]["set_cookie"].as_str().unwrap();
    let attributes = "; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax";
    assert_eq!(header, format!("__Host-askance_device={}{attributes}", token(&first)));
    let second = score(&client, "cookie", json!({"device_token": token(&first)}));
    assert_eq!(new_device(&second), ("good", "match"), "{second}");
    assert_ne!(token(&first), token(&second));
    assert!(token(&second).len() <= 256, "a cookie is short");
}

#[test]
fn a_cookie_is_its_users_and_four_of_them_share_a_browser() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let mut cookie = token(&score(&client, "user-0", json!({}))).to_owned();
    for number in 1..4 {
        let answer = score(&client, &format!("user-{number}"), json!({"device_token": cookie}));
        assert_eq!(new_device(&answer).0, "absent", "another user's cookie is none of this one's: {answer}");
        token(&answer).clone_into(&mut cookie);
    }
    for number in 0..4 {
        let answer = score(&client, &format!("user-{number}"), json!({"device_token": cookie}));
        assert_eq!(new_device(&answer), ("good", "match"), "{answer}");
        token(&answer).clone_into(&mut cookie);
    }
    let other_tenant = score(&client, "user-0", json!({"device_token": cookie, "tenant": "other"}));
    assert_eq!(new_device(&other_tenant), ("absent", "initial_login"), "{other_tenant}");
    for bad in ["", "00", "zz", &cookie[2..], &cookie.to_uppercase()] {
        let answer = score(&client, "user-0", json!({"device_token": bad}));
        assert_eq!(new_device(&answer).0, "bad", "{bad:?}: {answer}");
    }
}

/// The user's cookie is copied; the thief uses it twice, and so is ahead of the user, who comes back.
#[test]
fn a_copy_is_told_whoever_comes_second_and_nobody_has_the_device_any_more() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let at = |seconds, cookie: &str| json!({"time": time_from_now(seconds), "device_token": cookie});
    let issued = score(&client, "copied", json!({"time": time_from_now(-290)}));
    let theirs = score(&client, "copied", at(-280, token(&issued)));
    let theirs = score(&client, "copied", at(-270, token(&theirs)));
    assert_eq!(theirs["device"]["presented"], "good");
    let owner = score(&client, "copied", at(-200, token(&issued)));
    assert_eq!(new_device(&owner), ("copied", "device_reused"), "{owner}");
    assert_eq!((&owner["action"], &owner["reasons"][0]["code"]), (&json!("challenge"), &json!("device_reused")));
    // The thief's is no longer worth anything, though it was ahead.
    let again = score(&client, "copied", at(-190, token(&theirs)));
    assert_ne!(again["risk_assessment"]["assessments"]["NewDevice"]["details"]["device"], "known", "{again}");
    // Who passes the factor gets a device of their own.
    let path = format!("/v1/decisions/{}/outcome", owner["decision_id"].as_str().unwrap());
    assert_eq!(client.post(&path, &json!({"result": "success", "factor": "totp"})).status, 204);
    let after = score(&client, "copied", at(-180, token(&owner)));
    assert_eq!(new_device(&after), ("good", "match"), "{after}");
}

#[test]
fn a_cookie_outlives_the_process_under_a_key_of_a_file_and_one_change_of_it() {
    let directory = TempDir::new().unwrap();
    let old = key_file(directory.path(), "old.key", "a", 0o600);
    let new = key_file(directory.path(), "new.key", "b", 0o400);
    let cookie = {
        let server = Askance::start(&with_keys(&[&old]));
        token(&score(&server.main(), "restart", json!({}))).to_owned()
    };
    for (keys, presented) in
        [(vec![&*old], "good"), (vec![&*new, &*old], "good"), (vec![&*new], "bad"), (vec![], "bad")]
    {
        let server = Askance::start(&with_keys(&keys));
        let answer = score(&server.main(), "restart", json!({"device_token": cookie}));
        assert_eq!(answer["device"]["presented"], presented, "{keys:?}: {answer}");
    }
}

#[test]
fn a_key_that_is_none_or_that_others_may_read_stops_the_start_and_is_not_shown() {
    let directory = TempDir::new().unwrap();
    let open = key_file(directory.path(), "open.key", "c", 0o644);
    let short = directory.path().join("short.key");
    std::fs::write(&short, "cccc").unwrap();
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (path, why) in
        [(&open, "chmod 600"), (&short, "64 hex digits"), (&directory.path().join("none"), "No such file")]
    {
        let config = format!("[device_token]\nkey_files = [{path:?}]\n");
        std::fs::write(directory.path().join("askance.toml"), config).unwrap();
        let checked = run(directory.path(), &["--config", "askance.toml", "check-config"], &[]);
        assert_eq!(checked.code, Some(2), "{}", checked.output());
        assert!(checked.output().contains("device_token.key_files") && checked.output().contains(why));
        assert!(!checked.output().contains("cccc"), "a key is never shown: {}", checked.output());
    }
}
