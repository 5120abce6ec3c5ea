//! Debian's nginx, with a login of its own (`auth_basic`) in front of the hook.

use super::peers::{ADVERTISED, Places, Site, check_failures, check_forgeries, check_reactions};
use crate::support::Settings;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "nginx", configure)
}

fn configure(Places { proxy, hooks, app, directory }: Places<'_>) -> Vec<String> {
    let set: String = ADVERTISED
        .iter()
        .map(|name| {
            let variable = name.replace('-', "_");
            format!("auth_request_set ${variable} $upstream_http_{variable}; proxy_set_header {name} ${variable};\n")
        })
        .collect();
    let directory = directory.display();
    let text = format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr crit;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            upstream askance {{ server {hooks}; keepalive 8; }}
            server {{
                listen {proxy};
                location / {{
                    auth_basic site;
                    auth_basic_user_file {directory}/users;
                    auth_request /_askance;
                    {set}
                    auth_request_set $askance_location $upstream_http_location;
                    error_page 401 = @prove;
                    error_page 500 = @down;
                    proxy_pass http://{app};
                }}
                location @prove {{ return 302 $askance_location; }}
                location @down {{ return 503; }}
                location = /_askance {{
                    internal;
                    proxy_pass http://askance/v1/hook/nginx;
                    proxy_pass_request_body off;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header Content-Length \"\";
                    proxy_set_header Remote-User $remote_user;
                    proxy_set_header X-Forwarded-For $remote_addr;
                    proxy_set_header X-Forwarded-Proto $scheme;
                    proxy_set_header X-Forwarded-Host $http_host;
                    proxy_set_header X-Forwarded-Uri $request_uri;
                    proxy_set_header X-Forwarded-Method $request_method;
                    proxy_connect_timeout 10s; proxy_send_timeout 10s; proxy_read_timeout 10s;
                }}
            }}
        }}"
    );
    std::fs::write(format!("{directory}/users"), "alice:{PLAIN}secret\nbob:{PLAIN}secret\n").unwrap();
    std::fs::write(format!("{directory}/nginx.conf"), text).unwrap();
    vec!["-c".to_owned(), format!("{directory}/nginx.conf"), "-p".to_owned(), directory.to_string()]
}

/// Its answers to programs are those to browsers: `error_page` makes a redirect of every 401.
#[test]
fn nginx_lets_in_sends_away_and_refuses_as_it_is_told() {
    check_reactions(&start, false);
}

#[test]
fn nothing_that_a_client_forges_gets_through_nginx() {
    check_forgeries(&start, 302, &[]);
}

#[test]
fn nginx_without_a_sidecar_that_answers_lets_nobody_in() {
    check_failures(&start, 503, true);
}
