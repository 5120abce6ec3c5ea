//! The `askance` command: arguments, command, exit code.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Rows of users are small, of many sizes, and read at random: they lie closer together than in the C library's heap.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(askance::cli::run())
}
