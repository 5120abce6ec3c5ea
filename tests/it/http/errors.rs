//! Every row of the error table.

use crate::support::answers::{assert_request_id, problem_of};
use crate::support::{Askance, CHROME, Request, Settings, assert_problem, json_of, plain_login, time_from_now, with};
use serde_json::{Value, json};

#[test]
fn a_body_that_is_no_json_is_malformed() {
    let server = Askance::start(&Settings::new());
    let login = plain_login("errors-malformed").to_string();
    for body in [
        "{\"user\": nope}".to_owned(),
        "{'user': 1}".to_owned(),
        "{\"ip\": 01}".to_owned(),
        format!("\u{feff}{login}"),
        format!("{login}{login}"),
        format!("{login} trailing"),
        format!("{login}\0"),
        login[..login.len() - 1].to_owned(),
        login.replace(',', ",,"),
    ] {
        let answer = server.main().send(Request::post("/v1/score").content("application/json", body.clone()));
        let document = problem_of(&answer);
        assert_eq!(answer.status, 400, "{body}: {document}");
        let code = document["code"].as_str();
        assert!(matches!(code, Some("request.malformed_json" | "request.truncated")), "{body}: {document}");
    }
    let answer = server.main().send(Request::post("/v1/score").content("application/json", "{\"user\": nope}"));
    assert_problem(&answer, 400, "request.malformed_json");
}

/// The head promises more than the client sends before it stops writing.
#[test]
fn a_body_that_ends_early_is_truncated() {
    let server = Askance::start(&Settings::new());
    let body = plain_login("errors-truncated").to_string();
    let whole = Request::post("/v1/score").content("application/json", body.clone());
    let endpoint = server.main().endpoint;
    for (about, head) in [
        ("content-length", whole.head(&endpoint)),
        ("chunked", whole.header("transfer-encoding", "chunked").head(&endpoint)),
    ] {
        let half = &body[..body.len() / 2];
        let sent = if about == "chunked" { format!("{:x}\r\n{half}\r\n", half.len()) } else { half.to_owned() };
        let mut connection = server.main().connect();
        connection.write(&head).unwrap();
        connection.write(sent.as_bytes()).unwrap();
        connection.finish_writing().unwrap();
        let answer = connection.read_response().unwrap_or_else(|error| panic!("{about}: no answer: {error}"));
        assert_problem(&answer, 400, "request.truncated");
    }
}

#[test]
fn an_unknown_route_is_not_found() {
    let server = Askance::start(&Settings::new());
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/scores",
        "/v2/score",
        "/v1/score/",
        "/V1/score",
        "/healthz",
        "/metrics",
        "/v1/%73core",
    ] {
        assert_problem(&server.main().get(path), 404, "request.not_found");
    }
    for path in ["/v1/score", "/nothing"] {
        assert_problem(&server.admin().get(path), 404, "request.not_found");
    }
}

#[test]
fn a_wrong_method_names_the_right_ones() {
    let server = Askance::start(&Settings::new());
    let outcome = "/v1/decisions/01890000-0000-7000-8000-000000000000/outcome";
    for (path, allowed) in [("/v1/score", "POST"), ("/v1/import", "POST"), (outcome, "POST")] {
        for method in ["GET", "PUT", "DELETE", "PATCH", "BREW"] {
            let answer = server.main().send(Request::new(method, path));
            assert_problem(&answer, 405, "request.method_not_allowed");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = server.admin().send(Request::new("DELETE", path));
        assert_problem(&answer, 405, "request.method_not_allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.split(", ").any(|method| method == "GET"), "{path}: Allow: {allow}");
    }
}

#[test]
fn a_slow_body_times_out() {
    let server = Askance::start(&Settings::new().set("server.request_timeout_ms", 300));
    let request = Request::score(&plain_login("errors-slow"));
    let endpoint = server.main().endpoint;
    let (head, bytes) = (request.head(&endpoint), request.bytes(&endpoint));
    let mut connection = server.main().connect();
    connection.write(&bytes[..head.len() + 10]).unwrap();
    let answer = connection.read_response().expect("a slow body is answered");
    assert_problem(&answer, 408, "request.timeout");
    assert!(connection.is_at_end(), "a connection whose next bytes belong to no request is closed");
}

/// hyper closes the connection of a slow head, or answers by itself; either way it is not kept.
#[test]
fn a_slow_head_is_not_kept() {
    let server = Askance::start(&Settings::new().set("server.request_timeout_ms", 300));
    let mut connection = server.main().connect();
    connection.write(b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    if let Ok(answer) = connection.read_response() {
        assert_eq!(answer.status, 408, "{answer:?}");
    }
    assert!(connection.is_at_end());
    json_of(&server.main().score(&plain_login("errors-slow-head")));
}

#[test]
fn a_large_body_is_refused_and_the_largest_allowed_is_not() {
    for (max, settings) in [(65_536, Settings::new()), (2_048, Settings::new().set("server.body_bytes_max", 2_048))] {
        let server = Askance::start(&settings);
        let login = plain_login("errors-large").to_string();
        let padded = |length: usize| format!("{login}{}", " ".repeat(length - login.len()));
        let sized = |length| Request::post("/v1/score").content("application/json", padded(length));
        json_of(&server.main().send(sized(max)));
        assert_problem(&server.main().send(sized(max + 1)), 413, "request.too_large");

        // Without a length in the head it shows only while the body is read.
        let body = padded(max + 1);
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let chunked =
            Request::post("/v1/score").header("transfer-encoding", "chunked").content("application/json", chunks);
        assert_problem(&server.main().send(chunked), 413, "request.too_large");
    }
}

#[test]
fn only_json_is_scored() {
    let server = Askance::start(&Settings::new());
    let body = plain_login("errors-content-type").to_string();
    for media_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/x-ndjson", "json", ""]
    {
        let answer = server.main().send(Request::post("/v1/score").content(media_type, body.clone()));
        assert_problem(&answer, 415, "request.content_type");
    }
    let answer = server.main().send(Request::post("/v1/score").body(body.clone()));
    assert_problem(&answer, 415, "request.content_type");
    for media_type in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        json_of(&server.main().send(Request::post("/v1/score").content(media_type, body.clone())));
    }
}

/// What is wrong with a request, and the path of the member that is named. A path ending in `*` names any below it.
fn invalid_members() -> Vec<(Value, &'static str)> {
    let long = |length: usize| "x".repeat(length);
    let many: Vec<String> = (0..65).map(|number| format!("group-{number}")).collect();
    let attributes: Value =
        (0..65).map(|number| (format!("a{number}"), Value::from(number))).collect::<serde_json::Map<_, _>>().into();
    vec![
        // Missing.
        (json!({"user": null}), "user"),
        (json!({"user": {"id": null}}), "user.id"),
        (json!({"ip": null}), "ip"),
        // Out of range.
        (json!({"user": {"id": ""}}), "user.id"),
        (json!({"user": {"id": long(257)}}), "user.id"),
        (json!({"user": {"id": "ü".repeat(129)}}), "user.id"),
        (json!({"user_agent": long(4_097)}), "user_agent"),
        (json!({"device_token": long(1_025)}), "device_token"),
        (json!({"device_id": long(257)}), "device_id"),
        (json!({"session_id": long(257)}), "session_id"),
        (json!({"client_id": long(257)}), "client_id"),
        (json!({"tenant": long(257)}), "tenant"),
        (json!({"user": {"groups": many}}), "user.groups*"),
        (json!({"user": {"groups": [long(257)]}}), "user.groups*"),
        (json!({"attributes": attributes}), "attributes*"),
        (json!({"attributes": {"a": long(257)}}), "attributes*"),
        (json!({"edge": {"bot_score": 100}}), "edge.bot_score"),
        (json!({"edge": {"bot_score": -1}}), "edge.bot_score"),
        // Mistyped.
        (json!({"user": "alice"}), "user"),
        (json!({"user": ["alice"]}), "user*"),
        (json!({"user": {"id": 17}}), "user.id"),
        (json!({"user": {"email_verified": "yes"}}), "user.email_verified"),
        (json!({"user": {"enrolled_factors": "totp"}}), "user.enrolled_factors*"),
        (json!({"user": {"enrolled_factors": ["pigeon"]}}), "user.enrolled_factors*"),
        (json!({"user": {"created_at": "yesterday"}}), "user.created_at"),
        (json!({"user": {"phone_changed_at": 1}}), "user.phone_changed_at"),
        (json!({"user": {"email_changed_at": "2026-13-01T00:00:00Z"}}), "user.email_changed_at"),
        (json!({"ip": 16_843_009}), "ip"),
        (json!({"user_agent": {"browser": "Chrome"}}), "user_agent"),
        // A list is no object, though each of its items would fit a member.
        (json!({"user": ["alice", null, null, null, null, null, null, null, null, null, null]}), "user*"),
        (json!({"edge": [99, false, 64_500, "x"]}), "edge*"),
        (json!({"client_hints": ["a", "b", "c", "d", "e"]}), "client_hints*"),
        (json!({"client_hints": "none"}), "client_hints"),
        (json!({"client_hints": {"sec-ch-ua": 1}}), "client_hints.sec-ch-ua"),
        (json!({"edge": {"bot_score": "low"}}), "edge.bot_score"),
        (json!({"edge": {"bot_score": 1.5}}), "edge.bot_score"),
        (json!({"edge": {"verified_bot": 1}}), "edge.verified_bot"),
        (json!({"edge": {"asn": "AS64500"}}), "edge.asn"),
        (json!({"flow": "carrier_pigeon"}), "flow"),
        (json!({"first_factor": "smile"}), "first_factor"),
        (json!({"remembered_browser": "true"}), "remembered_browser"),
        (json!({"flow": true}), "flow"),
        (json!({"flow": ["ldap"]}), "flow"),
        (json!({"flow": {"ldap": null}}), "flow"),
        (json!({"first_factor": 1}), "first_factor"),
        (json!({"user": {"enrolled_factors": [1]}}), "user.enrolled_factors*"),
        (json!({"user": {"enrolled_factors": [{"totp": null}]}}), "user.enrolled_factors*"),
        (json!({"attributes": {"a": {"nested": true}}}), "attributes*"),
        (json!({"attributes": {"a": [1]}}), "attributes*"),
        (json!({"time": "noon"}), "time"),
        (json!({"time": 1_795_000_000}), "time"),
        // Unknown.
        (json!({"usr": {"id": "alice"}}), "usr"),
        (json!({"": 1}), "*"),
        (json!({"demand_mfa": false}), "demand_mfa"),
        (json!({"user": {"emial": "a@example.org"}}), "user.emial"),
        (json!({"client_hints": {"sec-ch-ua-bitness": "64"}}), "client_hints.sec-ch-ua-bitness"),
        (json!({"edge": {"botscore": 1}}), "edge.botscore"),
        (json!({"location": {"lattitude": 51.5, "longitude": 0}}), "location.lattitude"),
    ]
}

#[test]
fn an_invalid_member_is_named() {
    let server = Askance::start(&Settings::new());
    let mut wrong = Vec::new();
    for (change, field) in invalid_members() {
        let answer = server.main().score(&with(plain_login("errors-member"), change.clone()));
        if answer.status != 422 {
            wrong.push(format!("{change}: {} {}", answer.status, answer.text()));
            continue;
        }
        let document = assert_problem(&answer, 422, "request.invalid");
        let named = document["field"].as_str().unwrap_or("(no field)");
        let matches = field.strip_suffix('*').map_or(named == field, |start| named.starts_with(start));
        if !matches {
            wrong.push(format!("{change}: field is {named:?}, not {field:?}: {document}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n  {}", wrong.len(), wrong.join("\n  "));
    // None of them became a login.
    let after = json_of(&server.main().score(&plain_login("errors-member")));
    assert_eq!(after["risk_assessment"]["assessments"]["NewDevice"]["code"], "initial_login", "{after}");
}

#[test]
fn the_largest_allowed_members_are_accepted() {
    let server = Askance::start(&Settings::new());
    for change in [
        json!({"user": {"id": "x".repeat(256)}}),
        json!({"user": {"id": "ü".repeat(128)}}),
        json!({"user_agent": "x".repeat(4_096)}),
        json!({"user_agent": ""}),
        json!({"device_token": "x".repeat(1_024)}),
        json!({"device_id": "x".repeat(256), "client_id": "x".repeat(256), "session_id": "x".repeat(256)}),
        json!({"user": {"groups": (0..64).map(|_| "g".repeat(256)).collect::<Vec<_>>()}}),
        json!({"attributes": {"text": "a".repeat(256), "number": 1.5, "flag": true}}),
        json!({"edge": {"bot_score": 0, "verified_bot": false, "asn": 4_294_967_295_u32, "as_organization": "x"}}),
        json!({"edge": {"bot_score": 99}}),
        json!({"time": time_from_now(-290)}),
        json!({"time": time_from_now(290)}),
        json!({"user": {"enrolled_factors": ["webauthn", "totp", "sms", "email", "backup_code"]}}),
    ] {
        let answer = server.main().score(&with(plain_login("errors-largest"), change.clone()));
        assert_eq!(answer.status, 200, "{change}: {}", answer.text());
    }
}

#[test]
fn json_that_is_no_object_is_invalid() {
    let server = Askance::start(&Settings::new());
    let list = json!([{"id": "alice"}, "81.2.69.142", CHROME]);
    for body in [json!(null), json!([]), list, json!("alice"), json!(1), json!(true)] {
        assert_problem(&server.main().score(&body), 422, "request.invalid");
    }
}

#[test]
fn a_location_that_is_not_valid_is_dropped_and_not_refused() {
    let server = Askance::start(&Settings::new());
    for location in [
        json!({"latitude": 90.1, "longitude": 0}),
        json!({"latitude": 0, "longitude": -180.5}),
        json!({"latitude": "51.5", "longitude": 0}),
        json!({"latitude": 51.5}),
        json!({"latitude": 51.5, "longitude": 0, "accuracy_radius_km": -1}),
        json!({}),
    ] {
        let answer = server.main().score(&with(plain_login("errors-location"), json!({"location": location})));
        assert_eq!(answer.status, 200, "{location}: {}", answer.text());
    }
}

#[test]
fn some_refusals_have_codes_of_their_own() {
    let server = Askance::start(&Settings::new());
    for (change, code) in [
        (json!({"flow": "client_credentials"}), "flow.no_end_user"),
        (json!({"time": time_from_now(-310)}), "event.time_out_of_range"),
        (json!({"time": time_from_now(310)}), "event.time_out_of_range"),
        (json!({"time": "1970-01-01T00:00:00Z"}), "event.time_out_of_range"),
    ] {
        assert_problem(&server.main().score(&with(plain_login("errors-codes"), change)), 422, code);
    }
}

#[test]
fn the_detail_echoes_no_secret() {
    let server = Askance::start(&Settings::new());
    let token = "secret-token-".repeat(100);
    let answer = server.main().score(&with(plain_login("errors-secret"), json!({"device_token": token})));
    assert_problem(&answer, 422, "request.invalid");
    assert!(!answer.text().contains("secret-token"), "{}", answer.text());
    assert!(!server.log().contains("secret-token"), "{}", server.log());
}

#[test]
fn the_request_id_is_the_callers_where_it_is_well_formed() {
    let server = Askance::start(&Settings::new());
    let longest = "a".repeat(64);
    for given in ["a", "7f3a.B_c-D", longest.as_str()] {
        for request in [
            Request::score(&plain_login("errors-id")),
            Request::new("GET", "/nothing"),
            Request::new("GET", "/v1/score"),
        ] {
            let answer = server.main().send(request.header("x-request-id", given));
            assert_eq!(assert_request_id(&answer), given);
        }
    }
    let mut fresh = std::collections::BTreeSet::new();
    let too_long = "a".repeat(65);
    for given in [None, Some(""), Some("a b"), Some("a\"b"), Some("ü"), Some(too_long.as_str())] {
        let request = Request::score(&plain_login("errors-id"));
        let request = match given {
            Some(given) => request.header("x-request-id", given),
            None => request,
        };
        let answer = server.main().send(request);
        let id = assert_request_id(&answer);
        assert_ne!(Some(id.as_str()), given);
        assert!(fresh.insert(id), "the same id was given twice");
    }
    assert_request_id(&server.admin().get("/healthz"));
}

/// The smallest call of the contract.
#[test]
fn the_smallest_call_is_answered_in_full() {
    let server = Askance::start(&Settings::new());
    let body = json!({"user": {"id": "alice"}, "ip": "81.2.69.142", "user_agent": CHROME});
    let answer = json_of(&server.main().score(&body));
    for member in [
        "decision_id",
        "action",
        "demand_mfa",
        "remembered_browser",
        "mode",
        "would_be",
        "decided_by",
        "score",
        "interactive",
        "risk_assessment",
        "evidence",
        "reasons",
        "device",
    ] {
        assert!(answer.get(member).is_some(), "{member} is missing: {answer}");
    }
    assert_eq!(answer["risk_assessment"]["version"], "1");
    for name in ["NewDevice", "ImpossibleTravel", "UntrustedIP", "PhoneNumber"] {
        let assessment = &answer["risk_assessment"]["assessments"][name];
        assert!(assessment["code"].is_string() && assessment["confidence"].is_string(), "{name}: {answer}");
    }
}
