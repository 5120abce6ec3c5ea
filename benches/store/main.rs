//! What durable and shared memory cost and give; `docs/BENCHMARKS.md` has the figures.
//!
//! `cargo bench --bench store`, some two minutes: a million users in the embedded store (bytes, start-up, rows a second), 5,000 distinct
//! users a second for ten seconds with the flush lag, durable changes a second, and the time of a login over volatile, embedded
//! and Redis memory, one after the other in one run. Without `--bench`, as under `cargo test`, it only sees that everything works.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and waits for real processes")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have three digits, not sixteen")]

mod embedded;
mod latency;
#[expect(dead_code, reason = "what there was at most is of no interest here")]
#[path = "../assess/process.rs"]
mod process;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/service.rs"]
mod service;

use std::process::ExitCode;

/// Errors of the bench are for its reader only.
type Failure = Box<dyn std::error::Error>;

/// How much of everything.
pub(crate) struct Plan {
    pub(crate) users: u32,
    pub(crate) sustained_s: u32,
    pub(crate) durable: usize,
    pub(crate) known_users: usize,
    pub(crate) logins: usize,
}

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    let is_bench = has("--bench") && !has("--test");
    let plan = if is_bench {
        Plan { users: 1_000_000, sustained_s: 10, durable: 2_000, known_users: 5_000, logins: 4_000 }
    } else {
        Plan { users: 1_000, sustained_s: 1, durable: 16, known_users: 50, logins: 20 }
    };
    match embedded::measure(&plan).and_then(|()| latency::measure(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::FAILURE
        }
    }
}
