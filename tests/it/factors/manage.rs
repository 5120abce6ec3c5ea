//! The management of factors, and prompts that are put off.

use super::lab::{Lab, factors, minted, signing_up};
use crate::support::{ApiClient, Request, Response, assert_problem, json_of};
use serde_json::{Value, json};

fn call(lab: &Lab, method: &str, path: &str) -> Response {
    lab.server.main().send(Request::new(method, path))
}

#[test]
fn an_operator_lists_removes_and_renews() {
    let lab = Lab::new();
    let (app, codes) = lab.with_app("alice");
    let held = json_of(&call(&lab, "GET", "/v1/users/alice/factors"));
    let kinds: Vec<&Value> = held["factors"].as_array().unwrap().iter().map(|held| &held["factor"]).collect();
    assert_eq!(kinds, [&json!("totp"), &json!("backup_code")], "{held}");
    assert_eq!(held["factors"][1]["codes_left"], 10);
    let export = json_of(&call(&lab, "GET", "/v1/users/alice/export"));
    assert_eq!(export["factors"], held["factors"]);

    let renewed = json_of(&call(&lab, "POST", "/v1/users/alice/backup-codes"));
    let new = renewed["backup_codes"][0].as_str().unwrap();
    let token = lab.token("alice");
    let id = lab.challenge(&token, "backup_code");
    assert_problem(&lab.verify(&token, &id, &codes[0]), 400, "session.mfa.invalid_backup_code");
    assert_eq!(lab.verify(&token, &id, new).status, 200, "the new set is good");

    let removed = format!("/v1/users/alice/factors/{}", held["factors"][0]["id"].as_str().unwrap());
    assert_eq!(call(&lab, "DELETE", &removed).status, 204);
    assert_problem(&call(&lab, "DELETE", &removed), 404, "request.not_found");
    assert_problem(
        &call(&lab, "POST", "/v1/users/alice/backup-codes"),
        422,
        "session.mfa.backup_code_can_not_be_alone",
    );
    let token = lab.token("alice");
    let gone = lab.post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "totp"}));
    assert_problem(&gone, 400, "session.mfa.mfa_factor_not_enabled");
    drop(app);

    assert_eq!(call(&lab, "DELETE", "/v1/users/alice").status, 204);
    assert_eq!(json_of(&call(&lab, "GET", "/v1/users/alice/factors")), json!({"factors": []}), "erased with the user");
}

#[test]
fn whoever_is_no_operator_needs_a_step_up_for_it() {
    let idp = ApiClient::new("idp", &["score", "mfa"]);
    let (mute, desk) = (ApiClient::new("mute", &["score"]), ApiClient::new("desk", &["admin"]));
    let lab = Lab::with(|settings| settings.client(&idp).client(&mute).client(&desk));
    let main = lab.server.main();
    let list = || Request::new("GET", "/v1/users/alice/factors");
    assert_eq!(main.with_key(&desk.key).send(list()).status, 200);
    assert_problem(&main.with_key(&mute.key).send(list()), 403, "auth.scope_missing");
    let as_idp = main.with_key(&idp.key);
    assert_problem(&as_idp.send(list()), 403, "session.mfa.require_mfa_verification");
    let shown = list().header("x-askance-mfa-token", "none");
    assert_problem(&as_idp.send(shown), 401, "mfa_token.invalid");
}

#[test]
fn a_login_is_no_step_up_for_management() {
    let lab = Lab::new();
    let (app, _) = lab.with_app("bob");
    let token = lab.token("bob");
    let list = || Request::new("GET", "/v1/users/bob/factors").header("x-askance-mfa-token", &token);
    assert_problem(&lab.server.main().send(list()), 403, "session.mfa.require_mfa_verification");
    assert_eq!(lab.verify(&token, &lab.challenge(&token, "totp"), &app.code(1)).status, 200);
    assert_problem(&lab.server.main().send(list()), 403, "session.mfa.require_mfa_verification");
}

#[test]
fn prompts_are_put_off_unless_the_policy_is_mandatory() {
    for (policy, at_first, skipped) in [
        ("prompt_at_sign_in_and_sign_up", "enroll", Some("done")),
        ("no_prompt", "done", Some("done")),
        ("mandatory", "enroll", None),
    ] {
        let lab = Lab::with(|settings| settings.set("mfa.policy", policy));
        let mail = json!({"user": {"email": "carol@example.org", "email_verified": true}});
        let token = super::lab::token_of(&lab.risky("carol", mail));
        let skip = || lab.post("/v1/mfa/skip", &json!({"mfa_token": token}));
        if skipped.is_some() {
            assert_problem(&skip(), 403, "session.mfa.require_mfa_verification");
        }
        let verified = lab.verify(&token, &lab.challenge(&token, "email"), &lab.provider.code("carol@example.org"));
        assert_eq!(json_of(&verified)["next"], at_first, "{policy}");
        match skipped {
            Some(next) => assert_eq!(json_of(&skip())["next"], next, "{policy}"),
            None => drop(assert_problem(&skip(), 422, "session.mfa.mfa_policy_not_user_controlled")),
        }
        assert_eq!(lab.server.main().send(factors(&token)).status, 200);
    }
}

#[test]
fn backup_codes_are_never_alone_and_are_made_anew_only_behind_a_proof() {
    let lab = Lab::new();
    let new_account = minted(&signing_up("dave"));
    let codes = |token: &str| lab.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "backup_code"}));
    assert_problem(&codes(&new_account), 422, "session.mfa.backup_code_can_not_be_alone");
    let (app, old) = lab.with_app("dave");
    let token = lab.token("dave");
    assert_problem(&codes(&token), 403, "session.mfa.require_mfa_verification");
    assert_eq!(lab.verify(&token, &lab.challenge(&token, "totp"), &app.code(1)).status, 200);
    let new = json_of(&codes(&token));
    assert_eq!(new["backup_codes"].as_array().map(Vec::len), Some(10));
    let token = lab.token("dave");
    let id = lab.challenge(&token, "backup_code");
    assert_problem(&lab.verify(&token, &id, &old[0]), 400, "session.mfa.invalid_backup_code");
}
