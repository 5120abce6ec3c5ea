//! HTTP itself: versions, connections, pipelining, sockets.

use crate::support::h2::H2Connection;
use crate::support::{Askance, Request, Settings, json_of, plain_login};
use serde_json::Value;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use tempfile::TempDir;

#[test]
fn a_connection_serves_one_request_after_another() {
    let server = Askance::start(&Settings::new());
    let endpoint = server.main().endpoint;
    let mut connection = server.main().connect();
    for number in 0..20 {
        let id = format!("turn-{number}");
        // A refusal does not end the connection either.
        let request =
            if number % 5 == 4 { Request::new("GET", "/v1/score") } else { Request::score(&plain_login("keep-alive")) };
        connection.write(&request.header("x-request-id", &id).bytes(&endpoint)).unwrap();
        let answer = connection.read_response().unwrap();
        assert_eq!(answer.status, if number % 5 == 4 { 405 } else { 200 });
        assert_eq!(answer.version, "1.1");
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    }
}

#[test]
fn a_connection_is_closed_on_request() {
    let server = Askance::start(&Settings::new());
    let mut connection = server.main().connect();
    let request = Request::score(&plain_login("close")).header("connection", "close");
    connection.write(&request.bytes(&server.main().endpoint)).unwrap();
    json_of(&connection.read_response().unwrap());
    assert!(connection.is_at_end());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Askance::start(&Settings::new());
    let endpoint = server.main().endpoint;
    let mut bytes = Vec::new();
    for name in ["first", "second", "third"] {
        let request = Request::score(&plain_login(&format!("pipelined-{name}")));
        bytes.extend(request.header("x-request-id", name).bytes(&endpoint));
    }
    let mut connection = server.main().connect();
    connection.write(&bytes).unwrap();
    for name in ["first", "second", "third"] {
        let answer = connection.read_response().unwrap();
        json_of(&answer);
        assert_eq!(answer.header("x-request-id"), Some(name));
    }
}

#[test]
fn http_1_0_is_spoken_without_a_host() {
    let server = Askance::start(&Settings::new());
    let mut connection = server.main().connect();
    let request = Request::score(&plain_login("one-dot-oh")).http_1_0();
    connection.write(&request.bytes(&server.main().endpoint)).unwrap();
    let answer = connection.read_response().unwrap();
    json_of(&answer);
    assert!(answer.header("transfer-encoding").is_none(), "HTTP/1.0 knows no chunks: {answer:?}");
    assert!(connection.is_at_end(), "HTTP/1.0 closes unless asked not to");
}

#[test]
fn chunked_bodies_are_read() {
    let server = Askance::start(&Settings::new());
    let body = plain_login("chunked").to_string();
    let (start, end) = body.split_at(20);
    let chunks = format!("{:x}\r\n{start}\r\n{:X};ext=1\r\n{end}\r\n0\r\n\r\n", start.len(), end.len());
    let request = Request::post("/v1/score").header("transfer-encoding", "chunked").content("application/json", chunks);
    json_of(&server.main().send(request));
}

#[test]
fn http_2_is_spoken_with_prior_knowledge() {
    let server = Askance::start(&Settings::new());
    let mut connection = H2Connection::open(&server.main().endpoint);
    let first = connection.send("POST", "/v1/score", plain_login("h2-one").to_string().as_bytes());
    let missing = connection.send("GET", "/nothing", b"");
    let malformed = connection.send("POST", "/v1/score", b"{nope");
    let last = connection.send("POST", "/v1/score", plain_login("h2-two").to_string().as_bytes());
    let answers = connection.read_answers(&[first, missing, malformed, last]);

    for stream in [first, last] {
        assert_eq!(answers[&stream].status, 200);
        let body: Value = serde_json::from_slice(&answers[&stream].body).unwrap();
        assert_eq!(body["action"], "allow", "{body}");
    }
    for (stream, status, code) in [(missing, 404, "request.not_found"), (malformed, 400, "request.malformed_json")] {
        assert_eq!(answers[&stream].status, status);
        let body: Value = serde_json::from_slice(&answers[&stream].body).unwrap();
        assert_eq!(body["code"], code, "{body}");
    }
}

#[test]
fn a_unix_socket_serves_its_owner_only() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("askance.sock");
    let listen = vec!["127.0.0.1:0".to_owned(), format!("unix:{}", path.display())];
    let server = Askance::start(&Settings::new().set("server.listen", listen));

    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);

    let answer = json_of(&server.unix().score(&plain_login("unix")));
    assert_eq!(answer["action"], "allow", "{answer}");
    // One memory stands behind both.
    let known = json_of(&server.main().score(&plain_login("unix")));
    let code = &known["risk_assessment"]["assessments"]["NewDevice"]["code"];
    assert_ne!(code, "initial_login", "{known}");
}
