//! The doors over real sockets.

use super::support::{ABSENT, ELSEWHERE, HOME, ask, assert_allowed, assert_challenged, request, settings, start};
use crate::support::{Askance, Request};
use tempfile::TempDir;

/// Every door, with a path that reaches it.
const DOORS: [&str; 3] = ["/v1/hook/nginx", "/v1/hook/forward", "/v1/hook/envoy/app/a%2fb/..;/x//y?q=1"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"];
const NAVIGATION: [(&str, &str); 2] = [("accept", "text/html,application/xhtml+xml"), ("sec-fetch-mode", "navigate")];

#[test]
fn every_door_answers_every_method_and_version() {
    let server = start(&settings());
    for path in DOORS {
        for method in METHODS {
            let asked = request(method, path, &[]);
            assert_allowed(&server.hooks().send(asked.clone()), "alice");
            assert_allowed(&server.hooks().send(asked.http_1_0()), "alice");
        }
    }
}

#[test]
fn a_demand_is_told_as_each_door_can() {
    let server = start(&settings());
    let from_elsewhere = [("x-forwarded-for", ELSEWHERE)];
    let navigation = [&NAVIGATION[..], &from_elsewhere].concat();
    for (door, method, headers, status) in [
        (DOORS[0], "GET", &navigation[..], 401),
        (DOORS[0], "GET", &from_elsewhere, 401),
        (DOORS[1], "GET", &navigation, 302),
        (DOORS[1], "HEAD", &navigation, 302),
        (DOORS[1], "POST", &navigation, 303),
        (DOORS[1], "GET", &[&navigation[..], &[("x-forwarded-method", "POST")]].concat(), 303),
        (DOORS[1], "GET", &from_elsewhere, 401),
        (DOORS[2], "GET", &navigation, 302),
        (DOORS[2], "POST", &navigation, 303),
        (DOORS[2], "DELETE", &from_elsewhere, 401),
    ] {
        let answer = server.hooks().send(request(method, door, headers));
        assert_eq!(answer.status, status, "{method} {door}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert!(
            answer.header("location").is_some_and(|to| to.starts_with("https://login.example.org/mfa")),
            "{answer:?}"
        );
        let is_problem = answer.header("content-type") == Some("application/problem+json");
        assert_eq!(is_problem, status == 401, "{answer:?}");
    }
}

#[test]
fn what_is_no_door_lets_nobody_in() {
    let server = start(&settings());
    for path in [
        "/",
        "/v1/hook",
        "/v1/hook/",
        "/v1/hook/nginx/",
        "/v1/hook/nginx/x",
        "/V1/hook/nginx",
        "/v1//hook/nginx",
        "/v1/hook/envoy",
        "/v1/hook/envoyx",
        "/v1/score",
        "/metrics",
        "/healthz",
        "/v1/hook/forward%2f",
        "*",
    ] {
        let answer = server.hooks().send(request("GET", path, &[]));
        assert!(answer.status == 404 || answer.status == 400, "{path}: {answer:?}");
    }
    // Nor are the doors elsewhere.
    for client in [server.main(), server.admin()] {
        let mut connection = client.connect();
        connection.write(&Request::new("GET", "/v1/hook/forward").bytes(&client.endpoint)).unwrap();
        assert_eq!(connection.read_response().unwrap().status, 404);
    }
}

/// What a client can send through a proxy that sets what it should: nothing of it may help.
#[test]
fn what_a_client_forges_changes_nothing() {
    let server = start(&settings());
    let from_elsewhere = ("x-forwarded-for", ELSEWHERE);
    for forged in [
        ("x-forwarded-for", "81.2.69.142, 175.16.199.1"),
        ("x_forwarded_for", HOME),
        ("x-real-ip", HOME),
        ("forwarded", "for=81.2.69.142"),
        ("x-askance-action", "allow"),
        ("x-askance-user", "alice"),
        ("remote_user", "bob"),
        ("x-remote-user", "bob"),
        ("cookie", "__Host-askance_device=00; __Host-askance_assurance=00"),
        ("user-agent", "kube-probe/1.30"),
        ("x-forwarded-proto", "javascript"),
        ("x-original-url", "/"),
    ] {
        let headers = if forged.0 == "x-forwarded-for" { vec![forged] } else { vec![from_elsewhere, forged] };
        for door in DOORS {
            let query = if door.contains('?') { "&user=bob&policy=never" } else { "?user=bob&policy=never" };
            assert_challenged(&server.hooks().send(request("GET", &format!("{door}{query}"), &headers)));
        }
    }
}

#[test]
fn what_cannot_be_read_lets_nobody_in_whatever_is_set() {
    for on_error in ["challenge", "danger_allow"] {
        let server = start(&settings().set("hooks.on_error", on_error));
        for broken in [
            &[("remote-user", ABSENT)][..],
            &[("remote-user", "")],
            &[("remote-user", "alice"), ("remote-user", "alice")],
            &[("x-forwarded-for", ABSENT)],
            &[("x-forwarded-for", "")],
            &[("x-forwarded-for", "nonsense")],
            &[("x-forwarded-for", "81.2.69.142, unknown")],
        ] {
            for door in DOORS {
                assert_challenged(&server.hooks().send(request("GET", door, broken)));
            }
        }
    }
    let server = start(&settings().set("hooks.on_error", "deny"));
    let refused = ask(&server, &[("remote-user", ABSENT)]);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
}

#[test]
fn a_peer_who_is_no_trusted_proxy_names_nobody() {
    let elsewhere = toml::Value::Array(vec!["192.0.2.0/24".into()]);
    let server = start(&settings().set("hooks.trusted_proxies", elsewhere.clone()));
    assert_challenged(&ask(&server, &[]));
    // Its own address is judged, and that is loopback.
    let server = start(&settings().set("hooks.trusted_proxies", elsewhere).set("hooks.require_user", false));
    assert_allowed(&ask(&server, &[]), "");
}

#[test]
fn nobody_is_judged_by_address_where_no_user_is_needed() {
    let server = start(&settings().set("hooks.require_user", false));
    assert_allowed(&ask(&server, &[("remote-user", ABSENT)]), "");
    assert_allowed(&ask(&server, &[]), "alice");
    assert_challenged(&ask(&server, &[("remote-user", ABSENT), ("x-forwarded-for", "nonsense")]));
    assert_challenged(&ask(&server, &[("remote-user", "stranger")]));
}

#[test]
fn a_connection_is_kept_whatever_is_answered_and_bodies_do_not_end_it() {
    let server = start(&settings());
    let client = server.hooks();
    let mut connection = client.connect();
    for round in 0..20 {
        let from = if round % 3 == 0 { ELSEWHERE } else { HOME };
        let asked = request("POST", DOORS[round % 3], &[("x-forwarded-for", from)]);
        let asked = if round % 2 == 0 { asked.body(vec![b'x'; 1000 * round]) } else { asked };
        connection.write(&asked.bytes(&client.endpoint)).unwrap();
        let answer = connection.read_response().unwrap();
        assert_eq!(answer.status, if from == HOME { 200 } else { 401 }, "round {round}: {answer:?}");
    }
}

#[test]
fn a_start_is_refused_where_anybody_would_be_believed_or_nobody_could_go_on() {
    let url = ("hooks.challenge_url", "https://login.example.org/mfa");
    let listen = ("hooks.listen", "127.0.0.1:0");
    let networks = |network: &str| toml::Value::Array(vec![network.into()]);
    for (changes, named) in [
        (vec![listen], "hooks.challenge_url"),
        (vec![listen, ("hooks.challenge_url", "/mfa")], "hooks.challenge_url"),
        (vec![listen, ("hooks.challenge_url", "http://login.example.org/mfa")], "hooks.challenge_url"),
        (vec![listen, ("hooks.challenge_url", "https://a@login.example.org/mfa")], "hooks.challenge_url"),
        (vec![listen, ("hooks.challenge_url", "https://login.example.org/#mfa")], "hooks.challenge_url"),
        (vec![listen, url, ("hooks.user_header", "remote_user")], "hooks.user_header"),
        (vec![listen, url, ("hooks.on_error", "allow")], "hooks.on_error"),
        (vec![listen, url, ("hooks.tenant", "")], "hooks.tenant"),
    ] {
        let settings =
            changes.into_iter().fold(crate::support::Settings::new(), |all, (key, value)| all.set(key, value));
        assert_refused(&settings, named);
    }
    for everybody in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"] {
        assert_refused(&settings().set("hooks.trusted_proxies", networks(everybody)), "hooks.trusted_proxies");
    }
    let halves = toml::Value::Array(vec!["0.0.0.0/1".into(), "128.0.0.0/1".into()]);
    assert_refused(&settings().set("hooks.trusted_proxies", halves), "hooks.trusted_proxies");
}

fn assert_refused(settings: &crate::support::Settings, named: &str) {
    let refusal = Askance::try_start(settings, TempDir::new().unwrap()).expect_err("it would be open");
    assert_eq!(refusal.code, Some(2), "{}", refusal.log);
    assert!(refusal.log.contains(named), "{named}: {}", refusal.log);
}
