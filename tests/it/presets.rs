//! The presets reproduce what the engines that they stand for publish.

use crate::support::overall;
use crate::support::{Askance, Settings, import, score, time_from_now, with};
use askance::config::Config;
use askance::units::Confidence::{self, High, Low, Medium};
use askance::verdict::aggregate::Opinion;
use serde_json::{Value, json};

fn spot(latitude: f64, longitude: f64, country: &str) -> Value {
    json!({"latitude": latitude, "longitude": longitude, "accuracy_radius_km": 0, "country": country})
}

/// UntrustedIP, NewDevice, ImpossibleTravel and the overall confidence of events that Auth0 and its users published: A and B
/// the documentation's "Adaptive MFA Log Events", C and E payloads of public test fixtures for Actions, D the test builder
/// of its rules, F the forum's "Adaptive MFA is Not Triggered" (138652).
const AUTH0: [(&str, [Confidence; 3], Confidence); 6] = [
    ("A", [High, Medium, High], High),
    ("B", [High, Medium, Low], Medium),
    ("C", [High, Low, High], High),
    ("D", [High, High, High], High),
    ("E", [Low, Low, Low], Low),
    ("F", [High, High, Low], High),
];

#[test]
fn auth0_weighs_its_published_events_as_auth0_did() {
    let preset = Config::parse("preset = 'auth0'").unwrap();
    for (name, assessments, expected) in AUTH0 {
        let opinions = assessments.map(|confidence| Opinion { confidence, hard: true });
        assert_eq!(overall(preset.verdict.aggregator, &opinions, &[]), expected, "{name}");
    }
}

/// The same events as logins, where the assessors answer as Auth0's did.
#[test]
fn auth0_acts_on_its_published_events_as_auth0_did() {
    let server = Askance::start(&Settings::new().set("preset", "auth0"));
    let (home, away) = (spot(48.8566, 2.3522, "FR"), spot(35.6762, 139.6503, "JP"));
    let firefox = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    for (name, login, confidence, action) in [
        ("A", json!({"device_id": "d9", "location": home}), "high", "allow"),
        ("D", json!({"location": home}), "high", "allow"),
        (
            "E",
            json!({"device_id": "d9", "user_agent": firefox, "location": away, "edge": {"bot_score": 1}}),
            "low",
            "challenge",
        ),
        ("F", json!({"location": away}), "high", "allow"),
    ] {
        let user = format!("auth0-{name}");
        import(&server, &user, json!({"location": home}));
        let answer = score(&server, &user, login);
        assert_eq!(answer["risk_assessment"]["confidence"], confidence, "{name}: {answer}");
        assert_eq!(answer["action"], action, "{name}: {answer}");
    }
}

/// The samples of Logto's tests of its four rules (`adaptive-mfa-validator`, 2026): the last login, this one, and the code
/// that triggers.
#[test]
fn logto_triggers_where_logto_does() {
    let server = Askance::start(&Settings::new().set("preset", "logto"));
    let at = |hours: i64| time_from_now(-3_600 * hours);
    for (name, past, login, reason) in [
        (
            "new country",
            Some(json!({"time": at(1), "location": spot(0.0, 0.0, "US")})),
            json!({"location": spot(0.0, 0.0, "FR")}),
            Some("new_country"),
        ),
        ("no country known", Some(json!({"time": at(1)})), json!({"location": spot(0.0, 0.0, "FR")}), None),
        (
            "velocity",
            Some(json!({"time": at(2), "location": spot(0.0, 0.0, "FR")})),
            // Told with the one before, so that however long this takes, it is two hours.
            json!({"location": spot(50.0, 0.0, "FR"), "time": at(0)}),
            Some("impossible_travel_from_last_login"),
        ),
        ("inactivity", Some(json!({"time": at(40 * 24)})), json!({}), Some("long_inactivity")),
        ("bot score", None, json!({"edge": {"bot_score": 10}}), Some("automated")),
        ("bot score at the limit", None, json!({"edge": {"bot_score": 30}}), None),
        ("verified bot", None, json!({"edge": {"verified_bot": true}}), Some("automated")),
        ("no risk headers", None, json!({}), None),
        (
            "latitude out of range",
            Some(json!({"time": at(2), "location": spot(0.0, 0.0, "FR")})),
            json!({"location": spot(91.0, 0.0, "FR")}),
            None,
        ),
        (
            "longitude out of range",
            Some(json!({"time": at(2), "location": spot(0.0, 0.0, "FR")})),
            json!({"location": spot(0.0, -181.0, "FR")}),
            None,
        ),
        ("an address that is none", Some(json!({"time": at(2)})), json!({"ip": "999.1.1.1"}), None),
        ("a new device", Some(json!({"time": at(2)})), json!({"device_id": "d9", "user_agent": "curl/8.5.0"}), None),
    ] {
        if let Some(past) = past {
            import(&server, name, past);
        }
        let answer = score(&server, name, login);
        assert_eq!(answer["action"], if reason.is_some() { "challenge" } else { "allow" }, "{name}: {answer}");
        if let Some(reason) = reason {
            let reasons: Vec<&str> =
                answer["reasons"].as_array().unwrap().iter().filter_map(|it| it["code"].as_str()).collect();
            assert_eq!(reasons, [reason], "{name}: {answer}");
        }
        if name == "velocity" {
            // 5540.8 km by the geodesic, in two hours.
            let speed = answer["evidence"]["travel"]["speed_kmph"].as_f64().unwrap();
            assert!((speed - 2770.4).abs() < 0.5, "{speed}");
        }
    }
}

#[test]
fn logto_asks_and_then_lets_in_and_records_while_it_asks_nobody() {
    let server = Askance::start(&Settings::new().set("preset", "logto"));
    let bot = json!({"edge": {"bot_score": 10}});
    let asked = score(&server, "logto-totp", bot.clone());
    assert_eq!((&asked["action"], &asked["mfa"]["factors"]), (&json!("challenge"), &json!(["totp"])), "{asked}");
    let path = format!("/v1/decisions/{}/outcome", asked["decision_id"].as_str().unwrap());
    assert_eq!(server.main().post(&path, &json!({"result": "success", "factor": "totp"})).status, 204);
    // Whoever has no factor is not let in, and may not bind one first.
    let unenrolled = score(&server, "logto-none", with(bot, json!({"user": {"enrolled_factors": []}})));
    assert_eq!(unenrolled["action"], "deny", "{unenrolled}");

    let off = Askance::start(&Settings::new().set("preset", "logto").set("verdict.policy", "never"));
    for code in ["initial_login", "known_country"] {
        let answer = score(&off, "logto-off", json!({"location": spot(48.8566, 2.3522, "FR")}));
        assert_eq!(answer["risk_assessment"]["assessments"]["NewCountry"]["code"], code, "{answer}");
    }
}
