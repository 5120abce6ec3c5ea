//! Who is held up, for how long, and by what; and what a token is good for.

use super::lab::{Lab, factors, minted, signing_up, tag_of};
use crate::support::{ApiClient, Request, Response, assert_problem};
use askance::clock::{Clock, Timestamp};
use askance::mfa::{MfaToken, TokenKind};
use serde_json::json;

/// A refusal that says how long to wait, in the body and in the header.
fn assert_waits(answer: &Response, code: &str, at_most_s: u64) {
    let problem = assert_problem(answer, 429, code);
    let wait_s = problem["wait_s"].as_u64().unwrap();
    assert_eq!(answer.header("retry-after"), Some(wait_s.to_string().as_str()));
    assert!((1..=at_most_s).contains(&wait_s), "{problem}");
}

/// Alice's number, bound as a new account does, and a token that asks for it.
fn with_number(lab: &Lab, user: &str) -> String {
    let token = minted(&signing_up(user));
    let begun =
        lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "sms", "phone_number": "+819012345678"}));
    let code = lab.provider.code("+819012345678");
    let bind = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "code": code});
    lab.good("/v1/mfa/enroll/verify", &bind);
    lab.token(user)
}

#[test]
fn a_code_bears_ten_wrong_tries_and_a_newer_one_waits() {
    // Longer than anything here takes.
    let lab = Lab::with(|settings| settings.set("mfa.codes.resend_s", 3_600));
    let token = with_number(&lab, "alice");
    let id = lab.challenge(&token, "sms");
    let (code, sent) = (lab.provider.code("+819012345678"), lab.provider.count());
    let again = lab.post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "sms"}));
    assert_waits(&again, "request.message_rate_limited", 3_600);
    assert_eq!(lab.provider.count(), sent, "refused before the provider is called");
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..10 {
        assert_problem(&lab.verify(&token, &id, wrong), 400, "verification_code.code_mismatch");
    }
    for code in [wrong, &code] {
        assert_problem(&lab.verify(&token, &id, code), 400, "verification_code.exceed_max_try");
    }
    // A code of one challenge is wrong for another.
    let other = lab.token("alice");
    let other_id = lab.challenge(&other, "sms");
    let own = lab.provider.code("+819012345678");
    if own != code {
        assert_problem(&lab.verify(&other, &other_id, &code), 400, "verification_code.code_mismatch");
    }
    assert_problem(&lab.verify(&token, &other_id, &own), 400, "verification_code.not_found");
    assert_eq!(lab.verify(&other, &other_id, &own).status, 200);
}

#[test]
fn a_recipient_is_sent_ten_codes_in_ten_minutes_and_what_nobody_took_does_not_count() {
    let lab = Lab::new();
    let token = with_number(&lab, "bob");
    let challenge = |token: &str| lab.post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "sms"}));
    for (head, status, code) in [
        ("500 Internal Server Error", 502, "connector.general"),
        ("429 Too Many Requests\r\nretry-after: 7", 429, "connector.rate_limit_exceeded"),
    ] {
        lab.provider.answer(head);
        // At once again: what was not sent keeps nobody waiting.
        for _ in 0..2 {
            let answer = challenge(&token);
            if status == 429 { assert_waits(&answer, code, 7) } else { drop(assert_problem(&answer, status, code)) }
        }
    }
    lab.provider.answer("200 OK");
    for _ in 0..10 {
        assert_eq!(challenge(&lab.token("bob")).status, 200);
    }
    assert_waits(&challenge(&lab.token("bob")), "request.message_rate_limited", 600);
}

#[test]
fn strangers_put_a_factor_to_sleep_for_strangers_only() {
    let lab = Lab::new();
    let (app, _) = lab.with_app("carol");
    let own = minted(&signing_up("carol"));
    let strange = minted(&MfaToken { is_device_known: false, ..signing_up("carol") });
    let id = lab.challenge(&strange, "totp");
    for _ in 0..20 {
        assert_problem(&lab.verify(&strange, &id, "no code"), 400, "session.mfa.invalid_totp_code");
    }
    assert_waits(&lab.verify(&strange, &id, &app.code(1)), "verification_code.locked", 3_600);
    let asked = lab.post("/v1/mfa/challenge", &json!({"mfa_token": strange, "factor": "totp"}));
    assert_waits(&asked, "verification_code.locked", 3_600);
    let other = lab.post("/v1/mfa/challenge", &json!({"mfa_token": strange, "factor": "backup_code"}));
    assert_eq!(other.status, 200, "other factors are awake");
    assert_eq!(lab.verify(&own, &lab.challenge(&own, "totp"), &app.code(1)).status, 200, "the owner is not locked out");
}

#[test]
fn a_token_is_good_for_its_client_its_tenant_its_login_and_ten_minutes() {
    let [idp, shop] = ["idp", "shop"].map(|name| ApiClient::new(name, &["score", "mfa"]));
    let lab = Lab::with(|settings| settings.client(&idp).client(&shop).client(&ApiClient::new("mute", &["score"])));
    let main = lab.server.main();
    let good = MfaToken { client: tag_of("idp"), ..signing_up("dave") };
    let long_ago = Timestamp::from_unix_ms(Clock.now().unix_ms() - 601_000).unwrap();
    let show = |key: &str, token: &str| main.with_key(key).send(factors(token));
    assert_eq!(show(&idp.key, &minted(&good)).status, 200);
    for (key, token, status, code) in [
        (&idp.key, minted(&MfaToken { made: long_ago, ..good.clone() }), 401, "mfa_token.expired"),
        (&shop.key, minted(&good), 401, "mfa_token.other_client"),
        (&idp.key, "none".to_owned(), 401, "mfa_token.invalid"),
        (&idp.key, minted(&MfaToken { tenant: "other".to_owned(), ..good.clone() }), 403, "auth.tenant"),
    ] {
        assert_problem(&show(key, &token), status, code);
    }
    let unshown = main.with_key(&idp.key).send(Request::new("GET", "/v1/mfa/factors"));
    assert_problem(&unshown, 401, "mfa_token.invalid");
    // A device cookie is no token of this kind.
    let mute = ApiClient::new("mute", &["score"]).key;
    let answer = main.with_key(&mute).send(factors(&minted(&good)));
    assert_problem(&answer, 403, "auth.scope_missing");
}

#[test]
fn what_is_not_offered_is_not_asked_for() {
    let lab = Lab::with(|settings| settings.set("mfa.factors", ["totp", "sms"].map(str::to_owned).to_vec()));
    let nobody = minted(&MfaToken { kind: TokenKind::SignUp, ..signing_up("erin") });
    let ask = |factor: &str| lab.post("/v1/mfa/challenge", &json!({"mfa_token": nobody, "factor": factor}));
    for factor in ["totp", "sms", "email", "webauthn", "backup_code"] {
        assert_problem(&ask(factor), 400, "session.mfa.mfa_factor_not_enabled");
    }
    assert_problem(&lab.post("/v1/mfa/challenge", &json!({"mfa_token": nobody})), 422, "user.missing_mfa");
    let enroll = |factor: &str| lab.post("/v1/mfa/enroll", &json!({"mfa_token": nobody, "factor": factor}));
    for factor in ["email", "webauthn", "backup_code"] {
        assert_problem(&enroll(factor), 400, "session.mfa.mfa_factor_not_enabled");
    }
    // Where askance does not ask, there is nothing to be had.
    let off = crate::support::Askance::start(&crate::support::Settings::new());
    assert_problem(&off.main().send(factors("x")), 404, "request.not_found");
}

#[test]
fn without_a_connector_codes_are_not_configured() {
    let lab = Lab::with(|settings| settings.set("mfa.connectors", Vec::<toml::Value>::new()));
    let token = minted(&signing_up("frank"));
    let sms = json!({"mfa_token": token, "factor": "sms", "phone_number": "+819012345678"});
    assert_problem(&lab.post("/v1/mfa/enroll", &sms), 501, "connector.not_configured");
}

#[test]
fn nothing_of_codes_secrets_and_addresses_is_logged() {
    let lab = Lab::with(|settings| settings.set("telemetry.log", "trace"));
    let token = with_number(&lab, "secretive-user");
    let id = lab.challenge(&token, "sms");
    let code = lab.provider.code("+819012345678");
    assert_problem(&lab.verify(&token, &id, "wrong-code"), 400, "verification_code.code_mismatch");
    assert_eq!(lab.verify(&token, &id, &code).status, 200);
    let begun = lab.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "totp"}));
    let log = lab.server.log();
    for secret in [&code, "wrong-code", "819012345678", begun["secret"].as_str().unwrap(), &token] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}
