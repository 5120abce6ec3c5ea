//! What the hooks keep where it lasts, and where replicas share it.

use super::support::{
    ELSEWHERE, HOME, assert_allowed, assert_challenged, cookies, follow, rd_of, request, settings, way_back,
};
use crate::support::redis::RedisServer;
use crate::support::{Askance, Response, Settings, assert_problem};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const PAGE: [(&str, &str); 3] =
    [("x-forwarded-proto", "https"), ("x-forwarded-host", "app.example.org"), ("x-forwarded-uri", "/")];

/// Only a proof lets anybody in.
fn always() -> Settings {
    settings()
        .set("verdict.policy", "always")
        .set("hooks.return_hosts", toml::Value::Array(vec!["app.example.org".into()]))
        // A store on a machine that is busy takes its time.
        .set("hooks.deadline_ms", 20_000)
}

fn ask(server: &Askance, headers: &[(&str, &str)]) -> Response {
    server.hooks().send(request("GET", "/v1/hook/forward", &[&PAGE[..], headers].concat()))
}

#[test]
fn a_ticket_that_was_used_is_used_after_a_crash_and_its_cookie_still_good() {
    let state = TempDir::new().unwrap();
    let path = state.path().join("state");
    let settings = always().set("memory.backend", "embedded").set("memory.path", path.to_str().unwrap());
    // Nothing is written but what is waited for.
    let settings = settings.set("memory.flush_ms", 60_000);
    let mut server = Askance::start(&settings);
    let back = way_back(&server, &rd_of(&ask(&server, &[])));
    let answer = follow(&server, &back, &[]);
    assert_eq!(answer.status, 303, "{answer:?}");
    server.signal("KILL");
    server.wait_for_exit();
    let server = Askance::start(&settings);
    assert_problem(&follow(&server, &back, &[]), 403, "hook.ticket");
    assert_allowed(&ask(&server, &[("cookie", &cookies(&answer))]), "alice");
    assert_challenged(&ask(&server, &[]));
}

/// Keys that all replicas have.
fn keys() -> (TempDir, impl Fn(Settings) -> Settings) {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, digit: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, digit.repeat(64)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (users, devices) = (write("users.key", "a"), write("devices.key", "b"));
    let named = move |settings: Settings| {
        settings
            .set("privacy.pseudonymise_key_file", users.clone())
            .set("device_token.key_files", vec![devices.clone()])
    };
    (directory, named)
}

#[test]
fn a_factor_that_was_passed_at_one_replica_counts_at_the_other() {
    let (redis, (_directory, with_keys)) = (RedisServer::start(), keys());
    let shared = with_keys(always())
        .set("memory.backend", "redis")
        .set("memory.url", redis.url())
        .set("memory.timeout_ms", 10_000);
    let (one, other) = (Askance::start(&shared), Askance::start(&shared));
    for (user, from) in [("alice", HOME), ("stranger", ELSEWHERE)] {
        let who = [("remote-user", user), ("x-forwarded-for", from)];
        let back = way_back(&other, &rd_of(&ask(&one, &who)));
        let answer = follow(&other, &back, &who);
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_problem(&follow(&one, &back, &who), 403, "hook.ticket");
        let cookie = cookies(&answer);
        let proved = [&who[..], &[("cookie", &cookie)]].concat();
        assert_allowed(&ask(&one, &proved), user);
        assert_allowed(&ask(&other, &proved), user);
        // What ends it at one ends it at the other.
        let erased = one.main().send(crate::support::Request::new("DELETE", &format!("/v1/users/{user}")));
        assert_eq!(erased.status, 204, "{erased:?}");
        crate::support::eventually("the other replica hears of it", || {
            (ask(&other, &proved).status == 401).then_some(())
        });
    }
}

#[test]
fn without_memory_the_operator_says_what_becomes_of_a_request() {
    let (redis, (_directory, with_keys)) = (RedisServer::start(), keys());
    let start = |on_error: &str| {
        let settings = with_keys(settings()).set("hooks.on_error", on_error).set("hooks.deadline_ms", 20_000);
        let settings = settings.set("memory.backend", "redis").set("memory.url", redis.url());
        Askance::start(&settings.set("memory.timeout_ms", 1_000))
    };
    let servers = ["challenge", "deny", "danger_allow"].map(start);
    redis.signal("STOP");
    for (server, status) in servers.iter().zip([401, 403, 200]) {
        // Nobody of whom anything is near.
        let answer = ask(server, &[("remote-user", "somebody-else")]);
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 200 {
            assert_allowed(&answer, "somebody-else");
            assert_eq!(answer.header("x-askance-reasons"), Some("assessment_not_available"));
        }
        assert_eq!(
            ask(server, &[("remote-user", "a"), ("remote-user", "b")]).status,
            if status == 403 { 403 } else { 401 }
        );
    }
    redis.signal("CONT");
}
