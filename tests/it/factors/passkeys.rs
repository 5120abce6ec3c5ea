//! Logins and step-ups that a passkey proves.

use super::lab::{Lab, minted, signing_up};
use crate::support::authenticator::Authenticator;
use crate::support::{CHROME, Request, Settings, assert_problem, json_of, with};
use serde_json::{Value, json};

pub(super) const ORIGIN: &str = "https://login.example.org";

/// Takes passkeys, beside all else.
pub(super) fn taking_passkeys(settings: Settings) -> Settings {
    let factors = ["webauthn", "totp", "sms", "email", "backup_code"].map(str::to_owned).to_vec();
    settings
        .set("mfa.factors", factors)
        .set("mfa.webauthn.rp_id", "example.org")
        .set("mfa.webauthn.origins", vec![ORIGIN.to_owned()])
}

impl Lab {
    /// Binds it with a token that admits that.
    pub(super) fn bind_passkey(&self, token: &str, passkey: &Authenticator) -> Value {
        let begun = self.good("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = passkey.register(&begun["public_key"]);
        let bind = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "credential": credential});
        self.good("/v1/mfa/enroll/verify", &bind)
    }

    /// What it proves with a token that asks for it.
    pub(super) fn prove_by_passkey(&self, token: &str, passkey: &mut Authenticator) -> Value {
        let begun = self.good("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = passkey.answer(&begun["public_key"]);
        let answer = json!({"mfa_token": token, "challenge_id": begun["challenge_id"], "credential": credential});
        self.good("/v1/mfa/verify", &answer)
    }
}

#[test]
fn a_login_is_proved_by_a_passkey_of_either_algorithm() {
    let lab = Lab::with(taking_passkeys);
    for (user, mut passkey) in [("ellen", Authenticator::new(ORIGIN)), ("robert", Authenticator::with_rsa(ORIGIN))] {
        let bound = lab.bind_passkey(&minted(&signing_up(user)), &passkey);
        assert_eq!(bound["backup_codes"].as_array().map(Vec::len), Some(10), "{bound}");
        let scored = lab.risky(user, json!({}));
        assert_eq!(scored["mfa"]["factors"], json!(["webauthn", "backup_code"]), "{scored}");
        let token = super::lab::token_of(&scored);
        let proved = lab.prove_by_passkey(&token, &mut passkey);
        let told = (&proved["acr"], &proved["amr"], &proved["next"]);
        assert_eq!(told, (&json!("urn:askance:acr:phr"), &json!(["hwk", "mfa", "rba"]), &json!("done")), "{user}");
        let begun = lab.post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "webauthn"}));
        let begun = json_of(&begun);
        let stranger = Authenticator::new(ORIGIN).answer(&begun["public_key"]);
        let wrong = json!({"mfa_token": token, "challenge_id": begun["challenge_id"], "credential": stranger});
        assert_problem(&lab.post("/v1/mfa/verify", &wrong), 400, "session.mfa.webauthn_verification_failed");
    }
}

/// A request within a session of a user at home.
fn step_up(user: &str) -> Value {
    json!({"user_id": user, "session_id": "a-session", "ip": "81.2.69.142", "user_agent": CHROME})
}

#[test]
fn a_user_manages_factors_behind_a_step_up_for_it_and_only_those_of_their_own() {
    let lab = Lab::with(|settings| {
        let mut action = toml::Table::new();
        action.insert("name".to_owned(), "askance.factors".into());
        action.insert("text".to_owned(), "Change how you sign in".into());
        let client = crate::support::ApiClient::new("idp", &["score", "mfa"]);
        taking_passkeys(settings).push("step_up.actions", action).client(&client)
    });
    let idp = lab.server.main().with_key(&crate::support::ApiClient::new("idp", &[]).key);
    let post = |path: &str, body: &Value| json_of(&idp.post(path, body));
    // The client is who asks: its tokens are good for it alone.
    let tag = crate::factors::lab::tag_of("idp");
    let signing_up = |user: &str| askance::mfa::MfaToken { client: tag, ..signing_up(user) };
    let mut passkey = Authenticator::new(ORIGIN);
    for user in ["alice", "bob"] {
        let token = minted(&signing_up(user));
        let begun = post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = passkey.register(&begun["public_key"]);
        let bind = json!({"mfa_token": token, "enrolment_id": begun["enrolment_id"], "credential": credential});
        post("/v1/mfa/enroll/verify", &bind);
    }
    let prove = |passkey: &mut Authenticator, token: &str| {
        let begun = post("/v1/mfa/challenge", &json!({"mfa_token": token, "factor": "webauthn"}));
        let credential = passkey.answer(&begun["public_key"]);
        let answer = json!({"mfa_token": token, "challenge_id": begun["challenge_id"], "credential": credential});
        post("/v1/mfa/verify", &answer);
    };
    let call = |method: &str, path: &str, token: &str| {
        idp.send(Request::new(method, path).header("x-askance-mfa-token", token))
    };
    let refused = |method: &str, path: &str, token: &str| {
        assert_problem(&call(method, path, token), 403, "session.mfa.require_mfa_verification");
    };

    // A step-up of the session, and not for this action, is none for it.
    let session = post("/v1/step-up", &step_up("alice"))["mfa_token"].as_str().unwrap().to_owned();
    prove(&mut passkey, &session);
    refused("GET", "/v1/users/alice/factors", &session);

    let action = json!({"action": {"name": "askance.factors", "params": {}}});
    let asked = post("/v1/step-up", &with(step_up("alice"), action));
    assert_eq!(
        (&asked["text"], &asked["factors"]),
        (&json!("Change how you sign in"), &json!(["webauthn", "backup_code"]))
    );
    let token = asked["mfa_token"].as_str().unwrap();
    refused("GET", "/v1/users/alice/factors", token);
    prove(&mut passkey, token);
    refused("GET", "/v1/users/bob/factors", token);
    let held = json_of(&call("GET", "/v1/users/alice/factors", token));
    assert_eq!(held["factors"][0]["factor"], "webauthn", "{held}");
    let renewed = json_of(&call("POST", "/v1/users/alice/backup-codes", token));
    assert_eq!(renewed["backup_codes"].as_array().map(Vec::len), Some(10));
    let path = |user: &str| format!("/v1/users/{user}/factors/{}", held["factors"][0]["id"].as_str().unwrap());
    refused("DELETE", &path("bob"), token);
    assert_eq!(call("DELETE", &path("alice"), token).status, 204);
    let held = json_of(&call("GET", "/v1/users/alice/factors", token));
    assert!(held["factors"].as_array().unwrap().iter().all(|factor| factor["factor"] != "webauthn"), "{held}");
}

/// From where nobody is let in, nothing that is proved helps, nor what was proved a moment ago.
#[test]
fn a_step_up_from_where_nobody_is_let_in_is_denied() {
    let mut rule = toml::Table::new();
    for (key, value) in [("name", "closed"), ("when", "event.ip.inCidr('198.51.100.0/24')"), ("effect", "deny")] {
        rule.insert(key.to_owned(), value.into());
    }
    let lab = Lab::with(|settings| taking_passkeys(settings).push("rules", rule));
    let mut passkey = Authenticator::new(ORIGIN);
    lab.bind_passkey(&minted(&signing_up("alice")), &passkey);
    let ask = |ip: &str| lab.good("/v1/step-up", &with(step_up("alice"), json!({"ip": ip, "max_age_s": 600})));
    let asked = ask("81.2.69.142");
    assert_eq!(asked["action"], "challenge", "{asked}");
    for is_proved in [false, true] {
        let denied = ask("198.51.100.7");
        let told = ["action", "factors", "mfa_token", "assertion"].map(|member| denied[member].clone());
        assert_eq!(told, [json!("deny"), json!([]), Value::Null, Value::Null], "{is_proved}: {denied}");
        if !is_proved {
            lab.prove_by_passkey(asked["mfa_token"].as_str().unwrap(), &mut passkey);
        }
    }
    assert_eq!(ask("81.2.69.142")["action"], "allow", "the proof is of a moment ago");
}
