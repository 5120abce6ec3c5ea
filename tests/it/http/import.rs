//! Past logins, line by line.

use crate::support::{
    Askance, CHROME, Client, Request, Settings, assert_problem, json_of, plain_login, time_from_now, with,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

fn past(user: &str, age_s: i64) -> Value {
    json!({
        "user": {"id": user}, "ip": "81.2.69.142", "device_id": "d1", "user_agent": CHROME,
        "time": time_from_now(-age_s), "result": "success", "mfa_passed": true,
    })
}

fn assessments(client: &Client, user: &str) -> Value {
    let login = with(plain_login(user), json!({"device_id": "d9", "ip": "89.160.20.112"}));
    json_of(&client.score(&login))["risk_assessment"]["assessments"].clone()
}

#[test]
fn every_line_is_counted_and_the_first_bad_ones_are_named() {
    let server = Askance::start(&Settings::new());
    let body = format!(
        "{}\n{{nope\n{}\n{}\n{}\n{}",
        past("import-counts", 86_400),
        with(past("import-counts", 86_400), json!({"usr": 1})),
        with(past("import-counts", 86_400), json!({"time": null})),
        with(past("import-counts", 86_400), json!({"user": {"id": ""}})),
        past("import-counts", 3_600), // without a final line feed
    );
    let answer = server.main().send(Request::post("/v1/import").content("application/x-ndjson", body));
    let report = json_of(&answer);
    assert_eq!(report["read"], 6, "{report}");
    assert_eq!(report["recorded"], 2, "{report}");
    assert_eq!(report["rejected"], 4, "{report}");
    let errors: Vec<(u64, &str, &str)> = report["first_errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| {
            (
                error["line"].as_u64().unwrap(),
                error["code"].as_str().unwrap(),
                error["field"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            (2, "request.malformed_json", ""),
            (3, "request.invalid", "usr"),
            (4, "request.invalid", "time"),
            (5, "request.invalid", "user.id"),
        ],
        "{report}"
    );
    assert_eq!(assessments(&server.main(), "import-counts")["NewDevice"]["code"], "partial_match");
}

#[test]
fn an_empty_import_is_one() {
    let server = Askance::start(&Settings::new());
    let report = json_of(&server.main().import(&[]));
    assert_eq!(report, json!({"read": 0, "recorded": 0, "rejected": 0, "first_errors": []}));
}

#[test]
fn repeating_a_file_changes_nothing() {
    let lines: Vec<Value> = [40, 20, 10, 5, 3, 1]
        .iter()
        .map(|days| with(past("import-twice", days * 86_400), json!({"device_id": format!("d{days}")})))
        .collect();
    let (once, thrice) = (Askance::start(&Settings::new()), Askance::start(&Settings::new()));
    assert_eq!(json_of(&once.main().import(&lines))["rejected"], 0);
    for _ in 0..3 {
        assert_eq!(json_of(&thrice.main().import(&lines))["rejected"], 0);
    }
    assert_eq!(assessments(&once.main(), "import-twice"), assessments(&thrice.main(), "import-twice"));
}

/// The same past in another order is the same past, places included.
#[test]
fn the_order_of_lines_does_not_matter() {
    let place = |age_s, latitude: f64, ip: &str| {
        let location = json!({"latitude": latitude, "longitude": 10.0, "accuracy_radius_km": 0});
        with(past("import-order", age_s), json!({"location": location, "ip": ip, "mfa_passed": false}))
    };
    let mut lines = vec![
        place(40 * 86_400, 10.0, "192.0.2.1"),
        place(9 * 86_400, 20.0, "198.51.100.1"),
        place(2 * 86_400, 30.0, "203.0.113.1"),
        place(3_600, 40.0, "192.0.2.9"),
        with(past("import-order", 1_800), json!({"result": "failure"})),
    ];
    let seen = |lines: &[Value]| {
        let server = Askance::start(&Settings::new());
        assert_eq!(json_of(&server.main().import(lines))["rejected"], 0);
        let login = with(
            plain_login("import-order"),
            json!({"location": {"latitude": 60.0, "longitude": 10.0, "accuracy_radius_km": 0}}),
        );
        let answer = json_of(&server.main().score(&login));
        (answer["risk_assessment"].clone(), answer["evidence"]["travel"]["distance_km"].clone())
    };
    let forward = seen(&lines);
    lines.reverse();
    assert_eq!(seen(&lines), forward);
    lines.swap(0, 2);
    lines.swap(1, 4);
    assert_eq!(seen(&lines), forward);
}

#[test]
fn a_failed_login_is_no_past() {
    let server = Askance::start(&Settings::new());
    let line = with(past("import-failure", 3_600), json!({"result": "failure", "mfa_passed": false}));
    let report = json_of(&server.main().import(&[line]));
    assert_eq!((&report["read"], &report["rejected"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(assessments(&server.main(), "import-failure")["NewDevice"]["code"], "initial_login");
}

#[test]
fn an_import_may_be_larger_than_any_other_body() {
    let server = Askance::start(&Settings::new());
    let lines: Vec<Value> = (0..2_000).map(|number| past(&format!("import-large-{number}"), 86_400)).collect();
    let report = json_of(&server.main().import(&lines));
    assert_eq!(report["recorded"], 2_000, "{report}");

    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let chunks: String = body.as_bytes().chunks(10_000).fold(String::new(), |mut chunks, chunk| {
        chunks.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        chunks
    });
    let chunked = Request::post("/v1/import").header("transfer-encoding", "chunked");
    let answer = server.main().send(chunked.content("application/x-ndjson", format!("{chunks}0\r\n\r\n")));
    assert_eq!(json_of(&answer)["read"], 2_000);
    assert_eq!(assessments(&server.main(), "import-large-1999")["NewDevice"]["code"], "partial_match");
}

/// A line has the limit that any other body has; the stream goes on after it.
#[test]
fn a_line_too_long_is_rejected_alone() {
    let server = Askance::start(&Settings::new());
    let long = format!("{{\"user_agent\": \"{}\"}}", "x".repeat(200_000));
    let body = format!("{}\n{long}\n{}\n", past("import-long", 7_200), past("import-long", 3_600));
    let report = json_of(&server.main().send(Request::post("/v1/import").content("application/x-ndjson", body)));
    assert_eq!(report["read"], 3, "{report}");
    assert_eq!(report["recorded"], 2, "{report}");
    assert_eq!(report["first_errors"][0]["line"], 2, "{report}");
}

#[test]
fn the_report_of_a_bad_file_stays_small() {
    let server = Askance::start(&Settings::new());
    let answer =
        server.main().send(Request::post("/v1/import").content("application/x-ndjson", "nope\n".repeat(5_000)));
    let report = json_of(&answer);
    assert_eq!((&report["read"], &report["rejected"]), (&json!(5_000), &json!(5_000)), "{}", answer.text());
    let named = report["first_errors"].as_array().expect("a list").len();
    assert!((1..=100).contains(&named), "{named} errors are named");
}

#[test]
fn only_ndjson_is_imported() {
    let server = Askance::start(&Settings::new());
    for media_type in ["application/json", "text/plain", "text/csv"] {
        let body = format!("{}\n", past("import-type", 3_600));
        let answer = server.main().send(Request::post("/v1/import").content(media_type, body));
        assert_problem(&answer, 415, "request.content_type");
    }
    assert_eq!(assessments(&server.main(), "import-type")["NewDevice"]["code"], "initial_login");
}

#[test]
fn an_empty_line_is_no_login_but_has_its_number() {
    let server = Askance::start(&Settings::new());
    let body = format!("\n{}\n \n{{nope\n\n", past("import-empty-lines", 86_400));
    let report = json_of(&server.main().send(Request::post("/v1/import").content("application/x-ndjson", body)));
    assert_eq!(
        (&report["read"], &report["recorded"], &report["rejected"]),
        (&json!(2), &json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(report["first_errors"][0]["line"], 4, "{report}");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/v1/import").header("content-encoding", "gzip").content("application/x-ndjson", body)
}

#[test]
fn gzip_is_taken_off() {
    let server = Askance::start(&Settings::new());
    let lines: String = (0..2_000).map(|number| format!("{}\n", past(&format!("zip-{number}"), 86_400))).collect();
    let members = [gzip(&lines), gzip("nope\n"), gzip(&past("zip-last", 86_400).to_string())].concat();
    let report = json_of(&server.main().send(gzipped(members)));
    assert_eq!((&report["read"], &report["recorded"]), (&json!(2_002), &json!(2_001)), "{report}");
    assert_eq!(report["first_errors"], json!([{"line": 2_001, "code": "request.malformed_json"}]));
    for user in ["zip-0", "zip-1999", "zip-last"] {
        assert_eq!(assessments(&server.main(), user)["NewDevice"]["code"], "partial_match", "{user}");
    }
}

#[test]
fn what_came_before_damage_stays() {
    let server = Askance::start(&Settings::new());
    let lines: String = (0..2_000).map(|number| format!("{}\n", past(&format!("cut-{number}"), 86_400))).collect();
    let good = gzip(&lines);
    let damaged = [&good[..good.len() - 8], &[0; 8]].concat();
    assert_problem(&server.main().send(gzipped(damaged)), 400, "request.malformed_json");
    assert_eq!(assessments(&server.main(), "cut-0")["NewDevice"]["code"], "partial_match");
    assert_problem(&server.main().send(gzipped(&good[..good.len() - 9])), 400, "request.truncated");
    assert_problem(&server.main().send(gzipped("no gzip, but text")), 400, "request.malformed_json");
    for coding in ["br", "deflate", "gzip, gzip"] {
        let request = Request::post("/v1/import").header("content-encoding", coding);
        assert_problem(&server.main().send(request.content("application/x-ndjson", "")), 415, "request.content_type");
    }
    let plain = Request::post("/v1/import").header("content-encoding", "identity");
    let report =
        json_of(&server.main().send(plain.content("application/x-ndjson", past("identity", 3_600).to_string())));
    assert_eq!(report["recorded"], 1, "{report}");
}

/// Two kilobytes that become a line of two megabytes: it is gone over, not held.
#[test]
fn a_bomb_is_one_bad_line() {
    let mut server = Askance::start(&Settings::new());
    let bomb = format!("{}\n{}", "x".repeat(2 << 20), past("bomb", 86_400));
    let report = json_of(&server.main().send(gzipped(gzip(&bomb))));
    assert_eq!((&report["read"], &report["recorded"]), (&json!(2), &json!(1)), "{report}");
    assert_eq!(report["first_errors"], json!([{"line": 1, "code": "request.too_large"}]));
    server.assert_alive();
}
