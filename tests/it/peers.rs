//! Fifteen defects that other engines have or had, one test each, so that this one does not get them.

use crate::support::overall;
use crate::support::{
    ApiClient, Askance, CHROME, Request, Settings, assert_problem, import, json_of, plain_login, risky_login, run,
    score, time_from_now, with,
};
use askance::units::Confidence;
use askance::verdict::aggregate::{Aggregator, Opinion};
use serde_json::{Value, json};
use tempfile::TempDir;

const FIREFOX: &str = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

fn assessment<'a>(answer: &'a Value, assessor: &str) -> (&'a str, &'a str) {
    let assessment = &answer["risk_assessment"]["assessments"][assessor];
    (assessment["confidence"].as_str().unwrap_or_default(), assessment["code"].as_str().unwrap_or_default())
}

fn spot(latitude: f64, longitude: f64) -> Value {
    json!({"latitude": latitude, "longitude": longitude, "accuracy_radius_km": 0})
}

fn list(directory: &TempDir, category: &str, format: &str, text: &str) -> toml::Table {
    let path = directory.path().join(format!("{category}.list"));
    std::fs::write(&path, text).unwrap();
    let members = [("name", category), ("path", path.to_str().unwrap()), ("category", category), ("format", format)];
    members.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// An average over every signal, the silent ones too, that cannot reach the threshold (idenplane).
#[test]
fn defect_01_unreachable_threshold() {
    crate::signals::worst_case_demands_mfa();
}

/// Checks that pass since there is nothing to check; hours that are days; a tolerance that is subtracted; whole hours;
/// missing coordinates as a violation (authentik).
#[test]
fn defect_02_vacuous_pass() {
    let server = Askance::start(&Settings::new());
    for (name, past, now, expected) in [
        // 1,400 km in 1.5 h and half an hour of slack are 700 km/h; cut to whole hours they would be 1,400.
        (
            "whole hours",
            json!({"time": time_from_now(-5_400), "location": spot(0.0, 0.0)}),
            json!({"location": spot(0.0, 12.577)}),
            "medium",
        ),
        // 1,000 km in an hour are 667 km/h with the slack; without it, or with it taken off, they would be impossible.
        ("slack is added", json!({"location": spot(0.0, 0.0)}), json!({"location": spot(0.0, 8.983)}), "medium"),
        ("seconds are seconds", json!({"location": spot(0.0, 0.0)}), json!({"location": spot(0.0, 13.0)}), "low"),
        ("no coordinates now", json!({"location": spot(0.0, 0.0)}), json!({"location": {"latitude": 1.0}}), "neutral"),
        (
            "no coordinates then",
            json!({"location": {"longitude": 1.0}}),
            json!({"location": spot(0.0, 0.0)}),
            "neutral",
        ),
    ] {
        import(&server, name, past);
        let answer = score(&server, name, now);
        assert_eq!(assessment(&answer, "ImpossibleTravel").0, expected, "{name}: {answer}");
    }
    let nobody = score(&server, "of whom nothing is known", json!({"location": spot(0.0, 0.0)}));
    assert_eq!(assessment(&nobody, "ImpossibleTravel"), ("neutral", "initial_login"), "never high: {nobody}");
}

/// Any login moves the one place that is kept, through a VPN too, and its time is kept elsewhere (Logto, Panther).
#[test]
fn defect_03_reference_poisoning() {
    let directory = TempDir::new().unwrap();
    let exits = list(&directory, "anonymizer", "netset", "203.0.113.0/24\n");
    let server = Askance::start(&Settings::new().push("signals.untrusted_ip.lists", exits));
    let (berlin, tokyo) = (spot(52.52, 13.405), spot(35.6762, 139.6503));
    import(&server, "poisoned", json!({"location": berlin, "time": time_from_now(-7_200)}));
    let hidden = score(&server, "poisoned", json!({"ip": "203.0.113.7", "location": tokyo}));
    assert_eq!(hidden["action"], "allow", "completed, hence learnt from: {hidden}");
    let placeless = score(&server, "poisoned", json!({}));
    assert_eq!(placeless["action"], "allow", "{placeless}");
    let home = score(&server, "poisoned", json!({"location": berlin, "ip": "203.0.112.1"}));
    assert_eq!(assessment(&home, "ImpossibleTravel").1, "minimal_travel_from_last_login", "{home}");
    let elapsed_s = home["evidence"]["travel"]["elapsed_s"].as_i64().unwrap();
    assert!(elapsed_s >= 7_200, "the time belongs to the place: {home}");
    let moved = score(&server, "poisoned", json!({"location": tokyo, "ip": "192.0.2.200"}));
    assert_eq!(assessment(&moved, "ImpossibleTravel").1, "impossible_travel_from_last_login", "{moved}");
}

/// A trusted device satisfies the MFA that the risk demands (Logto, behind a development flag).
#[test]
fn defect_04_remembered_device_beats_the_risk() {
    for (aggregator, policy) in [("strict", "adaptive"), ("strict", "always"), ("any", "adaptive"), ("any", "always")] {
        let settings = Settings::new().set("verdict.aggregator", aggregator).set("verdict.policy", policy);
        let server = Askance::start(&settings);
        let answer =
            json_of(&server.main().score(&with(risky_login("remembered"), json!({"remembered_browser": true}))));
        assert_eq!(
            (&answer["action"], &answer["remembered_browser"]),
            (&json!("challenge"), &json!("ignored")),
            "{answer}"
        );
    }
}

/// Networks are accepted as exemptions, and compared as text; a user pattern matches within other names (BuffaLogs).
#[test]
fn defect_05_cidr_that_never_matches() {
    let directory = TempDir::new().unwrap();
    let abuse = list(&directory, "abuse", "netset", "198.51.0.0/16\n2001:db8::/32\n");
    let settings = Settings::new()
        .push("signals.untrusted_ip.lists", abuse)
        .set("signals.untrusted_ip.allow", vec!["198.51.100.0/24", "2001:db8:a::/48"]);
    let server = Askance::start(&settings);
    for (ip, code) in [
        ("198.51.100.200", "on_allow_list"),
        ("198.51.101.1", "found_on_deny_list"),
        ("2001:db8:a:1::7", "on_allow_list"),
        ("2001:db8:b::7", "found_on_deny_list"),
        ("::ffff:198.51.100.200", "on_allow_list"),
    ] {
        let answer = score(&server, "cidr", json!({"ip": ip}));
        assert_eq!(assessment(&answer, "UntrustedIP").1, code, "{ip}: {answer}");
    }
    import(&server, "ann", json!({}));
    let other = score(&server, "joanna", json!({}));
    assert_eq!(assessment(&other, "NewDevice").1, "initial_login", "{other}");
}

/// The client's address is whatever a header says; places, too (keycloak-adaptive-authn, Logto).
#[test]
fn defect_06_spoofable_client_address() {
    let key = ApiClient::new("portal", &["score", "history"]);
    let server = Askance::start(&Settings::new().client(&key));
    let client = server.main().with_key(&key.key);
    let login = with(plain_login("spoofed"), json!({"ip": "203.0.113.9", "location": spot(1.0, 1.0)}));
    for name in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"] {
        let answer = json_of(&client.send(Request::score(&login).header(name, "81.2.69.142")));
        assert_eq!(answer["evidence"]["address"]["ip"], "203.0.113.9", "{name}: {answer}");
        assert_eq!(assessment(&answer, "UntrustedIP").1, "not_found_on_deny_list");
        assert!(answer["evidence"]["location"].is_null(), "a place from a client that is not trusted: {answer}");
    }
}

/// A usual browser earns trust for whoever says it has one (keycloak-adaptive-authn).
#[test]
fn defect_07_everybodys_browser_as_trust() {
    let server = Askance::start(&Settings::new());
    import(&server, "browser", json!({"user_agent": FIREFOX}));
    let of = |user_agent: &str| {
        score(&server, "browser", json!({"device_id": "d9", "user_agent": user_agent, "ip": "999.1.1.1"}))
    };
    let rare = of("Mozilla/5.0 (X11; NetBSD amd64; rv:102.0) Gecko/20100101 SeaMonkey/2.53.14");
    for usual in [
        CHROME,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
    ] {
        let answer = of(usual);
        assert_eq!(answer["risk_assessment"]["assessments"], rare["risk_assessment"]["assessments"], "{usual}");
    }
}

/// A constant that is added once a phase, so that leaving a phase out moves every threshold (keycloak-adaptive-authn).
#[test]
fn defect_08_bias_once_a_phase() {
    let all = [Confidence::Low, Confidence::Medium, Confidence::High, Confidence::Neutral];
    let silent = Opinion { confidence: Confidence::Neutral, hard: false };
    for aggregator in [Aggregator::Strict, Aggregator::Auth0Mean, Aggregator::Any] {
        for (a, b) in all.into_iter().flat_map(|a| all.map(|b| (a, b))) {
            let opinions = [a, b].map(|confidence| Opinion { confidence, hard: false });
            let alone = overall(aggregator, &opinions, &[]);
            let among_silent = overall(aggregator, &[opinions[0], silent, silent, opinions[1]], &[silent]);
            assert_eq!(alone, among_silent, "{aggregator:?} {a:?} {b:?}");
        }
    }
}

/// The guide scores Tor and impossible travel, and no code does (keycloak-adaptive-authn).
#[test]
fn defect_09_documented_signal_that_does_not_exist() {
    let directory = TempDir::new().unwrap();
    let exits = "ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E\nPublished 2026-11-20 03:01:08\n\
                 LastStatus 2026-11-20 04:00:00\nExitAddress 203.0.113.99 2026-11-20 04:02:05\n";
    let tor = list(&directory, "anonymizer", "tor", exits);
    let server = Askance::start(&Settings::new().push("signals.untrusted_ip.lists", tor));
    let answer = score(&server, "tor", json!({"ip": "203.0.113.99"}));
    assert_eq!(assessment(&answer, "UntrustedIP"), ("low", "found_on_deny_list"), "{answer}");
    // Each assessor that the answer names answers, and the metrics count each of its codes.
    let metrics = server.admin().get("/metrics").text();
    let assessments = answer["risk_assessment"]["assessments"].as_object().unwrap();
    assert_eq!(assessments.len(), 8);
    for (name, assessment) in assessments {
        let series = format!("signal=\"{name}\",code=\"{}\"}} 1", assessment["code"].as_str().unwrap());
        assert!(metrics.contains(&series), "{series}");
    }
}

/// The first login is as risky as can be, and so is either of two offices (CAS).
#[test]
fn defect_10_first_login_is_full_risk() {
    let server = Askance::start(&Settings::new());
    let first = score(&server, "two-offices", json!({}));
    assert_eq!((&first["action"], &first["demand_mfa"]), (&json!("allow"), &json!(false)), "{first}");
    for day in 1..=10 {
        let (device, ip) = if day % 2 == 0 { ("north", "198.51.100.7") } else { ("south", "203.0.113.7") };
        import(&server, "two-offices", json!({"device_id": device, "ip": ip, "time": time_from_now(-day * 86_400)}));
    }
    for (device, ip) in [("north", "198.51.100.7"), ("south", "203.0.113.7")] {
        let answer = score(&server, "two-offices", json!({"device_id": device, "ip": ip}));
        assert_eq!(answer["risk_assessment"]["confidence"], "high", "{answer}");
    }
}

/// A latitude of 100 degrees is a place (Panther).
#[test]
fn defect_11_out_of_range_coordinates() {
    let server = Askance::start(&Settings::new());
    let outside = [(100.0, 0.0), (-90.001, 0.0), (0.0, 180.001), (0.0, -1e308)];
    for (number, (latitude, longitude)) in outside.into_iter().enumerate() {
        let user = format!("range {number}");
        import(&server, &user, json!({"location": spot(latitude, longitude)}));
        let answer = score(&server, &user, json!({"location": spot(0.0, 0.0)}));
        let expected = ("neutral", "location_history_not_found");
        assert_eq!(assessment(&answer, "ImpossibleTravel"), expected, "not learnt, and not clamped: {answer}");
        let answer = score(&server, &user, json!({"location": spot(latitude, longitude)}));
        assert_eq!(assessment(&answer, "ImpossibleTravel"), ("neutral", "unknown_location"), "{answer}");
    }
}

/// Two continents at one instant are safe, since no time has passed between them (Logto, idenplane).
#[test]
fn defect_12_zero_elapsed_time() {
    let server = Askance::start(&Settings::new());
    for (name, past_s, now_s) in [("at once", -60, -60), ("out of order", 0, -120)] {
        import(&server, name, json!({"time": time_from_now(past_s), "location": spot(52.52, 13.405)}));
        let login = json!({"time": time_from_now(now_s), "location": spot(35.6762, 139.6503)});
        let answer = score(&server, name, login);
        let expected = ("low", "impossible_travel_from_last_login");
        assert_eq!(assessment(&answer, "ImpossibleTravel"), expected, "{name}: {answer}");
        assert!(answer["evidence"]["travel"]["speed_kmph"].as_f64().is_some_and(f64::is_finite), "{answer}");
    }
}

/// The user is told of a new login before MFA was passed, and back-channel requests are asked for factors (Rauthy).
#[test]
fn defect_13_before_mfa_and_on_the_back_channel() {
    let server = Askance::start(&Settings::new());
    import(&server, "early", json!({}));
    let challenged = score(&server, "early", json!({"device_id": "d9", "ip": "999.1.1.1"}));
    assert_eq!(challenged["action"], "challenge", "{challenged}");
    let again = score(&server, "early", json!({"device_id": "d9", "ip": "999.1.1.1"}));
    let device = &again["risk_assessment"]["assessments"]["NewDevice"]["details"]["device"];
    assert_eq!(device, "unknown", "nothing is taken for done before the factor was passed: {again}");
    for (flow, interactive) in [("refresh_token", false), ("token_exchange", false), ("authorization_code", true)] {
        let answer = score(&server, "early", json!({"flow": flow, "ip": "999.1.1.1"}));
        assert_eq!((&answer["demand_mfa"], &answer["interactive"]), (&json!(true), &json!(interactive)), "{answer}");
    }
}

/// A signal can be switched on that nobody wrote (OpenAM's time of day).
#[test]
fn defect_14_stub_signal_that_can_be_enabled() {
    for (text, names) in [
        ("[signals.time_of_day]\nweight = 3\n", "signals.time_of_day"),
        ("[verdict]\nany_of = ['TimeOfDay']\n", "verdict.any_of"),
        ("[verdict]\nany_of = ['PhoneNumber']\n", "verdict.any_of"),
        ("[verdict]\nany_of = []\n", "verdict.any_of"),
        ("[verdict]\naggregator = 'ml'\n", "verdict.aggregator"),
    ] {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("askance.toml"), text).unwrap();
        let checked = run(directory.path(), &["--config", "askance.toml", "check-config"], &[]);
        assert_eq!(checked.code, Some(2), "{text}: {}", checked.output());
        assert!(checked.output().contains(names), "{text}: {}", checked.output());
    }
}

/// Nothing to go by is the highest confidence, or the lowest (FusionAuth, both). Here a missing fact is not counted, a
/// failure of ours is a doubt (`pipeline::tests`), and what the client withholds is never better than what it shows.
#[test]
fn defect_15_no_data() {
    for (aggregator, confidence) in [("strict", "high"), ("any", "high"), ("auth0_mean", "high")] {
        let server = Askance::start(&Settings::new().set("verdict.aggregator", aggregator));
        let bare = json!({"user": {"id": "bare"}, "ip": "198.51.100.1"});
        let first = json_of(&server.main().score(&bare));
        assert_eq!(first["action"], "allow", "a first login without any fact: {first}");
        assert_eq!(first["risk_assessment"]["confidence"], confidence, "{aggregator}: {first}");
        let second = json_of(&server.main().score(&bare));
        assert_eq!(assessment(&second, "NewDevice"), ("low", "unknown_device"), "withheld by a known user: {second}");
    }
    let no_address = json!({"user": {"id": "bare"}});
    let server = Askance::start(&Settings::new());
    let refused = server.main().post("/v1/score", &no_address);
    assert_problem(&refused, 422, "request.invalid");
}
