//! A server with hooks, and the request of a browser as a proxy hands it on.

use crate::support::{Askance, CHROME, Request, Response, Settings, import, json_of};
use serde_json::json;

pub(crate) const CHALLENGE_URL: &str = "https://login.example.org/mfa";
/// Where `alice` has been.
pub(crate) const HOME: &str = "81.2.69.142";
/// Half-way round the world.
pub(crate) const ELSEWHERE: &str = "175.16.199.1";

pub(crate) fn settings() -> Settings {
    Settings::new().set("hooks.listen", "127.0.0.1:0").set("hooks.challenge_url", CHALLENGE_URL)
}

/// A server that knows alice, by a login of an hour ago.
pub(crate) fn start(settings: &Settings) -> Askance {
    let server = Askance::start(settings);
    import(&server, "alice", json!({"ip": HOME, "device_id": null}));
    server
}

/// A request of alice from home, as a proxy hands it on, but for the headers that are named again.
pub(crate) fn request(method: &str, path: &str, changes: &[(&str, &str)]) -> Request {
    let usual = [("x-forwarded-for", HOME), ("remote-user", "alice"), ("user-agent", CHROME)];
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let usual = usual.iter().filter(|(name, _)| !is_changed(name));
    let changes = changes.iter().filter(|(_, value)| *value != ABSENT);
    usual.chain(changes).fold(Request::new(method, path), |request, (name, value)| request.header(name, value))
}

/// In place of a value: the header is not sent.
pub(crate) const ABSENT: &str = "\0";

pub(crate) fn ask(server: &Askance, changes: &[(&str, &str)]) -> Response {
    server.hooks().send(request("GET", "/v1/hook/forward", changes))
}

pub(crate) fn assert_allowed(answer: &Response, user: &str) {
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")), "{answer:?}");
    for name in ["action", "confidence", "score", "reasons", "decision", "user"] {
        let lines = answer.headers.iter().filter(|(given, _)| *given == format!("x-askance-{name}")).count();
        assert_eq!(lines, 1, "x-askance-{name}: {answer:?}");
    }
    assert_eq!(answer.header("x-askance-action"), Some("allow"));
    assert_eq!(answer.header("x-askance-user"), Some(user));
    let bytes: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    assert!(bytes < 3072, "{bytes} bytes of headers");
}

pub(crate) fn assert_challenged(answer: &Response) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    assert!(answer.header("location").is_some_and(|to| to.starts_with(CHALLENGE_URL)), "{answer:?}");
    let demand = answer.header("www-authenticate").unwrap_or_default();
    assert!(demand.starts_with("Bearer error=\"insufficient_user_authentication\""), "{demand}");
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("x-askance")), "{answer:?}");
}

/// What the page is called with.
pub(crate) fn rd_of(answer: &Response) -> String {
    assert_challenged(answer);
    let (_, rd) =
        answer.header("location").and_then(|to| to.split_once("?rd=")).unwrap_or_else(|| panic!("{answer:?}"));
    rd.to_owned()
}

pub(crate) fn passed(server: &Askance, rd: &str) -> Response {
    server.hooks().send(Request::post("/v1/hook/passed").json(&json!({"rd": rd, "factor": "totp"})))
}

/// The way back, as path and query.
pub(crate) fn way_back(server: &Askance, rd: &str) -> String {
    let told = json_of(&passed(server, rd));
    let location = told["location"].as_str().unwrap_or_else(|| panic!("{told}"));
    let back = location.strip_prefix("https://app.example.org").unwrap_or_else(|| panic!("{location}"));
    assert!(back.starts_with("/askance/return?ticket="), "{back}");
    back.to_owned()
}

pub(crate) fn follow(server: &Askance, back: &str, changes: &[(&str, &str)]) -> Response {
    server.hooks().send(request("GET", back, changes))
}

/// The cookies of an answer, as a browser sends them.
pub(crate) fn cookies(answer: &Response) -> String {
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str());
    let pairs: Vec<&str> = set
        .map(|cookie| {
            for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            assert!(cookie.starts_with("__Host-askance_"), "{cookie}");
            cookie.split(';').next().unwrap_or_default()
        })
        .collect();
    pairs.join("; ")
}

/// Goes the whole way with these headers; gives the last answer.
pub(crate) fn sent_back(server: &Askance, headers: &[(&str, &str)]) -> Response {
    let answer = follow(server, &way_back(server, &rd_of(&ask(server, headers))), headers);
    assert_eq!(answer.status, 303, "{answer:?}");
    answer
}

/// The same; gives the cookies.
pub(crate) fn prove(server: &Askance, headers: &[(&str, &str)]) -> String {
    cookies(&sent_back(server, headers))
}
