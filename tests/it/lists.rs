//! Address lists, from file to answer: each format, and files that change under a server that is told so.

use crate::support::{Askance, Settings, eventually, json_of, plain_login, run, with};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toml::Table;

const DROP: &str = r#"{"cidr":"198.51.100.0/24","sblid":"SBL1","rir":"arin"}
{"cidr":"2001:db8:bad::/48","sblid":"SBL2","rir":"ripencc"}
{"asn":64500,"rir":"arin","domain":"bad.example","cc":"US","asname":"BAD"}
{"type":"metadata","timestamp":1713186002,"size":200,"records":3,"copyright":"(c)"}
"#;
const TOR: &str = "ExitNode 4273E6D162ED2717A1CF4207A254004CD3F5307B\nPublished 2026-01-01 11:01:07\nLastStatus \
                   2026-01-01 23:00:00\nExitAddress 192.0.2.66 2026-01-01 23:17:02\n";
const TABLE: &str = "# proxies\r\nseen;\"address\"\r\n2026-01-01;\"203.0.113.0/25\"\r\n2026-01-01;203.0.113.200\r\n";

const LISTED: &str = "found_on_deny_list";
const CLEAN: &str = "not_found_on_deny_list";

/// The keys of a stanza beside its path, and what its file holds.
fn write(directory: &Path, keys: &str, content: &str) -> Table {
    let mut entry: Table = keys.parse().unwrap();
    let path = directory.join(entry["name"].as_str().unwrap());
    std::fs::write(&path, content).unwrap();
    entry.insert("path".to_owned(), path.to_str().unwrap().into());
    entry
}

fn with_lists(lists: impl IntoIterator<Item = Table>) -> Settings {
    lists.into_iter().fold(Settings::new(), |settings, list| settings.push("signals.untrusted_ip.lists", list))
}

fn every_format(directory: &Path) -> Settings {
    with_lists([
        write(directory, "name='abuse'\ncategory='abuse'", "# seen\n198.51.0.0/16 ; wide\n"),
        write(directory, "name='drop'\nformat='drop_json'\ncategory='reputation'", DROP),
        write(directory, "name='tor'\nformat='tor'\ncategory='anonymizer'", TOR),
        write(directory, "name='vpn'\nformat='csv'\ncolumn='address'\ncategory='anonymizer'", TABLE),
    ])
}

fn untrusted_ip(server: &Askance, ip: &str, asn: Option<u32>) -> Value {
    let login = with(plain_login("amelie"), json!({"ip": ip, "edge": {"asn": asn}}));
    json_of(&server.main().score(&login))["risk_assessment"]["assessments"]["UntrustedIP"].clone()
}

fn code(server: &Askance, ip: &str) -> String {
    untrusted_ip(server, ip, None)["code"].as_str().unwrap().to_owned()
}

#[test]
fn each_format_says_who_is_on_it() {
    let directory = TempDir::new().unwrap();
    let server = Askance::start(&every_format(directory.path()));
    for (ip, asn, matches, source, category) in [
        ("198.51.7.7", None, "198.51.0.0/16", "abuse", "abuse"),
        ("198.51.100.7", None, "198.51.100.0/24", "drop", "reputation"),
        ("2001:db8:bad:1::5", None, "2001:db8:bad::/48", "drop", "reputation"),
        ("2002:c633:6407::1", None, "198.51.100.0/24", "drop", "reputation"),
        ("81.2.69.142", Some(64_500), "AS64500", "drop", "reputation"),
        // A network says more than the system around it.
        ("192.0.2.66", Some(64_500), "192.0.2.66/32", "tor", "anonymizer"),
        ("203.0.113.9", None, "203.0.113.0/25", "vpn", "anonymizer"),
        ("::ffff:203.0.113.200", None, "203.0.113.200/32", "vpn", "anonymizer"),
    ] {
        let found = untrusted_ip(&server, ip, asn);
        assert_eq!((&found["code"], &found["confidence"]), (&json!(LISTED), &json!("low")), "{ip}: {found}");
        let expected = json!({"ip": ip, "matches": matches, "source": source, "category": category});
        assert_eq!(found["details"], expected, "{ip}");
    }
    assert_eq!(untrusted_ip(&server, "81.2.69.142", Some(64_501))["code"], CLEAN);
    assert_eq!(code(&server, "203.0.113.201"), CLEAN);
}

#[test]
fn geo_names_the_lists() {
    let directory = TempDir::new().unwrap();
    let config = every_format(directory.path()).write_to(directory.path());
    let addresses = ["198.51.100.7", "192.0.2.66", "64:ff9b::cb00:7109", "81.2.69.142"];
    let finished =
        run(directory.path(), &[&["--config", config.to_str().unwrap(), "geo"], &addresses[..]].concat(), &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    let expected = [
        "on abuse 198.51.0.0/16 (abuse), drop 198.51.100.0/24 (reputation)",
        "on tor 192.0.2.66/32 (anonymizer)",
        "on vpn 203.0.113.0/25 (anonymizer)",
        "on no list",
    ];
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{}", finished.stdout);
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.ends_with(expected), "{expected}: {line}");
    }
}

/// Replaces the file as a careful writer does, and tells the server.
fn replace(server: &Askance, path: &Path, content: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(&beside, path).unwrap();
    server.signal("HUP");
}

#[test]
fn a_poisoned_list_leaves_the_last_good_one_and_holds_up_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = every_format(directory.path());
    let server = Askance::start(&settings);
    let path = |name: &str| -> PathBuf { directory.path().join(name) };

    assert_eq!((code(&server, "192.0.2.200"), code(&server, "198.51.100.7")), (CLEAN.to_owned(), LISTED.to_owned()));

    std::fs::write(path("abuse"), "192.0.2.128/25\n").unwrap();
    replace(&server, &path("drop"), &DROP.replace("198.51.100.0/24", "0.0.0.0/0"));
    eventually("the new list of abuse", || (code(&server, "192.0.2.200") == LISTED).then_some(()));
    eventually("the refusal", || server.log().contains("line 1: 0.0.0.0/0 is wider than /8").then_some(()));
    assert_eq!(untrusted_ip(&server, "198.51.100.7", None)["details"]["source"], "drop", "the last good one serves");
    assert_eq!(code(&server, "8.8.8.8"), CLEAN);

    // One of three lines is left.
    replace(&server, &path("drop"), "{\"cidr\":\"203.0.113.224/27\"}\n");
    eventually("the refusal", || server.log().contains("shrank from 3 entries to 1").then_some(()));
    assert_eq!(code(&server, "198.51.100.7"), LISTED);
    assert_eq!(code(&server, "203.0.113.225"), CLEAN);

    replace(&server, &path("drop"), "{\"cidr\":\"203.0.113.224/27\"}\n{\"asn\":64501}\n");
    eventually("a good list", || (code(&server, "203.0.113.225") == LISTED).then_some(()));
    assert_eq!(code(&server, "198.51.100.7"), CLEAN);
    drop(server);

    // Nobody remembers a good version at the start.
    std::fs::write(path("drop"), "0.0.0.0/0\n").unwrap();
    let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("a list that does not load");
    assert_eq!(refusal.code, Some(2), "{}", refusal.log);
    for part in ["signals.untrusted_ip.lists", "list drop", "line 1"] {
        assert!(refusal.log.contains(part), "{part}: {}", refusal.log);
    }
}

#[test]
fn a_column_goes_with_csv_and_only_with_csv() {
    for (keys, part) in [
        ("format='csv'", "signals.untrusted_ip.lists[0]: column: missing"),
        ("format='tor'\ncolumn='ip'", "signals.untrusted_ip.lists[0]: column: only the format csv"),
        ("format='csv'\ncolumn='nothing'", "no column \"nothing\" in the header: \"seen\", \"address\""),
    ] {
        let directory = TempDir::new().unwrap();
        let list = write(directory.path(), &format!("name='one'\ncategory='abuse'\n{keys}"), TABLE);
        let config = with_lists([list]).write_to(directory.path());
        let finished = run(directory.path(), &["--config", config.to_str().unwrap(), "check-config"], &[]);
        assert_eq!(finished.code, Some(2), "{keys}: {}", finished.output());
        assert!(finished.output().contains(part), "{part}: {}", finished.output());
    }
}
