//! Networks that many users log in from: `GET /networks`, `askance networks`, and what confirming one changes.

use crate::support::client::Endpoint;
use crate::support::{ApiClient, Askance, Finished, Settings, assert_problem, json_of, run, score, time_from_now};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Users whose logins with a factor make a network one that is proposed, in these tests.
const USERS_MIN: usize = 4;
const OFFICE: &str = "192.0.2.7";

/// Everybody is asked, so that everybody proves who they are.
fn settings() -> Settings {
    settings_over(Settings::new())
}

fn settings_over(settings: Settings) -> Settings {
    let users_min = i64::try_from(USERS_MIN).unwrap();
    settings.set("signals.untrusted_ip.office_users", users_min).set("verdict.policy", "always")
}

/// These users of a tenant, each with three days at home behind them, log in from the office, and pass a factor.
fn come_to_the_office(server: &Askance, tenant: &str, users: impl Iterator<Item = usize>) {
    for user in users.map(|number| format!("colleague-{number}")) {
        let at_home = |day: i64| {
            json!({
                "tenant": tenant, "user": {"id": user}, "ip": "203.0.113.1", "device_id": "d1",
                "time": time_from_now(-86_400 * day), "result": "success", "mfa_passed": true,
            })
        };
        let report = json_of(&server.main().import(&[at_home(3), at_home(2), at_home(1)]));
        assert_eq!(report["recorded"], 3, "{report}");
        let answer = score(server, &user, json!({"tenant": tenant, "ip": OFFICE}));
        let id = answer["decision_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let success = json!({"result": "success", "factor": "totp"});
        assert_eq!(server.main().post(&format!("/v1/decisions/{id}/outcome"), &success).status, 204, "{answer}");
    }
}

/// Tenant, network, and whether it is confirmed.
fn told(server: &Askance) -> Vec<(String, String, bool)> {
    let answer = json_of(&server.admin().get("/networks"));
    let networks = answer["networks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |network: &Value, name: &str| network[name].as_str().unwrap_or_else(|| panic!("{network}")).to_owned();
    let one = |network: &Value| (text(network, "tenant"), text(network, "network"), network["confirmed"] == true);
    networks.iter().map(one).collect()
}

fn found(tenant: &str, is_confirmed: bool) -> (String, String, bool) {
    (tenant.to_owned(), "192.0.2.0/24".to_owned(), is_confirmed)
}

/// `askance networks` with this configuration, of the service that runs here.
fn ask(settings: &Settings, server: &Askance, arguments: &[&str], key: Option<&str>) -> Finished {
    let Endpoint::Tcp(address) = server.admin().endpoint else { panic!("the tests listen on TCP") };
    let directory = TempDir::new().unwrap();
    let (config, url) = (settings.write_to(directory.path()), format!("http://{address}"));
    let arguments = [&["--config", config.to_str().unwrap(), "networks", "--url", &url], arguments].concat();
    let key: Vec<(&str, &str)> = key.map(|key| ("ASKANCE_KEY", key)).into_iter().collect();
    run(directory.path(), &arguments, &key)
}

#[test]
fn a_network_is_proposed_once_enough_users_of_a_tenant_proved_themselves_there_and_told_as_it_is_confirmed() {
    let settings = settings();
    let server = Askance::start(&settings);
    assert_eq!(told(&server), []);
    let nothing = ask(&settings, &server, &[], None);
    assert!(nothing.stdout.contains("no network has enough users"), "{}", nothing.output());

    come_to_the_office(&server, "default", 0..USERS_MIN - 1);
    come_to_the_office(&server, "acme", 0..USERS_MIN);
    assert_eq!(told(&server), [found("acme", false)], "one user less is not enough");
    come_to_the_office(&server, "default", USERS_MIN - 1..USERS_MIN);
    assert_eq!(told(&server), [found("acme", false), found("default", false)]);

    let json = ask(&settings, &server, &["--json"], None);
    assert_eq!(json.code, Some(0), "{}", json.output());
    let lines: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), json_of(&server.admin().get("/networks"))["networks"], "a network a line");

    // What the command prints is put into the configuration as it is.
    let printed = ask(&settings, &server, &[], None).stdout;
    assert!(printed.contains("proposed  192.0.2.0/24  tenant default, last used "), "{printed}");
    let stanza: String = printed.lines().filter(|line| line.starts_with("  {") && line.contains("acme")).collect();
    let confirmed: toml::Table = format!("networks = [\n{stanza}\n]").parse().unwrap_or_else(|_| panic!("{printed}"));
    let settings = settings.set("signals.confirmed_networks", confirmed["networks"].clone());
    drop(server);
    let server = Askance::start(&settings);
    come_to_the_office(&server, "acme", 0..USERS_MIN);
    assert_eq!(told(&server), [found("acme", true)]);
    let printed = ask(&settings, &server, &[], None).stdout;
    assert!(printed.starts_with("confirmed 192.0.2.0/24  tenant acme, ") && !printed.contains("reload"), "{printed}");
}

#[test]
fn only_an_operator_is_told_of_networks() {
    let (desk, operator) = (ApiClient::new("desk", &["score", "history"]), ApiClient::new("operator", &["admin"]));
    let settings = settings().client(&desk).client(&operator);
    let server = Askance::start(&settings);
    for (key, status, code, printed) in [
        (None, 401, "auth.key_invalid", "401 auth.key_invalid"),
        (Some(&desk.key), 403, "auth.scope_missing", "403 auth.scope_missing"),
    ] {
        let admin = key.map_or_else(|| server.admin(), |key| server.admin().with_key(key));
        assert_problem(&admin.get("/networks"), status, code);
        let finished = ask(&settings, &server, &[], key.map(String::as_str));
        assert_eq!(finished.code, Some(1), "{}", finished.output());
        assert!(finished.stderr.contains(printed), "{}", finished.output());
    }
    let answer = json_of(&server.admin().with_key(&operator.key).get("/networks"));
    assert_eq!(answer, json!({"networks": []}));
    assert_eq!(ask(&settings, &server, &[], Some(&operator.key)).code, Some(0));
}
