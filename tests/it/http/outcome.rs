//! What became of a decision, and what memory learns from it.

use crate::support::{
    ApiClient, Askance, CHROME, Client, Request, Response, Settings, assert_problem, json_of, plain_login, risky_login,
    with,
};
use serde_json::{Value, json};

fn settle(client: &Client, decision: &Value, body: &Value) -> Response {
    let id = decision["decision_id"].as_str().expect("a decision has an id");
    client.post(&format!("/v1/decisions/{id}/outcome"), body)
}

fn assert_done(answer: &Response) {
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(answer.body.is_empty());
}

fn challenged(client: &Client, user: &str) -> Value {
    let decision = json_of(&client.score(&risky_login(user)));
    assert_eq!(decision["action"], "challenge", "{decision}");
    decision
}

#[test]
fn an_unknown_decision_is_not_found() {
    let server = Askance::start(&Settings::new());
    let answer = server.main().post(
        "/v1/decisions/01890000-0000-7000-8000-000000000000/outcome",
        &json!({"result": "success", "factor": "totp"}),
    );
    assert_problem(&answer, 404, "decision.not_found");
    for id in ["", "1", "not-a-decision", "..", "%2e%2e"] {
        let answer = server.main().post(&format!("/v1/decisions/{id}/outcome"), &json!({"result": "success"}));
        assert_eq!(answer.status, 404, "{id}: {}", answer.text());
    }
}

#[test]
fn a_challenge_is_passed_only_by_a_factor_that_was_offered() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let decision = challenged(&client, "outcome-factor");
    assert_eq!(decision["mfa"]["factors"], json!(["totp", "sms"]), "{decision}");
    for body in [
        json!({"result": "success"}),
        json!({"result": "success", "factor": "webauthn"}),
        json!({"result": "success", "factor": "email"}),
        json!({"result": "success", "factor": "pigeon"}),
        json!({"result": "success", "factor": ""}),
        json!({"result": "success", "factor": null}),
    ] {
        let answer = settle(&client, &decision, &body);
        assert_problem(&answer, 422, "request.invalid");
    }
    // A refused outcome settles nothing.
    assert_done(&settle(&client, &decision, &json!({"result": "success", "factor": "sms"})));
}

#[test]
fn the_first_result_stands() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let results =
        [json!({"result": "success", "factor": "totp"}), json!({"result": "failure"}), json!({"result": "abandoned"})];
    for (index, first) in results.iter().enumerate() {
        let decision = challenged(&client, &format!("outcome-first-{index}"));
        assert_done(&settle(&client, &decision, first));
        assert_done(&settle(&client, &decision, first));
        for other in results.iter().filter(|other| *other != first) {
            assert_problem(&settle(&client, &decision, other), 409, "decision.already_settled");
        }
        assert_done(&settle(&client, &decision, first));
    }
}

#[test]
fn an_allow_that_was_recorded_is_settled_as_success() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let decision = json_of(&client.score(&plain_login("outcome-allow")));
    assert_eq!(decision["action"], "allow", "{decision}");
    for result in ["failure", "abandoned"] {
        assert_problem(&settle(&client, &decision, &json!({"result": result})), 409, "decision.already_settled");
    }
    assert_done(&settle(&client, &decision, &json!({"result": "success"})));
}

#[test]
fn with_record_on_outcome_an_allow_waits_for_its_own() {
    let server = Askance::start(&Settings::new().set("memory.record", "on_outcome"));
    let client = server.main();
    let first = json_of(&client.score(&plain_login("outcome-wait")));
    let again = json_of(&client.score(&plain_login("outcome-wait")));
    assert_eq!(again["risk_assessment"]["assessments"]["NewDevice"]["code"], "initial_login", "{again}");
    assert_done(&settle(&client, &first, &json!({"result": "success"})));
    let after = json_of(&client.score(&plain_login("outcome-wait")));
    assert_ne!(after["risk_assessment"]["assessments"]["NewDevice"]["code"], "initial_login", "{after}");
    assert_done(&settle(&client, &again, &json!({"result": "failure"})));
}

#[test]
fn only_the_client_that_scored_may_settle() {
    let (portal, shop) = (ApiClient::new("portal", &["score"]), ApiClient::new("shop", &["score"]));
    let server = Askance::start(&Settings::new().client(&portal).client(&shop));
    let (portal, shop) = (server.main().with_key(&portal.key), server.main().with_key(&shop.key));
    let decision = challenged(&portal, "outcome-other");
    let success = json!({"result": "success", "factor": "totp"});
    assert_problem(&settle(&shop, &decision, &success), 403, "decision.other_client");
    assert_problem(&settle(&shop, &decision, &json!({"result": "failure"})), 403, "decision.other_client");
    assert_done(&settle(&portal, &decision, &success));
    assert_problem(&settle(&shop, &decision, &success), 403, "decision.other_client");
}

#[test]
fn an_outcome_is_read_as_strictly_as_a_login() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let decision = challenged(&client, "outcome-strict");
    for (body, field) in [
        (json!({}), "result"),
        (json!({"result": "passed"}), "result"),
        (json!({"result": true}), "result"),
        (json!({"result": "failure", "factr": "totp"}), "factr"),
    ] {
        let document = assert_problem(&settle(&client, &decision, &body), 422, "request.invalid");
        assert_eq!(document["field"], field, "{body}: {document}");
    }
    let path = format!("/v1/decisions/{}/outcome", decision["decision_id"].as_str().unwrap());
    let text = Request::post(&path).content("text/plain", "{\"result\": \"failure\"}");
    assert_problem(&client.send(text), 415, "request.content_type");
    let cut = Request::post(&path).content("application/json", "{\"result\": nope}");
    assert_problem(&client.send(cut), 400, "request.malformed_json");
}

/// What a device is worth afterwards tells whether the login taught: `d7` was seen only in the challenged one.
#[test]
fn only_a_passed_challenge_teaches() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    for (result, device) in [
        (Some(json!({"result": "success", "factor": "totp"})), "known"),
        (Some(json!({"result": "failure"})), "unknown"),
        (Some(json!({"result": "abandoned"})), "unknown"),
        (None, "unknown"),
    ] {
        let user =
            format!("outcome-teaches-{}", result.as_ref().map_or("none", |body| body["result"].as_str().unwrap()));
        let past = json!({
            "user": {"id": user}, "ip": "81.2.69.142", "device_id": "d1", "user_agent": CHROME,
            "time": crate::support::time_from_now(-3 * 86_400), "result": "success", "mfa_passed": true,
        });
        assert_eq!(client.import(&[past]).status, 200);
        let challenge = json_of(&client.score(&with(risky_login(&user), json!({"device_id": "d7"}))));
        assert_eq!(challenge["action"], "challenge", "{challenge}");
        if let Some(body) = &result {
            assert_done(&settle(&client, &challenge, body));
        }
        let after = json_of(&client.score(&with(risky_login(&user), json!({"device_id": "d7"}))));
        let details = &after["risk_assessment"]["assessments"]["NewDevice"]["details"];
        assert_eq!(details["device"], device, "{result:?}: {after}");
    }
}

#[test]
fn a_decision_that_is_not_settled_expires() {
    let server = Askance::start(&Settings::new().set("memory.pending_ttl_s", 1));
    let client = server.main();
    let decision = challenged(&client, "outcome-expires");
    // A success without its factor is refused for as long as the decision is held, and settles nothing.
    let answer = crate::support::eventually("the decision to expire", || {
        let answer = settle(&client, &decision, &json!({"result": "success"}));
        (answer.status != 422).then_some(answer)
    });
    assert_problem(&answer, 404, "decision.not_found");
}
