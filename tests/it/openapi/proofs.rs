//! Recipes for the refusals of proofs and of onboarding: by servers that ask by themselves, and with assertions that the test signs with their key.

use super::errors::{broken_off, request};
use crate::support::client::Client;
use crate::support::contract::contract;
use crate::support::contract::document::Operation;
use crate::support::redis::RedisServer;
use crate::support::{ApiClient, Askance, Request, Response, Settings, with};
use askance::clock::Clock;
use askance::event::Factor;
use askance::mfa::action::{Action, Param};
use askance::mfa::assertion::{self, Act, Proof, Signer, SigningKey, Statement};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Servers that ask by themselves.
pub(super) struct ProofLab {
    asking: Askance,
    keyed: Askance,
    /// Does not wait long.
    hasty: Askance,
    /// Takes no large bodies.
    frugal: Askance,
    /// Has lost its Redis.
    bereft: Askance,
    /// With the key of all of them.
    signer: Signer,
    _files: TempDir,
}

impl ProofLab {
    pub(super) fn new() -> Self {
        let files = TempDir::new().unwrap();
        let pem = SigningKey::generate().unwrap();
        let key = private_file(files.path(), "assertion.pem", &pem);
        let asks = Settings::new()
            .set("mfa.enabled", true)
            .set("mfa.assertion.key_files", vec![key.to_str().unwrap().to_owned()]);
        let clients = [("shop", &["mfa"][..]), ("desk", &["score"])];
        let keyed = clients
            .iter()
            .fold(asks.clone(), |settings, (name, scopes)| settings.client(&ApiClient::new(name, scopes)));
        Self {
            asking: Askance::start(&asks),
            keyed: Askance::start(&keyed),
            hasty: Askance::start(&asks.clone().set("server.request_timeout_ms", 1_000)),
            frugal: Askance::start(&asks.clone().set("server.body_bytes_max", 1_024)),
            bereft: lose_redis(&asks, files.path()),
            signer: Signer::new(&assertion::Settings::default(), vec![SigningKey::parse(&pem).unwrap()]),
            _files: files,
        }
    }

    /// The refusal that a code names; `None` where others know how.
    pub(super) fn provoke(&self, operation: &Operation, code: &str) -> Option<Response> {
        let main = self.asking.main();
        let good = request(operation);
        let body = good.plain_body().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let to = |body: &Value| Request::new(&operation.method, good.path()).json(body);
        Some(match code {
            "request.malformed_json" => main.send(to(&json!({})).body("{nope")),
            "request.truncated" => broken_off(&main, &good, operation.listener, true),
            "request.timeout" => broken_off(&self.hasty.main(), &good, operation.listener, false),
            "request.too_large" => self.frugal.main().send(to(&body?).body(" ".repeat(2_048))),
            "request.content_type" => main.send(Request::new(&operation.method, good.path()).content("text/plain", "")),
            "request.invalid" => main.send(to(&with(body?, json!({"unknown": 1})))),
            "request.method_not_allowed" => main.send(Request::new("BREW", good.path())),
            "auth.key_invalid" => self.keyed.main().send(good),
            "auth.scope_missing" => self.client("desk").send(good),
            "auth.tenant" => self.client("shop").send(to(&with(body?, json!({"tenant": "other"})))),
            "auth.not_local" => main.send(good.header("origin", "https://example.org")),
            "user.missing_mfa" | "mfa_token.invalid" => main.send(good),
            "memory.unavailable" if operation.id == "consumeStepUp" => self.consume(&self.bereft, "local", "s1", 1.0),
            "memory.unavailable" => self.bereft.main().send(good),
            "mfa_token.other_client" => self.consume(&self.asking, "other", "s1", 1.0),
            "step_up.other_session" => self.consume(&self.asking, "local", "s2", 1.0),
            "step_up.other_action" => self.consume(&self.asking, "local", "s1", 2.0),
            "step_up.already_used" => {
                let body = self.consumption("local", "s1", 1.0);
                assert_eq!(main.post("/v1/step-up/consume", &body).status, 200);
                main.post("/v1/step-up/consume", &body)
            }
            _ => return None,
        })
    }

    fn consume(&self, server: &Askance, audience: &str, session: &str, amount: f64) -> Response {
        server.main().post("/v1/step-up/consume", &self.consumption(audience, session, amount))
    }

    /// What is to be spent: a proof of a transfer of 1 in session s1, for `audience`.
    fn consumption(&self, audience: &str, session: &str, amount: f64) -> Value {
        let action = Action::new("transfer", [("amount".to_owned(), Param::Number(1.0))]).unwrap();
        let now = Clock.now();
        let statement = Statement {
            audience,
            subject: "alice",
            tenant: "default",
            session: Some("s1"),
            proof: Proof { factor: Factor::Totp, at_s: now.unix_s(), is_bound_to_device: false },
            decision_id: "01890000-0000-7000-8000-000000000000",
            act: Some(&Act { name: "transfer".to_owned(), digest: action.digest() }),
        };
        let assertion = self.signer.sign(&statement, now).unwrap().text;
        json!({"assertion": assertion, "session_id": session, "action": {"name": "transfer", "params": {"amount": amount}}})
    }

    fn client(&self, name: &str) -> Client {
        self.keyed.main().with_key(&ApiClient::new(name, &[]).key)
    }
}

/// Whether it is one of these calls.
pub(super) fn is_of_proofs(operation: &Operation) -> bool {
    let written = &contract().document.value()["paths"][&operation.path][operation.method.to_ascii_lowercase()];
    written["tags"][0] == "proofs"
}

/// Shares its memory with a server that is gone.
fn lose_redis(asks: &Settings, files: &Path) -> Askance {
    let mut redis = RedisServer::start();
    let key = private_file(files, "secret.key", &"5c".repeat(32));
    let key = key.to_str().unwrap();
    let settings = asks
        .clone()
        .set("memory.backend", "redis")
        .set("memory.url", redis.url())
        .set("privacy.pseudonymise_key_file", key)
        .set("device_token.key_files", vec![key.to_owned()])
        .set("mfa.key_files", key);
    let server = Askance::start(&settings);
    redis.kill();
    server
}

fn private_file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
