//! Clients that take their time, for ever if they may.

use super::{Besieged, good, settings};
use crate::support::client::Connection;
use crate::support::{Response, Settings, eventually, plain_login};
use std::io::ErrorKind;
use std::time::Duration;

/// Between two bytes of a client that drips; far below the time for a request.
const DRIP: Duration = Duration::from_millis(15);
/// A client that has dripped this much was never cut off.
const DRIPS_MAX: usize = 1_000;

fn impatient() -> Settings {
    settings().set("server.request_timeout_ms", 300)
}

/// Sends `start` at once and `drip` over and over, until the server answers or ends the connection.
fn drip(besieged: &Besieged, start: &[u8], drip: &[u8]) -> Option<Response> {
    let mut connection = besieged.connect();
    connection.set_patience(DRIP).unwrap();
    let mut written = connection.write(start);
    for piece in drip.iter().cycle().take(DRIPS_MAX) {
        match connection.read_response() {
            Ok(answer) => return Some(answer),
            // Nothing yet: the next byte.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return None,
        }
        if written.is_err() {
            return None;
        }
        written = connection.write(&[*piece]);
    }
    panic!("{DRIPS_MAX} bytes were waited for, behind {:?}", String::from_utf8_lossy(start));
}

#[test]
fn who_drips_a_request_is_cut_off() {
    let besieged = Besieged::start(&impatient());
    let json = "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let cases: [(String, &[u8], Option<u16>); 8] = [
        (String::new(), b"GET /", None),
        ("POST /v1/score HTTP/1.1\r\nhost: localhost\r\nx: ".to_owned(), b"a", None),
        (json.to_owned(), b"x: y\r\n", None),
        ("\r\n".to_owned(), b"\r\n", None),
        (format!("{json}content-length: 60000\r\n\r\n"), b" ", Some(408)),
        (format!("{json}transfer-encoding: chunked\r\n\r\n"), b"1\r\n \r\n", Some(408)),
        ("POST /v1/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: 60000\r\n\r\n".to_owned(), b"", Some(408)),
        ("PRI * HTTP/2.0\r\n\r\nSM".to_owned(), b"", None),
    ];
    std::thread::scope(|scope| {
        for (start, piece, status) in &cases {
            let besieged = &besieged;
            scope.spawn(move || {
                let answer = match piece {
                    [] => silent(besieged, start.as_bytes()),
                    piece => drip(besieged, start.as_bytes(), piece),
                };
                assert_eq!(answer.map(|answer| answer.status), *status, "{start:?}");
            });
        }
    });
    besieged.assert_unharmed();
}

/// Sends `start`, and then nothing.
fn silent(besieged: &Besieged, start: &[u8]) -> Option<Response> {
    let mut connection = besieged.connect();
    connection.write(start).unwrap();
    connection.read_response().ok()
}

/// All places are taken by clients that say nothing, or begin and say no more: each is given back.
#[test]
fn clients_that_only_connect_do_not_keep_others_out() {
    let besieged = Besieged::start(&impatient());
    let starts: [&[u8]; 4] = [b"", b"P", b"POST /v1/score HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let mut held: Vec<Connection> = Vec::new();
    for start in starts.iter().cycle().take(usize::try_from(super::CONNECTIONS_MAX).unwrap()) {
        let mut connection = besieged.connect();
        connection.write(start).unwrap();
        held.push(connection);
    }
    eventually("a place for another client", || {
        (besieged.client().score(&plain_login("another")).status == 200).then_some(())
    });
    drop(held);
    besieged.assert_unharmed_but_for(1, 0);
}

/// Answers pile up to what the sockets hold, and no further; the connection ends although its client does not.
#[test]
fn who_never_reads_an_answer_is_cut_off() {
    let directory = tempfile::TempDir::new().unwrap();
    // A Unix socket holds little.
    let unix = format!("unix:{}", directory.path().join("askance.sock").display());
    let mut besieged = Besieged::start(&impatient().set("server.listen", vec!["127.0.0.1:0".to_owned(), unix]));
    let request = good(&besieged.client(), "never-reads").repeat(100);
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = besieged.server.unix().connect();
        connection.set_patience(Duration::from_millis(200)).unwrap();
        let taken = (0..1_000).take_while(|_| connection.write(&request).is_ok()).count();
        assert!(taken < 1_000, "whatever is sent is taken");
        held.push(connection);
    }
    besieged.await_no_connections();
    besieged.assert_memory_is_bounded();
    drop(held);
    besieged.assert_unharmed_but_for(1, 0);
}
