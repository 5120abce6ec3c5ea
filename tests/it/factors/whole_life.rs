//! The whole life of every factor, with a log that says all it can: of what passed, nothing lies in the log or in the store.
//!
//! Every server of every test is searched when it ends; here it is counted that there was something to search for, and where.

use super::lab::{App, Lab, minted, signing_up};
use super::passkeys::{ORIGIN, taking_passkeys};
use crate::support::authenticator::Authenticator;
use crate::support::redis::RedisServer;
use crate::support::{ApiClient, Settings, assert_problem, plain_login, secrets};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

const NUMBER: &str = "+819012345678";
const ADDRESS: &str = "Their.Mail@example.org";

/// What everybody who has factors goes through: each is bound, mistaken once, proved, and of some removed again.
fn live(lab: &Lab) {
    let token = minted(&signing_up("someone"));
    let bind = |wish: &serde_json::Value, to: &str| {
        let begun = lab.good("/v1/mfa/enroll", wish);
        let code = lab.provider.code(to);
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for (code, status) in [(wrong, 400), (&*code, 200)] {
            let answer = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": code});
            assert_eq!(lab.post("/v1/mfa/enroll/verify", &answer).status, status);
        }
    };
    let (app, codes) = lab.bind_app(&token);
    bind(&json!({"mfa_token": token, "factor": "sms", "phone_number": NUMBER}), NUMBER);
    bind(&json!({"mfa_token": token, "factor": "email", "email": ADDRESS}), ADDRESS);
    let mut passkey = Authenticator::new(ORIGIN);
    lab.bind_passkey(&token, &passkey);
    let prove = |factor: &str, code: &dyn Fn(&App) -> String| {
        let token = lab.token("someone");
        let id = lab.challenge(&token, factor);
        assert_eq!(lab.verify(&token, &id, "no code").status, 400);
        assert_eq!(lab.verify(&token, &id, &code(&app)).status, 200, "{factor}");
    };
    prove("totp", &|app| app.code(1));
    prove("backup_code", &|_| codes[0].clone());
    prove("sms", &|_| lab.provider.code(NUMBER));
    prove("email", &|_| lab.provider.code(ADDRESS));
    lab.prove_by_passkey(&lab.token("someone"), &mut passkey);
    let arrival = json!({"user": {"id": "someone-new"}, "event": "sign_up", "verified": {"phone": "+819011112222"}});
    lab.good("/v1/mfa/onboard", &arrival);
    // Whoever breaks off in the middle leaves an enrolment, and a provider that fails leaves an error.
    let token = minted(&signing_up("someone-else"));
    lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
    lab.provider.answer("500 Internal Server Error");
    let sms = json!({"mfa_token": token, "factor": "sms", "phone_number": "+819033334444"});
    assert_problem(&lab.post("/v1/mfa/enroll", &sms), 502, "connector.general");
    lab.provider.answer("200 OK");
}

fn says_all(settings: Settings) -> Settings {
    taking_passkeys(settings).set("telemetry.log", "trace")
}

fn embedded(state: &Path) -> impl FnOnce(Settings) -> Settings {
    let state = state.to_str().unwrap().to_owned();
    move |settings| says_all(settings).set("memory.backend", "embedded").set("memory.path", state)
}

#[test]
fn of_the_whole_life_of_every_factor_nothing_lies_in_the_log_or_in_the_store() {
    let directory = TempDir::new().unwrap();
    let mut lab = Lab::with(embedded(&directory.path().join("state")));
    live(&lab);
    // As a crash leaves it: a stop writes the store anew.
    lab.server.signal("KILL");
    lab.server.wait_for_exit();
    let searched = lab.server.search();
    for (kind, at_least) in [
        // Codes of an app are the same for half a minute.
        ("a code", 5),
        ("a backup code", 10),
        ("the secret of an app", 4),
        ("an mfa token", 7),
        ("an assertion", 10),
        ("a number", 3),
        ("an address", 2),
        ("a device cookie", 5),
        ("a key of factors", 1),
    ] {
        assert!(secrets::count(kind) >= at_least, "{kind}: {}", secrets::count(kind));
    }
    assert!(searched.secrets >= 50 && searched.log_bytes > 200 && searched.store_bytes > 4_096, "{searched:?}");
}

/// The same in a Redis: what it holds, and what it wrote.
#[test]
fn of_the_whole_life_of_every_factor_nothing_lies_in_redis() {
    let redis = RedisServer::start();
    let files = TempDir::new().unwrap();
    let key = super::lab::key_file(files.path()).to_str().unwrap().to_owned();
    let assertion = super::lab::assertion_key(files.path()).to_str().unwrap().to_owned();
    let lab = Lab::with(|settings| {
        says_all(settings)
            .set("memory.backend", "redis")
            .set("memory.url", redis.url())
            .set("memory.timeout_ms", 10_000)
            .set("privacy.pseudonymise_key_file", key.clone())
            .set("device_token.key_files", vec![key.clone()])
            .set("mfa.assertion.key_files", vec![assertion])
    });
    live(&lab);
    drop(lab);
    let searched = redis.search();
    assert!(searched.secrets >= 50 && searched.store_bytes > 4_096, "{searched:?}");
}

/// Clients are known by the hashes of their keys.
#[test]
fn no_key_of_a_client_stands_in_the_log() {
    let client = ApiClient::new("portal", &["score", "mfa"]);
    let mut lab = Lab::with(|settings| says_all(settings).client(&client));
    let main = lab.server.main();
    let login = main.with_key(&client.key).score(&plain_login("someone"));
    assert_problem(&login, 422, "request.invalid");
    assert_problem(&main.with_key("a-key-that-nobody-has").get("/v1/mfa/factors"), 401, "auth.key_invalid");
    assert!(secrets::count("a key of a client") >= 2);
    assert!(lab.server.search().log_bytes > 0);
}
