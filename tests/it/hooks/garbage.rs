//! Whatever a request holds, nobody is let in of whom it is not known for certain who they are and where.

use askance::config::Config;
use askance::server::hooks::rehearsal;
use askance::verdict::Action;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

const NAMES: [&str; 14] = [
    "remote-user",
    "remote-user",
    "x-forwarded-for",
    "x-forwarded-for",
    "remote_user",
    "x_forwarded_for",
    "x-original-url",
    "x-original-uri",
    "x-forwarded-uri",
    "x-forwarded-host",
    "x-forwarded-method",
    "cookie",
    "accept",
    "sec-fetch-mode",
];

/// Values that mean something, and any bytes that a header may hold.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let meaningful = prop::sample::select(vec![
        "alice",
        "Alice",
        " ",
        "",
        "bob\u{301}",
        "81.2.69.142",
        "6.6.6.6, 127.0.0.1",
        "127.0.0.1",
        "unknown",
        "/admin",
        "/..;/%2f",
        "https://app.example.org/x",
        "navigate",
        "text/html",
        "__Host-askance_assurance=AAAA",
        "GET",
    ]);
    let any = prop::collection::vec(prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8], 0..40);
    prop_oneof![meaningful.prop_map(|text| text.as_bytes().to_vec()), any]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/v1/hook/nginx".to_owned()),
        Just("/v1/hook/forward".to_owned()),
        "/v1/hook/envoy/[!-~&&[^#]]{0,30}",
    ]
}

fn is_name(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| {
        let text = text.trim();
        !text.is_empty() && text.to_lowercase().len() <= 256 && !text.chars().any(char::is_control)
    })
}

/// The values of all lines of a name.
fn named<'l>(lines: &'l [(&str, Vec<u8>)], wanted: &str) -> Vec<&'l Vec<u8>> {
    lines.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value).collect()
}

proptest! {
    #[test]
    fn garbage_lets_nobody_in(
        path in path(),
        method in prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::OPTIONS]),
        lines in prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..8),
        verdict in prop::sample::select(vec![None, Some(Action::Allow), Some(Action::Challenge), Some(Action::Deny)]),
        is_trusted: bool,
    ) {
        let text = "hooks.challenge_url = 'https://login.example.org/mfa'\nhooks.on_error = 'danger_allow'";
        let settings = Config::parse(text).unwrap().hooks;
        let mut request = Request::builder().method(method).uri(&path);
        for (name, value) in &lines {
            let name = HeaderName::from_static(name);
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        let Ok(request) = request.body(()) else { return Ok(()) };
        let peer = if is_trusted { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)) };
        let Some(answer) = rehearsal::answer(&settings, request, peer, verdict) else { return Ok(()) };
        let users = named(&lines, "remote-user");
        let is_known = is_trusted
            && matches!(users.as_slice(), [only] if is_name(only))
            && !named(&lines, "x-forwarded-for").is_empty();
        let is_admitted = matches!(verdict, None | Some(Action::Allow));
        prop_assert_eq!(answer.status() == 200, is_known && is_admitted, "{:?}", answer);
        prop_assert!(matches!(answer.status().as_u16(), 200 | 302 | 303 | 401 | 403));
        let bytes: usize = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        prop_assert!(bytes < 3072);
    }
}
