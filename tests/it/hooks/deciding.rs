//! What a verdict on a request depends on, how long it stands, and what it teaches.

use super::support::{ELSEWHERE, HOME, ask, assert_allowed, assert_challenged, settings, start};
use crate::support::{Request, json_of};
use serde_json::{Value, json};

#[test]
fn a_session_that_is_used_from_elsewhere_is_asked_and_nobody_without_a_history_passes() {
    let server = start(&settings());
    assert_allowed(&ask(&server, &[]), "alice");
    assert_challenged(&ask(&server, &[("x-forwarded-for", ELSEWHERE)]));
    assert_allowed(&ask(&server, &[("remote-user", "Alice")]), "alice");
    assert_challenged(&ask(&server, &[("remote-user", "stranger")]));
}

/// Shape and words of an answer are the same, whoever it is about.
#[test]
fn whoever_is_asked_does_not_learn_who_exists() {
    let server = start(&settings());
    let known = ask(&server, &[("x-forwarded-for", ELSEWHERE)]);
    let unknown = ask(&server, &[("x-forwarded-for", ELSEWHERE), ("remote-user", "stranger")]);
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    let names = |answer: &crate::support::Response| -> Vec<String> {
        answer.headers.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&known), names(&unknown));
}

fn decision(answer: &crate::support::Response) -> String {
    answer.header("x-askance-decision").expect("an allow has a decision").to_owned()
}

#[test]
fn a_page_with_its_images_is_one_decision_and_another_network_is_another() {
    for ttl_s in [0, 30] {
        let server = start(&settings().set("hooks.verdict_ttl_s", ttl_s));
        let first = decision(&ask(&server, &[]));
        assert_eq!(first, decision(&ask(&server, &[])), "at {ttl_s} s");
        assert_eq!(first, decision(&ask(&server, &[("x-forwarded-for", "81.2.69.143")])), "the same network");
        let all = || listed(&server, "alice", "allow") + listed(&server, "alice", "challenge");
        let before = all();
        ask(&server, &[("x-forwarded-for", "81.2.70.1")]);
        assert_eq!(all(), before + 1, "another network, at {ttl_s} s");
        let asked = listed(&server, "alice", "challenge");
        for _ in 0..3 {
            assert_challenged(&ask(&server, &[("x-forwarded-for", ELSEWHERE)]));
        }
        assert_eq!(listed(&server, "alice", "challenge"), asked + 1, "one demand, at {ttl_s} s");
    }
}

fn listed(server: &crate::support::Askance, user: &str, action: &str) -> usize {
    let page = json_of(&server.main().get(&format!("/v1/decisions?user={user}&action={action}")));
    page["decisions"].as_array().map_or(0, Vec::len)
}

fn user(server: &crate::support::Askance, name: &str) -> Value {
    let mut user = json_of(&server.main().get(&format!("/v1/users/{name}")));
    // Demands wait; they are no history.
    user.as_object_mut().unwrap().remove("open_decisions");
    user
}

#[test]
fn requests_teach_nothing() {
    let server = start(&settings());
    let before = user(&server, "alice");
    for from in [HOME, "81.2.70.1", ELSEWHERE] {
        ask(&server, &[("x-forwarded-for", from)]);
        ask(&server, &[("x-forwarded-for", from), ("user-agent", "curl/8.5.0"), ("remote-user", "stranger")]);
    }
    assert_eq!(user(&server, "alice"), before);
    let nobody = user(&server, "stranger");
    assert_eq!((nobody["devices"].as_array(), nobody["places"].as_array()), (Some(&vec![]), Some(&vec![])));
}

#[test]
fn a_label_and_an_erasure_end_a_verdict_at_once() {
    let server = start(&settings());
    let id = decision(&ask(&server, &[]));
    let label = Request::post(&format!("/v1/decisions/{id}/feedback")).json(&json!({"label": "fraud"}));
    assert_eq!(server.main().send(label).status, 204);
    assert_challenged(&ask(&server, &[]));

    let server = start(&settings());
    assert_allowed(&ask(&server, &[]), "alice");
    assert_eq!(server.main().send(Request::new("DELETE", "/v1/users/alice")).status, 204);
    assert_challenged(&ask(&server, &[]));
}

/// Only the hooks tell the outcome of what they decided.
#[test]
fn a_client_of_the_api_does_not_settle_what_a_request_was_asked() {
    let server = start(&settings());
    assert_challenged(&ask(&server, &[("x-forwarded-for", ELSEWHERE)]));
    let page = json_of(&server.main().get("/v1/decisions?user=alice&action=challenge"));
    let id = page["decisions"][0]["decision_id"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned();
    let outcome = json!({"result": "success", "factor": "totp"});
    let answer = server.main().send(Request::post(&format!("/v1/decisions/{id}/outcome")).json(&outcome));
    crate::support::assert_problem(&answer, 403, "decision.other_client");
}

#[test]
fn with_first_seen_a_new_network_is_learnt_and_a_device_once_its_cookie_comes_back() {
    let server = start(&settings().set("hooks.learn", "first_seen").set("hooks.verdict_ttl_s", 0));
    let first = ask(&server, &[]);
    let cookie = first.header("set-cookie").expect("a browser without one gets a device cookie");
    let (cookie, attributes) = cookie.split_once(';').unwrap();
    assert!(cookie.starts_with("__Host-askance_device=") && attributes.contains("HttpOnly"), "{cookie};{attributes}");
    assert_eq!(user(&server, "alice")["devices"].as_array().map(Vec::len), Some(0), "it might not keep it");
    let second = ask(&server, &[("cookie", cookie)]);
    assert_allowed(&second, "alice");
    assert_eq!(second.header("set-cookie"), None);
    assert_eq!(user(&server, "alice")["devices"].as_array().map(Vec::len), Some(1));
    assert_challenged(&ask(&server, &[("x-forwarded-for", ELSEWHERE)]));
    assert_eq!(user(&server, "alice")["places"].as_array().map(Vec::len), Some(1), "a demand teaches nothing");
}

#[test]
fn nothing_is_demanded_where_verdicts_are_not_carried_out() {
    for (key, value) in [("verdict.mode", "observe"), ("verdict.policy", "never")] {
        let server = start(&settings().set(key, value));
        assert_allowed(&ask(&server, &[("remote-user", "stranger"), ("x-forwarded-for", ELSEWHERE)]), "stranger");
    }
}
