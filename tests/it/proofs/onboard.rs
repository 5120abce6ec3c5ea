//! Onboarding: each scenario of mfa.md over HTTP.

use super::asking;
use crate::support::{Askance, Settings, assert_problem, json_of};
use serde_json::{Value, json};

const PHONE: &str = "+819012345678";

fn with_factors(factors: &[&str]) -> Settings {
    asking()
        .set("mfa.factors", factors.to_vec())
        .set("mfa.webauthn.rp_id", "example.org")
        .set("mfa.webauthn.origins", vec!["https://login.example.org"])
}

fn many() -> Settings {
    with_factors(&["sms", "webauthn", "totp", "backup_code"])
}

fn one() -> Settings {
    with_factors(&["sms", "backup_code"])
}

fn arrive(server: &Askance, user: &str, event: &str, verified: &Value) -> Value {
    let body = json!({"user": {"id": user}, "event": event, "verified": verified});
    json_of(&server.main().post("/v1/mfa/onboard", &body))
}

/// What comes next, what is offered, what was bound, whether it may be put off, how many codes are shown, and whether there is a token.
fn told(answer: &Value) -> Value {
    let bound = answer["bound"].as_array().into_iter().flatten().map(|bound| bound["factor"].clone());
    json!([
        answer["next"],
        answer["factors"],
        bound.collect::<Vec<_>>(),
        answer["skippable"],
        answer["backup_codes"].as_array().map_or(0, Vec::len),
        answer["mfa_token"].is_string(),
    ])
}

#[test]
fn scenario_1a_a_verified_address_leads_straight_to_the_phone() {
    let server = Askance::start(&one());
    let answer = arrive(&server, "alice", "sign_up", &json!({"email": "alice@example.org"}));
    assert_eq!(told(&answer), json!(["enroll", ["sms"], [], true, 0, true]));
}

#[test]
fn scenario_1b_a_verified_address_leads_to_a_list() {
    let server = Askance::start(&many());
    let answer = arrive(&server, "alice", "sign_up", &json!({"email": "alice@example.org"}));
    assert_eq!(told(&answer), json!(["enroll", ["webauthn", "totp", "sms"], [], true, 0, true]));
}

#[test]
fn scenario_2_a_verified_phone_is_bound_by_itself_and_codes_are_shown() {
    let server = Askance::start(&one());
    let answer = arrive(&server, "alice", "sign_up", &json!({"phone": PHONE}));
    assert_eq!(told(&answer), json!(["backup_codes", [], ["sms"], false, 10, false]));
    assert_eq!(answer["bound"][0]["masked"], "****5678");
    let again = arrive(&server, "alice", "sign_up", &json!({"phone": PHONE}));
    assert_eq!(told(&again), json!(["done", [], [], false, 0, false]), "codes are shown once");
}

#[test]
fn scenario_3_a_verified_phone_is_bound_by_itself_and_another_factor_is_suggested() {
    for policy in ["prompt_at_sign_in_and_sign_up", "mandatory"] {
        let server = Askance::start(&many().set("mfa.policy", policy));
        let answer = arrive(&server, "alice", "sign_up", &json!({"phone": PHONE}));
        let expected = json!(["suggest_additional", ["webauthn", "totp"], ["sms"], true, 10, true]);
        assert_eq!(told(&answer), expected, "{policy}");
    }
}

#[test]
fn an_old_account_with_a_verified_phone_is_as_2_and_3_and_in_silence() {
    for settings in [one(), many()] {
        let server = Askance::start(&settings);
        let answer = arrive(&server, "alice", "sign_in", &json!({"phone": PHONE}));
        assert_eq!(told(&answer), json!(["done", [], ["sms"], false, 0, false]));
        let off = Askance::start(&settings.set("mfa.bind_verified", Vec::<String>::new()));
        let answer = arrive(&off, "alice", "sign_in", &json!({"phone": PHONE}));
        assert_eq!((&answer["next"], &answer["bound"]), (&json!("enroll"), &json!([])), "nothing is bound by itself");
    }
    let server = Askance::start(&one());
    let body = json!({
        "user": {"id": "alice", "phone_changed_at": crate::support::time_from_now(-3600)},
        "event": "sign_in", "verified": {"phone": PHONE},
    });
    let answer = json_of(&server.main().post("/v1/mfa/onboard", &body));
    assert_eq!(answer["bound"], json!([]), "the number changed an hour ago");
}

#[test]
fn whoever_is_not_prompted_is_done_and_what_is_no_contact_is_refused() {
    let server = Askance::start(&many().set("mfa.policy", "no_prompt"));
    let answer = arrive(&server, "alice", "sign_up", &json!({"email": "alice@example.org"}));
    assert_eq!(told(&answer), json!(["done", [], [], false, 0, false]));
    for (verified, field) in
        [(json!({"phone": "12"}), "verified.phone"), (json!({"email": "nobody"}), "verified.email")]
    {
        let body = json!({"user": {"id": "alice"}, "event": "sign_up", "verified": verified});
        let refused = assert_problem(&server.main().post("/v1/mfa/onboard", &body), 422, "request.invalid");
        assert_eq!(refused["field"], field);
    }
    let body =
        json!({"user": {"id": "alice"}, "event": "sign_up", "decision_id": "01890000-0000-7000-8000-000000000000"});
    assert_problem(&server.main().post("/v1/mfa/onboard", &body), 422, "request.invalid");
}
