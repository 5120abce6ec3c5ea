//! `examples/proxies/start`, as its README says, with each proxy.

use super::peers::is_tested;
use std::process::Command;

fn check(proxy: &str, program: &str, lines: usize) {
    if !is_tested(program) {
        return;
    }
    let started = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/proxies/start"))
        .args([proxy, "--once", "--apart", "--askance", env!("CARGO_BIN_EXE_askance")])
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
