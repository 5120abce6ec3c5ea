//! Envoy's `ext_authz` by HTTP. A Lua filter in front of it stands for the identity filter, and names the user.

use super::peers::{ADVERTISED, Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;
use std::net::SocketAddr;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "envoy", configure)
}

fn configure(Places { proxy, hooks, app, directory }: Places<'_>) -> Vec<String> {
    let (clusters, port) = ([cluster("askance", hooks), cluster("app", app)].join(", "), proxy.port());
    let advertised: Vec<String> = ADVERTISED.iter().map(|name| format!("{{exact: {name}}}")).collect();
    let advertised = advertised.join(", ");
    let hook = format!("http://{hooks}");
    let text = format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: site
          use_remote_address: true
          skip_xff_append: false
          common_http_protocol_options: {{headers_with_underscores_action: DROP_HEADER}}
          route_config:
            virtual_hosts: [{{name: all, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: app}}}}]}}]
          http_filters:
          - name: envoy.filters.http.lua
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    handle:headers():replace('remote-user', 'alice')
                  end
          - name: envoy.filters.http.ext_authz
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              failure_mode_allow: false
              status_on_error: {{code: ServiceUnavailable}}
              allowed_headers:
                patterns: [{{exact: cookie}}, {{exact: user-agent}}, {{exact: accept}}, {{exact: sec-fetch-mode}},
                           {{exact: x-requested-with}}, {{exact: remote-user}}, {{exact: x-forwarded-for}},
                           {{exact: x-forwarded-proto}}]
              http_service:
                server_uri: {{uri: '{hook}', cluster: askance, timeout: 10s}}
                path_prefix: /v1/hook/envoy
                authorization_response:
                  allowed_upstream_headers: {{patterns: [{advertised}]}}
                  allowed_client_headers:
                    patterns: [{{exact: location}}, {{exact: www-authenticate}}, {{exact: content-type}}, {{exact: cache-control}}]
          - name: envoy.filters.http.router
            typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters: [{clusters}]
"
    );
    let path = directory.join("envoy.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    [
        "--config-path",
        path,
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn cluster(name: &str, to: SocketAddr) -> String {
    format!(
        "{{name: {name}, type: STATIC, connect_timeout: 10s, load_assignment: {{cluster_name: {name}, endpoints: \
         [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {}, port_value: {}}}}}}}}}]}}]}}}}",
        to.ip(),
        to.port()
    )
}

#[test]
fn envoy_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start, true);
}

/// Two lines of `Connection` are one too many for it.
#[test]
fn nothing_that_a_client_forges_gets_through_envoy() {
    check_forgeries(&start, 401, &["connection"]);
}

#[test]
fn envoy_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start, 503, true);
}
