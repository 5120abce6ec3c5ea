//! What of `server.tls` and of clients' certificates is no good configuration.

use crate::support::{ApiClient, Finished, Settings, run};
use tempfile::TempDir;
use toml::Table;

fn check(settings: &Settings) -> Finished {
    let directory = TempDir::new().unwrap();
    settings.write_to(directory.path());
    run(directory.path(), &["--config", "askance.toml", "check-config"], &[])
}

fn scorer(name: &str) -> ApiClient {
    ApiClient::new(name, &["score"])
}

#[test]
fn a_client_needs_something_to_show() {
    let lab = super::Lab::new();
    let named = |name: &str| scorer(name).cert_name("idp.internal");
    let mut idle = Table::new();
    idle.insert("cert".to_owned(), "server.crt".into());
    for (settings, parts) in [
        (
            Settings::new().client(&scorer("a").without_key()),
            &["server.clients[0]", "\"a\"", "key_sha256", "cert_name"][..],
        ),
        (Settings::new().client(&named("a")), &["server.clients[0].cert_name", "server.tls.client_ca"]),
        (lab.settings().client(&named("a")), &["server.clients[0].cert_name", "server.tls.client_ca"]),
        (lab.settings_with_clients(&[&named("a"), &named("b")]), &["server.clients[1].cert_name", "another client"]),
        (
            lab.settings_with_clients(&[&scorer("a").cert_name("*.internal")]),
            &["server.clients[0].cert_name", "is no name"],
        ),
        (Settings::new().set("server.tls", idle), &["server.tls", "key"]),
        (lab.settings().set("server.tls.ca", "x"), &["server.tls.ca", "unknown"]),
    ] {
        let checked = check(&settings);
        assert_eq!(checked.code, Some(2), "{parts:?}: {}", checked.output());
        for part in parts {
            assert!(checked.output().contains(part), "{part}: {}", checked.output());
        }
    }
    // A wrong digest is one mistake, not two.
    let wrong = "[[server.clients]]\nname='a'\nscopes=['score']\nkey_sha256='00'\n";
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("askance.toml"), wrong).unwrap();
    let checked = run(directory.path(), &["--config", "askance.toml", "check-config"], &[]);
    assert_eq!(checked.output().lines().count(), 1, "{}", checked.output());
}

#[test]
fn what_is_in_force_is_printed() {
    let lab = super::Lab::new();
    let checked = check(&lab.settings_with_clients(&[&scorer("a").cert_name("IdP.internal"), &scorer("b")]));
    assert_eq!(checked.code, Some(0), "{}", checked.output());
    assert!(checked.stdout.contains("[server.tls]") && checked.stdout.contains("cert_name = \"idp.internal\""));
    assert!(!checked.stdout.contains("PRIVATE"));
}
