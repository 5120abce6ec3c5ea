//! Users by a signed token.

use super::support::{ABSENT, HOME, ask, assert_allowed, assert_challenged, settings};
use crate::support::{Askance, Settings, eventually, import};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

struct Issuer(Ed25519KeyPair, &'static str);

impl Issuer {
    fn new(name: &'static str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap(), name)
    }

    fn set(keys: &[&Self]) -> String {
        let jwk = |issuer: &&Self| {
            let x = URL_SAFE_NO_PAD.encode(issuer.0.public_key());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": issuer.1, "x": x})
        };
        json!({"keys": keys.iter().map(jwk).collect::<Vec<_>>()}).to_string()
    }

    fn write(keys: &[&Self], path: &Path) {
        std::fs::write(path.with_extension("new"), Self::set(keys)).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.1});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signed = URL_SAFE_NO_PAD.encode(self.0.sign(message.as_bytes()));
        format!("{message}.{signed}")
    }
}

fn claims(user: &str) -> Value {
    json!({"iss": "https://id.example.org", "aud": "app", "exp": 4_000_000_000_u32, "email": user})
}

fn with_tokens(settings: Settings, place: &str, name: &str) -> Settings {
    with_keys(("jwks_file", "jwks.json"), settings, place, name)
}

fn with_keys((key, keys): (&str, &str), settings: Settings, place: &str, name: &str) -> Settings {
    let algorithms = toml::Value::Array(vec!["EdDSA".into()]);
    settings
        .set(&format!("hooks.jwt.{key}"), keys)
        .set("hooks.jwt.issuer", "https://id.example.org")
        .set("hooks.jwt.audience", "app")
        .set("hooks.jwt.algorithms", algorithms)
        .set("hooks.jwt.user_claim", "email")
        .set(&format!("hooks.jwt.{place}"), name)
}

/// A server that knows alice, and the file with the keys of her issuer.
fn start(settings: &Settings, issuer: &Issuer) -> (Askance, std::path::PathBuf) {
    let directory = TempDir::new().unwrap();
    let keys = directory.path().join("jwks.json");
    Issuer::write(&[issuer], &keys);
    let server = Askance::start_in(settings, directory);
    import(&server, "alice", json!({"ip": HOME, "device_id": null}));
    (server, keys)
}

#[test]
fn a_token_names_the_user_and_a_header_does_not() {
    let (issuer, stranger) = (Issuer::new("one"), Issuer::new("one"));
    for (place, name) in [("cookie", "session"), ("header", "authorization"), ("header", "x-session")] {
        for on_error in ["challenge", "danger_allow"] {
            let settings = with_tokens(settings(), place, name).set("hooks.on_error", on_error);
            let (server, _) = start(&settings, &issuer);
            let header = if place == "cookie" { "cookie" } else { name };
            let value = |token: String| match (place, name) {
                ("cookie", _) => format!("theme=dark; session={token}"),
                (_, "authorization") => format!("Bearer {token}"),
                _ => token,
            };
            let asked = |token: String| ask(&server, &[(header, &value(token)), ("remote-user", "alice")]);
            assert_allowed(&asked(issuer.token(&claims("Alice"))), "alice");
            assert_challenged(&asked(issuer.token(&claims("bob"))));
            assert_challenged(&ask(&server, &[("remote-user", "alice")]));
            let changed = |name: &str, value: Value| {
                let mut claims = claims("alice");
                claims[name] = value;
                issuer.token(&claims)
            };
            for refused in [
                stranger.token(&claims("alice")),
                Issuer::new("two").token(&claims("alice")),
                changed("exp", json!(1_000_000_000)),
                changed("aud", json!("other")),
                changed("iss", json!("https://evil.example.org")),
                String::new(),
                "a.b.c".to_owned(),
            ] {
                assert_challenged(&asked(refused));
            }
        }
    }
}

#[test]
fn without_a_token_nobody_is_judged_where_nobody_is_needed() {
    let issuer = Issuer::new("one");
    let settings = with_tokens(settings(), "cookie", "session").set("hooks.require_user", false);
    let (server, _) = start(&settings, &issuer);
    assert_allowed(&ask(&server, &[("remote-user", "alice")]), "");
    let cookie = format!("session={}", issuer.token(&claims("alice")));
    assert_allowed(&ask(&server, &[("cookie", &cookie), ("remote-user", ABSENT)]), "alice");
    assert_allowed(&ask(&server, &[("cookie", "session=a.b.c")]), "");
}

#[test]
fn keys_are_replaced_while_the_service_runs() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let (server, path) = start(&with_tokens(settings(), "header", "x-session"), &old);
    let status = |issuer: &Issuer| ask(&server, &[("x-session", &issuer.token(&claims("alice")))]).status;
    assert_eq!((status(&old), status(&new)), (200, 401));
    Issuer::write(&[&new, &old], &path);
    eventually("the new key is known", || (status(&new) == 200).then_some(()));
    assert_eq!(status(&old), 200);
    Issuer::write(&[&new], &path);
    eventually("the old key is gone", || (status(&old) == 401).then_some(()));
    assert_eq!(status(&new), 200);
    std::fs::write(&path, "{").unwrap();
    eventually("the file is looked at", || {
        status(&Issuer::new("nobody's"));
        server.log().contains("jwks_file is not taken").then_some(())
    });
    assert_eq!(status(&new), 200, "what does not load leaves what is there");
}

/// Keys at this address, and not in a file.
fn at(url: &str) -> Settings {
    let allow = toml::Value::Array(vec!["127.0.0.0/8".into()]);
    with_keys(("jwks_url", url), settings(), "header", "x-session").set("hooks.jwt.allow", allow)
}

#[test]
fn an_issuer_hands_out_its_keys_by_itself() {
    let issuer = Issuer::new("one");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let (keys, calls) = (Issuer::set(&[&issuer]), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap_or(0);
            assert!(head[..length].starts_with(b"GET /jwks.json HTTP/1.1\r\n"), "{:?}", &head[..length]);
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{keys}", keys.len());
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    let (server, _) = start(&at(&url), &issuer);
    assert_eq!(calls.load(Ordering::Relaxed), 0, "the start waits for nobody");
    let status = |issuer: &Issuer| ask(&server, &[("x-session", &issuer.token(&claims("alice")))]).status;
    eventually("the keys are there", || (status(&issuer) == 200).then_some(()));
    // Whoever sends tokens of keys that are nobody's has them fetched again, and not each time.
    for _ in 0..50 {
        assert_eq!(status(&Issuer::new("two")), 401);
    }
    assert_eq!(status(&issuer), 200);
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..=10).contains(&calls), "{calls} calls");
}

#[test]
fn a_start_without_keys_or_with_two_places_is_refused() {
    let issuer = Issuer::new("one");
    let good = with_tokens(settings(), "cookie", "session");
    for (settings, named) in [
        (good.clone().set("hooks.jwt.jwks_file", "absent.json"), "absent.json"),
        (good.clone().set("hooks.jwt.header", "authorization"), "hooks.jwt"),
        (good.clone().set("hooks.jwt.jwks_url", "https://id.example.org/jwks.json"), "jwks_file and jwks_url"),
        (at("http://id.example.org/jwks.json"), "hooks.jwt.jwks_url"),
        (good.clone().set("hooks.jwt.algorithms", toml::Value::Array(vec!["HS256".into()])), "hooks.jwt.algorithms"),
        (good.clone().set("hooks.jwt.algorithms", toml::Value::Array(vec!["none".into()])), "hooks.jwt.algorithms"),
        (good.clone().set("hooks.jwt.algorithms", toml::Value::Array(Vec::new())), "hooks.jwt.algorithms"),
    ] {
        let directory = TempDir::new().unwrap();
        Issuer::write(&[&issuer], &directory.path().join("jwks.json"));
        let refusal = Askance::try_start(&settings, directory).expect_err("a wrong configuration");
        assert_eq!(refusal.code, Some(2), "{}", refusal.log);
        assert!(refusal.log.contains(named), "{named}: {}", refusal.log);
    }
}
