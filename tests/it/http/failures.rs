//! `POST /v1/failures`: who may tell, what, and what is refused. What it leads to is in `velocity`.

use crate::support::{ApiClient, Askance, CHROME, Request, Settings, assert_problem, with};
use serde_json::{Value, json};

fn failure() -> Value {
    json!({"user": {"id": "failures"}, "ip": "198.51.100.7", "user_agent": CHROME, "kind": "password"})
}

#[test]
fn every_kind_is_taken_and_counted() {
    let server = Askance::start(&Settings::new());
    for change in [
        json!({}),
        json!({"user": {"id": null}}),
        json!({"user_agent": null, "kind": "mfa"}),
        json!({"kind": "unknown_user", "tenant": "default"}),
        json!({"ip": "2001:db8::1", "tenant": "acme"}),
        json!({"ip": "::ffff:198.51.100.7"}),
    ] {
        let body = with(failure(), change);
        let answer = server.main().post("/v1/failures", &body);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{body}: {}", answer.text());
    }
    let metrics = server.admin().get("/metrics").text();
    for line in [
        "askance_failures_total{kind=\"password\"} 4",
        "askance_failures_total{kind=\"unknown_user\"} 1",
        "askance_failures_total{kind=\"mfa\"} 1",
        "askance_requests_total{route=\"failures\",status=\"204\"} 6",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_failure_is_read_as_strictly_as_a_login() {
    let server = Askance::start(&Settings::new());
    for (change, field) in [
        (json!({"user": null}), "user"),
        (json!({"user": {"id": ""}}), "user.id"),
        (json!({"user": {"id": 7}}), "user.id"),
        (json!({"user": {"id": "x".repeat(257)}}), "user.id"),
        (json!({"user": {"email": "a@example.org"}}), "user.email"),
        (json!({"ip": null}), "ip"),
        (json!({"ip": "999.1.1.1"}), "ip"),
        (json!({"ip": "198.51.100.7:443"}), "ip"),
        (json!({"ip": ""}), "ip"),
        (json!({"kind": null}), "kind"),
        (json!({"kind": "Password"}), "kind"),
        (json!({"kind": {"password": null}}), "kind"),
        (json!({"user_agent": "x".repeat(4097)}), "user_agent"),
        (json!({"tenant": ""}), "tenant"),
        (json!({"time": "2026-11-21T10:00:00Z"}), "time"),
        (json!({"edge": {"asn": 64_500}}), "edge"),
    ] {
        let body = with(failure(), change);
        let document = assert_problem(&server.main().post("/v1/failures", &body), 422, "request.invalid");
        assert_eq!(document["field"], field, "{body}: {document}");
    }
    assert_eq!(server.main().post("/v1/failures", &json!([])).status, 422);
    assert_problem(&server.main().get("/v1/failures"), 405, "request.method_not_allowed");
    let text = Request::post("/v1/failures").content("text/plain", failure().to_string());
    assert_problem(&server.main().send(text), 415, "request.content_type");
    let metrics = server.admin().get("/metrics").text();
    assert!(metrics.contains("askance_failures_total{kind=\"password\"} 0"), "{metrics}");
}

#[test]
fn only_clients_that_score_may_tell_and_only_of_their_tenants() {
    let scorer = ApiClient::new("scorer", &["score"]).tenants(&["acme"]);
    let historian = ApiClient::new("historian", &["history", "admin"]);
    let server = Askance::start(&Settings::new().client(&scorer).client(&historian));
    let tell = |key: &str, change: Value| server.main().with_key(key).post("/v1/failures", &with(failure(), change));
    assert_eq!(tell(&scorer.key, json!({"tenant": "acme"})).status, 204);
    assert_problem(&tell(&scorer.key, json!({})), 403, "auth.tenant");
    assert_problem(&tell(&historian.key, json!({})), 403, "auth.scope_missing");
    assert_problem(&server.main().post("/v1/failures", &failure()), 401, "auth.key_invalid");
}
