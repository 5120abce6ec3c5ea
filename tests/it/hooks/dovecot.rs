//! The protocol of Dovecot's `auth_policy`, as Dovecot 2.3 speaks it.

use super::support::{ELSEWHERE, HOME, settings};
use crate::support::{ApiClient, Askance, Request, assert_problem, import, json_of, with};
use serde_json::{Value, json};

/// A server that knows alice, and the key of its mail server.
fn start() -> (Askance, ApiClient) {
    let (mail, operator) = (ApiClient::new("mail", &["score"]), ApiClient::new("operator", &["history"]));
    let server = Askance::start(&settings().client(&mail).client(&operator));
    let past = json!({"user": {"id": "alice"}, "ip": HOME, "time": crate::support::time_from_now(-3_600), "result": "success", "mfa_passed": true});
    let report = json_of(&server.main().with_key(&operator.key).import(&[past]));
    assert_eq!(report["recorded"], 1, "{report}");
    (server, mail)
}

fn send(server: &Askance, mail: &ApiClient, command: &str, change: Value) -> Value {
    let body = json!({
        "device_id": "", "login": "alice", "protocol": "imap", "pwhash": "07fc", "remote": HOME,
        "session_id": "BqEbSsxgsJzLAHEJ", "tls": false,
    });
    let request = Request::post(&format!("/v1/hook/dovecot?command={command}")).json(&with(body, change));
    json_of(&server.hooks().send(request.header("x-api-key", &mail.key)))
}

fn user(server: &Askance) -> Value {
    let operator = ApiClient::new("operator", &["history"]);
    let mut user = json_of(&server.main().with_key(&operator.key).get("/v1/users/alice"));
    user.as_object_mut().unwrap().remove("open_decisions");
    user
}

fn decisions(server: &Askance) -> Vec<Value> {
    let operator = ApiClient::new("operator", &["history"]);
    let page = json_of(&server.main().with_key(&operator.key).get("/v1/decisions?user=alice"));
    page["decisions"].as_array().unwrap().clone()
}

#[test]
fn a_usual_login_goes_on_and_teaches_once_its_password_was_right() {
    let (server, mail) = start();
    let before = user(&server);
    let login = json!({"device_id": "{\"name\":\"Thunderbird\"}", "remote": "81.2.70.1"});
    for _ in 0..2 {
        assert_eq!(send(&server, &mail, "allow", login.clone())["status"], 0);
    }
    assert_eq!(decisions(&server).len(), 1, "asked before and after the password, decided once");
    assert_eq!(user(&server), before, "nobody told that it was completed");
    let done = with(login, json!({"success": true, "policy_reject": false}));
    send(&server, &mail, "report", done.clone());
    let after = user(&server);
    assert_ne!(after, before);
    send(&server, &mail, "report", done);
    assert_eq!(user(&server), after, "told again");
}

#[test]
fn an_unusual_login_is_refused_and_what_was_refused_teaches_nothing() {
    let (server, mail) = start();
    let before = user(&server);
    for change in [
        json!({"remote": ELSEWHERE, "session_id": "1"}),
        json!({"remote": "nonsense", "session_id": "2"}),
        json!({"remote": null, "session_id": "3"}),
        json!({"login": "stranger", "session_id": "4"}),
        json!({"login": "", "session_id": "5"}),
        json!({"login": null, "session_id": "6"}),
    ] {
        let opinion = send(&server, &mail, "allow", change.clone());
        assert_eq!(opinion["status"], -1, "{change}");
        assert!(opinion["msg"].as_str().is_some_and(|msg| msg.contains("https://login.example.org/mfa")), "{opinion}");
        for reported in [json!({"success": false, "policy_reject": true}), json!({"success": true})] {
            send(&server, &mail, "report", with(change.clone(), reported));
        }
    }
    assert_eq!(user(&server), before);
}

#[test]
fn a_session_keeps_its_answer_and_another_one_has_its_own() {
    let (server, mail) = start();
    assert_eq!(send(&server, &mail, "allow", json!({}))["status"], 0);
    for change in [json!({"session_id": "other", "remote": ELSEWHERE}), json!({"remote": ELSEWHERE})] {
        assert_eq!(send(&server, &mail, "allow", change)["status"], -1, "from elsewhere it is another login");
    }
    assert_eq!(send(&server, &mail, "allow", json!({}))["status"], 0);
}

#[test]
fn passwords_that_were_wrong_count_against_where_they_came_from() {
    let (server, mail) = start();
    for number in 0..40 {
        let name = format!("nobody{number}");
        let wrong = json!({"login": name, "session_id": name, "remote": "203.0.113.9", "success": false});
        send(&server, &mail, "report", wrong);
    }
    let login = json!({"user": {"id": "carol"}, "ip": "203.0.113.9"});
    let scored = json_of(&server.main().with_key(&mail.key).score(&login));
    assert_eq!(scored["risk_assessment"]["assessments"]["UntrustedIP"]["code"], "high_velocity", "{scored}");
}

#[test]
fn a_mail_server_needs_a_key() {
    let (server, mail) = start();
    let body = json!({"login": "alice", "remote": HOME});
    let ask = |path: &str| Request::post(path).json(&body);
    let allow = "/v1/hook/dovecot?command=allow";
    assert_problem(&server.hooks().send(ask(allow)), 401, "auth.key_invalid");
    assert_problem(&server.hooks().send(ask(allow).header("x-api-key", "wrong")), 401, "auth.key_invalid");
    let known = server.hooks().with_key(&mail.key);
    assert_eq!(json_of(&known.send(ask(allow)))["status"], 0, "or as a bearer");
    for path in ["/v1/hook/dovecot", "/v1/hook/dovecot?command=forget", "/v1/hook/dovecot?command=allow&x=1"] {
        assert_problem(&known.send(ask(path)), 422, "request.invalid");
    }
    let broken = Request::post(allow).content("application/json", "{");
    assert_problem(&known.send(broken), 400, "request.malformed_json");
    // Without clients, whoever is on this machine.
    let server = Askance::start(&settings());
    import(&server, "alice", json!({"ip": HOME, "device_id": null}));
    assert_eq!(json_of(&server.hooks().send(ask(allow)))["status"], 0);
    assert_problem(&server.hooks().send(ask(allow).header("x-forwarded-for", HOME)), 403, "auth.not_local");
}
