//! What is counted of factors: for `/metrics`, and of where they fail.

use super::lab::{Lab, minted, signing_up, token_of};
use crate::support::{assert_problem, json_of, plain_login, with};
use serde_json::{Value, json};

/// A login from this address, which is asked for a factor.
fn asked(lab: &Lab, user: &str, ip: &str) -> Value {
    let login = with(plain_login(user), json!({"ip": ip, "user": {"enrolled_factors": null}}));
    json_of(&lab.server.main().score(&login))
}

#[test]
fn challenges_proofs_and_messages_are_counted_by_what_became_of_them() {
    let lab = Lab::new();
    let (app, codes) = lab.with_app("alice");
    let token = lab.token("alice");
    let id = lab.challenge(&token, "totp");
    for _ in 0..2 {
        assert_problem(&lab.verify(&token, &id, "no code"), 400, "session.mfa.invalid_totp_code");
    }
    assert_eq!(lab.verify(&token, &id, &app.code(1)).status, 200);
    let token = lab.token("alice");
    assert_eq!(lab.verify(&token, &lab.challenge(&token, "backup_code"), &codes[0]).status, 200);
    let stranger = minted(&askance::mfa::MfaToken { is_device_known: false, ..signing_up("bob") });
    lab.with_app("bob");
    let id = lab.challenge(&stranger, "totp");
    (0..20).for_each(|_| drop(lab.verify(&stranger, &id, "no code")));
    assert_eq!(lab.verify(&stranger, &id, "no code").status, 429);
    assert_eq!(lab.post("/v1/mfa/challenge", &json!({"mfa_token": stranger, "factor": "totp"})).status, 429);
    let spent = json!({"assertion": "none", "session_id": "s", "action": {"name": "transfer", "params": {}}});
    assert_problem(&lab.post("/v1/step-up/consume", &spent), 401, "mfa_token.invalid");
    let send = |number: &str| {
        let token = minted(&signing_up("carol"));
        lab.post("/v1/mfa/enroll", &json!({"mfa_token": token, "factor": "sms", "phone_number": number})).status
    };
    for (head, status) in [("500 Internal Server Error", 502), ("429 Too Many Requests", 429), ("400 No", 502)] {
        lab.provider.answer(head);
        assert_eq!(send("+819012340000"), status);
    }
    lab.provider.answer("200 OK");
    (0..10).for_each(|_| assert_eq!(send("+819012340000"), 200));
    assert_eq!(send("+819012340000"), 429);

    let metrics = lab.server.admin().get("/metrics").text();
    for line in [
        r#"askance_mfa_challenges_total{factor="totp",result="begun"} 2"#,
        r#"askance_mfa_challenges_total{factor="totp",result="passed"} 1"#,
        r#"askance_mfa_challenges_total{factor="totp",result="wrong"} 22"#,
        r#"askance_mfa_challenges_total{factor="totp",result="locked"} 2"#,
        r#"askance_mfa_challenges_total{factor="backup_code",result="passed"} 1"#,
        r#"askance_mfa_challenges_total{factor="webauthn",result="begun"} 0"#,
        r#"askance_mfa_proofs_total{result="signed"} 2"#,
        r#"askance_mfa_proofs_total{result="spent"} 0"#,
        r#"askance_mfa_proofs_total{result="refused"} 1"#,
        r#"askance_mfa_messages_total{connector="sms",result="taken"} 10"#,
        r#"askance_mfa_messages_total{connector="sms",result="later"} 1"#,
        r#"askance_mfa_messages_total{connector="sms",result="rejected"} 1"#,
        r#"askance_mfa_messages_total{connector="sms",result="failed"} 1"#,
        r#"askance_mfa_messages_total{connector="email",result="passed_by"} 0"#,
        "askance_mfa_messages_limited_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("alice") && !metrics.contains("90123"), "labels are of closed sets");
}

/// Whoever guesses at factors of many is an attacker, as whoever guesses at passwords is; and once a login, whether or not its outcome is told.
#[test]
fn a_factor_that_fails_counts_once_where_it_comes_from() {
    let lab = Lab::with(|settings| {
        settings
            .set("mfa.factors", vec!["totp".to_owned()])
            .set("verdict.policy", "always")
            .set("signals.new_device.history_missing", "neutral")
    });
    let found = |scored: &Value| scored["risk_assessment"]["assessments"]["UntrustedIP"].clone();
    lab.with_app("before");
    assert_eq!(found(&asked(&lab, "before", "198.51.100.7"))["code"], "not_found_on_deny_list");
    for number in 0..12 {
        let user = format!("tried-{number}");
        lab.with_app(&user);
        let scored = asked(&lab, &user, "198.51.100.7");
        let token = token_of(&scored);
        let id = lab.challenge(&token, "totp");
        for _ in 0..3 {
            assert_problem(&lab.verify(&token, &id, "no code"), 400, "session.mfa.invalid_totp_code");
        }
        if number % 2 == 0 {
            let outcome = format!("/v1/decisions/{}/outcome", scored["decision_id"].as_str().unwrap());
            assert_eq!(lab.post(&outcome, &json!({"result": "failure"})).status, 204);
        }
    }
    lab.with_app("after");
    let found = found(&asked(&lab, "after", "198.51.100.7"));
    assert_eq!((&found["code"], &found["details"]["failures"]), (&json!("high_velocity"), &json!(12)), "{found}");
    let metrics = lab.server.admin().get("/metrics").text();
    assert!(metrics.contains(r#"askance_failures_total{kind="mfa"} 12"#), "{metrics}");
}
