//! Garbage in all forms: refused, survived, and without a trace in memory.

use crate::support::client::Connection;
use crate::support::{Askance, Request, Settings, json_of, plain_login};

fn assert_unharmed(server: &mut Askance, user: &str) {
    server.assert_alive();
    let answer = json_of(&server.main().score(&plain_login(user)));
    assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], "initial_login", "{answer}");
}

#[test]
fn hostile_bodies_are_refused() {
    let mut server = Askance::start(&Settings::new());
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
        let answer = server.main().send(Request::post("/v1/score").content("application/json", body));
        assert!((400..500).contains(&answer.status), "{start}: {} {}", answer.status, answer.text());
        server.assert_alive();
    }
    for user in ["hostile", "hostile2"] {
        assert_unharmed(&mut server, user);
    }
}

/// What is no HTTP ends the connection, with or without an answer, and nothing else.
#[test]
fn hostile_heads_end_their_connection() {
    let mut server = Askance::start(&Settings::new());
    let heads: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), // the start of a TLS handshake
        vec![0; 1_024],
        vec![0xff; 1_024],
        b"GET\r\n\r\n".to_vec(),
        b"POST /v1/score HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /v1/score HTTP/1.1\r\nhost : localhost\r\n\r\n".to_vec(),
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_vec(),
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_vec(),
        b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(200_000)).into(),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(500_000)).into(),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(5_000)).into(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame at all, though it is long enough".to_vec(),
    ];
    for head in heads {
        let start = String::from_utf8_lossy(&head[..head.len().min(60)]).into_owned();
        let mut connection = Connection::open(&server.main().endpoint).unwrap();
        // The server may close before it has read all of it.
        connection.write(&head).ok();
        connection.finish_writing().ok();
        if let Ok(answer) = connection.read_response() {
            assert!((400..500).contains(&answer.status), "{start:?}: {answer:?}");
        }
        server.assert_alive();
    }
    assert_unharmed(&mut server, "hostile-heads");
}

/// Two lengths for one body are how requests are smuggled: what follows must not be taken for a request.
#[test]
fn a_body_with_two_lengths_is_not_followed_by_a_second_request() {
    let mut server = Askance::start(&Settings::new());
    let body = plain_login("smuggled").to_string();
    let smuggled = format!(
        "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\
         transfer-encoding: chunked\r\n\r\n0\r\n\r\nPOST /v1/score HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = server.main().connect();
    connection.write(smuggled.as_bytes()).unwrap();
    connection.finish_writing().unwrap();
    while let Ok(answer) = connection.read_response() {
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    assert_unharmed(&mut server, "smuggled");
}

/// Two thousand small damages to a good request, from a seeded generator: never a 5xx, never an answer missing.
#[test]
fn damaged_requests_are_answered_below_500() {
    let mut server = Askance::start(&Settings::new());
    let original = crate::support::with(
        plain_login("hostile-damaged"),
        serde_json::json!({
            "device_id": "d1", "location": {"latitude": 1.5, "longitude": 2.5, "accuracy_radius_km": 3, "country": "GB"},
            "edge": {"bot_score": 50, "asn": 64500}, "attributes": {"a": 1, "b": "c"}, "user": {"phone_number": "+819012345678"},
            "client_hints": {"sec-ch-ua": "\"Chromium\";v=\"131\"", "sec-ch-ua-platform": "\"Windows\""},
        }),
    )
    .to_string();
    let endpoint = server.main().endpoint;
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let mut connection = server.main().connect();
    for round in 0..2_000 {
        let body = random.damage(original.as_bytes());
        connection
            .write(&Request::post("/v1/score").content("application/json", body.clone()).bytes(&endpoint))
            .unwrap();
        let answer = connection
            .read_response()
            .unwrap_or_else(|error| panic!("round {round}: {error}: {}", String::from_utf8_lossy(&body)));
        assert!(answer.status < 500, "round {round}: {answer:?}: {}", String::from_utf8_lossy(&body));
        if answer.header("connection") == Some("close") {
            connection = server.main().connect();
        }
    }
    server.assert_alive();
}

/// Marsaglia's generator; the sequence is the same in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn damage(&mut self, original: &[u8]) -> Vec<u8> {
        const TOKENS: [&[u8]; 8] = [b"null", b"{", b"]", b"\"", b"-1e308", b"\\u0000", b"\xf0\x9f\x92\xa9", b"\xff"];
        let mut body = original.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(body.len());
            match self.below(4) {
                0 => body[at] = u8::try_from(self.below(256)).unwrap(),
                1 => body.truncate(at + 1),
                2 => drop(body.splice(at..at, TOKENS[self.below(TOKENS.len())].iter().copied())),
                _ => {
                    let end = (at + self.below(20)).min(body.len());
                    body.drain(at..end);
                    body.push(b'}');
                }
            }
        }
        body
    }
}
