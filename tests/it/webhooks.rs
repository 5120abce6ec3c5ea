//! Events, told to a receiver of the test's own: signed, ids only, over a crash, and by one replica of two.

use crate::support::redis::RedisServer;
use crate::support::{Askance, Request, Settings, eventually, json_of, plain_login, risky_login};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Of 32 bytes, each of them a 7.
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// What a receiver got of one message, and how often.
#[derive(Debug, Clone)]
struct Got {
    body: Value,
    count: usize,
}

/// Takes what is posted, or refuses it with 503; what comes unsigned fails the test.
struct Receiver {
    port: u16,
    got: Arc<Mutex<BTreeMap<String, Got>>>,
    takes: Arc<AtomicBool>,
}

impl Receiver {
    fn start(takes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (got, takes) = (Arc::new(Mutex::new(BTreeMap::<String, Got>::new())), Arc::new(AtomicBool::new(takes)));
        let (seen, is_open) = (Arc::clone(&got), Arc::clone(&takes));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                // Whoever was killed meanwhile has said nothing, and is answered nothing.
                let Some((id, body)) = read(&mut stream) else { continue };
                seen.lock().unwrap().entry(id).and_modify(|got| got.count += 1).or_insert(Got { body, count: 1 });
                let status = if is_open.load(Ordering::Acquire) { "204 Thanks" } else { "503 Away" };
                stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok();
            }
        });
        Self { port, got, takes }
    }

    fn got(&self) -> BTreeMap<String, Got> {
        self.got.lock().unwrap().clone()
    }

    /// Of each message, its type and what it is about.
    fn told(&self) -> Vec<(String, Value)> {
        let told = |got: Got| (got.body["type"].as_str().unwrap().to_owned(), got.body["data"].clone());
        let mut told: Vec<_> = self.got().into_values().map(told).collect();
        told.sort_by_key(|(kind, data)| (kind.clone(), data.to_string()));
        told
    }

    fn settings(&self, directory: &Path) -> Settings {
        let file = directory.join("webhook.secret");
        let mut options = std::fs::OpenOptions::new();
        let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(&file).unwrap();
        writeln!(opened, "{SECRET}").unwrap();
        let webhook = toml::Table::from_iter([
            ("url".to_owned(), format!("http://127.0.0.1:{}/events", self.port).into()),
            ("secret_files".to_owned(), vec![file.to_str().unwrap().to_owned()].into()),
            ("allow_private".to_owned(), vec!["127.0.0.1".to_owned()].into()),
        ]);
        Settings::new().set("webhooks", toml::Value::Array(vec![toml::Value::Table(webhook)]))
    }
}

/// One message, if it is whole and signed.
fn read(stream: &mut TcpStream) -> Option<(String, Value)> {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&buffer[..count]);
        let all = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
            pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap()
        };
        if body.len() < header("content-length").parse().unwrap() {
            continue;
        }
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), format!("{id}.{time}.{body}").as_bytes());
        assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(signed)));
        return Some((id, serde_json::from_str(body).unwrap()));
    }
}

fn score(server: &Askance, login: &Value) -> String {
    let answer = server.main().send(Request::score(login));
    assert_eq!(answer.status, 200, "{answer:?}");
    json_of(&answer)["decision_id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_decided_is_told_with_ids_and_nothing_else() {
    let (state, receiver) = (TempDir::new().unwrap(), Receiver::start(true));
    let server = Askance::start(&receiver.settings(state.path()).set("memory.backend", "volatile"));
    let challenged = score(&server, &risky_login("alice"));
    score(&server, &plain_login("bob"));
    let label = Request::post(&format!("/v1/decisions/{challenged}/feedback")).json(&json!({"label": "fraud"}));
    for _ in 0..2 {
        assert_eq!(server.main().send(label.clone()).status, 204);
    }
    let data = json!({"tenant": "default", "user_id": "alice", "decision_id": challenged});
    let expected = [("decision.challenged".to_owned(), data.clone()), ("feedback.fraud".to_owned(), data)];
    eventually("both are told", || (receiver.told() == expected).then_some(()));
    eventually("it is counted", || {
        let metrics = server.admin().get("/metrics").text();
        let delivered = metrics.lines().find_map(|line| line.strip_prefix("askance_webhooks_delivered_total "))?;
        (delivered.parse::<u32>().ok()? >= 2).then_some(())
    });
    assert!(!server.log().contains(SECRET));
}

/// What a caller verified is bound without a call for it, and told as if there had been one.
#[test]
fn a_factor_that_is_bound_by_itself_is_told() {
    let (state, receiver) = (TempDir::new().unwrap(), Receiver::start(true));
    let factors = ["sms", "totp"].map(str::to_owned).to_vec();
    let settings = receiver.settings(state.path()).set("mfa.enabled", true).set("mfa.factors", factors);
    let server = Askance::start(&settings);
    let arrival = json!({"user": {"id": "alice"}, "event": "sign_up", "verified": {"phone": "+819011112222"}});
    for _ in 0..2 {
        assert_eq!(server.main().post("/v1/mfa/onboard", &arrival).status, 200);
    }
    let bound = eventually("it is told", || receiver.told().into_iter().next());
    assert_eq!(
        (bound.0.as_str(), &bound.1["user_id"], &bound.1["factor"]),
        ("factor.bound", &json!("alice"), &json!("sms"))
    );
}

/// It waits in the store: whoever is killed before it is taken tells it after the next start, as the same message.
#[test]
fn an_event_outlives_kill_9_until_it_is_taken() {
    let (state, receiver) = (TempDir::new().unwrap(), Receiver::start(false));
    let path = state.path().join("state");
    let settings = receiver
        .settings(state.path())
        .set("memory.backend", "embedded")
        .set("memory.path", path.to_str().expect("a UTF-8 path"));
    let mut server = Askance::start(&settings);
    let challenged = score(&server, &risky_login("alice"));
    eventually("it was tried", || (receiver.got().len() == 1).then_some(()));
    server.signal("KILL");
    server.wait_for_exit();
    let tries = |receiver: &Receiver| receiver.got().values().map(|got| got.count).sum::<usize>();
    let before = tries(&receiver);
    receiver.takes.store(true, Ordering::Release);
    let server = Askance::start(&settings);
    eventually("it is told", || (tries(&receiver) > before).then_some(()));
    eventually("it waits no longer", || {
        let metrics = server.admin().get("/metrics").text();
        metrics.contains("askance_webhooks_delivered_total 1\n").then_some(())
    });
    let told = receiver.told();
    assert_eq!(told.len(), 1, "one message, however often it was sent: {told:?}");
    assert_eq!(told[0].1["decision_id"], Value::String(challenged));
}

#[test]
fn replicas_tell_what_any_of_them_has_to_tell() {
    let (state, receiver, redis) = (TempDir::new().unwrap(), Receiver::start(true), RedisServer::start());
    let keys = ["pseudonymise", "token"].map(|name| {
        let path = state.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
        writeln!(file, "{}", "07".repeat(32)).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let settings = receiver
        .settings(state.path())
        .set("memory.backend", "redis")
        .set("memory.url", redis.url())
        .set("memory.timeout_ms", 10_000)
        .set("privacy.pseudonymise_key_file", keys[0].clone())
        .set("device_token.key_files", vec![keys[1].clone()]);
    let servers = [Askance::start(&settings), Askance::start(&settings)];
    let mut expected: Vec<String> = Vec::new();
    for round in 0..5 {
        for (server, name) in servers.iter().zip(["one", "other"]) {
            expected.push(score(server, &risky_login(&format!("{name}-{round}"))));
        }
    }
    expected.sort();
    eventually("all are told", || {
        let mut told: Vec<String> =
            receiver.told().iter().map(|(_, data)| data["decision_id"].as_str().unwrap().to_owned()).collect();
        told.sort();
        (told == expected).then_some(())
    });
}

#[test]
fn a_webhook_without_a_good_secret_stops_the_start() {
    let (state, receiver) = (TempDir::new().unwrap(), Receiver::start(true));
    let settings = receiver.settings(state.path());
    let file = state.path().join("webhook.secret");
    for (content, why) in [("whsec_BwcH", "webhooks[0].secret_files"), ("", "webhooks[0].secret_files")] {
        std::fs::write(&file, content).unwrap();
        let output = Askance::try_start(&settings, TempDir::new().unwrap()).unwrap_err().log;
        assert!(output.contains(why) && !output.contains("BwcH"), "{output}");
    }
}
