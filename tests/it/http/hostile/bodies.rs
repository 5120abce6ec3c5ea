//! Bodies that are no login, and bodies that are too much.

use super::{BODY_BYTES_MAX, Besieged, settings};
use crate::support::{Request, assert_problem};

#[test]
fn hostile_bodies_are_refused() {
    let besieged = Besieged::new();
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let within = |value: &str| {
        format!("{{\"user\": {{\"id\": \"hostile\"}}, \"ip\": \"81.2.69.142\", \"attributes\": {{\"a\": {value}}}}}")
    };
    let bodies: Vec<Vec<u8>> = vec![
        nested("[", "]").into(),
        "[".repeat(60_000).into(),
        nested("{\"a\":", "}").into(),
        within(&nested("[", "]")).into(),
        within(&"[".repeat(30_000)).into(),
        b"{\"user\": {\"id\": \"hostile\"}, \"user\": {\"id\": \"hostile2\"}, \"ip\": \"81.2.69.142\"}".to_vec(),
        b"{\"user\": {\"id\": \"hostile\", \"id\": \"hostile2\"}, \"ip\": \"81.2.69.142\"}".to_vec(),
        b"{\"user\": {\"id\": \"hostile\"}, \"ip\": \"81.2.69.142\", \"ip\": \"10.0.0.1\"}".to_vec(),
        b"{\"user\": {\"id\": \"hosti\xff\xfele\"}, \"ip\": \"81.2.69.142\"}".to_vec(),
        b"{\"user\": {\"id\": \"hosti\xc0\xafle\"}, \"ip\": \"81.2.69.142\"}".to_vec(),
        br#"{"user": {"id": "hostile\ud800"}, "ip": "81.2.69.142"}"#.to_vec(),
        b"{\"user\": {\"id\": \"hostile\n\"}, \"ip\": \"81.2.69.142\"}".to_vec(),
        within("1e999").into(),
        within("-").into(),
        within("NaN").into(),
        b"\0\0\0\0".to_vec(),
        Vec::new(),
        b" ".to_vec(),
        vec![0xff; 4_096],
    ];
    for body in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = besieged.client().send(Request::post("/v1/score").content("application/json", body));
        assert!((400..500).contains(&answer.status), "{start}: {} {}", answer.status, answer.text());
    }
    besieged.assert_unharmed();
}

/// However the length is told: at once, in one chunk, or in many.
#[test]
fn a_body_over_the_limit_is_not_read_to_its_end() {
    let besieged = Besieged::start(&settings().set("server.request_timeout_ms", 60_000));
    let over = usize::try_from(BODY_BYTES_MAX).expect("a small number") + 1;
    let blanks = " ".repeat(over);
    let chunks = |bytes: usize| {
        let chunk = format!("{bytes:x}\r\n{}\r\n", " ".repeat(bytes));
        chunk.repeat(over.div_ceil(bytes)) + "0\r\n\r\n"
    };
    let chunked = |body: String| {
        Request::post("/v1/score").header("transfer-encoding", "chunked").content("application/json", body)
    };
    for request in [
        Request::post("/v1/score").content("application/json", blanks),
        chunked(chunks(over)),
        chunked(chunks(1000)),
        chunked(chunks(1)),
        Request::post("/v1/score").header("content-length", "9223372036854775807").content("application/json", "{"),
    ] {
        assert_problem(&besieged.client().send(request), 413, "request.too_large");
    }
    besieged.assert_unharmed();
}

/// What stands around the data of chunks is bounded, too.
#[test]
fn chunks_that_are_mostly_something_else_are_refused() {
    let besieged = Besieged::new();
    let head = "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let trailers = "x: y\r\n".repeat(20_000);
    let bodies = [
        format!("1;{}\r\n ", "e".repeat(1_000_000)),
        "1;extension\r\n \r\n".repeat(100_000),
        format!("0\r\n{trailers}\r\n"),
        format!("0\r\nx: {}\r\n\r\n", "y".repeat(1_000_000)),
        format!("{}1\r\n ", "0".repeat(100_000)),
    ];
    let requests = bodies.each_ref().map(|body| [head.as_bytes(), body.as_bytes()].concat());
    for (body, statuses) in bodies.iter().zip(besieged.answers_to_each(&requests)) {
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{:?}: {statuses:?}", &body[..40]);
    }
    besieged.assert_unharmed();
}
