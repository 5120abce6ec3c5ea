//! Debian's nginx, with a login of its own (`auth_basic`) in front of the hook.

use super::peers::{ADVERTISED, Places, Site, behind_a_proxy, check_failures, check_forgeries, check_reactions};
use crate::support::{Finished, Settings, run};
use tempfile::TempDir;

fn start(settings: Settings) -> Option<Site> {
    Site::start(settings, "nginx", configure)
}

fn configure(Places { proxy, hooks, app, directory, .. }: Places<'_>) -> Vec<String> {
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

/// `askance doctor --through` the site, as alice.
fn probe(site: &Site) -> Finished {
    let directory = TempDir::new().unwrap();
    let config = site.settings().write_to(directory.path());
    let (url, admin) = (format!("http://{}/inbox?x=1", site.address()), format!("http://{}", site.admin()));
    let config = config.to_str().unwrap();
    // alice:secret
    let header = "Authorization: Basic YWxpY2U6c2VjcmV0";
    run(directory.path(), &["--config", config, "doctor", "--url", &admin, "--through", &url, "--header", header], &[])
}

#[test]
fn the_doctor_finds_nothing_that_gets_through_nginx_as_the_guide_has_it() {
    let Some(site) = start(behind_a_proxy()) else { return };
    let told = probe(&site).stdout;
    assert!(told.contains("proxy        door nginx: client 127.0.0.1, user: alice, host"), "{told}");
    assert!(told.contains("ok       proxy        nothing that a client forges is believed (14 ways tried"), "{told}");
}

/// nginx hands on whatever it is not told to overwrite.
#[test]
fn the_doctor_says_what_nginx_lets_clients_choose_and_the_line_that_mends_it() {
    let with_addresses = || behind_a_proxy().set("hooks.email_header", "remote-email");
    for (settings, line, expected) in [
        (
            with_addresses(),
            "a line that is not there",
            "lets clients choose the address that they prove (by remote-email); in the location of the hook: proxy_set_header \
             remote-email",
        ),
        (
            behind_a_proxy(),
            "proxy_set_header X-Forwarded-For ",
            "lets clients choose their address (by x-forwarded-for); in the location of the hook: proxy_set_header \
             x-forwarded-for $remote_addr;",
        ),
        (
            behind_a_proxy(),
            "Remote-User",
            "lets clients choose who they are (by remote-user); in the location of the hook: proxy_set_header",
        ),
    ] {
        let leaky = |places: Places<'_>| {
            let arguments = configure(places);
            let text = std::fs::read_to_string(&arguments[1]).unwrap();
            let lines: Vec<&str> = text.lines().filter(|given| !given.contains(line)).collect();
            std::fs::write(&arguments[1], lines.join("\n")).unwrap();
            arguments
        };
        let Some(site) = Site::start(settings, "nginx", leaky) else { return };
        let told = probe(&site);
        assert_eq!(told.code, Some(1), "{}", told.output());
        assert!(told.stdout.contains(expected) && told.stdout.matches("choose").count() == 1, "{}", told.stdout);
    }
}
