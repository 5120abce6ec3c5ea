//! Traefik's ForwardAuth, behind a middleware that names the user.

use super::peers::{ADVERTISED, Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "traefik", configure)
}

fn configure(Places { proxy, hooks, app, directory, .. }: Places<'_>) -> Vec<String> {
    let advertised = ADVERTISED.join(", ");
    let text = format!(
        "http:
  routers:
    site: {{entryPoints: [web], rule: 'PathPrefix(`/`)', middlewares: [identity, askance], service: app}}
  middlewares:
    identity: {{headers: {{customRequestHeaders: {{Remote-User: alice}}}}}}
    askance:
      forwardAuth:
        address: 'http://{hooks}/v1/hook/forward'
        trustForwardHeader: false
        authRequestHeaders: [Cookie, User-Agent, Accept, Sec-Fetch-Mode, X-Requested-With, Remote-User]
        authResponseHeaders: [{advertised}]
        preserveLocationHeader: true
  services:
    app: {{loadBalancer: {{servers: [{{url: 'http://{app}'}}]}}}}
"
    );
    let path = directory.join("dynamic.yaml");
    std::fs::write(&path, text).unwrap();
    vec![
        format!("--entryPoints.web.address=127.0.0.1:{}", proxy.port()),
        format!("--providers.file.filename={}", path.display()),
        "--providers.file.watch=false".to_owned(),
        "--global.checkNewVersion=false".to_owned(),
        "--global.sendAnonymousUsage=false".to_owned(),
        "--log.level=ERROR".to_owned(),
    ]
}

#[test]
fn traefik_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start, true);
}

#[test]
fn nothing_that_a_client_forges_gets_through_traefik() {
    check_forgeries(&start, 401, &[]);
}

/// Its patience of 30 s is its own.
#[test]
fn traefik_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start, 500, false);
}
