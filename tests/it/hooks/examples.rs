//! `examples/proxies/start` and `examples/identity-servers/start`, as their READMEs say, with each proxy and each server.

use super::peers::is_tested;
use crate::support::{Askance, Settings};
use std::path::Path;
use std::process::Command;

fn check(proxy: &str, program: &str, lines: usize) {
    if is_tested(program) {
        check_lines("proxies", &[proxy], lines);
    }
}

/// With the packages that `scripts/test` installed.
fn check_server(server: &str, package: &str) {
    let packages = std::env::var_os("ASKANCE_EXAMPLE_PACKAGES").map(|packages| Path::new(&packages).join(package));
    let Some(packages) = packages.filter(|packages| packages.is_dir()) else {
        let is_skipped = std::env::var_os("ASKANCE_SKIP_PEERS").is_some();
        assert!(is_skipped, "ASKANCE_EXAMPLE_PACKAGES has no {package}, and ASKANCE_SKIP_PEERS is not set");
        return;
    };
    check_lines("identity-servers", &[server, "--packages", packages.to_str().unwrap()], 6);
}

fn check_lines(example: &str, arguments: &[&str], lines: usize) {
    let started = Command::new(format!("{}/examples/{example}/start", env!("CARGO_MANIFEST_DIR")))
        .args(arguments)
        .args(["--once", "--apart", "--askance", env!("CARGO_BIN_EXE_askance")])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&started.stdout);
    let is_good = told.lines().filter(|line| line.starts_with("ok ")).count() == lines && started.status.success();
    assert!(is_good, "{told}{}", String::from_utf8_lossy(&started.stderr));
}

#[test]
fn the_example_of_nginx_shows_what_it_says() {
    check("nginx", "nginx", 6);
}

#[test]
fn the_example_of_caddy_shows_what_it_says() {
    check("caddy", "caddy", 6);
}

#[test]
fn the_example_of_traefik_shows_what_it_says() {
    check("traefik", "traefik", 6);
}

#[test]
fn the_example_of_haproxy_shows_what_it_says() {
    check("haproxy", "haproxy", 6);
}

#[test]
fn the_example_of_envoy_shows_what_it_says() {
    check("envoy", "envoy", 6);
}

#[test]
fn the_example_of_envoy_by_grpc_shows_what_it_says() {
    check("envoy-grpc", "envoy", 6);
}

#[test]
fn the_example_of_dovecot_shows_what_it_says() {
    check("dovecot", "dovecot", 2);
}

/// An application with a login of its own, and our page.
fn check_app(proxy: &str) {
    if is_tested(proxy) {
        check_lines("legacy-app", &[proxy], 8);
    }
}

#[test]
fn the_example_of_an_old_application_behind_nginx_shows_what_it_says() {
    check_app("nginx");
}

#[test]
fn the_example_of_an_old_application_behind_caddy_shows_what_it_says() {
    check_app("caddy");
}

#[test]
fn the_example_of_an_old_application_behind_traefik_shows_what_it_says() {
    check_app("traefik");
}

#[test]
fn the_example_of_oidc_provider_shows_what_it_says() {
    check_server("oidc-provider", "oidc-provider");
}

/// Askance is its only MFA.
#[test]
fn the_example_of_oidc_provider_on_factors_of_askance_shows_what_it_says() {
    check_server("oidc-provider-askance-mfa", "oidc-provider");
}

#[test]
fn the_example_of_better_auth_shows_what_it_says() {
    check_server("better-auth", "better-auth");
}

#[test]
fn the_example_of_django_allauth_shows_what_it_says() {
    check_server("django-allauth", "django-allauth");
}

/// Recipes for servers that cannot be installed here, on what these send.
#[test]
fn the_recipes_let_in_and_ask_as_askance_says() {
    if !is_tested("node") || !is_tested("jsonnet") || !is_tested("javac") {
        return;
    }
    let server = Askance::start(&Settings::new());
    let checked = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/recipes/check.mjs"))
        .arg(format!("http://{}", server.main().address()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stdout);
    let is_good = told.lines().filter(|line| line.starts_with("ok ")).count() == 8 && checked.status.success();
    assert!(is_good, "{told}{}", String::from_utf8_lossy(&checked.stderr));
}
