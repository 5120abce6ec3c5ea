//! What durable and shared memory cost and give; `docs/BENCHMARKS.md` has the figures.
//!
//! `cargo bench --bench store`, some five minutes: a million users in the embedded store (bytes, start-up, rows a second), 5,000 distinct
//! users a second for ten seconds with the flush lag, durable changes a second, what is resident while millions of strangers come, the
//! program from its start to its first right answer, and the time of a login over volatile, embedded and Redis memory, one after the other
//! in one run. `-- --starts` is the program's starts alone, `-- --strangers` the strangers; `--kept DIRECTORY` behind the former keeps the
//! store there, so that two builds start over the same one. Without `--bench`, as under `cargo test`, it only sees that everything works.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and waits for real processes")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have three digits, not sixteen")]

mod embedded;
#[path = "../assess/generate.rs"]
mod generate;
#[path = "../assess/inputs.rs"]
mod inputs;
mod latency;
#[path = "../assess/networks.rs"]
mod networks;
#[expect(dead_code, reason = "what there was at most is of no interest here")]
#[path = "../assess/process.rs"]
mod process;
#[path = "../assess/rows.rs"]
mod rows;
#[path = "../support/service.rs"]
mod service;
mod starts;
mod strangers;
#[expect(dead_code, reason = "browsers are others' concern")]
#[path = "../support/mod.rs"]
mod support;

use inputs::{Inputs, Size};
use std::path::Path;
use std::process::ExitCode;

/// Errors of the bench are for its reader only.
type Failure = Box<dyn std::error::Error>;

/// How much of everything.
pub(crate) struct Plan {
    pub(crate) users: u32,
    pub(crate) sustained_s: u32,
    pub(crate) durable: usize,
    /// Names that nobody has.
    pub(crate) strangers: u32,
    /// Databases of this size, over a store of so many users, so often.
    pub(crate) files: Size,
    pub(crate) started_users: usize,
    pub(crate) starts: usize,
    pub(crate) known_users: usize,
    pub(crate) logins: usize,
}

const FULL: Plan = Plan {
    users: 1_000_000,
    sustained_s: 10,
    durable: 2_000,
    strangers: 3_000_000,
    files: Size::FULL,
    started_users: 1_000_000,
    starts: 5,
    known_users: 5_000,
    logins: 4_000,
};
const TEST: Plan = Plan {
    users: 1_000,
    sustained_s: 1,
    durable: 16,
    strangers: 6_000,
    files: Size::SMALL,
    started_users: 1_000,
    starts: 1,
    known_users: 50,
    logins: 20,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Unknown arguments are left alone: cargo passes those of other harnesses, too.
fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let at = |name: &str| arguments.iter().position(|argument| argument == name);
    if let [first, size] = arguments.as_slice()
        && first == inputs::MAKE
    {
        return Inputs::make(size);
    }
    let plan = if at("--bench").is_some() && at("--test").is_none() { FULL } else { TEST };
    let kept = at("--kept").and_then(|at| arguments.get(at + 1)).map(Path::new);
    if at("--starts").is_some() {
        return starts::measure(&plan, kept);
    }
    if at(strangers::STRANGERS).is_some() {
        return strangers::measure(&plan);
    }
    embedded::measure(&plan)?;
    strangers::measure_apart(&arguments)?;
    starts::measure(&plan, kept)?;
    latency::measure(&plan)
}
