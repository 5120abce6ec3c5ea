//! `GET /v1/decisions`: what is listed, on which conditions, and how its pages follow each other.

use crate::support::{
    Askance, Client, Request, Settings, assert_problem, import, json_of, plain_login, risky_login, score,
    time_from_now, with,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn list(client: &Client, query: &str) -> Value {
    json_of(&client.get(&format!("/v1/decisions{query}")))
}

fn listed(client: &Client, query: &str) -> Vec<Value> {
    list(client, query)["decisions"].as_array().unwrap().clone()
}

fn ids(decisions: &[Value]) -> Vec<&str> {
    decisions.iter().map(|decision| decision["decision_id"].as_str().unwrap()).collect()
}

fn id(answer: &Value) -> String {
    answer["decision_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_decision_is_listed_as_it_was_answered() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    import(&server, "listed", json!({}));
    let asn = json!({"edge": {"asn": 64_500}, "device_id": "d1", "ip": "::ffff:81.2.69.142"});
    let allowed = json_of(&client.score(&with(plain_login("listed"), asn)));
    let challenged = json_of(&client.score(&risky_login("listed")));
    let codes = |answer: &Value| -> Value {
        let assessments = answer["risk_assessment"]["assessments"].as_object().unwrap();
        assessments.iter().map(|(name, it)| (name.clone(), it["code"].clone())).collect()
    };
    let common = |answer: &Value, listed: &Value| {
        json!({
            "decision_id": answer["decision_id"], "time": listed["time"], "user": "listed", "action": answer["action"],
            "would_be": answer["would_be"], "mode": answer["mode"],
            "confidence": answer["risk_assessment"]["confidence"], "decided_by": answer["decided_by"],
            "demand_mfa": answer["demand_mfa"], "codes": codes(answer),
        })
    };
    let [second, first] = &listed(&client, "")[..] else { panic!("two decisions") };
    let expected = with(common(&allowed, first), json!({"ip": "81.2.69.142", "country": "GB", "asn": 64_500}));
    assert_eq!(*first, with(expected, json!({"outcome": "success"})));
    let mut expected = with(common(&challenged, second), json!({"expires_at": second["expires_at"]}));
    (expected["ip"], expected["outcome"]) = (Value::Null, Value::Null);
    assert_eq!(*second, expected);
    assert!(second["expires_at"].as_str() > second["time"].as_str(), "{second}");

    let path = format!("/v1/decisions/{}/outcome", id(&challenged));
    assert_eq!(client.post(&path, &json!({"result": "success", "factor": "sms"})).status, 204);
    let settled = &listed(&client, "?limit=1")[0];
    assert_eq!((&settled["outcome"], &settled["factor"]), (&json!("success"), &json!("sms")), "{settled}");
    assert_eq!((&settled["decision_id"], settled.get("expires_at")), (&challenged["decision_id"], None), "{settled}");
}

#[test]
fn in_mode_observe_would_be_tells_the_difference() {
    let server = Askance::start(&Settings::new().set("verdict.mode", "observe"));
    json_of(&server.main().score(&risky_login("observed")));
    let decision = &listed(&server.main(), "?action=allow")[0];
    assert_eq!((&decision["would_be"], &decision["mode"]), (&json!("challenge"), &json!("observe")), "{decision}");
    assert_eq!(listed(&server.main(), "?action=challenge"), [json!(null); 0]);
}

#[test]
fn a_demand_left_to_expire_stays_listed_without_an_outcome() {
    let server = Askance::start(&Settings::new().set("memory.pending_ttl_s", 1));
    let client = server.main();
    let demand = json_of(&client.score(&risky_login("left")));
    let left = crate::support::eventually("the demand to expire", || {
        let decision = listed(&client, "").remove(0);
        decision.get("expires_at").is_none().then_some(decision)
    });
    assert_eq!((&left["decision_id"], &left["outcome"]), (&demand["decision_id"], &Value::Null), "{left}");
}

#[test]
fn conditions_narrow_the_list() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let ann = json_of(&client.score(&plain_login("ann+&é")));
    let bob = json_of(&client.score(&risky_login("bob")));
    let acme = json_of(&client.score(&with(plain_login("bob"), json!({"tenant": "acme"}))));
    for (query, expected) in [
        ("", vec![id(&bob), id(&ann)]),
        ("?", vec![id(&bob), id(&ann)]),
        ("?user=bob", vec![id(&bob)]),
        ("?user=ann+%26%C3%A9", vec![id(&ann)]),
        ("?user=nobody", vec![]),
        ("?action=allow", vec![id(&ann)]),
        ("?action=challenge&user=bob", vec![id(&bob)]),
        ("?action=allow&user=bob", vec![]),
        ("?action=deny", vec![]),
        (&format!("?since={}", time_from_now(-300).replace('Z', "%2b00:00")), vec![id(&bob), id(&ann)]),
        (&format!("?since={}", time_from_now(300).replace('Z', "+00:00")), vec![]),
        (&format!("?cursor={}", id(&bob)), vec![id(&ann)]),
    ] {
        assert_eq!(ids(&listed(&client, query)), expected, "{query}");
    }
    let of_acme = Request::new("GET", "/v1/decisions").header("x-askance-tenant", "acme");
    assert_eq!(ids(json_of(&client.send(of_acme))["decisions"].as_array().unwrap()), [id(&acme)]);
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let server = Askance::start(&Settings::new());
    let long = format!("user={}", "x".repeat(257));
    for (query, field) in [
        ("users=bob", "users"),
        ("user=", "user"),
        ("user", "user"),
        ("user=%ff", "user"),
        (&*long, "user"),
        ("user=bob&user=bob", "user"),
        ("action=ALLOW", "action"),
        ("action=", "action"),
        ("since=yesterday", "since"),
        ("since=2026-01-01", "since"),
        ("since=1969-12-31T00:00:00Z", "since"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=+5", "limit"),
        ("limit=1e2", "limit"),
        ("limit=", "limit"),
        ("limit=5&limit=5", "limit"),
        ("cursor=", "cursor"),
        ("cursor=7", "cursor"),
        ("limit=5&offset=1", "offset"),
    ] {
        let answer = server.main().get(&format!("/v1/decisions?{query}"));
        let document = assert_problem(&answer, 422, "request.invalid");
        assert_eq!(document["field"], field, "{query}: {document}");
    }
}

#[test]
fn pages_hold_each_decision_once_while_others_arrive() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let user = |number: usize| format!("paged-{}", number % 7);
    let mut made: Vec<String> = (0..250)
        .map(|number| {
            let login = if number % 3 == 0 { risky_login(&user(number)) } else { plain_login(&user(number)) };
            id(&json_of(&client.score(&login)))
        })
        .collect();
    made.reverse();
    let mut seen: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&client, &format!("?limit=40{cursor}"));
        let decisions = page["decisions"].as_array().unwrap();
        seen.extend(ids(decisions).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(decisions.len(), 40, "a page before the last is full");
        cursor = format!("&cursor={next}");
        // New ones, and one that is settled, change nothing of what follows.
        let newer = json_of(&client.score(&risky_login("paged-0")));
        let path = format!("/v1/decisions/{}/outcome", id(&newer));
        assert_eq!(client.post(&path, &json!({"result": "failure"})).status, 204);
    }
    let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(seen.len(), made.len());
    assert_eq!(sorted(&seen), sorted(&made));
    assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first");
    assert_eq!(listed(&client, "").len(), 100, "the default");
    assert_eq!(list(&client, "?limit=1000")["next"], Value::Null);
}

#[test]
fn the_list_is_bounded_and_users_without_a_history_go_first() {
    let bounds = Settings::new().set("memory.decisions_max", 64).set("memory.pending_max", 16);
    let server = Askance::start(&bounds);
    let client = server.main();
    import(&server, "known", json!({}));
    let known = score(&server, "known", json!({}));
    for number in 0..300 {
        json_of(&client.score(&with(risky_login("stranger"), json!({"user": {"id": format!("s{number}")}}))));
    }
    let page = list(&client, "?limit=1000");
    let decisions = page["decisions"].as_array().unwrap();
    assert!((16..=64 + 16 + 16).contains(&decisions.len()), "{}", decisions.len());
    assert!(ids(decisions).contains(&&*id(&known)), "{page}");
}
