//! Logins that are asked, from the score to the assertion.

use super::lab::{App, Lab, minted, signing_up, token_of};
use crate::support::{assert_problem, json_of, plain_login, time_from_now, with};
use serde_json::{Value, json};
use std::sync::Barrier;
use tempfile::TempDir;

#[test]
fn a_user_without_factors_proves_the_email_binds_an_app_and_is_asked_for_it_from_then_on() {
    let lab = Lab::new();
    let mail = json!({"user": {"email": "alice.long@example.org", "email_verified": true}, "session_id": "s-1"});
    let scored = lab.risky("alice", mail);
    let told = (&scored["action"], &scored["mfa"]["factors"], &scored["mfa"]["next"]);
    assert_eq!(told, (&json!("verify_email"), &json!(["email"]), &json!("verify_email")), "{scored}");
    let token = token_of(&scored);
    let outcome = format!("/v1/decisions/{}/outcome", scored["decision_id"].as_str().unwrap());
    let success = json!({"result": "success", "factor": "email"});
    assert_problem(&lab.post(&outcome, &success), 409, "decision.not_verified");
    assert_eq!(lab.factors(&token), json!({"factors": [], "can_enroll": false, "next": "verify_email"}));
    let app = json!({"mfa_token": token, "factor": "totp"});
    assert_problem(&lab.post("/v1/mfa/enroll", &app), 403, "session.mfa.require_mfa_verification");

    let begun = lab.good("/v1/mfa/challenge", &json!({"mfa_token": token, "locale": "de"}));
    let told = (&begun["factor"], &begun["masked"], &begun["resend_after_s"], &begun["tries_left"]);
    assert_eq!(told, (&json!("email"), &json!("alic****@example.org"), &json!(60), &json!(10)));
    let sent = lab.provider.last("alice.long@example.org");
    assert_eq!((&sent["type"], &sent["payload"]["locale"]), (&json!("MfaVerification"), &json!("de")), "{sent}");
    let (id, code) = (begun["challenge_id"].as_str().unwrap(), lab.provider.code("alice.long@example.org"));
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    let verified = json_of(&lab.verify(&token, id, &code));
    let told = (&verified["amr"], &verified["acr"], &verified["next"]);
    assert_eq!(told, (&json!(["otp", "mfa", "rba"]), &json!("urn:askance:acr:mfa"), &json!("enroll")));
    let claims = claims(&verified);
    for (name, expected) in [
        ("iss", json!("askance")),
        ("aud", json!("local")),
        ("sub", json!("alice")),
        ("sid", json!("s-1")),
        ("tenant", json!("default")),
        ("decision_id", scored["decision_id"].clone()),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_problem(&lab.verify(&token, id, &code), 400, "verification_code.not_found");
    assert_eq!(lab.post(&outcome, &json!({"result": "failure"})).status, 409, "it is settled");

    let begun = lab.good("/v1/mfa/enroll", &app);
    assert!(begun["qr_svg"].as_str().is_some_and(|svg| svg.starts_with("<svg ")), "{begun}");
    let uri = begun["otpauth_uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/askance:alice?secret="), "{uri}");
    let (app, id) = (App::new(begun["secret"].as_str().unwrap()), &begun["enrolment_id"]);
    let bind = |code: &str| json!({"mfa_token": token, "enrolment_id": id, "code": code});
    assert_problem(&lab.post("/v1/mfa/enroll/verify", &bind("000 00")), 400, "session.mfa.invalid_totp_code");
    let bound = lab.good("/v1/mfa/enroll/verify", &bind(&app.code(0)));
    assert_eq!(bound["backup_codes"].as_array().map(Vec::len), Some(10), "{bound}");
    assert_problem(&lab.post("/v1/mfa/enroll/verify", &bind(&app.code(0))), 400, "verification_code.not_found");
    assert_problem(
        &lab.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"})),
        422,
        "user.totp_already_in_use",
    );

    let scored = lab.risky("alice", json!({}));
    assert_eq!((&scored["action"], &scored["mfa"]["factors"]), (&json!("challenge"), &json!(["totp", "backup_code"])));
    let token = token_of(&scored);
    let offered = lab.factors(&token);
    assert_eq!((&offered["factors"][0]["id"], &offered["next"]), (&bound["id"], &json!("challenge")));
    assert!(offered["factors"][0]["last_used"].is_null(), "not before a proof: {offered}");
    // Of the step of the binding, the code is used; that of the next one is good by now.
    let verified = json_of(&lab.verify(&token, &lab.challenge(&token, "totp"), &app.code(1)));
    assert_eq!((&verified["next"], &verified["amr"]), (&json!("done"), &json!(["otp", "mfa", "rba"])));
    assert!(lab.factors(&token)["factors"][0]["last_used"].is_string());
}

#[test]
fn each_backup_code_is_good_once_and_a_code_of_an_app_too() {
    let lab = Lab::new();
    let (app, codes) = lab.with_app("bob");
    let try_code = |factor: &str, code: &str| {
        let token = lab.token("bob");
        lab.verify(&token, &lab.challenge(&token, factor), code)
    };
    assert_problem(&try_code("totp", &app.bound_with), 400, "session.mfa.invalid_totp_code");
    let shouted = format!("{} {}", codes[0][..5].to_uppercase(), &codes[0][5..]);
    let verified = json_of(&try_code("backup_code", &shouted));
    assert_eq!((&verified["backup_codes_left"], &verified["next"]), (&json!(9), &json!("done")), "{verified}");
    for bad in [&*codes[0], "0123456789", "no code"] {
        assert_problem(&try_code("backup_code", bad), 400, "session.mfa.invalid_backup_code");
    }
}

#[test]
fn a_code_that_is_raced_over_many_connections_is_good_once() {
    let lab = Lab::new();
    let (_, codes) = lab.with_app("carol");
    let tokens: Vec<String> = (0..6).map(|_| lab.token("carol")).collect();
    let challenges: Vec<String> = tokens.iter().map(|token| lab.challenge(token, "backup_code")).collect();
    let start = Barrier::new(12);
    let good = std::thread::scope(|scope| {
        let racers: Vec<_> = tokens
            .iter()
            .zip(&challenges)
            .chain(tokens.iter().zip(&challenges))
            .map(|(token, challenge)| {
                let (lab, start, code) = (&lab, &start, &codes[3]);
                scope.spawn(move || {
                    start.wait();
                    lab.verify(token, challenge, code).status
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).filter(|status| *status == 200).count()
    });
    assert_eq!(good, 1);
}

#[test]
fn what_the_caller_says_of_factors_is_refused_and_a_stranger_needs_a_settled_address() {
    let lab = Lab::new();
    let problem = assert_problem(&lab.server.main().score(&plain_login("dave")), 422, "request.invalid");
    assert_eq!(problem["field"], "user.enrolled_factors");
    let denied = lab.risky("dave", json!({}));
    assert_eq!((&denied["action"], &denied["mfa"]), (&json!("deny"), &Value::Null), "{denied}");

    // Policy `always` asks at every confidence: whoever has no factor proves the address first.
    let always = Lab::with(|settings| {
        settings.set("verdict.policy", "always").set("signals.new_device.history_missing", "neutral")
    });
    let login = |user: &str, changed_h: i64| {
        let changed = time_from_now(-changed_h * 3_600);
        let mail = json!({"email": "erin@example.org", "email_verified": true, "email_changed_at": changed});
        let plain = with(plain_login(user), json!({"user": {"enrolled_factors": null}}));
        json_of(&always.server.main().score(&with(plain, json!({"user": mail}))))
    };
    for (changed_h, status) in [(71, 403), (73, 200)] {
        let user = format!("erin-{changed_h}");
        let scored = login(&user, changed_h);
        assert_eq!(
            (&scored["action"], &scored["mfa"]["next"]),
            (&json!("challenge"), &json!("verify_email")),
            "{scored}"
        );
        let token = token_of(&scored);
        let verified =
            always.verify(&token, &always.challenge(&token, "email"), &always.provider.code("erin@example.org"));
        assert_eq!(json_of(&verified)["next"], "enroll");
        let begun = always.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
        assert_eq!(begun.status, status, "{}", begun.text());
    }
}

#[test]
fn a_number_is_bound_by_a_code_that_is_sent_there_and_another_factor_after_a_proof() {
    let lab = Lab::new();
    let token = minted(&signing_up("frank"));
    let sms = |number: &str| json!({"mfa_token": token, "factor": "sms", "phone_number": number, "label": "mine"});
    let begun = lab.good("/v1/mfa/enroll", &sms("+81 90-1234-5678"));
    assert_eq!((&begun["masked"], &begun["resend_after_s"]), (&json!("****5678"), &json!(60)), "{begun}");
    assert_eq!(lab.provider.last("+819012345678")["type"], "BindMfa");
    let bind = |code: &str| json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": code});
    let code = lab.provider.code("+819012345678");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_problem(&lab.post("/v1/mfa/enroll/verify", &bind(wrong)), 400, "verification_code.code_mismatch");
    let bound = lab.good("/v1/mfa/enroll/verify", &bind(&code));
    assert!(bound["backup_codes"].is_array(), "{bound}");

    let token = lab.token("frank");
    let app = json!({"mfa_token": token, "factor": "totp"});
    assert_problem(&lab.post("/v1/mfa/enroll", &app), 403, "session.mfa.require_mfa_verification");
    let begun = lab.good("/v1/mfa/challenge", &json!({"mfa_token": token, "id": bound["id"]}));
    assert_eq!((&begun["factor"], &begun["masked"]), (&json!("sms"), &json!("****5678")));
    let verified = lab.verify(&token, begun["challenge_id"].as_str().unwrap(), &lab.provider.code("+819012345678"));
    assert_eq!(json_of(&verified)["amr"], json!(["sms", "mfa", "rba"]));
    assert_eq!(lab.post("/v1/mfa/enroll", &app).status, 200);
}

#[test]
fn what_was_bound_and_what_was_used_outlives_the_process() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let mut lab = Lab::lasting(&state);
    let (_, codes) = lab.with_app("grace");
    let token = lab.token("grace");
    assert_eq!(lab.verify(&token, &lab.challenge(&token, "backup_code"), &codes[0]).status, 200);
    lab.crash(&state);
    let token = lab.token("grace");
    for (code, status) in [(&codes[0], 400), (&codes[1], 200)] {
        let answer = lab.verify(&token, &lab.challenge(&token, "backup_code"), code);
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let files = std::fs::read_dir(&state).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let found: Vec<u8> = files.flat_map(|path| std::fs::read(path).unwrap()).collect();
    let holds = |text: &str| found.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(found.len() > 1_000 && !holds(&codes[2]) && !holds("last_step"), "sealed");
}

fn claims(verified: &Value) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let assertion = verified["assertion"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}
