//! Debian's HAProxy, which asks by the script of `examples/proxies/haproxy`.

use super::peers::{Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "haproxy", configure)
}

fn configure(Places { proxy, hooks, app, directory, .. }: Places<'_>) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/proxies/haproxy/askance.lua");
    let text = format!(
        "global
    lua-load {script}
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend web
    bind {proxy}
    http-request set-header X-Forwarded-For     %[src]
    http-request set-header Remote-User         alice
    http-request set-header X-Forwarded-Proto   http
    http-request set-header X-Forwarded-Host    %[req.hdr(host)]
    http-request set-header X-Forwarded-Uri     %[pathq]
    http-request set-header X-Forwarded-Method  %[method]
    http-request lua.askance http://{hooks}/v1/hook/forward
    default_backend app
backend app
    server app {app}
"
    );
    let path = directory.join("haproxy.cfg");
    std::fs::write(&path, text).unwrap();
    ["-db", "-f", path.to_str().unwrap()].map(str::to_owned).to_vec()
}

#[test]
fn haproxy_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start, true);
}

#[test]
fn nothing_that_a_client_forges_gets_through_haproxy() {
    check_forgeries(&start, 401, &[]);
}

#[test]
fn haproxy_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start, 503, true);
}
