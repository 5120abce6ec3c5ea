//! A factor that was passed: the way to the page and back, and what the cookie is good for.

use super::support::{
    ABSENT, ELSEWHERE, HOME, ask, assert_allowed, assert_challenged, cookies, follow, passed, rd_of, sent_back,
    settings, start, way_back,
};
use crate::support::{ApiClient, Askance, Request, Response, Settings, assert_problem, json_of};
use serde_json::{Value, json};

const APP: &str = "app.example.org";
const PAGE: [(&str, &str); 3] =
    [("x-forwarded-proto", "https"), ("x-forwarded-host", APP), ("x-forwarded-uri", "/inbox?folder=%C3%A4&page=2")];

/// Every request is asked for a factor, so that nothing but a proof lets one in.
fn always() -> Settings {
    let hosts = toml::Value::Array(vec![APP.into()]);
    settings().set("hooks.return_hosts", hosts).set("verdict.policy", "always")
}

fn with<'a>(headers: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [headers, more].concat()
}

/// Goes the whole way with these headers; gives the cookies.
fn prove(server: &Askance, headers: &[(&str, &str)]) -> String {
    let answer = sent_back(server, &with(headers, &PAGE));
    assert_eq!(answer.header("location"), Some("https://app.example.org/inbox?folder=%C3%A4&page=2"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    cookies(&answer)
}

#[test]
fn whoever_passes_a_factor_comes_back_to_where_they_were_and_is_let_in() {
    let server = start(&always());
    for user in ["alice", "nobody-knew-me"] {
        let headers = [("x-forwarded-for", ELSEWHERE), ("remote-user", user)];
        assert_challenged(&ask(&server, &headers));
        let cookie = prove(&server, &headers);
        assert_eq!(cookie.matches("__Host-").count(), 2, "a device cookie, too: {cookie}");
        assert_allowed(&ask(&server, &with(&headers, &[("cookie", &cookie)])), user);
        let known = json_of(&server.main().get(&format!("/v1/users/{user}")));
        assert_eq!(known["devices"].as_array().map(Vec::len), Some(1), "what was passed is learnt: {known}");
        // A browser that has a device cookie keeps it.
        let device = cookie.split("; ").find(|pair| pair.starts_with("__Host-askance_device")).unwrap();
        let again = prove(&server, &with(&headers, &[("cookie", device)]));
        assert!(!again.contains("askance_device"), "{again}");
        assert_allowed(&ask(&server, &with(&headers, &[("cookie", &format!("{device}; {again}"))])), user);
    }
}

#[test]
fn a_cookie_is_good_in_its_browser_and_network_and_for_its_user_only() {
    let server = start(&always());
    let cookie = prove(&server, &[]);
    let mine = ("cookie", cookie.as_str());
    assert_allowed(&ask(&server, &[mine]), "alice");
    assert_allowed(&ask(&server, &[mine, ("x-forwarded-for", "81.2.69.1")]), "alice");
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    let assurance = cookie.split("; ").find(|pair| pair.starts_with("__Host-askance_assurance")).unwrap();
    let twice = format!("{cookie}; {assurance}");
    for stolen in [
        &[mine, ("x-forwarded-for", ELSEWHERE)][..],
        &[mine, ("x-forwarded-for", "81.2.70.142")],
        &[mine, ("x-forwarded-for", "nonsense")],
        &[mine, ("user-agent", firefox)],
        &[mine, ("user-agent", ABSENT)],
        &[mine, ("remote-user", "bob")],
        &[mine, ("remote-user", ABSENT)],
        &[("cookie", assurance)],
        &[("cookie", &twice)],
        &[("cookie", &cookie[..cookie.len() - 1])],
    ] {
        assert_challenged(&ask(&server, stolen));
    }
}

#[test]
fn a_ticket_is_good_once_and_where_it_was_asked_for() {
    let server = start(&always());
    let rd = rd_of(&ask(&server, &PAGE));
    let back = way_back(&server, &rd);
    for (elsewhere, what) in [
        (&[("x-forwarded-for", ELSEWHERE)][..], "a link that was handed on"),
        (&[("user-agent", "curl/8.5.0")], "another browser"),
        (&[("x-forwarded-for", ABSENT)], "nobody knows from where"),
    ] {
        assert_eq!(follow(&server, &back, elsewhere).status, 403, "{what}");
    }
    for wrong in ["/askance/return", "/askance/return?ticket=", "/askance/return?ticket=AAAA", &back[..back.len() - 2]]
    {
        assert_eq!(follow(&server, wrong, &[]).status, 403, "{wrong}");
    }
    // Two tickets of one challenge are one.
    let other = way_back(&server, &rd);
    let first = follow(&server, &back, &[]);
    assert_eq!(first.status, 303, "{first:?}");
    for spent in [&back, &other] {
        let answer = follow(&server, spent, &[]);
        assert_problem(&answer, 403, "hook.ticket");
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert_eq!(follow(&server, &rd, &[]).status, 404);
}

/// What somebody does after a request was let in.
type End<'e> = &'e dyn Fn(&Askance, &Response);

#[test]
fn erasures_forgotten_devices_and_labels_end_a_cookie_at_once() {
    let erase = |server: &Askance, _: &Response| {
        assert_eq!(server.main().send(Request::new("DELETE", "/v1/users/alice")).status, 204);
    };
    let forget = |server: &Askance, _: &Response| {
        let user = json_of(&server.main().get("/v1/users/alice"));
        for device in user["devices"].as_array().unwrap() {
            let path = format!("/v1/users/alice/devices/{}", device["id"].as_str().unwrap());
            assert_eq!(server.main().send(Request::new("DELETE", &path)).status, 204);
        }
    };
    let label = |server: &Askance, allowed: &Response| {
        let path = format!("/v1/decisions/{}/feedback", allowed.header("x-askance-decision").unwrap());
        assert_eq!(server.main().send(Request::post(&path).json(&json!({"label": "fraud"}))).status, 204);
    };
    let ends: [(&str, End<'_>); 3] = [("an erasure", &erase), ("a forgotten device", &forget), ("a label", &label)];
    for (what, end) in ends {
        let server = start(&always());
        let cookie = prove(&server, &[]);
        let headers = [("cookie", cookie.as_str())];
        let allowed = ask(&server, &headers);
        assert_allowed(&allowed, "alice");
        end(&server, &allowed);
        let answer = ask(&server, &headers);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        // Nor does it come back with the user.
        let fresh = prove(&server, &[("remote-user", "alice")]);
        assert_eq!(ask(&server, &headers).status, 401, "{what}");
        if what != "a label" {
            assert_allowed(&ask(&server, &[("cookie", &fresh)]), "alice");
        }
    }
}

#[test]
fn only_a_page_with_a_key_tells_that_a_factor_was_passed() {
    let (page, scraper) = (ApiClient::new("page", &["score"]), ApiClient::new("scraper", &["admin"]));
    let server = Askance::start(&always().client(&page).client(&scraper));
    let rd = rd_of(&ask(&server, &PAGE));
    let body = json!({"rd": rd, "factor": "totp"});
    let hooks = server.hooks();
    let tell = |body: &Value| Request::post("/v1/hook/passed").json(body);
    assert_problem(&hooks.send(tell(&body)), 401, "auth.key_invalid");
    assert_problem(&hooks.with_key("wrong").send(tell(&body)), 401, "auth.key_invalid");
    assert_problem(&hooks.send(tell(&body).header("x-api-key", "wrong")), 401, "auth.key_invalid");
    assert_problem(&hooks.with_key(&scraper.key).send(tell(&body)), 403, "auth.scope_missing");
    let page = |request: Request| server.hooks().send(request.header("x-api-key", &page.key));
    assert_eq!(page(tell(&body)).status, 200);
    for (wrong, field) in [
        (json!({"rd": "AAAA", "factor": "totp"}), "rd"),
        (json!({"rd": format!("{rd}A"), "factor": "totp"}), "rd"),
        (json!({"rd": rd, "factor": "smoke_signal"}), "factor"),
        (json!({"rd": rd}), "factor"),
    ] {
        let answer = page(tell(&wrong));
        assert_problem(&answer, 422, "request.invalid");
        assert_eq!(json_of_problem(&answer)["field"], field, "{wrong}");
    }
    assert_problem(&page(Request::new("GET", "/v1/hook/passed")), 405, "request.method_not_allowed");
}

fn json_of_problem(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// The host comes from a header, and whoever can forge it gets nowhere.
#[test]
fn nobody_is_sent_back_to_a_host_that_is_not_configured() {
    let server = start(&always());
    for forged in [
        ("x-forwarded-host", "evil.example.org"),
        ("x-forwarded-host", "app.example.org@evil.example.org"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-proto", "javascript"),
    ] {
        let headers: Vec<_> = PAGE.iter().filter(|(name, _)| *name != forged.0).copied().chain([forged]).collect();
        assert_problem(&passed(&server, &rd_of(&ask(&server, &headers))), 422, "request.invalid");
    }
    let odd = [PAGE[0], PAGE[1], ("x-forwarded-uri", "//evil.example.org/")];
    let back = way_back(&server, &rd_of(&ask(&server, &odd)));
    assert_eq!(
        follow(&server, &back, &[("x-forwarded-for", HOME)]).header("location"),
        Some("https://app.example.org/")
    );
}
