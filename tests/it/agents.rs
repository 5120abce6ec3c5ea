//! The user-agent leg of a device, from the wire to the answer: what is the same browser, and what is not.

use crate::support::{Askance, CHROME, Settings, json_of, plain_login, time_from_now, with};
use serde_json::{Value, json};

const BRANDS: &str = r#""Chromium";v="131", "Google Chrome";v="131", "Not_A Brand";v="24""#;
const APP: &str = "ExampleBank/741 CFNetwork/3826.600.41 Darwin/24.6.0";

fn hints(brands: &str, platform: &str, mobile: &str) -> Value {
    json!({
        "sec-ch-ua": brands, "sec-ch-ua-platform": platform, "sec-ch-ua-mobile": mobile,
        "sec-ch-ua-platform-version": "\"15.0.0\"", "sec-ch-ua-model": "\"\"",
    })
}

/// Learns a login from `past`, and tells what is answered of the user agent of `now`.
fn leg(server: &Askance, user: &str, past: &Value, now: &Value) -> Value {
    let learnt = json!({
        "user": {"id": user}, "ip": "81.2.69.142", "time": time_from_now(-3_600), "result": "success", "mfa_passed": true,
    });
    let report = json_of(&server.main().import(&[with(learnt, past.clone())]));
    assert_eq!(report["recorded"], 1, "{report}");
    let answer = json_of(&server.main().score(&with(plain_login(user), now.clone())));
    answer["risk_assessment"]["assessments"]["NewDevice"].clone()
}

#[test]
fn one_browser_is_known_again_and_another_is_not() {
    let server = Askance::start(&Settings::new());
    let windows = hints(BRANDS, "\"Windows\"", "?0");
    let edge = format!("{CHROME} Edg/131.0.0.0");
    let newer = CHROME.replace("Chrome/131", "Chrome/139");
    let older = CHROME.replace("Chrome/131", "Chrome/101");
    let headless = CHROME.replace("Chrome/", "HeadlessChrome/");
    let plain = json!({"user_agent": CHROME});
    for (row, (past, now, expected)) in [
        (plain.clone(), plain.clone(), "known"),
        (plain.clone(), json!({"user_agent": CHROME, "client_hints": windows}), "known"),
        (json!({"user_agent": CHROME, "client_hints": windows}), plain.clone(), "known"),
        (json!({"user_agent": null, "client_hints": windows}), plain.clone(), "known"),
        (plain.clone(), json!({"user_agent": CHROME, "client_hints": hints("Chrome", "Windows", "0")}), "known"),
        (plain.clone(), json!({"user_agent": newer}), "known"),
        (plain.clone(), json!({"user_agent": older}), "unknown"),
        (plain.clone(), json!({"user_agent": edge}), "unknown"),
        (plain.clone(), json!({"user_agent": headless}), "unknown"),
        (plain.clone(), json!({"user_agent": CHROME, "client_hints": hints(BRANDS, "\"macOS\"", "?0")}), "unknown"),
        (json!({"user_agent": APP}), json!({"user_agent": APP}), "known"),
        (json!({"user_agent": APP}), json!({"user_agent": APP.replace("Bank", "Chat")}), "unknown"),
        (json!({"user_agent": "curl/8.5.0"}), json!({"user_agent": "curl/8.16.0"}), "known"),
        (json!({"user_agent": "curl/8.5.0"}), json!({"user_agent": "python-requests/2.32.5"}), "unknown"),
    ]
    .iter()
    .enumerate()
    {
        let assessment = leg(&server, &format!("agent-{row}"), past, now);
        assert_eq!(assessment["details"]["useragent"], *expected, "{past} {now}: {assessment}");
    }
    let unreadable = json!({"user_agent": "qwertyuiop", "client_hints": hints("", "", "")});
    assert_eq!(leg(&server, "agent-unreadable", &plain, &unreadable)["code"], "unknown_device");
}
