//! Requests that two parsers may take for different ones: a proxy in front sees one, and we must not see a second. And requests
//! whose target or host is told twice, or otherwise than it seems.

use super::{Besieged, good};
use crate::support::plain_login;

const HEAD: &str = "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

/// `BODY`, `LENGTH` and `MORE` stand for a good body, its length, and a length that reaches into the next request.
const FRAMINGS: &[&str] = &[
    // Both lengths.
    "content-length: LENGTH\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\ncontent-length: LENGTH\r\n\r\n0\r\n\r\n",
    "content-length: LENGTH\r\ntransfer-encoding: xchunked\r\n\r\nBODY",
    "content-length: LENGTH\r\ntransfer-encoding: identity\r\n\r\nBODY",
    // Two lengths, or none that is one.
    "content-length: LENGTH\r\ncontent-length: MORE\r\n\r\nBODY",
    "content-length: MORE\r\ncontent-length: LENGTH\r\n\r\nBODY",
    "content-length: LENGTH, MORE\r\n\r\nBODY",
    "content-length: +LENGTH\r\n\r\nBODY",
    "content-length: -LENGTH\r\n\r\nBODY",
    "content-length: 0xLENGTH\r\n\r\nBODY",
    "content-length: LENGTH.0\r\n\r\nBODY",
    "content-length: LENGTH LENGTH\r\n\r\nBODY",
    "content-length: \r\n\r\nBODY",
    "content-length: LENGTH\0\r\n\r\nBODY",
    "content-length: \x0bLENGTH\r\n\r\nBODY",
    "content-length : LENGTH\r\n\r\nBODY",
    "content-length\0: LENGTH\r\n\r\nBODY",
    "content_length: LENGTH\r\n\r\nBODY",
    "x: y\r\n content-length: LENGTH\r\n\r\nBODY",
    "x: y\r\n\tcontent-length: LENGTH\r\n\r\nBODY",
    "content-length:\r\n LENGTH\r\n\r\nBODY",
    "x: y\rcontent-length: LENGTH\r\n\r\nBODY",
    "x: y\0content-length: LENGTH\r\n\r\nBODY",
    // Encodings that are not, or not only, chunked.
    "transfer-encoding: chunked, identity\r\n\r\nCHUNKS",
    "transfer-encoding: identity\r\n\r\nCHUNKS",
    "transfer-encoding: xchunked\r\n\r\nCHUNKS",
    "transfer-encoding: \"chunked\"\r\n\r\nCHUNKS",
    "transfer-encoding: chunked;q=1\r\n\r\nCHUNKS",
    "transfer-encoding: chunked\0\r\n\r\nCHUNKS",
    "transfer-encoding: \x0bchunked\r\n\r\nCHUNKS",
    "transfer-encoding : chunked\r\n\r\nCHUNKS",
    "transfer_encoding: chunked\r\n\r\nCHUNKS",
    "x: y\r\n transfer-encoding: chunked\r\n\r\nCHUNKS",
    "transfer-encoding:\r\n chunked\r\n\r\nCHUNKS",
    "transfer-encoding: chunk\r\n ed\r\n\r\nCHUNKS",
    // Chunks whose size is none.
    "transfer-encoding: chunked\r\n\r\n-1\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n0xHEX\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n+HEX\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\nHEX HEX\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n10000000000000000HEX\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\nHEX;a\nb\r\nBODY\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\nHEX\r\nBODYxx0\r\n\r\n",
];

#[test]
fn a_request_whose_length_is_in_doubt_is_no_login_and_hides_none() {
    let besieged = Besieged::new();
    let body = plain_login("doubtful").to_string();
    let hidden = good(&besieged.client(), "hidden");
    let (length, hex) = (body.len().to_string(), format!("{:x}", body.len()));
    let more = (body.len() + hidden.len()).to_string();
    let chunks = format!("{hex}\r\n{body}\r\n0\r\n\r\n");
    let request = |framing: &&str| {
        let mut request = framing.replace("CHUNKS", &chunks).replace("BODY", &body);
        for (name, value) in [("LENGTH", &length), ("MORE", &more), ("HEX", &hex)] {
            request = request.replace(name, value);
        }
        [HEAD.as_bytes(), request.as_bytes(), &hidden].concat()
    };
    let requests: Vec<Vec<u8>> = FRAMINGS.iter().map(request).collect();
    let mut accepted = Vec::new();
    for (framing, statuses) in FRAMINGS.iter().zip(besieged.answers_to_each(&requests)) {
        if statuses.len() > 1 || !statuses.iter().all(|status| (400..500).contains(status)) {
            accepted.push(format!("{framing:?}: {statuses:?}"));
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
    besieged.assert_unharmed();
}

/// Lengths that no two parsers disagree about; what follows is a request of its own.
#[test]
fn a_length_that_is_told_in_an_odd_way_is_followed_by_the_next_request() {
    let besieged = Besieged::new();
    let body = plain_login("odd").to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [
        format!("content-length:\t {} \t\r\n\r\n{body}", body.len()),
        format!("content-length: 000{}\r\n\r\n{body}", body.len()),
        format!("TRANSFER-ENCODING:chunked\r\n\r\n{chunks}"),
        format!("transfer-encoding: \tChunKed \r\n\r\n{chunks}"),
        format!(
            "transfer-encoding: chunked\r\ntrailer: content-length\r\n\r\n{:X};a=\"b\"\r\n{body}\r\n00\r\nx: y\r\n\r\n",
            body.len()
        ),
    ] {
        let further = good(&besieged.client(), "odd");
        let statuses = besieged.answers_to(&[HEAD.as_bytes(), request.as_bytes(), &further].concat());
        assert_eq!(statuses, [200, 200], "{request:?}");
    }
    besieged.assert_unharmed_but_for(1, 0);
}

/// Without clients only local callers are served: no other name, however it is written, passes for this machine's.
#[test]
fn a_target_or_a_host_that_is_not_what_it_seems_is_refused() {
    let besieged = Besieged::new();
    let body = plain_login("elsewhere").to_string();
    let cases = [
        ("/v1/score", &["localhost", "evil.example"][..]),
        ("/v1/score", &["evil.example", "localhost"]),
        ("/v1/score", &[""]),
        ("/v1/score", &["localhost@evil.example"]),
        ("/v1/score", &["evil.example@localhost"]),
        ("/v1/score", &["localhost.evil.example"]),
        ("/v1/score", &["localhost, evil.example"]),
        ("/v1/score", &["127.0.0.1.evil.example"]),
        ("/v1/score", &["127.0.0.1:80:80"]),
        ("/v1/score", &["localhost\0.evil.example"]),
        ("/v1/score", &["http://localhost"]),
        ("/v1/score", &["localhost/"]),
        ("/v1/score", &["2130706433"]),
        ("http://evil.example/v1/score", &["localhost"]),
        ("http://localhost@evil.example/v1/score", &["localhost"]),
        ("http://localhost/v1/score", &["evil.example"]),
        ("//evil.example/v1/score", &["localhost"]),
        ("//v1/score", &["localhost"]),
        ("/v1/score/", &["localhost"]),
        ("/v1//score", &["localhost"]),
        ("/v1/./score", &["localhost"]),
        ("/v1/%73core", &["localhost"]),
        ("/v1/score;a", &["localhost"]),
        ("/V1/score", &["localhost"]),
        ("/v1/score\t", &["localhost"]),
        ("v1/score", &["localhost"]),
        ("*", &["localhost"]),
        ("localhost:80", &["localhost"]),
    ];
    let request = |(target, hosts): &(&str, &[&str])| {
        let hosts: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
        let length = body.len();
        format!(
            "POST {target} HTTP/1.1\r\n{hosts}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let requests: Vec<Vec<u8>> = cases.iter().map(request).collect();
    for ((target, hosts), statuses) in cases.iter().zip(besieged.answers_to_each(&requests)) {
        let refused = statuses.len() <= 1 && statuses.iter().all(|status| (400..500).contains(status));
        assert!(refused, "{target:?} at {hosts:?}: {statuses:?}");
    }
    besieged.assert_unharmed();
}
