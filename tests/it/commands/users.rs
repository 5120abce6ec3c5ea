//! `askance users`, against a service that holds somebody.

use crate::support::client::Endpoint;
use crate::support::{ApiClient, Askance, Settings, import, run};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn a_user_is_exported_and_then_erased() {
    let server = Askance::start(&Settings::new());
    let Endpoint::Tcp(address) = server.main().endpoint else { panic!("the tests listen on TCP") };
    let url = format!("http://{address}");
    let directory = TempDir::new().unwrap();
    let id = "a/b c?é";
    import(&server, id, json!({}));
    import(&server, "bob", json!({}));
    let call = |command: &str, id: &str| {
        let finished = run(directory.path(), &["users", command, id, "--url", &url], &[]);
        assert_eq!(finished.code, Some(0), "{}", finished.output());
        finished.stdout
    };
    let devices = |id: &str| {
        let export: Value = serde_json::from_str(&call("export", id)).unwrap();
        export["devices"].as_array().map(Vec::len)
    };
    assert_eq!((devices(id), devices("bob")), (Some(1), Some(1)));
    assert_eq!(call("erase", id), format!("{id} is forgotten\n"));
    assert_eq!((devices(id), devices("bob")), (Some(0), Some(1)));
}

#[test]
fn a_tenant_and_a_scope_are_needed() {
    let client = ApiClient::new("history", &["history"]).tenants(&["acme"]);
    let server = Askance::start(&Settings::new().client(&client));
    let Endpoint::Tcp(address) = server.main().endpoint else { panic!("the tests listen on TCP") };
    let url = format!("http://{address}");
    let directory = TempDir::new().unwrap();
    let call = |more: &[&str]| {
        let arguments = [&["users", "export", "alice", "--url", &url], more].concat();
        run(directory.path(), &arguments, &[("ASKANCE_KEY", &client.key)])
    };
    let allowed = call(&["--tenant", "acme"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.output());
    let refused = call(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.output());
    assert!(refused.stderr.contains("403 auth.tenant"), "{}", refused.stderr);
}
