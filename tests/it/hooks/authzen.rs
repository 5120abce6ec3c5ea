//! The evaluation call of AuthZEN 1.0, with requests of the shapes that the standard shows.

use super::support::{CHALLENGE_URL, ELSEWHERE, HOME, settings, start};
use crate::support::{ApiClient, Askance, CHROME, Request, assert_problem, json_of, with};
use serde_json::{Value, json};

/// The example of the standard, of our user.
fn evaluation() -> Value {
    json!({
        "subject": {"type": "user", "id": "alice"},
        "resource": {"type": "account", "id": "123"},
        "action": {"name": "can_read", "properties": {"method": "GET"}},
        "context": {"time": "1985-10-26T01:22-07:00", "ip": HOME, "user_agent": CHROME},
    })
}

fn evaluate(server: &Askance, change: Value) -> Value {
    let request = Request::post("/access/v1/evaluation").json(&with(evaluation(), change));
    json_of(&server.hooks().send(request))
}

#[test]
fn a_subject_may_act_while_it_looks_like_itself() {
    let server = start(&settings());
    for (change, expected) in [
        (json!({}), true),
        (
            json!({"subject": {"properties": {"department": "Sales", "ip_address": "172.217.22.14", "device_id": "8:65:ee:17:7e:0b"}}}),
            true,
        ),
        (
            json!({"resource": {"type": "book", "properties": {"library_record": {"title": "t", "isbn": "978-0593383322"}}}}),
            true,
        ),
        (json!({"action": {"name": "can_delete", "properties": null}}), true),
        (json!({"unknown": [1, {"a": null}]}), true),
        (json!({"subject": {"id": "Alice"}}), true),
        (json!({"context": {"ip": ELSEWHERE}}), false),
        (json!({"context": {"ip": null}}), false),
        (json!({"context": null}), false),
        (json!({"subject": {"id": "bob"}}), false),
        (json!({"subject": {"id": " "}}), false),
    ] {
        let answer = evaluate(&server, change.clone());
        assert_eq!(answer["decision"], expected, "{change}: {answer}");
        let steps_up = answer["context"]["obligations"][0]["type"] == "step-up";
        assert_eq!(steps_up, !expected, "{change}: {answer}");
    }
}

#[test]
fn a_no_says_what_would_change_it_and_the_outcome_is_told_to_the_api() {
    let server = start(&settings());
    let answer = evaluate(&server, json!({"context": {"ip": ELSEWHERE}}));
    let id = answer["context"]["decision_id"].as_str().unwrap();
    let (acr, obligation) = ("urn:askance:acr:mfa", &answer["context"]["obligations"][0]);
    assert_eq!((&answer["context"]["acr_values"], &answer["context"]["amr_values"]), (&json!(acr), &json!("mfa")));
    let expected = json!({"type": "step-up", "id": id, "properties": {"acr_value": acr, "amr_values": ["mfa"]}});
    assert_eq!(obligation, &expected);
    let outcome = json!({"result": "success", "factor": "totp"});
    let told = server.main().send(Request::post(&format!("/v1/decisions/{id}/outcome")).json(&outcome));
    assert_eq!(told.status, 204, "{told:?}");
    let places = json_of(&server.main().get("/v1/users/alice"))["places"].clone();
    assert_eq!(places.as_array().map(Vec::len), Some(2), "a passed factor teaches: {places}");
    assert!(!answer.to_string().contains(CHALLENGE_URL), "the caller knows where to ask");
}

#[test]
fn what_is_incomplete_is_400_and_says_so() {
    let server = start(&settings());
    for member in ["subject", "action", "resource"] {
        let request = Request::post("/access/v1/evaluation").json(&with(evaluation(), json!({member: null})));
        let problem = assert_problem(&server.hooks().send(request), 400, "request.invalid");
        assert!(problem["detail"].as_str().unwrap().contains(member), "{problem}");
    }
    for change in [
        json!({"subject": {"id": null}}),
        json!({"subject": {"type": null}}),
        json!({"subject": {"id": 7}}),
        json!({"action": {"name": null}}),
        json!({"resource": {"type": null}}),
    ] {
        let request = Request::post("/access/v1/evaluation").json(&with(evaluation(), change));
        assert_problem(&server.hooks().send(request), 400, "request.invalid");
    }
    let broken = Request::post("/access/v1/evaluation").content("application/json", "{\"subject\":");
    assert_problem(&server.hooks().send(broken), 400, "request.malformed_json");
}

#[test]
fn an_enforcement_point_needs_a_key_and_finds_the_way_by_itself() {
    let (gateway, other) = (ApiClient::new("gateway", &["score"]), ApiClient::new("other", &["history"]));
    let server = Askance::start(&settings().client(&gateway).client(&other));
    let request = || Request::post("/access/v1/evaluation").json(&evaluation());
    assert_problem(&server.hooks().send(request()), 401, "auth.key_invalid");
    assert_problem(&server.hooks().with_key(&other.key).send(request()), 403, "auth.scope_missing");
    let named = server.hooks().with_key(&gateway.key).send(request().header("x-request-id", "bfe9eb29-ab87-4ca3"));
    assert_eq!(named.header("x-request-id"), Some("bfe9eb29-ab87-4ca3"));
    let configuration = json_of(&server.hooks().get("/.well-known/authzen-configuration"));
    let base = configuration["policy_decision_point"].as_str().unwrap();
    assert_eq!(base, format!("http://{}", server.hooks().address()));
    assert_eq!(configuration["access_evaluation_endpoint"], format!("{base}/access/v1/evaluation"));
}
