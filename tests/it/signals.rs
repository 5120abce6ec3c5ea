//! No signal is dead: for each there is a state in which it alone, the rest unchanged, changes the action. And with all
//! of them at their worst MFA is demanded.

use crate::support::{Askance, CHROME, Settings, json_of, plain_login, time_from_now, with};
use serde_json::{Value, json};
use tempfile::TempDir;
use toml::Table;

const ALL: [&str; 8] = [
    "NewDevice",
    "ImpossibleTravel",
    "UntrustedIP",
    "PhoneNumber",
    "NewCountry",
    "Inactivity",
    "Reported",
    "Familiarity",
];

/// Aggregators under which a signal that stands by itself, or is counted by both, has to matter.
const BOTH: [&str; 2] = ["evidence", "strict"];

fn under(aggregator: &str) -> Settings {
    Settings::new().set("verdict.aggregator", aggregator)
}

/// Scores two logins that differ in what one signal looks at, and checks that this signal alone answers otherwise, and
/// that the action follows.
fn check_alive(server: &Askance, signal: &str, good: &Value, bad: &Value) {
    let (good, bad) = (json_of(&server.main().score(good)), json_of(&server.main().score(bad)));
    let (good_said, bad_said) = (&good["risk_assessment"]["assessments"], &bad["risk_assessment"]["assessments"]);
    for name in ALL {
        let same = good_said[name]["confidence"] == bad_said[name]["confidence"];
        assert_eq!(same, name != signal, "{name}, while only {signal} was to change: {good_said} {bad_said}");
    }
    assert_eq!((&good["action"], &bad["action"]), (&json!("allow"), &json!("challenge")), "{signal}: {good} {bad}");
}

fn import(server: &Askance, user: &str, change: Value) {
    let past = json!({
        "user": {"id": user}, "ip": "2.125.160.216", "user_agent": CHROME, "device_id": "d1",
        "time": time_from_now(-3_600), "result": "success", "mfa_passed": true,
    });
    let report = json_of(&server.main().import(&[with(past, change)]));
    assert_eq!(report["recorded"], 1, "{report}");
}

#[test]
fn new_device_alone_changes_the_action() {
    for aggregator in BOTH {
        check_alive(
            &Askance::start(&under(aggregator)),
            "NewDevice",
            &with(plain_login("alive-device-1"), json!({"user": {"created_at": time_from_now(-3_600)}})),
            &with(plain_login("alive-device-2"), json!({"user": {"created_at": time_from_now(-90_000)}})),
        );
    }
}

#[test]
fn impossible_travel_alone_changes_the_action() {
    let berlin = json!({"latitude": 52.52, "longitude": 13.405, "accuracy_radius_km": 0});
    let tokyo = json!({"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 0});
    let login = |user, location: &Value| with(plain_login(user), json!({"device_id": "d1", "location": location}));
    for aggregator in BOTH {
        let server = Askance::start(&under(aggregator));
        for user in ["alive-travel-1", "alive-travel-2"] {
            import(&server, user, json!({"location": berlin}));
        }
        check_alive(&server, "ImpossibleTravel", &login("alive-travel-1", &berlin), &login("alive-travel-2", &tokyo));
    }
}

#[test]
fn untrusted_ip_alone_changes_the_action() {
    let directory = TempDir::new().unwrap();
    let list = list(&directory, "abuse");
    // Neither address has a GeoIP record, so travel says the same of both.
    let login = |user, ip: &str| with(plain_login(user), json!({"ip": ip}));
    for aggregator in BOTH {
        let server = Askance::start(&under(aggregator).push("signals.untrusted_ip.lists", list.clone()));
        check_alive(&server, "UntrustedIP", &login("alive-ip-1", "198.51.101.7"), &login("alive-ip-2", "198.51.100.7"));
    }
}

/// A list of this category, whose hits stand by themselves where that is anything against the user.
fn list(directory: &TempDir, category: &str) -> Table {
    let path = directory.path().join("one.netset");
    std::fs::write(&path, "198.51.100.0/24\n").unwrap();
    let mut list = Table::new();
    for (key, value) in [("name", "one"), ("path", path.to_str().unwrap()), ("category", category)] {
        list.insert(key.to_owned(), value.into());
    }
    list.insert("hard".to_owned(), (category == "abuse").into());
    list
}

#[test]
fn new_country_alone_changes_the_action() {
    // Ten days are enough for either way, so travel says the same.
    let paris = json!({"latitude": 48.8566, "longitude": 2.3522, "accuracy_radius_km": 0, "country": "FR"});
    let madrid = json!({"latitude": 40.4168, "longitude": -3.7038, "accuracy_radius_km": 0, "country": "ES"});
    let login = |user, location: &Value| {
        with(plain_login(user), json!({"device_id": "d1", "location": location, "ip": "198.51.100.7"}))
    };
    // Under `evidence`, a known device makes up for the hit on a list at home, and not where country and system are both new.
    let directory = TempDir::new().unwrap();
    let listed = under("evidence").push("signals.untrusted_ip.lists", list(&directory, "reputation"));
    for settings in [Settings::new().set("preset", "logto"), listed] {
        let server = Askance::start(&settings);
        for user in ["alive-country-1", "alive-country-2"] {
            import(&server, user, json!({"location": paris, "time": time_from_now(-10 * 86_400)}));
        }
        check_alive(&server, "NewCountry", &login("alive-country-1", &paris), &login("alive-country-2", &madrid));
    }
}

#[test]
fn inactivity_alone_changes_the_action() {
    let server = Askance::start(&Settings::new().set("preset", "logto").set("signals.new_device.window_days", 365));
    import(&server, "alive-away-1", json!({"time": time_from_now(-29 * 86_400)}));
    import(&server, "alive-away-2", json!({"time": time_from_now(-31 * 86_400)}));
    let login = |user| with(plain_login(user), json!({"device_id": "d1", "ip": "2.125.160.216"}));
    check_alive(&server, "Inactivity", &login("alive-away-1"), &login("alive-away-2"));
}

/// A weight so small tips the scale only where it hangs in the balance: another device in another network, at a threshold just above both.
/// The window is longer than both absences, so that the user's browser is known in both.
#[test]
fn inactivity_alone_changes_the_action_under_evidence() {
    let settings = under("evidence").set("signals.new_device.window_days", 45);
    let server = Askance::start(&settings.set("verdict.low", -4.5));
    for (user, days) in [("alive-away-3", 29), ("alive-away-4", 31)] {
        let unplaced = json!({"ip": "192.0.2.1"});
        import(&server, user, with(unplaced.clone(), json!({"time": time_from_now(-60 * 86_400)})));
        import(&server, user, with(unplaced, json!({"device_id": "d2", "time": time_from_now(-days * 86_400)})));
    }
    let login = |user| with(plain_login(user), json!({"device_id": "d9", "ip": "198.51.100.7"}));
    check_alive(&server, "Inactivity", &login("alive-away-3"), &login("alive-away-4"));
}

#[test]
fn reported_alone_changes_the_action() {
    for aggregator in BOTH {
        reported_matters(&Askance::start(&under(aggregator)));
    }
}

fn reported_matters(server: &Askance) {
    let client = server.main();
    // Only the address is what was labelled; it has no GeoIP record.
    let login = |user, device: &str| with(plain_login(user), json!({"device_id": device, "ip": "198.51.100.7"}));
    for (user, label) in [("alive-reported-1", "legitimate"), ("alive-reported-2", "fraud")] {
        import(server, user, json!({}));
        let decision = json_of(&client.score(&login(user, "d9")));
        let path = format!("/v1/decisions/{}/feedback", decision["decision_id"].as_str().unwrap());
        assert_eq!(client.post(&path, &json!({"label": label})).status, 204);
    }
    check_alive(server, "Reported", &login("alive-reported-1", "d1"), &login("alive-reported-2", "d1"));
}

#[test]
fn all_signals_at_their_worst_demand_mfa() {
    worst_case_demands_mfa();
}

/// Under the default and under each aggregator.
pub(crate) fn worst_case_demands_mfa() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("abuse.netset");
    std::fs::write(&path, "198.51.100.0/24\n").unwrap();
    for aggregator in [None, Some("evidence"), Some("strict"), Some("auth0_mean"), Some("any")] {
        let settings = Settings::new().abuse_list(&path);
        let settings = match aggregator {
            Some(name) => settings.set("verdict.aggregator", name),
            None => settings,
        };
        let server = Askance::start(&settings);
        let berlin = json!({"latitude": 52.52, "longitude": 13.405, "accuracy_radius_km": 0});
        let tokyo = json!({"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 0});
        import(&server, "worst", json!({"location": berlin}));
        let login = json!({
            "ip": "198.51.100.7", "device_id": "d9", "location": tokyo, "edge": {"bot_score": 1, "verified_bot": true},
            "user_agent": "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "user": {"phone_number": "+449012345678"}, "remembered_browser": true,
        });
        let answer = json_of(&server.main().score(&with(plain_login("worst"), login)));
        let assessments = &answer["risk_assessment"]["assessments"];
        for name in ["NewDevice", "ImpossibleTravel", "UntrustedIP", "PhoneNumber"] {
            assert_eq!(
                assessments[name]["confidence"], "low",
                "{aggregator:?}: {name} is not at its worst: {assessments}"
            );
        }
        assert_eq!(answer["demand_mfa"], true, "{aggregator:?}: {answer}");
        assert_eq!(answer["remembered_browser"], "ignored", "{aggregator:?}: {answer}");
        assert_eq!(answer["risk_assessment"]["confidence"], "low", "{aggregator:?}: {answer}");
    }
}

const HOME: &str = "198.51.101.7";

fn at_home() -> Value {
    json!({"latitude": 48.8566, "longitude": 2.3522, "accuracy_radius_km": 0, "country": "FR"})
}

/// Days with a login from home, each told twice.
fn live(server: &Askance, user: &str, days: i64) {
    for day in 1..=days {
        for _ in 0..2 {
            import(server, user, json!({"ip": HOME, "location": at_home(), "time": time_from_now(-86_400 * day)}));
        }
    }
}

#[test]
fn familiarity_alone_changes_the_action() {
    let server = Askance::start(&under("any"));
    live(&server, "alive-familiar", 4);
    // No browser is told, which is another one than the user's, wherever they are; the device is known.
    let login = |ip: &str| {
        let whence = json!({"ip": ip, "location": at_home(), "device_id": "d1", "user_agent": null});
        with(plain_login("alive-familiar"), whence)
    };
    check_alive(&server, "Familiarity", &login(HOME), &login("198.51.100.7"));
}

#[test]
fn three_days_make_a_habit_and_a_flood_of_logins_makes_none() {
    let server = Askance::start(&under("evidence"));
    let code = |login: Value| {
        let answer = json_of(&server.main().score(&login));
        answer["risk_assessment"]["assessments"]["Familiarity"]["code"].as_str().unwrap().to_owned()
    };
    let home = |user: &str| with(plain_login(user), json!({"ip": HOME, "location": at_home(), "device_id": "d1"}));
    let firefox = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    let elsewhere = |user: &str| with(plain_login(user), json!({"ip": "175.16.199.1", "user_agent": firefox}));
    for (days, expected) in [(0, "not_enough_history"), (2, "not_enough_history"), (3, "familiar")] {
        let user = format!("lives-{days}");
        live(&server, &user, days);
        assert_eq!(code(home(&user)), expected, "{days} days");
    }
    live(&server, "flooded", 6);
    assert_eq!(code(elsewhere("flooded")), "unfamiliar");
    // A hundred logins of an intruder within a day, each passed: they are one day more, and the owner's habit is as it was.
    for at in 0..100 {
        import(
            &server,
            "flooded",
            json!({
                "ip": format!("175.16.{at}.1"), "user_agent": firefox, "device_id": format!("thief-{at}"), "time": time_from_now(-43_200),
            }),
        );
    }
    let owner = json_of(&server.main().score(&home("flooded")));
    assert_eq!(owner["action"], "allow", "{owner}");
    assert_eq!(owner["risk_assessment"]["assessments"]["Familiarity"]["code"], "familiar", "{owner}");
    assert_eq!(owner["risk_assessment"]["assessments"]["NewDevice"]["code"], "match", "{owner}");
}
