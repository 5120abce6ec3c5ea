//! Which handshakes come about, and what becomes of those that do not.

use super::{Lab, address, metric, text_of};
use crate::support::client::Connection;
use crate::support::{Askance, Request, Settings, eventually, json_of, plain_login};
use std::io::Write as _;
use std::net::TcpStream;

#[test]
fn tls_1_2_and_1_3_are_spoken_and_1_1_is_not() {
    let lab = Lab::new();
    let mut server = Askance::start(&lab.settings());
    // Without the lowered level this client would not even offer 1.1.
    for (version, expected) in [
        ("-tls1_3", "Verify return code: 0 (ok)"),
        ("-tls1_2", "Verify return code: 0 (ok)"),
        ("-tls1_1", "SSL alert number"),
    ] {
        for listener in [server.main(), server.admin()] {
            let said = lab.s_client(&listener).with(&[version, "-cipher", "DEFAULT@SECLEVEL=0"]).handshake();
            assert!(said.contains(expected), "{version}: {said}");
        }
    }
    for version in ["1.2", "1.3"] {
        let curl = lab.curl(&server.main()).with(&["--tlsv1.2", "--tls-max", version]);
        let answer = curl.post("/v1/score", &plain_login("tls"));
        assert_eq!(answer.status, "200", "TLS {version}: {answer:?}");
    }
    assert!(server.wait_until_counted(&lab, 2));
}

impl Askance {
    /// Whether so many handshakes failed.
    fn wait_until_counted(&mut self, lab: &Lab, failed: i64) -> bool {
        eventually("failed handshakes to be counted", || {
            (metric(lab, self, "askance_tls_handshakes_failed_total") == failed).then_some(true)
        })
    }
}

#[test]
fn http_2_is_agreed_on_with_those_who_speak_it() {
    let lab = Lab::new();
    let server = Askance::start(&lab.settings());
    for (offered, agreed) in [
        ("h2,http/1.1", "ALPN protocol: h2"),
        ("http/1.1", "ALPN protocol: http/1.1"),
        ("h3", "no application protocol"),
    ] {
        let said = lab.s_client(&server.main()).with(&["-alpn", offered]).handshake();
        assert!(said.contains(agreed), "{offered}: {said}");
    }
    for (argument, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        for listener in [server.main(), server.admin()] {
            let answer = lab.curl(&listener).with(&[argument]).get("/healthz");
            assert_eq!(answer.version, version, "{answer:?}");
        }
    }
}

#[test]
fn keys_of_every_usual_kind_serve() {
    for kind in ["rsa:2048", "ed25519", "ec -pkeyopt ec_paramgen_curve:P-384"] {
        let lab = Lab::new();
        let pair = lab.authority.issue_with_key("kind", super::authority::LOCALHOST, kind);
        lab.install(&pair);
        let answer = lab.curl(&Askance::start(&lab.settings()).main()).post("/v1/score", &plain_login("kind"));
        assert_eq!(answer.status, "200", "{kind}: {answer:?}");
    }
}

#[test]
fn a_chain_of_certificates_is_sent_as_a_whole() {
    let lab = Lab::new();
    let below = lab.authority.intermediate("below");
    let pair = below.issue("leaf", super::authority::LOCALHOST);
    let chain = format!("{}{}", text_of(&pair.cert), text_of(&below.cert));
    std::fs::write(&pair.cert, chain).unwrap();
    lab.install(&pair);
    let server = Askance::start(&lab.settings());
    let answer = lab.curl(&server.main()).post("/v1/score", &plain_login("chain"));
    assert_eq!(answer.status, "200", "{answer:?}");
}

#[test]
fn a_unix_socket_stays_plain() {
    let lab = Lab::new();
    let socket = format!("unix:{}", lab.path("askance.sock").display());
    let server = Askance::start(&lab.settings().set("server.listen", vec!["127.0.0.1:0".to_owned(), socket]));
    json_of(&server.unix().score(&plain_login("plain")));
    assert_eq!(lab.curl(&server.main()).post("/v1/score", &plain_login("tls")).status, "200");
}

#[test]
fn whoever_does_not_speak_tls_is_dropped() {
    let lab = Lab::new();
    let mut server = Askance::start(&lab.settings());
    let answer = lab.curl(&server.main()).get_plain("/healthz");
    assert_eq!(answer.status, "000", "{answer:?}");
    for bytes in
        [&b"\r\n"[..], b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", &[0; 64], &[0x16, 3, 1, 0xff, 0xff], &[0xff; 4096]]
    {
        let mut connection = server.main().connect();
        connection.write(bytes).unwrap();
        connection.finish_writing().ok();
        assert!(connection.read_response().is_err(), "{bytes:?} is no TLS, and was answered");
    }
    // Port scanners connect and go.
    drop(TcpStream::connect(address(&server.main())).unwrap());
    assert!(server.wait_until_counted(&lab, 7));
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(lab.curl(&server.main()).post("/v1/score", &plain_login("after")).status, "200");
}

#[test]
fn a_handshake_that_takes_too_long_is_ended() {
    let lab = Lab::new();
    let server = Askance::start(&lab.settings().set("server.request_timeout_ms", 200));
    for listener in [server.main(), server.admin()] {
        for begun in [&b""[..], &[0x16, 3, 1, 0, 200, 1, 0]] {
            let mut connection = listener.connect();
            connection.write(begun).unwrap();
            assert!(connection.is_at_end(), "{begun:?}: closed, and not a word said");
        }
    }
}

#[test]
fn a_handshake_counts_as_a_connection() {
    let lab = Lab::new();
    let settings = lab.settings().set("server.connections_max", 1).set("server.request_timeout_ms", 60_000);
    let server = Askance::start(&settings);
    let mut first = TcpStream::connect(address(&server.main())).unwrap();
    first.write_all(&[0x16, 3, 1, 0, 200]).unwrap();
    let refused = "askance_connections_refused_total";
    eventually("a connection beyond the limit", || {
        let answer = lab.curl(&server.main()).get("/v1/score");
        (answer.status == "000" && metric(&lab, &server, refused) > 0).then_some(())
    });
    drop(first);
    eventually("room again", || (lab.curl(&server.main()).get("/v1/score").status == "405").then_some(()));
}

#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let lab = Lab::new();
    // Longer than anything here waits: were the handshake waited for, this test would give up first.
    let settings = lab.settings().set("server.request_timeout_ms", 60_000).set("server.drain_s", 60);
    let mut server = Askance::start(&settings);
    let mut silent = TcpStream::connect(address(&server.main())).unwrap();
    silent.write_all(&[0x16, 3, 1, 0, 200]).unwrap();
    assert_eq!(lab.curl(&server.main()).get("/v1/score").status, "405", "the server has accepted what came before");
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    drop(silent);
}

#[test]
fn without_certificates_nothing_speaks_tls() {
    let lab = Lab::new();
    let server = Askance::start(&Settings::new());
    let mut connection = Connection::open(&server.main().endpoint).unwrap();
    connection.write(&Request::score(&plain_login("plain")).bytes(&server.main().endpoint)).unwrap();
    let answer = connection.read_response().unwrap();
    json_of(&answer);
    assert_eq!(lab.curl(&server.main()).get("/healthz").status, "000");
    assert!(!server.admin().get("/readyz").text().contains("certificate"));
}
