//! The whole assessment in process, from a parsed login to its verdict, memory included.
//!
//! `cargo bench --bench assess` prints figures at the size that a release is held to: a city database of 1.5 M networks, a
//! list of 100,000 prefixes, 1 M known users. `-- --instructions` is the gate of `scripts/test`. `-- --test` only sees that
//! everything works.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::cast_precision_loss, reason = "figures for people have three digits, not sixteen")]

mod callgrind;
mod figures;
mod generate;
mod inputs;
mod instructions;
mod logins;
mod networks;
mod process;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use inputs::{Inputs, Size};
use std::error::Error;
use std::process::ExitCode;

/// Errors of the bench are for its reader only.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assess: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Unknown arguments are left alone: cargo passes those of other harnesses, too.
fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // How this program calls itself.
    match arguments.as_slice() {
        [first, what] if first == instructions::SCORE => return instructions::score(what),
        [first, size] if first == inputs::MAKE => return Inputs::make(size),
        _ => {}
    }
    if has("--instructions") {
        return instructions::gate(has("--record"));
    }
    let claims = has("--bench") && !has("--test");
    figures::print(if claims { &Size::FULL } else { &Size::SMALL }, claims)
}
