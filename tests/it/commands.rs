//! The commands that end by themselves.

mod backup;
mod doctor;
mod import;
mod replay;
mod users;

use crate::support::client::Endpoint;
use crate::support::settings::sha256_hex;
use crate::support::{ApiClient, Askance, CHROME, Settings, json_of, plain_login, run};
use tempfile::TempDir;

#[test]
fn client_key_prints_a_key_that_opens() {
    let directory = TempDir::new().unwrap();
    let finished = run(directory.path(), &["client-key", "portal"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    let hash = finished
        .stdout
        .lines()
        .filter(|line| line.trim_start_matches(['#', ' ']).starts_with("key_sha256"))
        .find_map(|line| line.split('"').nth(1))
        .unwrap_or_else(|| panic!("no key_sha256 in {}", finished.stdout));
    let words = finished.output();
    let key = words.split([' ', '\n', '"', '\t', '`']).find(|word| sha256_hex(word) == hash);
    let key = key.unwrap_or_else(|| panic!("no key with that hash in {words}"));
    assert!(key.len() >= 32, "a key that can be guessed: {key:?}");
    assert!(
        finished.stdout.contains("[[server.clients]]") && finished.stdout.contains("\"portal\""),
        "{}",
        finished.stdout
    );

    let other = run(directory.path(), &["client-key", "portal"], &[]);
    assert_ne!(other.stdout, finished.stdout, "each key is new");

    let caller = ApiClient::new("portal", &["score"]).with_key(key);
    let server = Askance::start(&Settings::new().client(&caller));
    json_of(&server.main().with_key(key).score(&plain_login("client-key")));
}

#[test]
fn geo_says_what_the_databases_know() {
    let directory = TempDir::new().unwrap();
    let finished = run(directory.path(), &["geo", "81.2.69.142", "133.11.0.1", "10.1.2.3"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    let line = |ip: &str| {
        let found = finished.stdout.lines().position(|line| line.contains(ip));
        let start = found.unwrap_or_else(|| panic!("nothing about {ip} in {}", finished.stdout));
        finished.stdout.lines().skip(start).take(4).collect::<Vec<_>>().join("\n")
    };
    assert!(line("81.2.69.142").contains("GB"), "{}", finished.stdout);
    assert!(line("133.11.0.1").contains("JP"), "{}", finished.stdout);
    assert_ne!(run(directory.path(), &["geo", "999.1.1.1"], &[]).code, Some(0));
}

#[test]
fn demo_tells_its_story_and_ends() {
    let directory = TempDir::new().unwrap();
    let finished = run(directory.path(), &["demo", "--exit"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    for action in ["allow", "challenge"] {
        assert!(finished.stdout.contains(action), "no scene ends with {action}: {}", finished.stdout);
    }
    assert!(!finished.stdout.contains('\u{1b}') && !finished.stdout.contains('\r'), "colours or bars into a pipe");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the demo leaves nothing behind");
}

#[test]
fn an_unknown_command_is_refused() {
    let directory = TempDir::new().unwrap();
    let finished = run(directory.path(), &["sevre"], &[]);
    assert_eq!(finished.code, Some(2), "{}", finished.output());
}

#[test]
fn the_example_of_an_identity_server_challenges_and_tells_the_outcome() {
    let server = Askance::start(&Settings::new());
    let Endpoint::Tcp(address) = server.main().endpoint else { panic!("the tests listen on TCP") };
    let login = |url: &str, ip: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/identity-server/login.py");
        let output =
            std::process::Command::new("python3").args([script, url, "eve", ip, CHROME, "d1"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let url = format!("http://{address}");
    assert!(login(&url, "81.2.69.142").starts_with("allow - "));
    let challenged = login(&url, "999.1.1.1");
    assert!(challenged.starts_with("challenge - ") && challenged.contains("outcome told"), "{challenged}");
    drop(server);
    assert_eq!(login(&url, "81.2.69.142").trim_end(), "challenge - askance did not answer");
}
