//! Proofs over HTTP: the keys that sign them, step-ups and what is refused of them, onboarding, and the example of a shop, which goes all the way with
//! both factors.

mod example;
mod onboard;

use crate::support::{ApiClient, Askance, CHROME, Request, Settings, assert_problem, eventually, json_of, with};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A server that asks by itself.
fn asking() -> Settings {
    Settings::new().set("mfa.enabled", true)
}

fn transfers() -> Settings {
    let mut action = toml::Table::new();
    action.insert("name".to_owned(), "transfer".into());
    action.insert("text".to_owned(), "Pay {{amount}} to {{payee}}".into());
    asking().push("step_up.actions", action)
}

fn step_up() -> Value {
    json!({"user_id": "alice", "session_id": "s1", "ip": "81.2.69.142", "user_agent": CHROME})
}

fn transfer(amount: f64) -> Value {
    json!({"name": "transfer", "params": {"amount": amount, "payee": "Bob"}})
}

#[test]
fn whoever_verifies_proofs_reads_the_keys_without_one() {
    let server = Askance::start(&asking().client(&ApiClient::new("shop", &["mfa"])));
    let answer = server.main().get("/.well-known/jwks.json");
    let keys = json_of(&answer);
    assert_eq!(
        (answer.header("cache-control"), keys["keys"].as_array().map(Vec::len)),
        (Some("public, max-age=300"), Some(1))
    );
    assert!(keys["keys"][0].get("d").is_none(), "the private half stays where it is");
    assert_eq!(server.main().send(Request::new("HEAD", "/.well-known/jwks.json")).status, 200);
    assert_problem(&server.main().send(Request::post("/.well-known/jwks.json")), 405, "request.method_not_allowed");
    let silent = Askance::start(&Settings::new());
    assert_problem(&silent.main().get("/.well-known/jwks.json"), 404, "request.not_found");
}

fn make_key(directory: &Path, name: &str) {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
        .arg(directory.join(name))
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::set_permissions(directory.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn published(server: &Askance) -> Vec<String> {
    let keys = json_of(&server.main().get("/.well-known/jwks.json"));
    let id = |key: &Value| key["kid"].as_str().expect("a key has a name").to_owned();
    keys["keys"].as_array().expect("a key set").iter().map(id).collect()
}

/// Keys as OpenSSL makes them, replaced one by the other while the service runs.
#[test]
fn keys_are_replaced_by_a_reload_and_two_are_published() {
    let directory = TempDir::new().unwrap();
    for name in ["one.pem", "two.pem"] {
        make_key(directory.path(), name);
    }
    let named = |files: &[&str]| asking().set("mfa.assertion.key_files", files.to_vec());
    let path = directory.path().to_owned();
    let server = Askance::start_in(&named(&["one.pem"]), directory);
    let one = published(&server);
    assert_eq!(one.len(), 1);
    named(&["two.pem", "one.pem"]).write_to(&path);
    server.signal("HUP");
    eventually("both keys", || (published(&server).len() == 2).then_some(()));
    let both = published(&server);
    assert_eq!((&both[1], both[0] == one[0]), (&one[0], false), "the new one comes first");
    named(&["two.pem"]).write_to(&path);
    server.signal("HUP");
    eventually("the old key to go", || (published(&server) == both[..1]).then_some(()));
    std::fs::write(path.join("two.pem"), "no key").unwrap();
    server.signal("HUP");
    eventually("a refusal", || server.log().contains("not read again").then_some(()));
    assert_eq!(published(&server), both[..1], "what was there stays");
}

#[test]
fn a_step_up_is_refused_with_what_is_wrong_about_it() {
    let (shop, other) = (ApiClient::new("shop", &["mfa"]), ApiClient::new("desk", &["score"]));
    let server = Askance::start(&transfers().client(&shop).client(&other));
    let client = server.main().with_key(&shop.key);
    let ask = |change: Value| client.post("/v1/step-up", &with(step_up(), change));
    let problem = assert_problem(&ask(json!({})), 422, "user.missing_mfa");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("/v1/mfa/enroll")), "{problem}");
    for (change, field) in [
        (json!({"action": {"name": "unknown"}}), "action.name"),
        (json!({"action": {"name": "transfer", "params": {"amount": 1}}}), "action.params.payee"),
        (
            json!({"action": {"name": "transfer", "params": {"amount": 1, "payee": "B\u{202e}ob"}}}),
            "action.params.payee",
        ),
        (json!({"action": {"name": "transfer", "params": {"amount": 1, "payee": "Bob\nEve"}}}), "action.params.payee"),
        (json!({"action": {"name": "transfer", "params": {"amount": 1, "payee": "Bob", "x": 1}}}), "action.params.x"),
        (json!({"action": {"name": "transfer", "params": {"amount": [1], "payee": "Bob"}}}), "action.params.amount"),
        (json!({"acr_values": "urn:other"}), "acr_values"),
        (json!({"session_id": ""}), "session_id"),
        (json!({"remembered_browser": true}), "remembered_browser"),
    ] {
        assert_eq!(assert_problem(&ask(change.clone()), 422, "request.invalid")["field"], field, "{change}");
    }
    let twice = r#"{"user_id":"alice","session_id":"s1","ip":"81.2.69.142",
                   "action":{"name":"transfer","params":{"amount":1,"amount":2,"payee":"Bob"}}}"#;
    let twice = client.send(Request::post("/v1/step-up").content("application/json", twice));
    assert_eq!(assert_problem(&twice, 422, "request.invalid")["field"], "action.params.amount");
    assert_problem(&ask(json!({"tenant": "other"})), 403, "auth.tenant");
    let scope = server.main().with_key(&other.key).post("/v1/step-up", &step_up());
    assert_problem(&scope, 403, "auth.scope_missing");
}

#[test]
fn what_is_no_proof_is_not_taken() {
    let server = Askance::start(&transfers());
    let consume = |assertion: &str| {
        server
            .main()
            .post("/v1/step-up/consume", &json!({"assertion": assertion, "session_id": "s1", "action": transfer(1.0)}))
    };
    // The unsigned example of RFC 7519, and whatever else comes along.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    for text in ["x", "a.b.c", unsigned, &"a".repeat(8192)] {
        assert_problem(&consume(text), 401, "mfa_token.invalid");
    }
    assert_problem(&consume(&"a".repeat(8193)), 422, "request.invalid");
    let silent = Askance::start(&Settings::new());
    let off = silent.main().post("/v1/step-up", &step_up());
    assert_problem(&off, 404, "request.not_found");
}
