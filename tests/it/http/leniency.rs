//! Nothing a client sends makes the answer more lenient than saying nothing.

use crate::support::answers::problem_of;
use crate::support::{ApiClient, Askance, CHROME, Client, Response, Settings, json_of, time_from_now, with};
use serde_json::{Value, json};

/// A login from London, half an hour after one from Tokyo, on a device nobody knows.
fn stolen_login(user: &str) -> Value {
    json!({"user": {"id": user, "enrolled_factors": ["totp"]}, "ip": "81.2.69.142", "user_agent": "curl/8.5.0", "device_id": "d9"})
}

fn past(user: &str) -> Value {
    json!({
        "user": {"id": user}, "ip": "133.11.0.1", "user_agent": CHROME, "device_id": "d1", "time": time_from_now(-1_800),
        "result": "success", "mfa_passed": true,
    })
}

/// How much an answer demands, and how little it believes; more of either is stricter.
fn strictness(answer: &Value) -> (u8, u8) {
    let action = match answer["action"].as_str() {
        Some("allow") => 0,
        Some("challenge" | "verify_email") => 1,
        Some("deny") => 2,
        other => panic!("no action: {other:?}"),
    };
    let doubt = match answer["risk_assessment"]["confidence"].as_str() {
        Some("high") => 0,
        Some("neutral") => 1,
        Some("medium") => 2,
        Some("low") => 3,
        other => panic!("no confidence: {other:?}"),
    };
    (action, doubt)
}

/// Scores the same scene for a user of its own per row, so that no row sees another's traces.
fn scene(historian: &Client, client: &Client, user: &str, change: &Value) -> Value {
    json_of(&scene_as_sent(historian, client, user, change))
}

fn scene_as_sent(historian: &Client, client: &Client, user: &str, change: &Value) -> Response {
    assert_eq!(json_of(&historian.import(&[past(user)]))["rejected"], 0);
    client.score(&with(stolen_login(user), change.clone()))
}

/// What an honest edge may say; from a client that is not one, each is worth nothing.
fn claims_of_an_edge() -> Vec<Value> {
    vec![
        json!({"location": {"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 1, "country": "JP"}}),
        json!({"location": {"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 499}}),
        json!({"location": {"latitude": 35.6762, "longitude": 139.6503, "accuracy_radius_km": 20_000}}),
        json!({"location": {"latitude": 91, "longitude": 0}}),
        json!({"location": {"country": "JP"}}),
        json!({"location": {}}),
        json!({"edge": {"bot_score": 99, "verified_bot": false}}),
        json!({"edge": {"asn": 2_501}}),
        json!({"edge": {"asn": 0, "as_organization": "The University of Tokyo"}}),
    ]
}

#[test]
fn an_untrusted_client_gains_nothing_by_location_or_edge() {
    let caller = ApiClient::new("portal", &["score"]);
    let edge = ApiClient::new("edge", &["score"]).trust_edge();
    let history = ApiClient::new("history", &["history"]).trust_edge();
    let server = Askance::start(&Settings::new().client(&caller).client(&edge).client(&history));
    let historian = server.main().with_key(&history.key);
    let (caller, edge) = (server.main().with_key(&caller.key), server.main().with_key(&edge.key));

    let baseline = scene(&historian, &caller, "lenient-nothing", &json!({}));
    assert_eq!(baseline["action"], "challenge", "the scene is meant to be refused: {baseline}");
    assert!(!baseline.to_string().contains("ignored"), "nothing was sent that could be: {baseline}");
    for (row, change) in claims_of_an_edge().iter().enumerate() {
        let answer = scene(&historian, &caller, &format!("lenient-{row}"), change);
        // Ignored means: as if it had not been sent.
        assert_eq!(
            answer["risk_assessment"]["assessments"], baseline["risk_assessment"]["assessments"],
            "{change} was not ignored"
        );
        assert_eq!(strictness(&answer), strictness(&baseline), "{change}: {answer}");
        assert!(answer.to_string().contains("ignored"), "{change}: nothing says that it was ignored: {answer}");
    }
    // The claims are worth something from a client that may make them, or the table above would show nothing.
    let trusted = scene(&historian, &edge, "lenient-trusted", &claims_of_an_edge()[0]);
    assert_ne!(
        trusted["risk_assessment"]["assessments"]["ImpossibleTravel"]["code"],
        "impossible_travel_from_last_login"
    );
}

#[test]
fn no_optional_member_lifts_a_low_answer() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let baseline = scene(&client, &client, "unlifted-nothing", &json!({}));
    assert_eq!(strictness(&baseline), (1, 3), "the scene is meant to be refused: {baseline}");
    let rows = [
        json!({"remembered_browser": true}),
        json!({"device_token": "no.such.token"}),
        json!({"device_token": ""}),
        json!({"device_token": "x".repeat(1_024)}),
        json!({"user_agent": null}),
        json!({"user_agent": ""}),
        json!({"user_agent": "\u{0}\u{1}"}),
        json!({"user_agent": CHROME}),
        json!({"user_agent": "x".repeat(4_096)}),
        json!({"device_id": null}),
        json!({"device_id": ""}),
        json!({"device_id": "D1"}),
        json!({"client_hints": {}}),
        json!({"client_hints": {"sec-ch-ua": "garbage", "sec-ch-ua-platform": "garbage"}}),
        json!({"location": {"latitude": 91, "longitude": 139}}),
        json!({"location": {"latitude": 35.6762}}),
        json!({"location": {"country": "JP"}}),
        json!({"location": {"latitude": null, "longitude": null}}),
        json!({"edge": {}}),
        json!({"edge": {"bot_score": 99}}),
        json!({"edge": {"verified_bot": false}}),
        json!({"edge": {"as_organization": "Home"}}),
        json!({"user": {"enrolled_factors": ["totp", "totp"]}}),
        json!({"user": {"created_at": time_from_now(-60)}}),
        json!({"user": {"email": "a@example.org", "email_verified": true}}),
        json!({"user": {"phone_number": "+819012345678", "groups": ["admins"]}}),
        json!({"attributes": {"trusted": true}}),
        json!({"session_id": "s", "client_id": "c"}),
        json!({"first_factor": "sms"}),
        json!({"first_factor": "federated"}),
        json!({"flow": "refresh_token"}),
        json!({"flow": "ldap"}),
        json!({"flow": "password"}),
        json!({"time": time_from_now(-290)}),
        json!({"time": time_from_now(290)}),
        json!({"ip": "81.2.69.142%eth0"}),
        json!({"ip": " 81.2.69.142"}),
        json!({"ip": ""}),
        json!({"ip": "127.0.0.1, 81.2.69.142"}),
    ];
    let mut lenient = Vec::new();
    for (row, change) in rows.iter().enumerate() {
        let answer = scene_as_sent(&client, &client, &format!("unlifted-{row}"), change);
        // Anything but a 200 means: challenge.
        if answer.status == 422 {
            problem_of(&answer);
            continue;
        }
        let answer = json_of(&answer);
        let (action, doubt) = strictness(&answer);
        if action < 1 || doubt < 3 {
            lenient.push(format!(
                "{change}: {} at {}: {}",
                answer["action"], answer["risk_assessment"]["confidence"], answer["risk_assessment"]["assessments"]
            ));
        }
    }
    assert!(lenient.is_empty(), "{} rows:\n  {}", lenient.len(), lenient.join("\n  "));
}

/// The signature of the browser's cookie is not there to be left out: a bad token is as good as none, and said to be bad.
#[test]
fn a_bad_token_counts_as_absent_and_is_said_so() {
    let server = Askance::start(&Settings::new());
    let client = server.main();
    let absent = scene(&client, &client, "token-absent", &json!({}));
    let bad = scene(&client, &client, "token-bad", &json!({"device_token": "no.such.token"}));
    assert_eq!(absent["device"]["presented"], "absent", "{absent}");
    assert_eq!(bad["device"]["presented"], "bad", "{bad}");
    assert_eq!(bad["risk_assessment"]["assessments"], absent["risk_assessment"]["assessments"]);
}
