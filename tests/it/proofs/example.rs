//! `examples/step-up`: somebody who is logged in confirms a transfer, with an app and with a passkey.

use crate::support::authenticator::Authenticator;
use crate::support::client::Endpoint;
use crate::support::contract::Listener;
use crate::support::{Client, Request, Response};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The example, started by its script.
struct Shop {
    script: Child,
    client: Client,
    origin: String,
}

impl Shop {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/step-up/start");
        let mut script = Command::new(script)
            .args(["--askance", env!("CARGO_BIN_EXE_askance"), "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is there");
        let mut lines = BufReader::new(script.stdout.take().expect("it is piped")).lines();
        let line = lines.next().expect("it says where it is").unwrap();
        let origin = line.strip_prefix("open ").expect("it says what to open").to_owned();
        let port = origin.rsplit_once(':').expect("it has a port").1;
        // No contract of ours: this is the shop.
        let client = Client::to(Listener::Hooks, Endpoint::parse(&format!("127.0.0.1:{port}")));
        Self { script, client, origin }
    }

    fn call(&self, session: &str, path: &str, body: &Value) -> Response {
        self.client.send(Request::post(path).json(body).header("cookie", &format!("session={session}")))
    }

    /// The answer to what must succeed.
    fn done(&self, session: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(session, path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// The session of somebody who signs up or logs in.
    fn arrive(&self, path: &str, user: &str) -> String {
        let answer = self.client.send(Request::post(path).json(&json!({"user": user})));
        let cookie = answer.header("set-cookie").expect("a session");
        let value = cookie.strip_prefix("session=").and_then(|rest| rest.split(';').next());
        value.expect("it has a value").to_owned()
    }

    /// What is proved for a transfer of 100.5 to Bob; `answer` is given what is to be answered.
    fn prove(&self, session: &str, factor: &str, answer: impl FnOnce(&Value) -> Value) -> String {
        let asked = self.done(session, "/transfers/ask", &json!({"amount": 100.5, "payee": "Bob"}));
        assert_eq!(asked["text"], "Pay 100.5 EUR to Bob");
        let begun = self.done(session, "/transfers/challenge", &json!({"factor": factor}));
        let mut answer = answer(&begun);
        answer["challenge_id"] = begun["challenge_id"].clone();
        let proved = self.done(session, "/transfers/prove", &answer);
        proved["proof"].as_str().expect("a proof").to_owned()
    }

    /// The proof is good for one transfer, one session, and once.
    fn assert_good_once(&self, session: &str, user: &str, proof: &str) {
        let other = self.arrive("/log-in", user);
        for (session, amount, payee, expected) in [
            (&*other, 100.5, "Bob", (409, json!("step_up.other_session"))),
            (session, 1000.5, "Bob", (409, json!("step_up.other_action"))),
            (session, 100.5, "Eve", (409, json!("step_up.other_action"))),
            (session, 100.5, "Bob", (200, json!(null))),
            (session, 100.5, "Bob", (409, json!("step_up.already_used"))),
        ] {
            let answer = self.call(session, "/transfers", &json!({"amount": amount, "payee": payee, "proof": proof}));
            let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!((answer.status, told["code"].clone()), expected, "{user}: {amount} to {payee}");
        }
    }
}

impl Drop for Shop {
    /// It ends askance, too, when it is told to end.
    fn drop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.script.id().to_string()]).status();
        if told.is_err() {
            self.script.kill().ok();
        }
        self.script.wait().ok();
    }
}

#[test]
fn a_transfer_is_confirmed_with_an_app_and_with_a_passkey_once_and_as_it_was_shown() {
    let shop = Shop::start();
    let alice = shop.arrive("/sign-up", "alice");
    let begun = shop.done(&alice, "/factors", &json!({"factor": "totp"}));
    let secret = begun["secret"].as_str().expect("a secret");
    // Good for this step and the next one: the app's code, and the one that it shows after it.
    let step = unix_s() / 30;
    let bound = json!({"enrolment_id": begun["enrolment_id"], "code": totp(secret, step)});
    assert_eq!(shop.done(&alice, "/factors/bind", &bound)["backup_codes"].as_array().map(Vec::len), Some(10));
    let proof = shop.prove(&alice, "totp", |_| json!({"code": totp(secret, step + 1)}));
    shop.assert_good_once(&alice, "alice", &proof);

    let bob = shop.arrive("/sign-up", "bob");
    let mut passkey = Authenticator::new(&shop.origin);
    let begun = shop.done(&bob, "/factors", &json!({"factor": "webauthn"}));
    let credential = passkey.register(&begun["public_key"]);
    shop.done(&bob, "/factors/bind", &json!({"enrolment_id": begun["enrolment_id"], "credential": credential}));
    let proof = shop.prove(&bob, "webauthn", |begun| json!({"credential": passkey.answer(&begun["public_key"])}));
    shop.assert_good_once(&bob, "bob", &proof);
}

fn unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is past 1970").as_secs()
}

/// **Source:** RFC 6238 and RFC 4226, section 5.3.
fn totp(secret: &str, step: u64) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &base32(secret));
    let mac = ring::hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(mac.as_ref()[19] & 15);
    let [a, b, c, d] = mac.as_ref()[offset..offset + 4] else { panic!("four bytes") };
    format!("{:06}", (u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff) % 1_000_000)
}

/// **Source:** RFC 4648, section 6.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => panic!("{letter} is no letter of base32"),
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    bytes
}
