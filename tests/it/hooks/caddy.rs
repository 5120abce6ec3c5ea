//! Caddy, Debian's and a new one, which names a user by itself in front of the hook.

use super::peers::{ADVERTISED, Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;

/// Debian's: a header that an allow has not is a literal placeholder for the application.
fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "caddy", configure)
}

/// One of this year, which drops names with underscores, and what a client claims of headers that are copied.
fn start_new(settings: Settings) -> Option<Site> {
    Site::start(settings, "caddy-2.11", configure)
}

fn configure(Places { proxy, hooks, app, directory, .. }: Places<'_>) -> Vec<String> {
    let (port, advertised) = (proxy.port(), ADVERTISED.join(" "));
    let text = format!(
        "{{
            admin off
            auto_https off
            default_bind 127.0.0.1
            log {{
                level ERROR
            }}
        }}
        http://:{port} {{
            route {{
                request_header Remote-User alice
                forward_auth {hooks} {{
                    uri /v1/hook/forward?
                    copy_headers {advertised}
                    transport http {{
                        dial_timeout 10s
                        response_header_timeout 10s
                    }}
                }}
                reverse_proxy {app}
            }}
            handle_errors {{
                respond 503
            }}
        }}\n"
    );
    let path = directory.join("Caddyfile");
    std::fs::write(&path, text).unwrap();
    ["run", "--adapter", "caddyfile", "--config", path.to_str().unwrap()].map(str::to_owned).to_vec()
}

#[test]
fn caddy_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start, true);
}

/// Caddy takes away what a client calls hop by hop, the name that it wrote itself, too: then there is no user.
#[test]
fn nothing_that_a_client_forges_gets_through_caddy() {
    check_forgeries(&start, 401, &["connection"]);
}

#[test]
fn caddy_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start, 503, true);
}

#[test]
fn a_new_caddy_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start_new, true);
}

#[test]
fn nothing_that_a_client_forges_gets_through_a_new_caddy() {
    check_forgeries(&start_new, 401, &["connection"]);
}

#[test]
fn a_new_caddy_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start_new, 503, true);
}
