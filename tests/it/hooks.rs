//! Reverse proxies, mail servers and policy clients: what they are answered, whom they may name, and what a verdict on a request depends on.

mod assurance;
mod authzen;
mod caddy;
mod deciding;
mod doors;
mod dovecot;
mod envoy;
mod examples;
mod garbage;
mod grpc;
mod haproxy;
mod imap;
mod jwt;
mod nginx;
mod page;
pub(crate) mod peers;
mod protect;
mod step_up;
mod stores;
pub(crate) mod support;
mod traefik;
