//! Who may call: keys, scopes, tenants, local callers, and where the program refuses to listen.

use crate::support::{ApiClient, Askance, Client, Request, Settings, assert_problem, json_of, plain_login, with};
use serde_json::json;
use tempfile::TempDir;

const DECISION: &str = "/v1/decisions/01890000-0000-7000-8000-000000000000/outcome";

#[test]
fn with_clients_a_key_is_needed() {
    let caller = ApiClient::new("portal", &["score"]);
    let operator = ApiClient::new("operator", &["admin"]);
    let server = Askance::start(&Settings::new().client(&caller).client(&operator));

    for client in [server.main(), server.main().with_key("wrong"), server.main().with_key(&format!("{}x", caller.key))]
    {
        assert_problem(&client.score(&plain_login("access-key")), 401, "auth.key_invalid");
        assert_problem(&client.post(DECISION, &json!({"result": "success"})), 401, "auth.key_invalid");
        assert_problem(&client.import(&[]), 401, "auth.key_invalid");
    }
    for value in ["Bearer", "Bearer ", &caller.key, &format!("Basic {}", caller.key), "Bearer a b"] {
        let request = Request::score(&plain_login("access-key")).header("authorization", value);
        assert_problem(&server.main().send(request), 401, "auth.key_invalid");
    }
    json_of(&server.main().with_key(&caller.key).score(&plain_login("access-key")));
}

#[test]
fn a_hash_is_no_key() {
    let caller = ApiClient::new("portal", &["score"]);
    let server = Askance::start(&Settings::new().client(&caller));
    let hash = crate::support::settings::sha256_hex(&caller.key);
    assert_problem(&server.main().with_key(&hash).score(&plain_login("access-hash")), 401, "auth.key_invalid");
}

#[test]
fn a_scope_opens_its_own_calls_only() {
    let scorer = ApiClient::new("scorer", &["score"]);
    let historian = ApiClient::new("historian", &["history"]);
    let operator = ApiClient::new("operator", &["admin"]);
    let server = Askance::start(&Settings::new().client(&scorer).client(&historian).client(&operator));
    let main = |client: &ApiClient| server.main().with_key(&client.key);
    let admin = |client: &ApiClient| server.admin().with_key(&client.key);

    json_of(&main(&scorer).score(&plain_login("access-scope")));
    json_of(&main(&historian).import(&[]));
    assert_eq!(admin(&operator).get("/metrics").status, 200);

    for stranger in [&historian, &operator] {
        assert_problem(&main(stranger).score(&plain_login("access-scope")), 403, "auth.scope_missing");
        assert_problem(&main(stranger).post(DECISION, &json!({"result": "success"})), 403, "auth.scope_missing");
    }
    for stranger in [&scorer, &operator] {
        assert_problem(&main(stranger).import(&[]), 403, "auth.scope_missing");
    }
    for stranger in [&scorer, &historian] {
        assert_problem(&admin(stranger).get("/metrics"), 403, "auth.scope_missing");
    }
    assert_problem(&server.admin().get("/metrics"), 401, "auth.key_invalid");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.admin().get(path).status, 200, "{path} needs no key");
    }
}

#[test]
fn a_client_stays_within_its_tenants() {
    let common = ApiClient::new("common", &["score"]);
    let acme = ApiClient::new("acme", &["score"]).tenants(&["acme"]);
    let both = ApiClient::new("both", &["score"]).tenants(&["default", "acme"]);
    let server = Askance::start(&Settings::new().client(&common).client(&acme).client(&both));
    let score = |client: &ApiClient, tenant: Option<&str>| {
        let body = plain_login("access-tenant");
        let body = tenant.map_or(body.clone(), |tenant| with(body, json!({"tenant": tenant})));
        server.main().with_key(&client.key).score(&body)
    };
    assert_problem(&score(&common, Some("acme")), 403, "auth.tenant");
    assert_problem(&score(&acme, None), 403, "auth.tenant");
    assert_problem(&score(&acme, Some("default")), 403, "auth.tenant");
    assert_problem(&score(&both, Some("other")), 403, "auth.tenant");

    // The same user id in two tenants is two users.
    let code = |answer: &crate::support::Response| {
        json_of(answer)["risk_assessment"]["assessments"]["NewDevice"]["code"].clone()
    };
    assert_eq!(code(&score(&both, None)), "initial_login");
    assert_ne!(code(&score(&both, None)), "initial_login");
    assert_eq!(code(&score(&both, Some("acme"))), "initial_login");
    assert_ne!(code(&score(&acme, Some("acme"))), "initial_login");
}

#[test]
fn keys_are_not_logged() {
    let caller = ApiClient::new("portal", &["score"]);
    let settings = Settings::new().client(&caller).set("telemetry.log", "trace");
    let server = Askance::start(&settings);
    json_of(&server.main().with_key(&caller.key).score(&plain_login("access-log")));
    assert_problem(
        &server.main().with_key("leaked-wrong-key").score(&plain_login("access-log")),
        401,
        "auth.key_invalid",
    );
    let log = server.log();
    assert!(!log.contains(&caller.key) && !log.contains("leaked-wrong-key"), "{log}");
}

/// Headers that no local caller sends: browsers and proxies do.
const NOT_LOCAL: &[(&str, &str)] = &[
    ("origin", "https://example.org"),
    ("origin", "null"),
    ("origin", "http://127.0.0.1:8470"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-origin"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-for", ""),
    ("forwarded", "for=203.0.113.7"),
    ("x-forwarded-host", "example.org"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "203.0.113.7"),
    ("host", "example.org"),
    ("host", "localhost.example.org"),
    ("host", "127.0.0.1.example.org"),
    ("host", "192.0.2.1:8470"),
    ("host", "0.0.0.0"),
];

#[test]
fn without_clients_only_local_callers_are_served() {
    let server = Askance::start(&Settings::new());
    let is_refused = |client: &Client, request: Request, header: (&str, &str)| {
        let answer = client.send(request.header(header.0, header.1));
        assert_eq!(answer.status, 403, "{header:?}: {}", answer.text());
        assert_problem(&answer, 403, "auth.not_local");
    };
    for header in NOT_LOCAL {
        is_refused(&server.main(), Request::score(&plain_login("access-local")), *header);
        is_refused(&server.main(), Request::post("/v1/import").content("application/x-ndjson", ""), *header);
        is_refused(&server.admin(), Request::new("GET", "/metrics"), *header);
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8470", "127.8.9.10", "[::1]", "[::1]:8470"] {
        let request = Request::score(&plain_login("access-host")).header("host", host);
        assert_eq!(server.main().send(request).status, 200, "{host}");
    }
}

#[test]
fn with_clients_a_key_is_enough_behind_a_proxy() {
    let caller = ApiClient::new("portal", &["score"]);
    let server = Askance::start(&Settings::new().client(&caller));
    for (name, value) in NOT_LOCAL {
        let request = Request::score(&plain_login("access-proxy")).header(name, value);
        let answer = server.main().with_key(&caller.key).send(request);
        assert_eq!(answer.status, 200, "{name}: {value}: {}", answer.text());
    }
}

#[test]
fn beyond_loopback_the_program_refuses_to_start_without_clients() {
    for (key, address) in [
        ("server.listen", "0.0.0.0:0"),
        ("server.listen", "[::]:0"),
        ("server.admin_listen", "0.0.0.0:0"),
        ("server.admin_listen", "[::]:0"),
    ] {
        let settings = Settings::new().set(key, address);
        let refusal =
            Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("a server that anybody may call");
        assert_eq!(refusal.code, Some(2), "{key}: {}", refusal.log);
        assert!(refusal.log.contains(key) && refusal.log.contains("server.clients"), "{key}: {}", refusal.log);
        assert!(!refusal.log.contains("\"listening\""), "{key}: it listened first: {}", refusal.log);

        let caller = ApiClient::new("portal", &["score"]);
        drop(Askance::start(&settings.client(&caller)));
    }
}

#[test]
fn one_address_beyond_loopback_among_others_is_enough_to_refuse() {
    let settings = Settings::new().set("server.listen", vec!["127.0.0.1:0".to_owned(), "0.0.0.0:0".to_owned()]);
    let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("a server that anybody may call");
    assert_eq!(refusal.code, Some(2), "{}", refusal.log);
}
