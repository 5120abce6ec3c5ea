//! A retry with the same `session_id` gets the same answer, and is no second login.

use crate::support::{
    ApiClient, Askance, CHROME, Client, Request, Response, Settings, json_of, plain_login, risky_login, time_from_now,
    with,
};
use serde_json::{Value, json};

fn login(user: &str) -> Value {
    with(plain_login(user), json!({"session_id": "s-1", "device_id": "d1", "time": time_from_now(0)}))
}

fn raw(client: &Client, body: &str) -> Response {
    client.send(Request::post("/v1/score").content("application/json", body))
}

/// How many logins were judged, as metrics count them.
fn judged(server: &Askance) -> u64 {
    let metrics = server.admin().get("/metrics").text();
    let counts = metrics.lines().filter(|line| line.starts_with("askance_decisions_total"));
    counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// Sends `first` and then `second`; whether both have one answer.
fn is_repeated(client: &Client, first: &str, second: &str) -> bool {
    let (first, second) = (raw(client, first), raw(client, second));
    let is_same_decision = json_of(&first)["decision_id"] == json_of(&second)["decision_id"];
    assert_eq!(is_same_decision, first.body == second.body, "{} {}", first.text(), second.text());
    is_same_decision
}

#[test]
fn a_retry_is_equal_but_for_its_time() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let at = |offset_s| json!({"time": time_from_now(offset_s)});
    // Some libraries write a plus sign so.
    let escaped = |offset_s| {
        let time = time_from_now(offset_s);
        login("escaped").to_string().replace(&time_from_now(0), &time.replace('Z', r"\u002b00:00"))
    };
    let table = [
        ("the very same", login("same").to_string(), login("same").to_string(), true),
        ("another time", login("time").to_string(), with(login("time"), at(-9)).to_string(), true),
        ("another time, with escapes", escaped(0), escaped(-9), true),
        (
            "a time first, then none",
            login("none").to_string(),
            with(login("none"), json!({"time": null})).to_string(),
            false,
        ),
        (
            "another session",
            login("other").to_string(),
            with(login("other"), json!({"session_id": "s-2"})).to_string(),
            false,
        ),
        (
            "another byte",
            login("byte").to_string(),
            with(login("byte"), json!({"ip": "81.2.69.143"})).to_string(),
            false,
        ),
        ("another user", login("user-1").to_string(), login("user-2").to_string(), false),
        ("a blank more", login("blank").to_string(), format!("{} ", login("blank")), false),
        (
            "a blank before the time",
            login("gap").to_string(),
            login("gap").to_string().replace(r#""time":"#, r#""time": "#),
            false,
        ),
        ("another tenant's", login("ten").to_string(), with(login("ten"), json!({"tenant": "b"})).to_string(), false),
    ];
    for (what, first, second, repeated) in table {
        assert_eq!(is_repeated(&client, &first, &second), repeated, "{what}: {first} {second}");
    }
    for id in [json!(null), json!("")] {
        let body = with(login("no-session"), json!({"session_id": id})).to_string();
        assert!(!is_repeated(&client, &body, &body), "session_id {id} names none");
    }
}

#[test]
fn a_retry_is_judged_and_learnt_once() {
    let server = Askance::start(&Settings::new());
    let body = login("once").to_string();
    let first = raw(&server.main(), &body);
    for _ in 0..5 {
        let again = raw(&server.main(), &body);
        assert_eq!(again.body, first.body);
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "each request has its own id");
    }
    assert_eq!(judged(&server), 1);
    raw(&server.main(), &with(login("once"), json!({"session_id": "s-2"})).to_string());
    assert_eq!(judged(&server), 2);
}

/// Whoever was asked for a factor is not let in by asking again, even after the demand was met.
#[test]
fn the_answer_stays_whatever_becomes_of_the_decision() {
    let server = Askance::start(&Settings::new());
    let body = with(risky_login("settled"), json!({"session_id": "s-1", "device_id": "d1"})).to_string();
    let first = json_of(&raw(&server.main(), &body));
    assert_eq!(first["action"], "challenge");
    let id = first["decision_id"].as_str().unwrap();
    let outcome = json!({"result": "success", "factor": "totp"});
    assert_eq!(server.main().post(&format!("/v1/decisions/{id}/outcome"), &outcome).status, 204);
    assert_eq!(json_of(&raw(&server.main(), &body)), first);
}

#[test]
fn who_was_erased_is_judged_anew() {
    let server = Askance::start(&Settings::new());
    let body = login("alice").to_string();
    let first = json_of(&raw(&server.main(), &body))["decision_id"].clone();
    assert_eq!(json_of(&raw(&server.main(), &body))["decision_id"], first);
    assert_eq!(server.main().send(Request::new("DELETE", "/v1/users/alice")).status, 204);
    assert_ne!(json_of(&raw(&server.main(), &body))["decision_id"], first);
}

#[test]
fn a_retry_is_the_same_clients_and_asks_for_the_same_form() {
    let [one, other] = ["one", "other"].map(|name| ApiClient::new(name, &["score"]));
    let server = Askance::start(&Settings::new().client(&one).client(&other));
    let decision = |client: &ApiClient, prefer: &str| {
        let request = Request::score(&login("clients")).header("prefer", prefer);
        json_of(&server.main().with_key(&client.key).send(request))["decision_id"].clone()
    };
    let first = decision(&one, "");
    assert_eq!(decision(&one, ""), first);
    assert_ne!(decision(&other, ""), first);
    let minimal = decision(&one, "return=minimal");
    assert_ne!(minimal, first);
    assert_eq!(decision(&one, "return=minimal"), minimal);
}

/// What is wrong with a retry is said of it, as it would be of any request.
#[test]
fn a_retry_is_held_to_the_contract() {
    let server = Askance::start(&Settings::new());
    json_of(&raw(&server.main(), &login("late").to_string()));
    for (time, code) in [(json!(time_from_now(-3_600)), "event.time_out_of_range"), (json!("noon"), "request.invalid")]
    {
        let retry = raw(&server.main(), &with(login("late"), json!({"time": time})).to_string());
        crate::support::assert_problem(&retry, 422, code);
    }
}

#[test]
fn retries_at_the_same_time_are_one_login() {
    let server = Askance::start(&Settings::new().set("server.workers", 2));
    let body = with(login("at-once"), json!({"user_agent": CHROME})).to_string();
    let answers: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16).map(|_| scope.spawn(|| raw(&server.main(), &body).body)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(judged(&server), 1);
}

/// When there are too many, the oldest answers go, and the service goes on.
#[test]
fn answers_are_bounded() {
    // Eight share a MiB: room for some 70 answers each.
    let clients: Vec<ApiClient> = (0..8).map(|number| ApiClient::new(&format!("c{number}"), &["score"])).collect();
    let settings = Settings::new().set("server.retry_answers_mib_max", 1);
    let server = Askance::start(&clients.iter().fold(settings, Settings::client));
    let client = server.main().with_key(&clients[0].key);
    let body = login("bounded").to_string();
    let first = raw(&client, &body);
    for number in 0..100 {
        raw(&client, &with(login("flood"), json!({"session_id": format!("f-{number}")})).to_string());
    }
    assert_ne!(raw(&client, &body).body, first.body);
}
