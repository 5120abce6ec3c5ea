//! That the judge of traffic can say no: exchanges and documents that are a little wrong.

use crate::support::contract::document::Document;
use crate::support::contract::{Contract, Listener, contract};
use crate::support::{Askance, Request, Response, Settings, json_of, plain_login, risky_login, with};
use serde_json::{Value, json};

/// A change of an answer's body, and what it is an example of.
type Change = (&'static str, fn(&mut Value));

fn wrong_bodies() -> Vec<Change> {
    fn assessment<'a>(body: &'a mut Value, name: &str) -> &'a mut Value {
        &mut body["risk_assessment"]["assessments"][name]
    }
    vec![
        ("a member with another name", |body| {
            let id = body.as_object_mut().unwrap().remove("decision_id").unwrap();
            body["decision"] = id;
        }),
        ("a member more", |body| body["risk"] = json!("low")),
        ("a member more, deep down", |body| body["evidence"]["address"]["city"] = json!("London")),
        ("a member less", |body| drop(body["risk_assessment"].as_object_mut().unwrap().remove("version"))),
        ("a wrong type", |body| body["demand_mfa"] = json!("true")),
        ("a word that is none", |body| body["action"] = json!("permit")),
        ("an id that is none", |body| body["decision_id"] = json!("1")),
        ("an unknown code", |body| assessment(body, "NewDevice")["code"] = json!("brand_new")),
        ("a code of another assessor", |body| assessment(body, "UntrustedIP")["code"] = json!("initial_login")),
        ("an unknown assessor", |body| *assessment(body, "Horoscope") = json!({"confidence": "low", "code": "ok"})),
        ("an assessor less", |body| {
            drop(body["risk_assessment"]["assessments"].as_object_mut().unwrap().remove("Reported"));
        }),
        ("details of a code that has none", |body| {
            assessment(body, "NewDevice")["details"] = json!({"device": "known", "useragent": "known"});
        }),
        ("details missing", |body| assessment(body, "NewDevice")["code"] = json!("match")),
        ("a demand that is none", |body| body["demand_mfa"] = json!(true)),
        ("factors though none is demanded", |body| {
            body["mfa"] = json!({"factors": ["totp"], "strength": "any", "next": "challenge"});
        }),
        ("no reasons", |body| body["reasons"] = json!([])),
        ("a reason of no known code", |body| body["reasons"][0]["code"] = json!("bad_luck")),
    ]
}

#[test]
fn a_wrong_answer_is_refused() {
    let server = Askance::start(&Settings::new());
    let request = Request::score(&plain_login("contract-answer"));
    let answer = server.main().send(request.clone());
    let breach = |response: &Response| contract().check(Listener::Main, &request, response);
    assert_eq!(breach(&answer), Ok(()));
    for (about, change) in wrong_bodies() {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        change(&mut body);
        let wrong = Response { body: body.to_string().into_bytes(), ..answer.clone() };
        assert!(breach(&wrong).is_err(), "{about}: {body}");
    }
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["action"] = json!("permit");
    let breach_of = breach(&Response { body: body.to_string().into_bytes(), ..answer.clone() });
    assert!(breach_of.is_err_and(|breach| breach.starts_with("/action: ")), "what is wrong is named");
    let header = |name: &str, value: &str| {
        let mut headers: Vec<_> = answer.headers.iter().filter(|(other, _)| other != name).cloned().collect();
        headers.extend((!value.is_empty()).then(|| (name.to_owned(), value.to_owned())));
        Response { headers, ..answer.clone() }
    };
    for (about, wrong) in [
        ("an undocumented status", Response { status: 202, ..answer.clone() }),
        ("a status of others", Response { status: 404, ..answer.clone() }),
        ("a body that is no JSON", Response { body: b"{".to_vec(), ..answer.clone() }),
        ("another content type", header("content-type", "text/json")),
        ("no request id", header("x-request-id", "")),
        ("a request id that is none", header("x-request-id", "a b")),
    ] {
        assert!(breach(&wrong).is_err(), "{about}: {wrong:?}");
    }
}

#[test]
fn a_wrong_refusal_is_refused() {
    let server = Askance::start(&Settings::new());
    let request = Request::score(&with(plain_login("contract-refusal"), json!({"flow": 1})));
    let refusal = server.main().send(request.clone());
    assert_eq!(refusal.status, 422);
    for (member, value) in [
        ("code", json!("request.too_large")),
        ("code", json!("request.nonsense")),
        ("status", json!(400)),
        ("title", json!("")),
        ("hint", json!("try again")),
    ] {
        let mut body: Value = serde_json::from_slice(&refusal.body).unwrap();
        body[member] = value;
        let wrong = Response { body: body.to_string().into_bytes(), ..refusal.clone() };
        assert!(contract().check(Listener::Main, &request, &wrong).is_err(), "{body}");
    }
    let method = Request::new("GET", "/v1/score");
    let answer = server.main().send(method.clone());
    let without = answer.headers.iter().filter(|(name, _)| name != "allow").cloned().collect();
    let silent = Response { headers: without, ..answer };
    assert!(contract().check(Listener::Main, &method, &silent).is_err(), "a 405 says what is allowed");
}

/// Both directions: the document may be neither stricter than the server nor kinder.
#[test]
fn a_request_that_server_and_document_see_differently_is_refused() {
    let server = Askance::start(&Settings::new());
    let (taken, refused) = (plain_login("contract-request"), json!({"user": {"id": 1}, "ip": "81.2.69.142"}));
    let [good, bad] = [&taken, &refused].map(|body| server.main().score(body));
    assert_eq!((good.status, bad.status), (200, 422));
    let breach = |body: &Value, response| contract().check(Listener::Main, &Request::score(body), response);
    assert_eq!((breach(&taken, &good), breach(&refused, &bad)), (Ok(()), Ok(())));
    assert!(breach(&refused, &good).is_err(), "a request that the document refuses was taken");
    assert!(breach(&taken, &bad).is_err(), "a request that the document takes was refused");
    assert!(breach(&with(taken, json!({"demand_mfa": false})), &good).is_err(), "an unknown member was taken");
}

#[test]
fn a_line_that_only_the_server_takes_is_refused() {
    let server = Askance::start(&Settings::new());
    let line = with(plain_login("contract-line"), json!({"time": "2026-01-01T00:00:00Z", "result": "success"}));
    let import = |line: &Value| Request::post("/v1/import").content("application/x-ndjson", line.to_string());
    let answer = server.main().send(import(&line));
    let undocumented = import(&with(line, json!({"weather": "fair"})));
    assert!(contract().check(Listener::Main, &undocumented, &answer).is_err());
}

#[test]
fn a_parameter_that_server_and_document_see_differently_is_refused() {
    let server = Askance::start(&Settings::new());
    let request = |path: &str, tenant: &str| Request::new("GET", path).header("x-askance-tenant", tenant);
    let breach = |request: &Request, response: &Response| contract().check(Listener::Main, request, response);
    for (good, bad) in [
        (request("/v1/decisions?limit=1000", "a"), request("/v1/decisions?limit=1001", "a")),
        (request("/v1/decisions?user=a%25", "a"), request("/v1/decisions?user=%25%", "a")),
        (request("/v1/decisions", "a"), request("/v1/decisions?users=a", "a")),
        (request("/v1/users/a", "a"), request("/v1/users/%ff", "a")),
        (request("/v1/users/a", "a"), request("/v1/users/a?user=a", "a")),
        (request("/v1/users/a/export", "a"), request("/v1/users/a/export", "")),
    ] {
        let [taken, refused] = [&good, &bad].map(|request| server.main().send(request.clone()));
        assert_eq!((taken.status, refused.status), (200, 422), "{}", bad.path());
        assert!(breach(&bad, &taken).is_err(), "{} was taken", bad.path());
        assert!(breach(&good, &refused).is_err(), "{} was refused", good.path());
    }
}

/// What is listed and exported is as strict as what is answered.
#[test]
fn a_wrong_list_is_refused() {
    let server = Askance::start(&Settings::new());
    json_of(&server.main().score(&plain_login("contract-lists")));
    let changes: [Change; 6] = [
        ("a member more", |body| body["decisions"][0]["risk"] = json!("low")),
        ("a member less", |body| drop(body["decisions"][0].as_object_mut().unwrap().remove("ip"))),
        ("an unknown code", |body| body["decisions"][0]["codes"]["NewDevice"] = json!("brand_new")),
        ("a demand that is none", |body| body["decisions"][0]["demand_mfa"] = json!(true)),
        ("awaited, and told", |body| body["decisions"][0]["expires_at"] = json!("2026-11-21T10:00:00Z")),
        ("no list", |body| drop(body.as_object_mut().unwrap().remove("decisions"))),
    ];
    for path in ["/v1/decisions", "/v1/users/contract-lists/export"] {
        let request = Request::new("GET", path);
        let answer = server.main().send(request.clone());
        assert!(json_of(&answer)["decisions"][0].is_object(), "{path}: {}", answer.text());
        for (about, change) in &changes {
            let mut body = json_of(&answer);
            change(&mut body);
            let wrong = Response { body: body.to_string().into_bytes(), ..answer.clone() };
            assert!(contract().check(Listener::Main, &request, &wrong).is_err(), "{path}: {about}: {body}");
        }
    }
}

#[test]
fn a_wrong_document_is_refused() {
    let server = Askance::start(&Settings::new());
    let request = Request::score(&risky_login("contract-document"));
    let answer = server.main().send(request.clone());
    let change = |pointer: &str, with: Value| {
        let mut document = contract().document.value().clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere")) = with;
        Contract::new(Document::of(document)).check(Listener::Main, &request, &answer)
    };
    assert_eq!(change("/info/title", json!("another title")), Ok(()));
    for (pointer, with) in [
        ("/components/schemas/Decision/required", json!(["verdict"])),
        ("/components/schemas/Mfa/properties/strength/enum", json!(["strong"])),
        ("/components/schemas/Device/properties/token/type", json!("integer")),
        ("/components/schemas/User/required", json!(["id", "name"])),
        ("/paths/~1v1~1score/post/responses", json!({})),
    ] {
        assert!(change(pointer, with).is_err(), "{pointer}");
    }
}
