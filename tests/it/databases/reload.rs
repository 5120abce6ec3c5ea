//! Files that change under a running service, for better and for worse.

use super::elsewhere;
use crate::support::mmdb::{ANONYMOUS_SHAPES, ASN_SHAPES, BUILT_S, CITY_SHAPES, TOWNS, Town, database, shared_nodes};
use crate::support::{Askance, Settings, eventually, json_of, plain_login, with};
use mmdb_writer::Value as Row;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const KINDS: [&str; 3] = ["city", "asn", "anonymous"];

/// A good file of a kind: so many networks, built so many seconds after the first one.
fn good(kind: &str, networks: u8, later_s: u64) -> Vec<u8> {
    let row = |number: u8| -> (&str, Row) {
        match kind {
            "city" => {
                // A file built later says another country, so that an answer shows which one serves.
                let country = if later_s > 0 { "FR" } else { "GB" };
                (CITY_SHAPES[0].database_type, (CITY_SHAPES[0].row)(&Town { country, ..TOWNS[0] }))
            }
            "asn" => (ASN_SHAPES[0].database_type, (ASN_SHAPES[0].row)(&())),
            _ => (ANONYMOUS_SHAPES[0].database_type, (ANONYMOUS_SHAPES[0].row)(&(number % 4 + 1))),
        }
    };
    let rows: Vec<(String, Row)> = (0..networks).map(|number| (network(number), row(number).1)).collect();
    database(row(0).0, BUILT_S + later_s, rows.iter().map(|(network, row)| (network.as_str(), row.clone()))).unwrap()
}

/// Networks with gaps between them, which keep neighbours of the same row apart.
fn network(number: u8) -> String {
    format!("81.2.{}.0/24", 69 + 2 * number)
}

/// Puts a new file in the place of another, as tools that care do.
fn replace(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// A service with one database of this kind in a file of its own.
struct Lab {
    server: Askance,
    kind: &'static str,
    path: PathBuf,
    _directory: TempDir,
}

impl Lab {
    fn start(kind: &'static str, content: &[u8]) -> Self {
        let directory = TempDir::new().unwrap();
        let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let path = directory.path().join("data.mmdb");
        std::fs::write(&path, content).unwrap();
        std::fs::write(file("elsewhere.mmdb"), elsewhere()).unwrap();
        let settings = Settings::new().set("geoip.reload_s", 1).set("geoip.city", file("elsewhere.mmdb"));
        let server = Askance::start(&settings.set(&format!("geoip.{kind}"), file("data.mmdb")));
        Self { server, kind, path, _directory: directory }
    }

    /// What `/readyz` says of the database; the service is ready, whatever became of the file.
    fn status(&self) -> Value {
        let ready = json_of(&self.server.admin().get("/readyz"));
        let databases = ready["databases"].as_array().unwrap();
        databases.iter().find(|database| database["database"] == self.kind).unwrap().clone()
    }

    fn count(&self, metric: &str) -> u64 {
        let text = self.server.admin().get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {metric} in {text}")).parse().unwrap()
    }

    fn refused(&self) -> u64 {
        self.count("askance_data_reload_failures_total{kind=\"database\"}")
    }

    /// The country by which a login is judged; the request must not fail.
    fn country(&self) -> Value {
        let login = with(plain_login("amelie"), json!({"ip": "81.2.69.142"}));
        json_of(&self.server.main().score(&login))["evidence"]["location"]["country"].clone()
    }

    /// Has `change` make the file what it is not to be, waits until that is refused, and checks that nothing else came of it.
    fn assert_refuses(&self, what: &str, reason: &str, before: &Value, change: impl FnOnce()) {
        let refused = self.refused();
        change();
        // A file that changes in time with SIGHUP may be refused by either, and so twice.
        let mut after = eventually(&format!("{what} to be refused: {reason}"), || {
            let is_told = |status: &Value| status["error"].as_str().is_some_and(|error| error.contains(reason));
            (self.refused() > refused).then(|| self.status()).filter(is_told)
        });
        after.as_object_mut().unwrap().remove("error");
        assert_eq!(after, *before, "{what}: another one serves");
        let notes = json_of(&self.server.admin().get("/readyz"))["notes"].to_string();
        assert!(notes.contains("data.mmdb") && notes.contains("serves on"), "{what}: {notes}");
        if self.kind == "city" {
            assert_eq!(self.country(), "GB", "{what}");
        } else {
            self.country();
        }
    }
}

fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(4096).collect()
}

/// What stands in the place of the file of `kind`, and why it is refused.
fn bad(kind: &str) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let others = KINDS.into_iter().filter(|other| *other != kind);
    let swapped = others.map(|other| ("a file of another kind", good(other, 8, 60), "says nothing that"));
    let mut all = vec![
        ("noise", noise(), "is no valid"),
        ("a tree of shared nodes", shared_nodes(false), "shares nodes"),
        ("fewer than half of the networks", good(kind, 3, 60), "fewer than half"),
        ("an older file", of_yesterday(kind), "before the running one"),
    ];
    all.extend(swapped);
    all
}

fn a_bad_file_changes_nothing(kind: &'static str) {
    let first = good(kind, 8, 0);
    let lab = Lab::start(kind, &first);
    let before = lab.status();
    assert_eq!((&before["networks"], &before["file"]), (&json!(8), &json!("data.mmdb")));
    // SIGHUP looks at once: cut off at many lengths, and what cannot even be opened.
    let lengths = (0..first.len()).step_by(first.len() / 12);
    let cut = lengths.map(|length| (format!("a file cut to {length} bytes"), first[..length].to_vec(), "is no valid"));
    let to_ipv4 = ("a tree of shared nodes that end in IPv4".to_owned(), shared_nodes(true), "shares nodes");
    for (what, content, reason) in cut.chain([to_ipv4]) {
        lab.assert_refuses(&what, reason, &before, || {
            replace(&lab.path, &content);
            lab.server.signal("HUP");
        });
    }
    // The rest is seen by itself.
    for (what, content, reason) in bad(kind) {
        lab.assert_refuses(what, reason, &before, || replace(&lab.path, &content));
    }
    lab.assert_refuses("no file", "cannot be read", &before, || std::fs::remove_file(&lab.path).unwrap());

    let refused = lab.refused();
    let lines = || lab.server.log().lines().filter(|line| line.contains("is refused")).count();
    eventually("the log of the last one", || (lines() >= usize::try_from(refused).unwrap()).then_some(()));
    assert_eq!(lines(), usize::try_from(refused).unwrap(), "one line for each, however often it was looked at");

    replace(&lab.path, &good(kind, 9, 60));
    let after = eventually("a good file to be taken", || Some(lab.status()).filter(|status| status["networks"] == 9));
    assert_eq!(after.get("error"), None, "{after}");
    assert_eq!(lab.count("askance_data_reloads_total{kind=\"database\"}"), 1);
    assert_eq!(lab.count(&format!("askance_database_networks{{database=\"{kind}\",index=\"0\"}}")), 9);
    assert_eq!(lab.refused(), refused);
    if kind == "city" {
        assert_eq!(lab.country(), "FR");
    }
}

fn of_yesterday(kind: &str) -> Vec<u8> {
    let row = match kind {
        "city" => (CITY_SHAPES[0].row)(&TOWNS[0]),
        "asn" => (ASN_SHAPES[0].row)(&()),
        _ => (ANONYMOUS_SHAPES[0].row)(&1),
    };
    let networks: Vec<String> = (0..8).map(network).collect();
    database("Old", BUILT_S - 86_400, networks.iter().map(|network| (network.as_str(), row.clone()))).unwrap()
}

#[test]
fn a_bad_file_of_places_changes_nothing() {
    a_bad_file_changes_nothing("city");
}

#[test]
fn a_bad_file_of_systems_changes_nothing() {
    a_bad_file_changes_nothing("asn");
}

#[test]
fn a_bad_file_of_who_hides_changes_nothing() {
    a_bad_file_changes_nothing("anonymous");
}

#[test]
fn hangup_takes_an_older_file_and_one_elsewhere() {
    let lab = Lab::start("city", &good("city", 8, 60));
    assert_eq!(lab.country(), "FR");
    replace(&lab.path, &good("city", 8, 0));
    lab.server.signal("HUP");
    eventually("the older file", || (lab.country() == "GB").then_some(()));
    assert_eq!(lab.status().get("error"), None);
}

/// In place, so that a half-written file is there to be seen at any time; nobody who asks ever notices.
#[test]
fn a_file_is_overwritten_while_requests_run() {
    let lab = Lab::start("city", &good("city", 8, 0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turns = (8..=40).cycle();
            while !done.load(Ordering::Relaxed) {
                let networks = turns.next().unwrap_or(8);
                let content = good("city", networks, 0);
                let mut file = std::fs::File::create(&lab.path).unwrap();
                let (half, rest) = content.split_at(content.len() / 2);
                file.write_all(half).unwrap();
                lab.server.signal("HUP");
                file.write_all(rest).unwrap();
            }
        });
        for _ in 0..300 {
            assert_eq!(lab.country(), "GB");
        }
        done.store(true, Ordering::Relaxed);
    });
    replace(&lab.path, &good("city", 41, 60));
    eventually("the last file", || (lab.status()["networks"] == 41).then_some(()));
    assert_eq!((lab.country(), lab.status().get("error")), (json!("FR"), None));
}

#[test]
fn a_list_that_changes_is_read_without_being_asked() {
    let directory = TempDir::new().unwrap();
    let list = directory.path().join("list.netset");
    std::fs::write(&list, "198.51.100.0/24\n").unwrap();
    let server = Askance::start(&Settings::new().set("geoip.reload_s", 1).abuse_list(&list));
    let code = |ip: &str| {
        let answer = json_of(&server.main().score(&with(plain_login("amelie"), json!({"ip": ip}))));
        answer["risk_assessment"]["assessments"]["UntrustedIP"]["code"].clone()
    };
    replace(&list, b"0.0.0.0/0\n");
    let failures = "askance_data_reload_failures_total{kind=\"list\"} 1";
    eventually("the refusal", || server.admin().get("/metrics").text().contains(failures).then_some(()));
    assert_eq!(code("198.51.100.7"), "found_on_deny_list");
    replace(&list, b"203.0.113.0/24\n");
    eventually("the new list", || (code("203.0.113.7") == "found_on_deny_list").then_some(()));
    assert_eq!(code("198.51.100.7"), "not_found_on_deny_list");
}
