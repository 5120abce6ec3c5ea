//! Parts of a site that want a proof of late, whatever the risk.

use super::support::{ask, assert_allowed, follow, prove, rd_of, settings, start};
use crate::support::{Request, Settings, assert_problem};
use serde_json::json;

const ADMIN: [(&str, &str); 4] = [
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example.org"),
    ("x-forwarded-method", "GET"),
    ("x-forwarded-uri", "/admin/users"),
];
const INBOX: [(&str, &str); 4] = [ADMIN[0], ADMIN[1], ADMIN[2], ("x-forwarded-uri", "/inbox")];

fn guarded(stanza: &str) -> Settings {
    let stanza: toml::Table = stanza.parse().unwrap();
    settings()
        .set("hooks.return_hosts", toml::Value::Array(vec!["app.example.org".into()]))
        .push("hooks.step_up", stanza)
}

#[test]
fn a_guarded_path_wants_a_proof_and_the_rest_of_the_site_none() {
    let server = start(&guarded("path_prefix = '/admin'\nmax_age_s = 2000000"));
    assert_allowed(&ask(&server, &INBOX), "alice");
    let asked = ask(&server, &ADMIN);
    let demand = asked.header("www-authenticate").unwrap_or_default();
    assert!(demand.contains("acr_values=\"urn:askance:acr:mfa\", max_age=\"2000000\""), "{demand}");
    let cookie = prove(&server, &ADMIN);
    let proved = [&ADMIN[..], &[("cookie", &cookie)]].concat();
    assert_allowed(&ask(&server, &proved), "alice");
    for read_in_several_ways in ["/inbox/..;/x", "/inbox%2f..", "/%2561dmin", "/%zz"] {
        let odd = [&ADMIN[..3], &[("x-forwarded-uri", read_in_several_ways)]].concat();
        rd_of(&ask(&server, &odd));
        assert_allowed(&ask(&server, &[&odd[..], &[("cookie", &cookie)]].concat()), "alice");
    }
    // Nobody says what is asked for.
    rd_of(&ask(&server, &[]));
}

#[test]
fn a_proof_by_a_factor_that_does_not_do_there_does_not_count() {
    let server = start(&guarded("path_prefix = '/admin'\nmax_age_s = 2000000\nfactors = ['webauthn']"));
    let asked = ask(&server, &ADMIN);
    let demand = asked.header("www-authenticate").unwrap_or_default();
    assert!(demand.contains("urn:askance:acr:phr"), "{demand}");
    let rd = rd_of(&asked);
    let tell =
        |factor: &str| server.hooks().send(Request::post("/v1/hook/passed").json(&json!({"rd": rd, "factor": factor})));
    let problem = assert_problem(&tell("totp"), 422, "request.invalid");
    assert_eq!(problem["field"], "factor");
    let told = crate::support::json_of(&tell("webauthn"));
    let location = told["location"].as_str().unwrap().strip_prefix("https://app.example.org").unwrap();
    assert_eq!(follow(&server, location, &[]).status, 303);
}

#[test]
fn an_unmet_proof_says_nothing_of_the_user() {
    let server = start(&guarded("path_prefix = '/admin'\nmax_age_s = 60").set("memory.pending_ttl_s", 1));
    for _ in 0..2 {
        rd_of(&ask(&server, &ADMIN));
    }
    // Once what was asked has expired, nothing is open.
    crate::support::eventually("the end of the demand", || {
        let user = crate::support::json_of(&server.main().get("/v1/users/alice"));
        user["open_decisions"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert_allowed(&ask(&server, &[&INBOX[..], &[("user-agent", "curl/8.5.0")]].concat()), "alice");
}
