//! `askance backup` and `askance restore`: of a service that runs, of one that does not, and of a store that is lost.

use crate::support::client::Endpoint;
use crate::support::{ApiClient, Askance, Finished, Settings, eventually, import, json_of, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A store in a directory that outlives its processes.
struct Home {
    directory: TempDir,
    settings: Settings,
}

impl Home {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let state = directory.path().join("state");
        let settings = Settings::new()
            .set("memory.backend", "embedded")
            .set("memory.flush_ms", 10)
            .set("memory.path", state.to_str().unwrap())
            .set("memory.backups_kept", 2);
        Self { directory, settings }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("state/askance.redb")
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let config = self.settings.write_to(self.directory.path());
        run(self.directory.path(), &[&["--config", config.to_str().unwrap()], arguments].concat(), &[])
    }

    fn refused(&self) -> String {
        let refusal = Askance::try_start(&self.settings, TempDir::new().unwrap()).expect_err("there is no good store");
        assert_eq!(refusal.code, Some(1), "{}", refusal.log);
        refusal.log
    }
}

fn stop(mut server: Askance) {
    server.signal("TERM");
    assert!(server.wait_for_exit().success(), "{}", server.log());
}

fn import_to_the_disk(server: &Askance, user: &str) {
    let rows = || {
        let metrics = server.admin().get("/metrics").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("askance_memory_rows_written_total "));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let before = rows();
    import(server, user, json!({}));
    eventually("a row on the disk", || (rows() > before).then_some(()));
}

fn url_of_admin(server: &Askance) -> String {
    let Endpoint::Tcp(address) = server.admin().endpoint else { panic!("the tests listen on TCP") };
    format!("http://{address}")
}

/// What a command printed with `--json`.
fn printed(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}", finished.output());
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

fn devices(server: &Askance, user: &str) -> usize {
    json_of(&server.main().get(&format!("/v1/users/{user}")))["devices"].as_array().unwrap().len()
}

#[test]
fn whoever_has_the_store_backs_it_up_and_a_lost_store_is_put_back() {
    let home = Home::new();
    let nothing = home.run(&["backup"]);
    assert_eq!(nothing.code, Some(1), "{}", nothing.output());
    assert!(nothing.stderr.contains("there is no store"), "{}", nothing.stderr);
    assert!(!home.store().parent().unwrap().exists(), "and none is made");

    let server = Askance::start(&home.settings);
    import_to_the_disk(&server, "anna");
    let url = url_of_admin(&server);
    let first = printed(&home.run(&["backup", "--json", "--url", &url]));
    assert_eq!((&first["users"], &first["kept"]), (&json!(1), &json!(1)), "{first}");
    import_to_the_disk(&server, "berta");
    let told = home.run(&["backup", "--url", &url]);
    assert!(told.stdout.contains("2 users, 0 decisions") && told.stdout.contains("2 are kept"), "{}", told.output());
    stop(server);
    let third = printed(&home.run(&["backup", "--json"]));
    assert_eq!((&third["users"], &third["kept"]), (&json!(2), &json!(2)), "{third}");
    assert!(!Path::new(first["file"].as_str().unwrap()).exists(), "the oldest gave way");

    let occupied = home.run(&["restore"]);
    assert_eq!(occupied.code, Some(1), "{}", occupied.output());
    assert!(occupied.stderr.contains("--replace"), "{}", occupied.stderr);
    let whole = std::fs::read(home.store()).unwrap();
    std::fs::write(home.store(), &whole[..whole.len() / 2]).unwrap();
    let log = home.refused();
    assert!(log.contains("askance restore --replace") && log.contains(third["file"].as_str().unwrap()), "{log}");
    let restored = home.run(&["restore", "--replace"]);
    assert_eq!(restored.code, Some(0), "{}", restored.output());
    assert!(restored.stdout.contains("2 users") && restored.stdout.contains("erase them again"), "{}", restored.stdout);
    let server = Askance::start(&home.settings);
    assert_eq!((devices(&server, "anna"), devices(&server, "berta"), devices(&server, "carla")), (1, 1, 0));
    let busy = home.run(&["restore", "--replace"]);
    assert_eq!(busy.code, Some(1), "{}", busy.output());
    assert!(busy.stderr.contains("another process has the store"), "{}", busy.stderr);
}

#[test]
fn only_an_operator_has_a_backup_made_and_only_of_the_embedded_store() {
    let mut home = Home::new();
    let (desk, operator) = (ApiClient::new("desk", &["history"]), ApiClient::new("operator", &["admin"]));
    home.settings = home.settings.client(&desk).client(&operator);
    let server = Askance::start(&home.settings);
    let url = url_of_admin(&server);
    let config = home.settings.write_to(home.directory.path());
    for (key, code, told) in [
        (None, 1, "401 auth.key_invalid"),
        (Some(&desk.key), 1, "403 auth.scope_missing"),
        (Some(&operator.key), 0, "0 users"),
    ] {
        let key: Vec<(&str, &str)> = key.map(|key| ("ASKANCE_KEY", key.as_str())).into_iter().collect();
        let arguments = ["--config", config.to_str().unwrap(), "backup", "--url", &url];
        let finished = run(home.directory.path(), &arguments, &key);
        assert_eq!(finished.code, Some(code), "{}", finished.output());
        assert!(finished.output().contains(told), "{told}: {}", finished.output());
    }
    let volatile = TempDir::new().unwrap();
    let config = Settings::new().write_to(volatile.path());
    for command in ["backup", "restore"] {
        let finished = run(volatile.path(), &["--config", config.to_str().unwrap(), command], &[]);
        assert_eq!(finished.code, Some(1), "{}", finished.output());
        assert!(finished.stderr.contains("memory.backend"), "{}", finished.stderr);
    }
}
