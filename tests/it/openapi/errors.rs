//! Every operation × status × code that the document knows is provoked over HTTP, on a real server.

use super::factors::{FactorLab, is_of_factors};
use super::proofs::{ProofLab, is_of_proofs};
use crate::http::limits::Held;
use crate::support::client::Connection;
use crate::support::contract::document::Operation;
use crate::support::contract::{Listener, assert_kept, contract};
use crate::support::redis::RedisServer;
use crate::support::{
    ApiClient, Askance, Client, Request, Response, Settings, eventually, json_of, plain_login, risky_login,
    time_from_now, with,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

#[test]
fn every_documented_error_is_reached() {
    let lab = Lab::new();
    let (mut wrong, mut reached) = (Vec::new(), 0);
    for operation in operations() {
        for (status, codes) in contract().document.errors(&operation).into_iter().filter(|(status, _)| *status >= 400) {
            assert!(!codes.is_empty() || operation.id == "readiness", "{operation}: {status} has no codes");
            for code in codes {
                match lab.provoke(&operation, &code) {
                    None => wrong.push(format!("{operation}: {status} {code} has no recipe")),
                    Some(answer) => {
                        reached += 1;
                        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                        if (answer.status, problem["code"].as_str()) != (status, Some(&code)) {
                            wrong.push(format!("{operation}: {status} {code}: {} {problem}", answer.status));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} errors:\n  {}", wrong.len(), wrong.join("\n  "));
    assert!(reached > 110, "only {reached} were reached");
}

/// Every operation, and what stands for paths that are none, on both listeners.
fn operations() -> Vec<Operation> {
    let document = &contract().document;
    document.operations().into_iter().chain([document.unknown_path(Listener::Main)]).collect()
}

/// Servers, each set so that some refusals are easy to provoke.
struct Lab {
    local: Askance,
    keyed: Askance,
    /// Does not wait long.
    hasty: Askance,
    /// Has no place for backups.
    full: Askance,
    /// Has lost its Redis.
    bereft: Askance,
    /// Takes no large bodies.
    frugal: Askance,
    /// Holds one request, which is all that it may.
    narrow: Askance,
    held: Held,
    /// Has as many connections on its admin listener as it may.
    crowded: Askance,
    crowd: Vec<Connection>,
    /// Ask for proofs.
    proofs: ProofLab,
    /// Ask by themselves.
    factors: FactorLab,
    /// What a server said that was told to stop, by operation.
    stopping: BTreeMap<String, Response>,
}

const KEYS: [(&str, &[&str]); 4] =
    [("portal", &["score"]), ("shop", &["score"]), ("desk", &["history"]), ("mute", &["mfa"])];

fn key(name: &str) -> String {
    ApiClient::new(name, &[]).key
}

impl Lab {
    fn new() -> Self {
        let clients = KEYS
            .iter()
            .fold(Settings::new(), |settings, (name, scopes)| settings.client(&ApiClient::new(name, scopes)));
        // Longer than anything here waits: what is held, or says nothing, is not kept for ever.
        let patient = Settings::new().set("server.request_timeout_ms", 600_000);
        let narrow = Askance::start(&patient.clone().set("server.in_flight_max", 1));
        let held = Held::open(&narrow.main(), "contract-held", None);
        let crowded = Askance::start(&patient);
        let crowd = (0..256).map(|_| crowded.admin().connect()).collect();
        Self {
            local: Askance::start(&Settings::new()),
            keyed: Askance::start(&clients),
            full: Askance::start(
                &Settings::new().set("memory.backend", "embedded").set("memory.backup_path", "/dev/null/x"),
            ),
            bereft: start_and_lose_redis(),
            hasty: Askance::start(&Settings::new().set("server.request_timeout_ms", 1_000)),
            frugal: Askance::start(&Settings::new().set("server.body_bytes_max", 1_024)),
            narrow,
            held,
            crowded,
            crowd,
            proofs: ProofLab::new(),
            factors: FactorLab::new(),
            stopping: stop_while_they_call(&patient.set("server.drain_s", 600)),
        }
    }

    /// The refusal that a code names; none where there is no recipe.
    fn provoke(&self, operation: &Operation, code: &str) -> Option<Response> {
        if is_of_proofs(operation)
            && let Some(refused) = self.proofs.provoke(operation, code)
        {
            return Some(refused);
        }
        if is_of_factors(operation)
            && !["server.overloaded", "server.draining"].contains(&code)
            && let Some(refused) = self.factors.provoke(operation, code)
        {
            return Some(refused);
        }
        let good = request(operation);
        let body = || contract().document.request_example(operation).cloned().unwrap_or_default();
        let json = |body: &Value| Request::new(&operation.method, good.path()).json(body);
        let local = client(&self.local, operation);
        let keyed = client(&self.keyed, operation);
        Some(match code {
            // The whole of an import has no other syntax than that of its encoding.
            "request.malformed_json" if operation.id == "importLogins" => {
                local.send(good.header("content-encoding", "gzip"))
            }
            "request.malformed_json" => local.send(json(&body()).body("{nope")),
            "request.truncated" => broken_off(&local, &good, Listener::Main, true),
            "request.timeout" => broken_off(&client(&self.hasty, operation), &good, Listener::Main, false),
            "request.too_large" => {
                let padded = format!("{}{}", body(), " ".repeat(1_024));
                client(&self.frugal, operation).send(json(&body()).body(padded))
            }
            "request.content_type" => {
                local.send(Request::new(&operation.method, good.path()).content("text/plain", ""))
            }
            "request.invalid" if good.plain_body().is_none() => wrong_parameter(&local, operation),
            "request.invalid" => local.send(json(&with(body(), json!({"unknown": 1})))),
            "request.not_found" if operation.id == "forgetDevice" => {
                let path = contract().document.path_with(operation, &[("device", "0123")]);
                local.send(Request::new(&operation.method, &path))
            }
            "request.not_found" => local.send(good),
            "request.method_not_allowed" => local.send(Request::new("BREW", good.path())),
            "auth.key_invalid" => keyed.send(good),
            // A path that is none has no scope, but on the admin listener, where all but health has the same.
            "auth.scope_missing" if operation.id == "unknown path" => {
                self.keyed.admin().with_key(&key("mute")).send(good)
            }
            "auth.scope_missing" => keyed.with_key(&key("mute")).send(good),
            "auth.tenant" if good.plain_body().is_none() => {
                keyed.with_key(&key("desk")).send(good.header("x-askance-tenant", "other"))
            }
            "auth.tenant" => keyed.with_key(&key("portal")).send(json(&with(body(), json!({"tenant": "other"})))),
            "auth.not_local" => local.send(good.header("origin", "https://example.org")),
            "flow.no_end_user" => local.send(json(&with(body(), json!({"flow": "client_credentials"})))),
            "event.time_out_of_range" => local.send(json(&with(body(), json!({"time": time_from_now(-310)})))),
            "memory.unavailable" => self.bereft.main().send(good),
            "memory.no_backups" => local.send(good),
            "memory.backup_failed" => client(&self.full, operation).send(good),
            "server.overloaded" => self.overload(operation, &good),
            "server.draining" => self.stopping.get(&operation.id)?.clone(),
            _ => return self.provoke_about_a_decision(operation, code, &json),
        })
    }

    fn provoke_about_a_decision(
        &self,
        operation: &Operation,
        code: &str,
        json: &dyn Fn(&Value) -> Request,
    ) -> Option<Response> {
        let about = |decision: &Value, body: &Value| {
            let id = decision["decision_id"].as_str().expect("a decision has an id");
            Request::post(&operation.path.replace("{decision_id}", id)).json(body)
        };
        let body = contract().document.request_example(operation)?;
        let [portal, shop] = ["portal", "shop"].map(|name| self.keyed.main().with_key(&key(name)));
        let user = format!("contract-{}", operation.id);
        Some(match code {
            "decision.not_found" => self.local.main().send(json(body)),
            "decision.other_client" => shop.send(about(&json_of(&portal.score(&plain_login(&user))), body)),
            "decision.not_completed" => {
                let challenged = json_of(&portal.score(&risky_login(&user)));
                portal.send(about(&challenged, &json!({"label": "legitimate"})))
            }
            "decision.not_verified" => {
                let lab = &self.factors;
                lab.not_verified()
            }
            "decision.already_settled" => {
                let allowed = json_of(&self.local.main().score(&plain_login(&user)));
                self.local.main().send(about(&allowed, &json!({"result": "failure"})))
            }
            _ => return None,
        })
    }

    /// One request more than fits; on the admin listener one connection more, which is refused before it says anything.
    fn overload(&self, operation: &Operation, request: &Request) -> Response {
        if operation.listener == Listener::Main {
            return self.narrow.main().send(request.clone());
        }
        assert_eq!(self.crowd.len(), 256);
        let answer = self.crowded.admin().connect().read_response().expect("a refusal");
        assert_kept(Listener::Admin, request, &answer);
        answer
    }
}

impl Drop for Lab {
    /// What is held is let go before its server is.
    fn drop(&mut self) {
        self.held.send_half();
    }
}

/// Shares its memory with a server that is gone, and knows it.
fn start_and_lose_redis() -> Askance {
    let mut redis = RedisServer::start();
    let directory = TempDir::new().unwrap();
    for name in ["pseudonymise.key", "device.key"] {
        let path = directory.path().join(name);
        std::fs::write(&path, "5c".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let settings = Settings::new()
        .set("memory.backend", "redis")
        .set("memory.url", redis.url())
        .set("privacy.pseudonymise_key_file", "pseudonymise.key")
        .set("device_token.key_files", vec!["device.key"]);
    let server = Askance::start_in(&settings, directory);
    redis.kill();
    server
}

fn client(server: &Askance, operation: &Operation) -> Client {
    match operation.listener {
        Listener::Main => server.main(),
        Listener::Admin => server.admin(),
        Listener::Hooks => server.hooks(),
    }
}

/// A request that nothing is wrong with, from the examples of the document.
pub(super) fn request(operation: &Operation) -> Request {
    let document = &contract().document;
    let request = Request::new(&operation.method, &document.path_with(operation, &[]));
    match (document.request_type(operation), document.request_example(operation)) {
        (Some(media_type), Some(Value::String(text))) => request.content(&media_type, text.clone()),
        (Some(media_type), Some(body)) => request.content(&media_type, body.to_string()),
        _ => request,
    }
}

/// A parameter of every kind that is wrong; the first answer that is not 422, or the last one.
fn wrong_parameter(client: &Client, operation: &Operation) -> Response {
    let good = request(operation);
    let to = |path: String| Request::new(&operation.method, &path);
    let bad_id =
        operation.path.contains("{id}").then(|| to(contract().document.path_with(operation, &[("id", "%ff")])));
    let limit = (operation.id == "listDecisions").then(|| to("/v1/decisions?limit=0".to_owned()));
    let unknown = to(format!("{}?tenant=default", good.path()));
    let requests = [bad_id, limit, Some(unknown), Some(good.header("x-askance-tenant", ""))];
    let mut answers = requests.into_iter().flatten().map(|request| client.send(request));
    let first = answers.next().expect("there are two at least");
    answers.fold(first, |shown, next| if shown.status == 422 { next } else { shown })
}

/// Sends all but the last byte; then says that there is no more, or nothing at all.
pub(super) fn broken_off(client: &Client, request: &Request, listener: Listener, finish: bool) -> Response {
    let bytes = request.bytes(&client.endpoint);
    let mut connection = client.connect();
    connection.write(&bytes[..bytes.len() - 1]).unwrap();
    if finish {
        connection.finish_writing().unwrap();
    }
    let answer = connection.read_response().expect("an answer to what came");
    assert_kept(listener, request, &answer);
    answer
}

/// Begins a head for each operation, has the server stop, and ends the heads: what was begun is answered.
fn stop_while_they_call(settings: &Settings) -> BTreeMap<String, Response> {
    let server = Askance::start(settings);
    let main = operations().into_iter().filter(|operation| operation.listener == Listener::Main);
    let begun: Vec<(Operation, Request, Connection)> = main
        .map(|operation| {
            let request = request(&operation);
            let mut connection = server.main().connect();
            connection.write(&request.bytes(&server.main().endpoint)[..20]).unwrap();
            (operation, request, connection)
        })
        .collect();
    server.signal("TERM");
    eventually("/readyz to say that the server is stopping", || {
        (server.admin().get("/readyz").status == 503).then_some(())
    });
    let finish = |(operation, request, mut connection): (Operation, Request, Connection)| {
        connection.write(&request.bytes(&server.main().endpoint)[20..]).unwrap();
        let answer = connection.read_response().unwrap_or_else(|error| panic!("{operation}: no answer: {error}"));
        assert_kept(Listener::Main, &request, &answer);
        (operation.id, answer)
    };
    begun.into_iter().map(finish).collect()
}
