//! What is said of a decision afterwards, what a demand left unmet means, and how strong a factor must be.

use crate::support::{
    ApiClient, Askance, CHROME, Client, Request, Response, Settings, assert_problem, eventually, json_of, plain_login,
    risky_login, time_from_now, with,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn tell(client: &Client, decision: &Value, what: &str, body: &Value) -> Response {
    let id = decision["decision_id"].as_str().expect("a decision has an id");
    client.post(&format!("/v1/decisions/{id}/{what}"), body)
}

fn label(client: &Client, decision: &Value, label: &str) -> Response {
    tell(client, decision, "feedback", &json!({"label": label}))
}

fn assert_done(answer: &Response) {
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn score(client: &Client, login: Value, change: Value) -> Value {
    json_of(&client.score(&with(login, change)))
}

fn code<'a>(answer: &'a Value, assessor: &str) -> &'a str {
    answer["risk_assessment"]["assessments"][assessor]["code"].as_str().unwrap_or_default()
}

/// A user with a past: one login three days ago, with a factor, on device `d1`.
fn import_past(client: &Client, user: &str) {
    let past = json!({
        "user": {"id": user}, "ip": "81.2.69.142", "device_id": "d1", "user_agent": CHROME,
        "time": time_from_now(-3 * 86_400), "result": "success", "mfa_passed": true,
    });
    assert_eq!(json_of(&client.import(&[past]))["recorded"], 1);
}

#[test]
fn a_label_is_read_as_strictly_as_a_login() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let decision = json_of(&client.score(&plain_login("label-strict")));
    for (body, field) in [
        (json!({}), "label"),
        (json!({"label": "maybe"}), "label"),
        (json!({"label": 1}), "label"),
        (json!({"label": "fraud", "reason": "x"}), "reason"),
    ] {
        let document = assert_problem(&tell(&client, &decision, "feedback", &body), 422, "request.invalid");
        assert_eq!(document["field"], field, "{body}: {document}");
    }
    let path = "/v1/decisions/01890000-0000-7000-8000-000000000000/feedback";
    assert_problem(&client.post(path, &json!({"label": "fraud"})), 404, "decision.not_found");
    let text = Request::post(path).content("text/plain", "{\"label\": \"fraud\"}");
    assert_problem(&client.send(text), 415, "request.content_type");
}

#[test]
fn who_may_label_what() {
    let keys = [
        ApiClient::new("portal", &["score"]),
        ApiClient::new("shop", &["score"]),
        ApiClient::new("desk", &["admin"]),
        ApiClient::new("loader", &["history"]),
    ];
    let settings = keys.iter().fold(Settings::new(), |settings, key| settings.client(key));
    let server = Askance::start(&settings);
    let [portal, shop, desk, loader] = keys.map(|key| server.main().with_key(&key.key));
    import_past(&loader, "label-who");
    let done = score(&portal, plain_login("label-who"), json!({"device_id": "d1"}));
    let waits = json_of(&portal.score(&risky_login("label-who")));
    assert_eq!((&done["action"], &waits["action"]), (&json!("allow"), &json!("challenge")));
    assert_problem(&label(&loader, &done, "fraud"), 403, "auth.scope_missing");
    for said in ["legitimate", "fraud"] {
        assert_problem(&label(&shop, &done, said), 403, "decision.other_client");
    }
    assert_problem(&label(&portal, &waits, "legitimate"), 403, "decision.not_completed");
    assert_done(&label(&portal, &done, "legitimate"));
    assert_done(&label(&desk, &waits, "legitimate"));
    assert_done(&label(&portal, &waits, "fraud"));
    // A label settles nothing: the outcome is still awaited.
    assert_done(&tell(&portal, &waits, "outcome", &json!({"result": "success", "factor": "totp"})));
}

#[test]
fn legitimate_makes_device_and_network_known_at_once() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    import_past(&client, "label-good");
    let login = with(risky_login("label-good"), json!({"device_id": "d7", "ip": "203.0.113.7"}));
    let odd = score(&client, login.clone(), json!({"user_agent": "curl/8.5.0"}));
    assert_eq!(code(&odd, "NewDevice"), "no_match", "{odd}");
    // `no_match` alone is medium, hence completed; the device is known anyway. A challenged one is not.
    let challenged = score(&client, risky_login("label-good"), json!({"device_id": "d8"}));
    assert_eq!(challenged["action"], "challenge");
    assert_done(&label(&client, &challenged, "legitimate"));
    let after = score(&client, risky_login("label-good"), json!({"device_id": "d8"}));
    assert_eq!(after["risk_assessment"]["assessments"]["NewDevice"]["details"]["device"], "known", "{after}");
}

#[test]
fn fraud_is_reported_until_a_strong_login_and_remembered_browsers_until_a_factor() {
    // What is new is let in here, so that there is something to be sorry for.
    let server = Askance::start(&Settings::new().set("verdict.aggregator", "strict"));
    let client = server.main();
    import_past(&client, "label-bad");
    let theirs = json!({"device_id": "d9", "ip": "203.0.113.9"});
    let stolen = score(&client, plain_login("label-bad"), theirs.clone());
    assert_eq!(stolen["action"], "allow", "{stolen}");
    assert_done(&label(&client, &stolen, "fraud"));
    assert_done(&label(&client, &stolen, "fraud"));

    let own = json!({"device_id": "d1", "remembered_browser": true});
    let owner = score(&client, plain_login("label-bad"), own.clone());
    assert_eq!((code(&owner, "Reported"), code(&owner, "NewDevice")), ("not_reported", "match"), "{owner}");
    assert_eq!((&owner["action"], &owner["remembered_browser"]), (&json!("allow"), &json!("ignored")), "{owner}");

    for change in [theirs.clone(), json!({"device_id": "d1", "ip": "203.0.113.9"}), json!({"device_id": "d9"})] {
        let back = score(&client, plain_login("label-bad"), change.clone());
        assert_eq!((code(&back, "Reported"), &back["action"]), ("reported", &json!("challenge")), "{change}: {back}");
        assert_eq!(back["reasons"][0]["code"], "reported", "{back}");
        assert_done(&tell(&client, &back, "outcome", &json!({"result": "success", "factor": "totp"})));
    }
    let owner = score(&client, plain_login("label-bad"), own);
    assert_eq!(owner["remembered_browser"], "honoured", "a factor was passed since: {owner}");

    let user = json!({"user": {"enrolled_factors": ["webauthn"]}});
    let back = score(&client, with(plain_login("label-bad"), theirs.clone()), user);
    assert_eq!(code(&back, "Reported"), "reported", "a code does not lift a report: {back}");
    assert_done(&tell(&client, &back, "outcome", &json!({"result": "success", "factor": "webauthn"})));
    let cleared = score(&client, plain_login("label-bad"), theirs);
    assert_eq!((code(&cleared, "Reported"), &cleared["action"]), ("not_reported", &json!("allow")), "{cleared}");
}

#[test]
fn fraud_of_somebody_who_never_logged_in_is_remembered_too() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let tried = score(&client, risky_login("label-new"), json!({"device_id": "d9"}));
    assert_eq!(tried["action"], "challenge", "{tried}");
    assert_done(&label(&client, &tried, "fraud"));
    let again = score(&client, plain_login("label-new"), json!({"device_id": "d9"}));
    assert_eq!((code(&again, "Reported"), code(&again, "NewDevice")), ("reported", "initial_login"), "{again}");
    assert_eq!(again["action"], "challenge", "{again}");
    let other = score(&client, plain_login("label-new"), json!({"device_id": "d1"}));
    assert_eq!((code(&other, "Reported"), &other["action"]), ("not_reported", &json!("allow")), "{other}");
}

/// Nothing is recorded without an outcome, so that asking again and again changes nothing.
#[test]
fn a_demand_left_to_expire_counts_on_unknown_devices_until_a_factor_is_passed() {
    let settings = Settings::new().set("memory.pending_ttl_s", 1).set("memory.record", "on_outcome");
    let server = Askance::start(&settings);
    let client = server.main();
    import_past(&client, "unmet");
    let demand = json_of(&client.score(&risky_login("unmet")));
    assert_eq!(demand["action"], "challenge", "{demand}");
    let unknown = json!({"device_id": "d7"});
    let refused = eventually("the demand to expire", || {
        let answer = score(&client, plain_login("unmet"), unknown.clone());
        (answer["action"] != "allow").then_some(answer)
    });
    assert_eq!(code(&refused, "Reported"), "unfinished_challenge", "{refused}");
    let known = score(&client, plain_login("unmet"), json!({"device_id": "d1"}));
    assert_eq!((code(&known, "Reported"), &known["action"]), ("not_reported", &json!("allow")), "{known}");
    assert_done(&tell(&client, &refused, "outcome", &json!({"result": "success", "factor": "totp"})));
    let other = score(&client, plain_login("unmet"), json!({"device_id": "d6"}));
    assert_eq!(code(&other, "Reported"), "not_reported", "{other}");
}

#[test]
fn a_proxy_like_login_needs_a_factor_that_cannot_be_phished() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hosting.netset");
    std::fs::write(&path, "198.51.100.0/24\n").unwrap();
    let mut list = toml::Table::new();
    for (key, value) in [("name", "hosting"), ("path", path.to_str().unwrap()), ("category", "datacenter")] {
        list.insert(key.to_owned(), value.into());
    }
    let server = Askance::start_in(&Settings::new().push("signals.untrusted_ip.lists", list), directory);
    let client = server.main();
    let strange = json!({"device_id": "d7", "user_agent": "curl/8.5.0"});
    let hosting = with(strange.clone(), json!({"ip": "198.51.100.7"}));
    let new_system = with(strange.clone(), json!({"ip": "999.1.1.1", "edge": {"asn": 64_501}}));
    let usual_system = with(strange, json!({"ip": "999.1.1.1"}));
    // The cookie does not come through a phisher's proxy.
    let known_device = with(new_system.clone(), json!({"device_id": "d1"}));
    for (number, (login, enrolled, strength, factors, passed, then)) in [
        (&hosting, json!(["webauthn", "totp"]), "phishing_resistant", json!(["webauthn"]), "webauthn", "known"),
        (&hosting, json!(["sms", "totp", "backup_code"]), "phishing_resistant", json!(["totp"]), "totp", "unknown"),
        (&new_system, json!(["sms", "totp"]), "phishing_resistant", json!(["totp"]), "totp", "unknown"),
        (&usual_system, json!(["sms", "totp"]), "any", json!(["totp", "sms"]), "sms", "known"),
        (&known_device, json!(["sms", "totp"]), "any", json!(["totp", "sms"]), "totp", "known"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("strength-{number}");
        import_past(&client, &user);
        let enrolled = json!({"user": {"enrolled_factors": enrolled}});
        let login = with(with(plain_login(&user), login.clone()), enrolled);
        let asked = json_of(&client.score(&login));
        assert_eq!(asked["action"], "challenge", "{asked}");
        assert_eq!((&asked["mfa"]["strength"], &asked["mfa"]["factors"]), (&json!(strength), &factors), "{asked}");
        assert_done(&tell(&client, &asked, "outcome", &json!({"result": "success", "factor": passed})));
        let after = score(&client, login, json!({"ip": "81.2.69.142"}));
        let device = &after["risk_assessment"]["assessments"]["NewDevice"]["details"]["device"];
        assert_eq!(device, then, "{user}: {after}");
    }
}
