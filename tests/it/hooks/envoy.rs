//! Envoy's `ext_authz`, by HTTP and by gRPC. A Lua filter in front of it stands for the identity filter, and names the user.

use super::peers::{ADVERTISED, Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;
use std::net::SocketAddr;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "envoy", |places| {
        configure(places, &by_http(places.hooks), &cluster("askance", places.hooks, ""))
    })
}

fn start_grpc(settings: Settings) -> Option<Site> {
    Site::start(settings.set("hooks.grpc_listen", "127.0.0.1:0"), "envoy", |places| {
        let http2 = ", typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
                     {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, \
                     explicit_http_config: {http2_protocol_options: {}}}}";
        configure(places, BY_GRPC, &cluster("askance", places.grpc, http2))
    })
}

const BY_GRPC: &str = "grpc_service: {envoy_grpc: {cluster_name: askance}, timeout: 10s}";

fn by_http(hooks: SocketAddr) -> String {
    let advertised: Vec<String> = ADVERTISED.iter().map(|name| format!("{{exact: {name}}}")).collect();
    let advertised = advertised.join(", ");
    format!(
        "allowed_headers:
                patterns: [{{exact: cookie}}, {{exact: user-agent}}, {{exact: accept}}, {{exact: sec-fetch-mode}},
                           {{exact: x-requested-with}}, {{exact: remote-user}}, {{exact: x-forwarded-for}},
                           {{exact: x-forwarded-proto}}]
              http_service:
                server_uri: {{uri: 'http://{hooks}', cluster: askance, timeout: 10s}}
                path_prefix: /v1/hook/envoy
                authorization_response:
                  allowed_upstream_headers: {{patterns: [{advertised}]}}
                  allowed_client_headers:
                    patterns: [{{exact: location}}, {{exact: www-authenticate}}, {{exact: content-type}}, {{exact: cache-control}}]"
    )
}

fn configure(Places { proxy, app, directory, .. }: Places<'_>, service: &str, askance: &str) -> Vec<String> {
    let (clusters, port) = ([askance, &cluster("app", app, "")].join(", "), proxy.port());
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
              {service}
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

fn cluster(name: &str, to: SocketAddr, more: &str) -> String {
    format!(
        "{{name: {name}, type: STATIC, connect_timeout: 10s, load_assignment: {{cluster_name: {name}, endpoints: \
         [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {}, port_value: {}}}}}}}}}]}}]}}{more}}}",
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

#[test]
fn envoy_does_the_same_by_grpc() {
    check_reactions(&start_grpc, true);
    check_failures(&start_grpc, 503, true);
}

#[test]
fn nothing_that_a_client_forges_gets_through_envoy_by_grpc() {
    check_forgeries(&start_grpc, 401, &["connection"]);
}
