//! Runs cases of shape `hook`: a request through a door, with a verdict that is given.

use super::model::{HookCase, ThenHook};
use askance::config::Config;
use askance::server::hooks::rehearsal;
use askance::verdict::Action;
use hyper::body::Body;
use hyper::{Request, Response};
use std::net::{IpAddr, Ipv4Addr};

pub(crate) fn run(case: &HookCase) -> Result<(), String> {
    let mut text = "hooks.challenge_url = 'https://login.example.org/askance/challenge'\n".to_owned();
    for (key, value) in &case.config {
        text.push_str(&format!("{key} = {value}\n"));
    }
    let settings = Config::parse(&text).map_err(|error| error.to_string())?.hooks;
    let path = match case.door.as_str() {
        "envoy" => "/v1/hook/envoy/app?q=1".to_owned(),
        door => format!("/v1/hook/{door}"),
    };
    let mut request =
        Request::builder().method(case.method.as_str()).uri(path).header("x-forwarded-for", "81.2.69.142");
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let (has_user, verdict) = match case.verdict.as_str() {
        "allow" => (true, Some(Action::Allow)),
        "challenge" => (true, Some(Action::Challenge)),
        "deny" => (true, Some(Action::Deny)),
        "error" => (true, None),
        // Whatever it would have been.
        "missing_user" => (false, Some(Action::Allow)),
        verdict => return Err(format!("no such verdict: {verdict}")),
    };
    if has_user {
        request = request.header("remote-user", "alice");
    }
    let request = request.body(()).map_err(|error| error.to_string())?;
    let answer =
        rehearsal::answer(&settings, request, IpAddr::V4(Ipv4Addr::LOCALHOST), verdict).ok_or("no such door")?;
    let found = differences(&answer, &case.then);
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}

fn differences<B: Body>(answer: &Response<B>, then: &ThenHook) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    expect(then.status.is_none_or(|expected| expected == status), format!("status {status}"));
    expect(then.status_not != Some(status), format!("status {status}"));
    for (name, expected) in &then.headers {
        expect(header(name) == Some(expected), format!("{name}: {:?}", header(name)));
    }
    for name in &then.headers_present {
        expect(header(name).is_some(), format!("no {name}"));
    }
    if then.location.as_deref() == Some("absolute") {
        let location = header("location").unwrap_or_default();
        expect(location.starts_with("https://") || location.starts_with("http://"), format!("location {location:?}"));
    }
    if let Some(expected) = &then.content_type {
        let essence = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        expect(essence == expected, format!("content type {essence:?}"));
    }
    if let Some(expected) = &then.body {
        let bytes = answer.body().size_hint().exact();
        expect(bytes == Some(expected.len() as u64), format!("{bytes:?} bytes of body"));
    }
    found
}
