//! Black-box tests: the built `askance` binary, started with a configuration of the test's own and spoken to over real
//! sockets. `cases` runs the portable cases of `tests/cases`, `http` the contract of the API, `openapi` its description, `config`
//! and `commands` the command line, `clients` the snippets of the documentation; `agents`, `databases` and `lists` where facts come
//! from; `rules` those of the operator; `signals` that none of them is dead, `presets` and `peers` what other engines do well and badly; `factors` where
//! askance asks by itself, `pages` how that looks in a browser; `faults` what fails on the way, `fuzz` that no bytes upset a parser, `tls` certificates of both sides, `messages` what carries codes, `layering`
//! the direction of dependencies inside `src`, `privacy` what of people lies on the disk, `proofs` what is signed within a session, and onboarding.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers outside `#[test]` functions fail a test by panicking, and bound their waiting by the real clock"
)]

mod agents;
mod cases;
mod clients;
mod commands;
mod config;
mod crash;
mod databases;
mod durability;
mod factors;
mod faults;
mod full_disk;
mod fuzz;
mod hooks;
mod http;
mod layering;
mod lists;
mod messages;
mod networks;
mod openapi;
mod pages;
mod peers;
mod presets;
mod privacy;
mod proofs;
mod redis;
mod rules;
mod signals;
mod support;
mod tls;
mod webhooks;
