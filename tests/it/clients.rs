//! The snippets of `docs/CLIENTS.md`, cut out of the page and run: against askance, and against what is not askance.

mod languages;
mod peer;

use crate::support::{
    ApiClient, Askance, PATIENCE, POLL_INTERVAL, Settings, plain_login, repository, risky_login, with,
};
use languages::{Language, NOT_EXECUTED};
use peer::{Behaviour, Peer};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

#[test]
fn the_snippet_for_node_keeps_the_rules() {
    check(&languages::NODE);
}

#[test]
fn the_snippet_for_python_keeps_the_rules() {
    check(&languages::PYTHON);
}

#[test]
fn the_snippet_for_java_keeps_the_rules() {
    check(&languages::JAVA);
}

#[test]
fn the_snippet_for_rust_keeps_the_rules() {
    check(&languages::RUST);
}

/// Whatever stands on the page is executed, or said not to be.
#[test]
fn the_page_says_which_snippets_are_not_executed() {
    let page = page();
    let mut fences: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("```")).collect();
    fences.retain(|fence| !matches!(*fence, "" | "json"));
    let executed = [languages::NODE, languages::PYTHON, languages::JAVA, languages::RUST];
    let mut known: Vec<&str> = executed.iter().map(|language| language.fence).collect();
    known.extend(NOT_EXECUTED);
    assert_eq!(fences, known);
    for fence in NOT_EXECUTED {
        let before = page.split(&format!("```{fence}\n")).next().unwrap();
        let section = before.rsplit("\n## ").next().unwrap();
        assert!(section.contains("Not executed by a test."), "{fence}: {section}");
    }
}

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/CLIENTS.md")).unwrap()
}

/// The block of a language. It names its deadline once, in milliseconds.
fn block(fence: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n```{fence}\n")).unwrap_or_else(|| panic!("no block {fence}"));
    let block = rest.split("\n```").next().unwrap();
    assert_eq!(block.matches("250").count(), 1, "{fence}: one deadline a try");
    format!("{block}\n")
}

/// A snippet that is ready to be run, once with the deadline of the page, and once with one that even a machine under
/// load keeps: what must succeed has no deadline to miss.
struct Snippet {
    language: &'static Language,
    hasty: TempDir,
    patient: TempDir,
}

impl Snippet {
    fn new(language: &'static Language) -> Self {
        let block = block(language.fence);
        let patient = block.replace("250", "19000");
        let prepare = |block: &str| {
            let directory = TempDir::new().unwrap();
            (language.prepare)(directory.path(), block);
            directory
        };
        Self { language, hasty: prepare(&block), patient: prepare(&patient) }
    }

    /// What it makes of a login: the action, alone on a line.
    fn action(&self, directory: &TempDir, url: &str, key: &str, login: &Value) -> String {
        let [program, arguments @ ..] = self.language.command else { panic!("a command has a program") };
        let mut child = Command::new(program)
            .args(arguments)
            .arg(login.to_string())
            .current_dir(directory.path())
            .env("ASKANCE_URL", url)
            .env("ASKANCE_KEY", key)
            // A snippet that asks a proxy gets no answer.
            .env("http_proxy", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is not there ({error}); scripts/test installs it"));
        let deadline = Instant::now() + 2 * PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program} did not end by itself, or failed: {:?}", output.status);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn login() -> Value {
    with(plain_login("snippet"), json!({"session_id": "9f86d081884c7d65"}))
}

fn check(language: &'static Language) {
    let snippet = Snippet::new(language);
    let name = language.fence;

    let client = ApiClient::new("snippet", &["score"]);
    let server = Askance::start(&Settings::new().client(&client));
    let url = format!("http://{}", crate::tls::address(&server.main()));
    let typo = with(login(), json!({"user_agnet": "x"}));
    for (what, login, key, expected) in [
        ("a login that nothing speaks against", &login(), client.key.as_str(), "allow"),
        ("a risky login", &risky_login("snippet-risky"), &client.key, "challenge"),
        ("a wrong key", &login(), "wrong", "challenge"),
        ("a request with a typo", &typo, &client.key, "challenge"),
    ] {
        assert_eq!(snippet.action(&snippet.patient, &url, key, login), expected, "{name}: {what}");
    }

    // Bound and let go: nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let action = snippet.action(&snippet.patient, &format!("http://{gone}"), "key", &login());
    assert_eq!(action, "challenge", "{name}: nobody there");

    for (behaviour, requests) in [
        (Behaviour::Status(500), 2),
        (Behaviour::Status(503), 2),
        (Behaviour::Status(401), 1),
        (Behaviour::Status(429), 1),
        (Behaviour::CutOff, 2),
        (Behaviour::NoHttp, 2),
    ] {
        let peer = Peer::start(behaviour);
        let action = snippet.action(&snippet.patient, &peer.url(), "key", &login());
        assert_eq!(action, "challenge", "{name}: {behaviour:?}");
        let bodies = peer.bodies();
        assert_eq!(bodies.len(), requests, "{name}: {behaviour:?}");
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{name}: {behaviour:?}: a retry is the same bytes");
        assert_eq!(serde_json::from_slice::<Value>(&bodies[0]).unwrap(), login(), "{name}: {behaviour:?}");
    }

    // With the deadline of the page, which a language that starts slowly may reach before it has asked at all.
    let silent = Peer::start(Behaviour::Silent);
    assert_eq!(snippet.action(&snippet.hasty, &silent.url(), "key", &login()), "challenge", "{name}: no answer");
    assert!(silent.bodies().len() <= 2, "{name}: one retry");
}
