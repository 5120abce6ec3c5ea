//! Certificates that change under a running service, for better and for worse.

use super::authority::{Authority, LOCALHOST, Pair, openssl};
use super::{Lab, metric, metric_as, text_of};
use crate::support::{ApiClient, Askance, Request, eventually, plain_login};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const TAKEN: &str = "askance_data_reloads_total{kind=\"certificate\"}";
const REFUSED: &str = "askance_data_reload_failures_total{kind=\"certificate\"}";

fn readiness(lab: &Lab, server: &Askance) -> Value {
    let answer = lab.curl(&server.admin()).get("/readyz");
    assert_eq!(answer.status, "200", "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn new_certificates_are_for_new_handshakes_and_open_connections_go_on() {
    let lab = Lab::new();
    // One service finds out by itself, one is told.
    for (interval_s, is_told) in [(1, false), (86_400, true)] {
        let old = lab.authority.issue("old", LOCALHOST);
        lab.install(&old);
        let server = Askance::start(&lab.settings().set("geoip.reload_s", interval_s));
        let request = Request::score(&plain_login("renewal")).bytes(&server.main().endpoint);
        let mut open = lab.s_client(&server.main()).open();
        assert!(open.ask(&request).starts_with("HTTP/1.1 200"));
        assert!(lab.s_client(&server.main()).is_shown(&text_of(&old.cert)));

        let new = lab.authority.issue("new", LOCALHOST);
        lab.install(&new);
        if is_told {
            server.signal("HUP");
        }
        for listener in [server.main(), server.admin()] {
            eventually("the new certificate", || lab.s_client(&listener).is_shown(&text_of(&new.cert)).then_some(()));
        }
        assert!(open.ask(&request).starts_with("HTTP/1.1 200"), "the open connection goes on");
        // Whoever asks with nothing new there changes nothing.
        let told = || server.log().lines().filter(|line| line.contains("were read again")).count();
        let before = told();
        server.signal("HUP");
        eventually("another look", || (told() > before).then_some(()));
        assert_eq!(metric(&lab, &server, TAKEN), 1);
        assert_eq!(readiness(&lab, &server)["certificate"].get("error"), None);
    }
}

#[test]
fn new_authorities_of_clients_are_taken_too() {
    let lab = Lab::new();
    let certified = ApiClient::new("certified", &["score"]).cert_name("idp.internal").without_key();
    let server = Askance::start(&lab.settings_with_clients(&[&certified]).set("geoip.reload_s", 1));
    let elsewhere = Authority::new(lab.directory.path(), "elsewhere");
    let before = lab.authority.issue("before", "DNS:idp.internal");
    let after = elsewhere.issue("after", "DNS:idp.internal");
    let status = |pair: &Pair| {
        let curl = lab.curl(&server.main()).with_certificate(pair);
        curl.post("/v1/score", &plain_login("authorities")).status
    };
    assert_eq!((status(&before).as_str(), status(&after).as_str()), ("200", "000"));
    lab.replace("clients.crt", &elsewhere.cert);
    eventually("the other authority", || (status(&after) == "200").then_some(()));
    assert_eq!(status(&before), "000", "who was let in before is not any more");
}

/// What becomes of the files, and why that is refused.
type Mishap = (&'static str, fn(&Lab), &'static str);

const MISHAPS: &[Mishap] = &[
    ("a certificate that is half there", |lab| halve(&lab.path("server.crt")), "server.crt is no valid PEM"),
    ("a key that is half there", |lab| halve(&lab.path("server.key")), "server.key holds no private key"),
    ("no certificate", |lab| std::fs::remove_file(lab.path("server.crt")).unwrap(), "server.crt cannot be read"),
    ("no key", |lab| std::fs::remove_file(lab.path("server.key")).unwrap(), "server.key cannot be read"),
    (
        "an empty certificate",
        |lab| std::fs::write(lab.path("server.crt"), "").unwrap(),
        "server.crt holds no certificate",
    ),
    ("the key of another", |lab| lab.replace("server.key", &lab.path("other.key")), "server.key is not the key of"),
    (
        "the certificate of another",
        |lab| lab.replace("server.crt", &lab.path("other.crt")),
        "server.key is not the key of",
    ),
    ("a key with a password", |lab| lab.replace("server.key", &lab.path("password.key")), "with a password"),
    (
        "a certificate for a key",
        |lab| write(lab, "server.key", &text_of(&lab.path("server.crt"))),
        "holds no private key",
    ),
    (
        "a key for a certificate",
        |lab| write(lab, "server.crt", &text_of(&lab.path("server.key"))),
        "holds no certificate",
    ),
    (
        "a certificate that is none",
        |lab| write(lab, "server.crt", NO_CERTIFICATE),
        "server.crt holds what is no certificate",
    ),
    ("a key that all may read", |lab| set_mode(lab, 0o644), "by others (mode 644)"),
    ("a key that a group may change", |lab| set_mode(lab, 0o660), "by others (mode 660)"),
    ("no authorities", |lab| write(lab, "clients.crt", ""), "clients.crt holds no certificate"),
    (
        "authorities that are none",
        |lab| write(lab, "clients.crt", NO_CERTIFICATE),
        "clients.crt holds what is no certificate",
    ),
    ("a directory for authorities", |lab| make_directory(lab, "clients.crt"), "clients.crt is no regular file"),
];

const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

fn halve(path: &Path) {
    let text = text_of(path);
    std::fs::write(path, &text[..text.len() / 2]).unwrap();
}

fn write(lab: &Lab, name: &str, text: &str) {
    std::fs::write(lab.path(name), text).unwrap();
}

fn set_mode(lab: &Lab, mode: u32) {
    std::fs::set_permissions(lab.path("server.key"), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn make_directory(lab: &Lab, name: &str) {
    std::fs::remove_file(lab.path(name)).unwrap();
    std::fs::create_dir(lab.path(name)).unwrap();
}

fn prepare_mishaps(lab: &Lab) {
    lab.authority.issue("other", LOCALHOST);
    openssl(&format!(
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret -out {}",
        lab.path("password.key").display()
    ));
}

/// Undoes a mishap.
fn restore(lab: &Lab) {
    std::fs::remove_dir(lab.path("clients.crt")).ok();
    lab.replace("clients.crt", &lab.authority.cert);
    lab.install(&Pair { cert: lab.path("first.crt"), key: lab.path("first.key") });
}

#[test]
fn what_does_not_serve_leaves_what_was_there() {
    let lab = Lab::new();
    prepare_mishaps(&lab);
    let certified = ApiClient::new("certified", &["score"]).cert_name("idp.internal").without_key();
    let operator = ApiClient::new("operator", &["admin"]).cert_name("operator.internal").without_key();
    let server = Askance::start(&lab.settings_with_clients(&[&certified, &operator]).set("geoip.reload_s", 86_400));
    let idp = lab.authority.issue("idp", "DNS:idp.internal");
    let operators = lab.authority.issue("operators", "DNS:operator.internal");
    let first = lab.path("first.crt");
    let count = |series: &str| metric_as(&lab.curl(&server.admin()).with_certificate(&operators), series);

    for (number, (what, mishap, reason)) in (1..).zip(MISHAPS) {
        mishap(&lab);
        server.signal("HUP");
        let error = eventually(&format!("{what} to be refused: {reason}"), || {
            let readiness = readiness(&lab, &server);
            let error = readiness["certificate"]["error"].as_str()?;
            (error.contains(reason) && readiness["notes"].to_string().contains("serves on")).then(|| error.to_owned())
        });
        assert!(!error.contains("PRIVATE"), "{what}: {error}");
        assert_eq!((count(REFUSED), count(TAKEN)), (number, number - 1), "{what}");
        assert!(lab.s_client(&server.main()).is_shown(&text_of(&first)), "{what}: another one serves");
        let answer = lab.curl(&server.main()).with_certificate(&idp).post("/v1/score", &plain_login("mishap"));
        assert_eq!(answer.status, "200", "{what}: {answer:?}");

        restore(&lab);
        server.signal("HUP");
        eventually("what is good again", || {
            readiness(&lab, &server)["certificate"].get("error").is_none().then_some(())
        });
    }
}

/// What is wrong at the start stops it, in the same words.
#[test]
fn what_does_not_serve_stops_the_start() {
    let lab = Lab::new();
    prepare_mishaps(&lab);
    let settings = lab.settings_with_clients(&[]);
    for (what, mishap, reason) in MISHAPS {
        restore(&lab);
        mishap(&lab);
        let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err(what);
        assert_eq!(refusal.code, Some(2), "{what}: {}", refusal.log);
        assert!(refusal.log.contains("server.tls.") && refusal.log.contains(reason), "{what}: {}", refusal.log);
    }
}

#[test]
fn a_state_is_refused_once_however_often_it_is_looked_at() {
    let lab = Lab::new();
    let list = lab.path("list.netset");
    std::fs::write(&list, "198.51.100.0/24\n").unwrap();
    let server = Askance::start(&lab.settings().set("geoip.reload_s", 1).abuse_list(&list));
    let lines = || server.log().lines().filter(|line| line.contains("certificates are refused")).count();
    for (number, name) in [(1, "server.crt"), (2, "server.key")] {
        halve(&lab.path(name));
        eventually("the refusal", || (metric(&lab, &server, REFUSED) >= number).then_some(()));
        // A list is taken at its second look, and the certificates are looked at each time.
        std::fs::write(&list, format!("198.51.100.{number}\n203.0.113.{number}\n")).unwrap();
        let taken = "askance_data_reloads_total{kind=\"list\"}";
        eventually("two looks", || (metric(&lab, &server, taken) >= number).then_some(()));
        assert_eq!(metric(&lab, &server, REFUSED), number);
        assert_eq!(i64::try_from(lines()).unwrap(), number, "{}", server.log());
    }
}

#[test]
fn an_expired_certificate_serves_and_is_warned_of() {
    let lab = Lab::new();
    let server = Askance::start(&lab.settings());
    let until = readiness(&lab, &server);
    assert_eq!(until["certificate"]["expires"], "2099-12-31T23:59:59Z", "{until}");
    let left_s = metric(&lab, &server, "askance_certificate_expires_in_seconds{file=\"cert\"}");
    assert!(left_s > 0, "{left_s}");

    lab.install(&lab.authority.issue_expired("old", LOCALHOST));
    let server = Askance::start(&lab.settings());
    let careless = lab.curl(&server.admin()).with(&["--insecure"]);
    let readiness = careless.get("/readyz");
    assert_eq!(readiness.status, "200", "{readiness:?}");
    assert!(readiness.body.contains("the certificate has expired on 2020-02-01"), "{readiness:?}");
    assert!(server.log().contains("has expired"), "{}", server.log());
    assert_eq!(lab.curl(&server.admin()).get("/readyz").status, "000", "who looks at the date stays away");
    assert!(metric_as(&careless, "askance_certificate_expires_in_seconds{file=\"cert\"}") < 0);
}
