//! Heads that are none.

use super::Besieged;

/// What is no HTTP ends the connection, with or without an answer, and nothing else.
#[test]
fn hostile_heads_end_their_connection() {
    let besieged = Besieged::new();
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
        format!("POST /v1/score HTTP/1.1\r\nhost: localhost\r\n{}: y\r\n\r\n", "x".repeat(70_000)).into(),
        format!("{}GET / HTTP/1.1\r\n\r\n", "\r\n".repeat(100_000)).into(),
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx\0: b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: localhost\r\n: b\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: localhost\r\nnothing\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\rhost: localhost\r\r".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame at all, though it is long enough".to_vec(),
    ];
    for (head, statuses) in heads.iter().zip(besieged.answers_to_each(&heads)) {
        let start = String::from_utf8_lossy(&head[..head.len().min(60)]);
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{start:?}: {statuses:?}");
    }
    besieged.assert_unharmed();
}
