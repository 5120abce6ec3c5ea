//! The configuration: refused when wrong, overridden from the environment, and documented key by key.

use crate::support::{Askance, Finished, Settings, repository, run};
use serde_json::Value;
use std::collections::BTreeSet;
use tempfile::TempDir;

/// `check-config` on a file with this text, in an empty directory.
fn check_text(text: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("given.toml"), text).unwrap();
    run(directory.path(), &[&["--config", "given.toml", "check-config"], arguments].concat(), environment)
}

fn effective(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

#[test]
fn the_shipped_configuration_is_valid() {
    let finished = run(repository(), &["--config", "config.toml", "check-config"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.output());
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let directory = TempDir::new().unwrap();
    let built_in = effective(&run(directory.path(), &["check-config", "--json"], &[]));
    let documented = effective(&run(repository(), &["--config", "config.toml", "check-config", "--json"], &[]));
    assert_eq!(documented, built_in, "config.toml gives a value that is not the default");
}

/// A wrong setting, and what the message must hold: the key, and what would be allowed.
const WRONG: &[(&str, &[&str])] = &[
    // Unknown.
    ("[server]\nlistn = \"127.0.0.1:0\"", &["server.listn"]),
    ("serevr = 1", &["serevr"]),
    ("[signals.new_device]\nwindow_dayz = 30", &["signals.new_device.window_dayz"]),
    ("[signals.new_devise]\nwindow_days = 30", &["signals.new_devise"]),
    ("[[server.clients]]\nname = \"a\"\nkey_sha265 = \"00\"", &["server.clients", "key_sha265"]),
    // Mistyped.
    ("[server]\nbody_bytes_max = \"large\"", &["server.body_bytes_max"]),
    ("[server]\nlisten = 8470", &["server.listen"]),
    ("[server]\nlisten = \"localhost\"", &["server.listen"]),
    ("[signals.impossible_travel]\nspeed_kmph_max = \"fast\"", &["signals.impossible_travel.speed_kmph_max"]),
    ("[verdict]\naggregator = \"astrology\"", &["verdict.aggregator", "strict", "auth0_mean"]),
    ("[verdict]\npolicy = \"sometimes\"", &["verdict.policy", "adaptive", "always", "never"]),
    ("[verdict]\nmode = \"watch\"", &["verdict.mode", "enforce", "observe"]),
    ("[memory]\nbackend = \"paper\"", &["memory.backend", "volatile"]),
    ("[verdict]\nexempt_first_factors = [\"pwd\"]", &["verdict.exempt_first_factors", "passkey"]),
    // Out of range.
    ("[signals.new_device]\nwindow_days = 0", &["signals.new_device.window_days", "1", "365"]),
    ("[signals.new_device]\nwindow_days = 366", &["signals.new_device.window_days", "1", "365"]),
    ("[signals.impossible_travel]\nspeed_kmph_max = -1", &["signals.impossible_travel.speed_kmph_max"]),
    ("[signals.impossible_travel]\nspeed_kmph_max = nan", &["signals.impossible_travel.speed_kmph_max"]),
    ("[signals.impossible_travel]\nradius_factor = inf", &["signals.impossible_travel.radius_factor"]),
    ("[server]\nin_flight_max = 0", &["server.in_flight_max"]),
    ("[server]\nrequest_timeout_ms = 0", &["server.request_timeout_ms"]),
    ("[signals.untrusted_ip]\nallow = [\"198.51.100.0/33\"]", &["signals.untrusted_ip.allow"]),
    (
        "[[server.clients]]\nname = \"a\"\nkey_sha256 = \"00\"\nscopes = [\"score\"]",
        &["server.clients", "key_sha256", "64"],
    ),
    ("[geoip]\ncity = \"/nonexistent/city.mmdb\"", &["geoip.city", "/nonexistent/city.mmdb"]),
    // No TOML.
    ("[server", &["given.toml"]),
];

#[test]
fn a_wrong_setting_is_named_with_what_is_allowed() {
    let mut missing = Vec::new();
    for (text, parts) in WRONG {
        let finished = check_text(text, &[], &[]);
        let output = finished.output();
        let silent: Vec<&&str> = parts.iter().chain(&["given.toml"]).filter(|part| !output.contains(**part)).collect();
        if finished.code != Some(2) || !silent.is_empty() {
            missing.push(format!("{text:?}: exit {:?}, not mentioned: {silent:?}: {output}", finished.code));
        }
    }
    assert!(missing.is_empty(), "{} rows:\n  {}", missing.len(), missing.join("\n  "));
}

#[test]
fn serve_refuses_what_check_config_refuses() {
    for settings in
        [Settings::new().set("server.listn", "127.0.0.1:0"), Settings::new().set("signals.new_device.window_days", 0)]
    {
        let refusal = Askance::try_start(&settings, TempDir::new().unwrap()).expect_err("a wrong configuration");
        assert_eq!(refusal.code, Some(2), "{}", refusal.log);
        assert!(refusal.log.contains("server.listn") || refusal.log.contains("window_days"), "{}", refusal.log);
    }
}

#[test]
fn every_error_is_reported_at_once() {
    let finished = check_text(
        "[signals.new_device]\nwindow_days = 0\n[signals.impossible_travel]\nspeed_kmph_max = -1\n[server]\nlistn = 1",
        &[],
        &[],
    );
    assert_eq!(finished.code, Some(2), "{}", finished.output());
    for key in ["signals.new_device.window_days", "signals.impossible_travel.speed_kmph_max", "server.listn"] {
        assert!(finished.output().contains(key), "{key}: {}", finished.output());
    }
}

#[test]
fn a_named_file_that_is_absent_is_an_error() {
    let directory = TempDir::new().unwrap();
    let finished = run(directory.path(), &["--config", "absent.toml", "check-config"], &[]);
    assert_eq!(finished.code, Some(2), "{}", finished.output());
    assert!(finished.output().contains("absent.toml"), "{}", finished.output());
}

#[test]
fn the_environment_overrides_the_file() {
    let file = "[server]\nlisten = \"127.0.0.1:1111\"\n[signals.new_device]\nwindow_days = 10";
    let overrides = [
        ("ASKANCE__SERVER__LISTEN", "127.0.0.1:2222"),
        ("ASKANCE__SIGNALS__NEW_DEVICE__WINDOW_DAYS", "20"),
        ("ASKANCE__VERDICT__MODE", "observe"),
    ];
    let plain = effective(&check_text(file, &["--json"], &[]));
    assert!(plain["server"]["listen"].to_string().contains("127.0.0.1:1111"), "{plain}");
    let overridden = effective(&check_text(file, &["--json"], &overrides));
    assert!(overridden["server"]["listen"].to_string().contains("127.0.0.1:2222"), "{overridden}");
    assert_eq!(overridden["signals"]["new_device"]["window_days"], 20);
    assert_eq!(overridden["verdict"]["mode"], "observe");
}

#[test]
fn the_environment_is_checked_like_the_file() {
    for (name, value, key) in [
        ("ASKANCE__SERVER__LISTN", "127.0.0.1:0", "server.listn"),
        ("ASKANCE__SIGNALS__NEW_DEVICE__WINDOW_DAYS", "0", "signals.new_device.window_days"),
        ("ASKANCE__SIGNALS__NEW_DEVICE__WINDOW_DAYS", "many", "signals.new_device.window_days"),
    ] {
        let finished = check_text("", &[], &[(name, value)]);
        assert_eq!(finished.code, Some(2), "{name}={value}: {}", finished.output());
        assert!(finished.output().contains(key), "{name}={value}: {}", finished.output());
    }
}

#[test]
fn secrets_are_not_printed() {
    let hash = crate::support::settings::sha256_hex("key");
    let text = format!("[[server.clients]]\nname = \"portal\"\nkey_sha256 = \"{hash}\"\nscopes = [\"score\"]");
    for arguments in [&[][..], &["--json"]] {
        let finished = check_text(&text, arguments, &[]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        assert!(finished.stdout.contains("portal") && !finished.output().contains(&hash), "{}", finished.output());
    }
}

#[test]
fn every_key_is_documented() {
    let directory = TempDir::new().unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&effective(&run(directory.path(), &["check-config", "--json"], &[])), "", &mut keys);
    assert!(keys.len() > 20, "too few keys to be the configuration: {keys:?}");
    let documented = documented_keys(&std::fs::read_to_string(repository().join("config.toml")).unwrap());
    let missing: Vec<&String> = keys.iter().filter(|key| !documented.contains_key(*key)).collect();
    assert!(missing.is_empty(), "config.toml does not say what these are for: {missing:?}");
    let bare: Vec<&String> = documented.iter().filter(|(_, commented)| !**commented).map(|(key, _)| key).collect();
    assert!(bare.is_empty(), "keys without a comment above them: {bare:?}");
}

/// Every key that `config.toml` names, commented out or not, is one that the program knows.
#[test]
fn every_documented_key_exists() {
    let text = std::fs::read_to_string(repository().join("config.toml")).unwrap();
    for (table, line) in commented_settings(&text) {
        let header = if table.is_empty() { String::new() } else { format!("{table}\n") };
        let output = check_text(&format!("{header}{line}"), &[], &[]).output();
        assert!(!output.contains("unknown"), "{table} {line}: {output}");
    }
}

/// Dotted keys of the leaves; an array is one leaf, whatever it holds.
fn collect_keys(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let Some(members) = value.as_object().filter(|members| !members.is_empty() || path.is_empty()) else {
        keys.insert(path.to_owned());
        return;
    };
    for (name, member) in members {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect_keys(member, &below, keys);
    }
}

/// Dotted keys in the text of a configuration, commented out or not, and whether prose stands above each, or above the
/// run of lines without a gap that it is part of. A table, or an array of them, counts as a key itself.
fn documented_keys(text: &str) -> std::collections::BTreeMap<String, bool> {
    let mut found = std::collections::BTreeMap::new();
    let (mut table, mut prose) = (String::new(), false);
    for line in text.lines() {
        match read_line(line) {
            Line::Table(name) => {
                found.entry(name.clone()).or_insert(true);
                table = name;
            }
            Line::Setting(key) => {
                let dotted = if table.is_empty() { key } else { format!("{table}.{key}") };
                *found.entry(dotted).or_insert(false) |= prose;
            }
            Line::Prose => prose = true,
            Line::Empty => prose = false,
        }
    }
    found
}

/// The settings that are commented out, each with the header of its table; those of arrays of tables are left out, since
/// one key alone makes no entry.
fn commented_settings(text: &str) -> Vec<(String, String)> {
    let (mut header, mut found) = (String::new(), Vec::new());
    for line in text.lines() {
        let bare = line.trim_start_matches('#').trim();
        match read_line(line) {
            Line::Table(_) => header = bare.to_owned(),
            Line::Setting(_) if line.starts_with('#') && !header.starts_with("[[") => {
                found.push((header.clone(), bare.to_owned()));
            }
            Line::Setting(_) | Line::Prose | Line::Empty => {}
        }
    }
    found
}

#[derive(Debug, PartialEq)]
enum Line {
    Table(String),
    Setting(String),
    Prose,
    Empty,
}

/// A comment that holds a setting or a table is one that is commented out; every other comment is prose.
fn read_line(line: &str) -> Line {
    let bare = line.trim_start_matches('#').trim();
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    if bare.is_empty() {
        return if line.starts_with('#') { Line::Prose } else { Line::Empty };
    }
    let table = bare.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]"));
    let table = table.or_else(|| bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')));
    if let Some(name) = table.filter(|name| is_name(name)) {
        return Line::Table(name.to_owned());
    }
    match bare.split_once('=') {
        Some((key, value)) if is_name(key.trim()) && !value.trim().is_empty() => Line::Setting(key.trim().to_owned()),
        _ if line.starts_with('#') => Line::Prose,
        _ => Line::Empty,
    }
}

#[test]
fn the_reader_of_config_files_tells_settings_from_prose() {
    for (line, expected) in [
        ("listen = \"127.0.0.1:8470\"", Line::Setting("listen".to_owned())),
        ("# path = \"/x\"", Line::Setting("path".to_owned())),
        ("[server]", Line::Table("server".to_owned())),
        ("# [[server.clients]]", Line::Table("server.clients".to_owned())),
        ("# How long = how far.", Line::Prose),
        ("# Prose.", Line::Prose),
        ("", Line::Empty),
    ] {
        assert_eq!(read_line(line), expected, "{line}");
    }
    let documented = documented_keys("# Top.\n[a]\n# Why.\nx = 1\n\ny = 2\n# Why.\n# z = 3\n");
    let documented: Vec<(&str, bool)> = documented.iter().map(|(key, commented)| (key.as_str(), *commented)).collect();
    assert_eq!(documented, [("a", true), ("a.x", true), ("a.y", false), ("a.z", true)]);
}
