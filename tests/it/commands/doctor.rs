//! `askance doctor`: a deployment that is well, and each thing that can be wrong with it.

use crate::support::client::Endpoint;
use crate::support::{Askance, Finished, Settings, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A deployment in a directory: a store that was stopped, a backup, a list, a database.
struct Deployment {
    directory: TempDir,
    settings: Settings,
}

impl Deployment {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("key"), "a".repeat(64)).unwrap();
        std::fs::write(at("list"), "198.51.100.0/24\n").unwrap();
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/data/test-city.mmdb"), at("city")).unwrap();
        for (name, mode) in [("key", 0o600), ("list", 0o644), ("city", 0o644)] {
            set_mode(&at(name), mode);
        }
        let deployment = Self::of(directory);
        let mut server = Askance::start(&deployment.settings);
        server.signal("TERM");
        assert!(server.wait_for_exit().success(), "{}", server.log());
        let finished = deployment.run(&["backup"]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        deployment
    }

    fn of(directory: TempDir) -> Self {
        let at = |name: &str| directory.path().join(name);
        let settings = Settings::new()
            .set("memory.backend", "embedded")
            .set("memory.path", at("state").to_str().unwrap())
            .set("privacy.pseudonymise_key_file", at("key").to_str().unwrap())
            .set("geoip.city", at("city").to_str().unwrap())
            .abuse_list(&at("list"));
        Self { directory, settings }
    }

    /// The same in a directory of its own.
    fn copy(&self) -> Self {
        let directory = TempDir::new().unwrap();
        let from = self.directory.path().join(".");
        let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(directory.path()).status().unwrap();
        assert!(copied.success(), "{copied}");
        Self::of(directory)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn backup(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.at("state/backups")).unwrap();
        entries.next().expect("there is one").unwrap().path()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.settings.write_to(self.directory.path());
        set_mode(&config, 0o600);
        run(self.directory.path(), &[&["--config", config.to_str().unwrap()], arguments].concat(), &[])
    }

    /// What is found, but for what is well.
    fn found(&self, arguments: &[&str]) -> Vec<Value> {
        let finished = self.run(&[&["doctor", "--json"], arguments].concat());
        let all = finished.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line"));
        let found: Vec<Value> = all.filter(|finding: &Value| finding["level"] != "ok").collect();
        let has_error = found.iter().any(|finding| finding["level"] == "error");
        assert_eq!(finished.code, Some(i32::from(has_error)), "{}", finished.output());
        found
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Cuts a file to half its length.
fn damage(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}

/// What is not looked at here: the age of the test's database, the machine's clock, and a service that does not run.
fn of_interest(found: &[Value]) -> Vec<(String, String, String)> {
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
    let kept = found.iter().filter(|finding| {
        let (level, subject) = (text(finding, "level"), text(finding, "subject"));
        level == "error" || !["databases", "clock", "service"].contains(&subject.as_str())
    });
    kept.map(|finding| (text(finding, "level"), text(finding, "subject"), finding.to_string())).collect()
}

#[test]
fn a_deployment_that_is_well_has_a_line_for_each_part() {
    let deployment = Deployment::new();
    assert_eq!(of_interest(&deployment.copy().found(&[])), [], "a copy of it is as well");
    assert_eq!(of_interest(&deployment.found(&[])), []);
    let told = deployment.run(&["doctor"]);
    assert_eq!(told.code, Some(0), "{}", told.output());
    for part in ["config", "files", "databases", "lists", "clock", "store", "backups", "service"] {
        let has_line = told.stdout.lines().any(|line| line.split_whitespace().nth(1) == Some(part));
        assert!(has_line, "{part}: {}", told.stdout);
    }
    assert!(told.stdout.contains("0 users, 0 decisions, 0 erasures"), "{}", told.stdout);
    let server = Askance::start(&deployment.settings);
    let Endpoint::Tcp(address) = server.admin().endpoint else { panic!("the tests listen on TCP") };
    let running = deployment.run(&["doctor", "--url", &format!("http://{address}")]);
    assert!(running.stdout.contains("it is ready") && running.stdout.contains("a process has"), "{}", running.stdout);
}

/// What is done to a deployment that is well.
type Harm = fn(&mut Deployment);

/// A harm, and what is found of it: level, subject and words.
const HARMS: &[(Harm, &str, &str, &[&str])] = &[
    (|it| set_mode(&it.at("key"), 0o644), "error", "files", &["privacy.pseudonymise_key_file", "chmod 600"]),
    (|it| set_mode(&it.at("state/askance.redb"), 0o640), "error", "files", &["memory.path", "chmod 600"]),
    (|it| set_mode(&it.backup(), 0o604), "error", "files", &["memory.backup_path", "chmod 600"]),
    (|it| set_mode(&it.at("state"), 0o755), "warning", "files", &["memory.path", "chmod 700"]),
    (|it| set_mode(&it.at("list"), 0o666), "warning", "files", &["signals.untrusted_ip.lists", "chmod go-w"]),
    (|it| std::fs::remove_file(it.at("key")).unwrap(), "error", "store", &["privacy.pseudonymise_key_file"]),
    (|it| std::fs::write(it.at("key"), "b".repeat(64)).unwrap(), "error", "store", &["another pseudonymisation key"]),
    (|it| damage(&it.at("state/askance.redb")), "error", "store", &["damaged", "askance restore --replace", "Z.redb"]),
    (|it| damage(&it.backup()), "error", "backups", &["damaged", "remove it"]),
    (|it| std::fs::remove_file(it.backup()).unwrap(), "warning", "backups", &["there is none", "askance backup"]),
    (|it| std::fs::remove_file(it.at("state/askance.redb")).unwrap(), "warning", "store", &["memory.must_exist"]),
    (|it| std::fs::write(it.at("list"), "0.0.0.0/0\n").unwrap(), "error", "lists", &["signals.untrusted_ip.lists"]),
    (|it| damage(&it.at("city")), "error", "databases", &["geoip.city"]),
    (
        |it| {
            let old = it.at("state/backups/askance-2020-01-01T00-00-00-000Z.redb");
            std::fs::rename(it.backup(), old).unwrap();
        },
        "warning",
        "backups",
        &["the newest was made", "days ago"],
    ),
    (
        |it| {
            let file = std::fs::File::options().write(true).open(it.at("list")).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
        "warning",
        "lists",
        &["too old", "max_age_h"],
    ),
    (|it| it.settings = it.settings.clone().set("memory.sync", "never"), "warning", "store", &["power failure"]),
    (|it| it.settings = it.settings.clone().set("memory.backend", "volatile"), "warning", "store", &["volatile"]),
    (|it| it.settings = it.settings.clone().set("memory.pth", "x"), "error", "config", &["memory.pth"]),
];

#[test]
fn what_is_wrong_is_told_with_what_mends_it() {
    let well = Deployment::new();
    for (at, (harm, level, subject, words)) in HARMS.iter().enumerate() {
        let mut deployment = well.copy();
        harm(&mut deployment);
        let found = of_interest(&deployment.found(&[]));
        let is_told = |(its_level, its_subject, text): &(String, String, String)| {
            (its_level.as_str(), its_subject.as_str()) == (*level, *subject)
                && words.iter().all(|word| text.contains(word))
        };
        assert!(found.iter().any(is_told), "harm {at}, {level} of {subject}, {words:?}: {found:#?}");
    }
}
