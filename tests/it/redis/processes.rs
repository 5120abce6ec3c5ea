//! Two processes of askance on one Redis, spoken to over HTTP.

use crate::support::redis::RedisServer;
use crate::support::{
    Askance, Request, Response, Settings, assert_problem, eventually, json_of, plain_login, risky_login, with,
};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// Keys that both processes have.
pub(super) struct Keys(TempDir);

impl Keys {
    pub(super) fn new() -> Self {
        let keys = Self(TempDir::new().unwrap());
        keys.write("pseudonymise.key", "a");
        keys.write("device.key", "b");
        keys
    }

    /// A key of this digit. Gives its path.
    fn write(&self, name: &str, digit: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, digit.repeat(64)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// What a replica is told.
    pub(super) fn settings(&self, server: &RedisServer) -> Settings {
        Settings::new()
            .set("memory.backend", "redis")
            .set("memory.url", server.url())
            .set("privacy.pseudonymise_key_file", self.path("pseudonymise.key"))
            .set("device_token.key_files", vec![self.path("device.key")])
    }
}

fn start(settings: &Settings) -> Askance {
    Askance::start(settings)
}

fn new_device(answer: &Value) -> &str {
    answer["risk_assessment"]["assessments"]["NewDevice"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn settle(askance: &Askance, decision: &Value, outcome: &Value) -> Response {
    let id = decision["decision_id"].as_str().unwrap_or_else(|| panic!("{decision}"));
    askance.main().post(&format!("/v1/decisions/{id}/outcome"), outcome)
}

#[test]
fn a_device_learnt_by_one_process_is_known_to_the_other_on_the_next_call() {
    let (server, keys) = (RedisServer::start(), Keys::new());
    let settings = keys.settings(&server).set("memory.timeout_ms", 5_000);
    let (one, other) = (start(&settings), start(&settings));
    let login = |user: &str, device: &str| with(plain_login(user), json!({"device_id": device}));
    for (at, device) in ["d1", "d2", "d3"].into_iter().enumerate() {
        let (first, second) = if at % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let challenged = json_of(&first.main().score(&login("alice", device)));
        // A first login, or one on a new device: whoever is asked, the other one takes the outcome, once.
        let success = json!({"result": "success", "factor": "totp"});
        assert_eq!(settle(second, &challenged, &success).status, 204, "{challenged}");
        assert_eq!(settle(first, &challenged, &success).status, 204, "told again");
        assert_problem(&settle(first, &challenged, &json!({"result": "failure"})), 409, "decision.already_settled");
        let known = json_of(&second.main().score(&login("alice", device)));
        assert_eq!(new_device(&known), "match", "{known}");
        assert_eq!(known.get("degraded"), None);
    }
    let listed = json_of(&one.main().get("/v1/decisions?limit=50"));
    assert_eq!(listed["decisions"].as_array().map(Vec::len), Some(6), "{listed}");
}

#[test]
fn failures_told_to_two_processes_are_one_attack_to_both() {
    let (server, keys) = (RedisServer::start(), Keys::new());
    let settings = keys.settings(&server).set("memory.timeout_ms", 5_000);
    let processes = [start(&settings), start(&settings)];
    let fail = |process: &Askance, user: &str, ip: &str| {
        let failure = json!({"user": {"id": user}, "ip": ip, "kind": "password"});
        assert_eq!(process.main().post("/v1/failures", &failure).status, 204);
    };
    // Eight of two users each are below every threshold.
    for number in 0..16 {
        fail(&processes[number % 2], &format!("tried-{}", number / 8), "198.51.100.7");
    }
    // One more each, by which it is seen that all of before was told: an address and a prefix.
    for (process, ip) in processes.iter().zip(["192.0.2.9", "203.0.113.9"]) {
        fail(process, "tried", ip);
    }
    for process in &processes {
        eventually("the other's failures are known", || {
            process.admin().get("/metrics").text().contains("askance_velocity_sources 6").then_some(())
        });
        let login = with(plain_login("stranger"), json!({"ip": "198.51.100.7"}));
        let answer = json_of(&process.main().score(&login));
        let assessment = &answer["risk_assessment"]["assessments"]["UntrustedIP"];
        assert_eq!(assessment["details"]["failures"], 16, "{answer}");
    }
}

#[test]
fn a_key_is_replaced_and_whoever_was_known_still_is() {
    let (server, keys) = (RedisServer::start(), Keys::new());
    let before = keys.settings(&server).set("memory.timeout_ms", 5_000);
    let new = keys.write("new.key", "c");
    let both = before.clone().set("privacy.pseudonymise_key_file", vec![new, keys.path("pseudonymise.key")]);
    let old = start(&before);
    let login = with(plain_login("alice"), json!({"device_id": "d1"}));
    let success = json!({"result": "success", "factor": "totp"});
    let first = json_of(&old.main().score(&login));
    assert_eq!(settle(&old, &first, &success).status, 204, "{first}");
    let waits = json_of(&old.main().score(&risky_login("alice")));
    let next = start(&both);
    let known = json_of(&next.main().score(&login));
    assert_eq!(new_device(&known), "match", "{known}");
    assert_eq!(settle(&next, &waits, &success).status, 204);
    let listed = json_of(&next.main().get("/v1/decisions?user=alice"));
    assert_eq!(listed["decisions"].as_array().map(Vec::len), Some(3), "{listed}");
    eventually("the process that has the old key only says that it is alone", || {
        (json_of(&old.main().score(&login))["degraded"] == json!(["memory"])).then_some(())
    });
    assert!(old.log().contains("shut out"), "{}", old.log());
    assert_eq!(next.main().send(Request::new("DELETE", "/v1/users/alice")).status, 204);
    let listed = json_of(&next.main().get("/v1/decisions?limit=50"));
    assert_eq!(listed["decisions"], json!([]), "{listed}");
}

#[test]
fn without_redis_scores_say_so_and_what_must_not_be_lost_is_refused_until_it_is_back() {
    let (mut server, keys) = (RedisServer::start(), Keys::new());
    let settings = keys.settings(&server).set("memory.timeout_ms", 100);
    let askance = start(&settings);
    let login = with(plain_login("alice"), json!({"device_id": "d1"}));
    let shared = |answer: &Value| answer.get("degraded").is_none();
    let waits =
        eventually("Redis is in time", || Some(json_of(&askance.main().score(&risky_login("alice")))).filter(shared));
    let failure = json!({"result": "failure"});
    server.kill();
    let alone = json_of(&askance.main().score(&login));
    assert_eq!(alone["degraded"], json!(["memory"]), "{alone}");
    let stranger = json_of(&askance.main().score(&plain_login("bob")));
    assert_eq!(stranger["degraded"], json!(["memory"]));
    assert_eq!(new_device(&stranger), "assessment_not_available", "{stranger}");
    assert_problem(&settle(&askance, &waits, &failure), 503, "memory.unavailable");
    assert_problem(&askance.main().send(Request::new("DELETE", "/v1/users/alice")), 503, "memory.unavailable");
    server.restart();
    eventually("it serves again", || Some(json_of(&askance.main().score(&login))).filter(shared));
    eventually("outcomes are taken again", || (settle(&askance, &waits, &failure).status == 204).then_some(()));
}

#[test]
fn keys_must_be_named_and_a_password_is_no_part_of_the_address() {
    let (server, keys) = (RedisServer::start(), Keys::new());
    let unnamed = |key: &str, value: toml::Value| keys.settings(&server).set(key, value);
    for (settings, word) in [
        (unnamed("privacy.pseudonymise_key_file", toml::Value::Array(Vec::new())), "privacy.pseudonymise_key_file"),
        (unnamed("device_token.key_files", toml::Value::Array(Vec::new())), "device_token.key_files"),
        (keys.settings(&server).set("memory.url", "redis://:secret@127.0.0.1:1"), "memory.redis.password_file"),
        (keys.settings(&server).set("memory.url", "redis://127.0.0.1:1"), "127.0.0.1:1"),
        (keys.settings(&server).set("memory.redis.ca_file", "/nonexistent/ca"), "memory.redis.ca_file"),
    ] {
        let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("not to be started");
        assert!(refusal.log.contains(word) && !refusal.log.contains("secret"), "{word}: {}", refusal.log);
    }
}
