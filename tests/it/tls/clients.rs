//! Certificates of clients: in place of a key, beside one, and of strangers.

use super::authority::{Authority, LOCALHOST, Pair};
use super::{Curl, Lab};
use crate::support::{ApiClient, Askance, plain_login};
use serde_json::{Value, json};

/// A client's call, and how it ends: the status, and the code of a problem.
struct Case<'a> {
    what: &'static str,
    certificate: Option<&'a Pair>,
    key: Option<&'a str>,
    expected: (&'a str, &'a str),
}

fn check(lab: &Lab, server: &Askance, cases: &[Case<'_>]) {
    for case in cases {
        for version in ["1.2", "1.3"] {
            let curl = call_as(lab.curl(&server.main()), case).with(&["--tls-max", version]);
            let answer = curl.post("/v1/score", &plain_login("certified"));
            let found = (answer.status.as_str(), answer.code());
            assert_eq!(
                answer.error.is_empty(),
                case.expected != NO_HANDSHAKE,
                "{}, TLS {version}: {answer:?}",
                case.what
            );
            assert_eq!((found.0, found.1.as_str()), case.expected, "{}, TLS {version}: {answer:?}", case.what);
        }
    }
}

fn call_as(curl: Curl, case: &Case<'_>) -> Curl {
    let curl = case.certificate.map_or(curl.clone(), |pair| curl.with_certificate(pair));
    case.key.map_or(curl.clone(), |key| curl.with_key(key))
}

const SERVED: (&str, &str) = ("200", "");
const NOBODY: (&str, &str) = ("401", "auth.key_invalid");
const NO_HANDSHAKE: (&str, &str) = ("000", "");

#[test]
fn a_clients_certificate_serves_in_place_of_a_key() {
    let lab = Lab::new();
    let certified = ApiClient::new("certified", &["score"]).cert_name("IdP.internal").without_key();
    let workload = ApiClient::new("workload", &["score"]).cert_name("spiffe://example.org/idp").without_key();
    let both = ApiClient::new("both", &["score"]).cert_name("both.internal");
    let keyed = ApiClient::new("keyed", &["score"]);
    let server = Askance::start(&lab.settings_with_clients(&[&certified, &workload, &both, &keyed]));

    let issue = |name: &str, names: &str| lab.authority.issue(name, names);
    let (good, among) =
        (issue("good", "DNS:idp.internal"), issue("among", "DNS:x.internal,IP:192.0.2.1,DNS:IDP.Internal"));
    let (uri, of_both) = (issue("uri", "URI:spiffe://example.org/idp"), issue("of-both", "DNS:both.internal"));
    let stranger = issue("stranger", "DNS:other.internal,URI:spiffe://example.org/idp2,URI:SPIFFE://example.org/idp");
    let wildcard = issue("wildcard", "DNS:*.internal");
    let below = issue("below", "DNS:sub.idp.internal,URI:idp.internal");
    let common_name_only = lab.authority.issue_nameless("idp.internal");
    let expired = lab.authority.issue_expired("expired", "DNS:idp.internal");
    let foreign = Authority::new(lab.directory.path(), "elsewhere").issue("foreign", "DNS:idp.internal");

    let with = |what, certificate, expected| Case { what, certificate: Some(certificate), key: None, expected };
    let without = |what, key, expected| Case { what, certificate: None, key, expected };
    let beside =
        |what, certificate, key, expected| Case { what, certificate: Some(certificate), key: Some(key), expected };
    check(
        &lab,
        &server,
        &[
            with("its name", &good, SERVED),
            with("its name among others, in capitals", &among, SERVED),
            with("a URI", &uri, SERVED),
            with("a client that may show either, its certificate", &of_both, SERVED),
            without("the same, its key", Some(&both.key), SERVED),
            without("a key", Some(&keyed.key), SERVED),
            without("neither", None, NOBODY),
            without("a wrong key", Some("wrong"), NOBODY),
            without("the key that the test would give to a client without one", Some(&certified.key), NOBODY),
            with("an unknown name", &stranger, NOBODY),
            beside("an unknown name, and a key", &stranger, &keyed.key, SERVED),
            beside("a known name, and a wrong key", &good, "wrong", NOBODY),
            with("a wildcard", &wildcard, NOBODY),
            with("names that only look like its own", &below, NOBODY),
            with("a common name", &common_name_only, NOBODY),
            with("an expired certificate", &expired, NO_HANDSHAKE),
            with("another authority", &foreign, NO_HANDSHAKE),
            beside("another authority, and a key", &foreign, &keyed.key, NO_HANDSHAKE),
        ],
    );
}

#[test]
fn scopes_are_those_of_the_client_that_is_found() {
    let lab = Lab::new();
    let scorer = ApiClient::new("scorer", &["score"]).cert_name("scorer.internal");
    let operator = ApiClient::new("operator", &["admin"]).cert_name("operator.internal").without_key();
    let other = ApiClient::new("other", &["score"]);
    let server = Askance::start(&lab.settings_with_clients(&[&scorer, &operator, &other]));
    let scorers = lab.authority.issue("scorer", "DNS:scorer.internal");
    let operators = lab.authority.issue("operator", "DNS:operator.internal");

    let metrics = |pair: &Pair| lab.curl(&server.admin()).with_certificate(pair).get("/metrics").status;
    assert_eq!((metrics(&operators).as_str(), metrics(&scorers).as_str()), ("200", "403"));
    let refused = lab.curl(&server.main()).with_certificate(&operators).post("/v1/score", &plain_login("scopes"));
    assert_eq!(refused.code(), "auth.scope_missing");
    assert_eq!(lab.curl(&server.admin()).get("/healthz").status, "200", "health needs neither");

    // A decision is the client's, however it showed who it is; a key beside a certificate says who calls.
    let scored = lab.curl(&server.main()).with_certificate(&scorers).post("/v1/score", &plain_login("scopes"));
    let decision: Value = serde_json::from_str(&scored.body).unwrap();
    let path = format!("/v1/decisions/{}/outcome", decision["decision_id"].as_str().unwrap());
    let outcome = json!({"result": "success"});
    let strangers = lab.curl(&server.main()).with_certificate(&scorers).with_key(&other.key).post(&path, &outcome);
    assert_eq!(strangers.code(), "decision.other_client");
    let own = lab.curl(&server.main()).with_key(&scorer.key).post(&path, &outcome);
    assert_eq!(own.status, "204", "{own:?}");
}

#[test]
fn without_an_authority_no_client_is_asked_for_a_certificate() {
    let lab = Lab::new();
    let keyed = ApiClient::new("keyed", &["score"]);
    let server = Askance::start(&lab.settings().client(&keyed));
    let said = lab.s_client(&server.main()).handshake();
    assert!(said.contains("No client certificate CA names sent"), "{said}");
    let foreign = Authority::new(lab.directory.path(), "elsewhere").issue("foreign", LOCALHOST);
    let unasked = lab.curl(&server.main()).with_certificate(&foreign);
    assert_eq!(unasked.post("/v1/score", &plain_login("unasked")).code(), "auth.key_invalid");
    assert_eq!(unasked.with_key(&keyed.key).post("/v1/score", &plain_login("unasked")).status, "200");
}

#[test]
fn a_client_is_verified_at_every_handshake() {
    let lab = Lab::new();
    let certified = ApiClient::new("certified", &["score"]).cert_name("idp.internal").without_key();
    let pair = lab.authority.issue("idp", "DNS:idp.internal");
    // With TLS 1.2, this client says of each of its connections whether it resumed.
    for (settings, resumes) in [(lab.settings(), true), (lab.settings_with_clients(&[&certified]), false)] {
        let server = Askance::start(&settings);
        let said = lab.s_client(&server.main()).with_certificate(&pair).with(&["-tls1_2", "-reconnect"]).handshake();
        assert!(said.contains("New, TLSv1.2"), "{said}");
        assert_eq!(said.contains("Reused, TLSv1.2"), resumes, "{said}");
    }
}

#[test]
fn beyond_loopback_certificates_of_clients_are_enough() {
    let lab = Lab::new();
    let certified = ApiClient::new("certified", &["score"]).cert_name("idp.internal").without_key();
    drop(Askance::start(&lab.settings_with_clients(&[&certified]).set("server.listen", "0.0.0.0:0")));
    let refusal =
        Askance::try_start(&lab.settings().set("server.listen", "0.0.0.0:0"), tempfile::TempDir::new().unwrap());
    assert!(refusal.expect_err("TLS keeps nobody out").log.contains("server.clients"));
}
