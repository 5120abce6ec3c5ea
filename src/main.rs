//! The `askance` command: arguments, command, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(askance::cli::run())
}
