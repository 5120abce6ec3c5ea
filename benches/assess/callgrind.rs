//! Counting what a program executes, by valgrind's callgrind.

use crate::Failure;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::NamedTempFile;

/// What the counted part of a run took.
pub(crate) struct Counts {
    /// In user mode.
    pub(crate) instructions: u64,
    /// Calls of the allocator.
    pub(crate) allocations: u64,
}

/// A run under way.
pub(crate) struct Run {
    child: Child,
    output: NamedTempFile,
    counted: &'static str,
}

/// What gives out memory: what `mimalloc` has Rust call.
const ALLOCATING: [&str; 3] = ["mi_malloc_aligned", "mi_zalloc_aligned", "mi_realloc_aligned"];

/// Starts a program under callgrind, which begins to count when this function is called: a part of its name in the symbols
/// of the program, so that it does not matter how they are mangled.
pub(crate) fn start(program: &Path, arguments: &[&str], counted: &'static str) -> Result<Run, Failure> {
    let output = NamedTempFile::new()?;
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-line=no"])
        .arg(format!("--zero-before=*{counted}*"))
        .arg(format!("--callgrind-out-file={}", output.path().display()))
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("valgrind: {error}"))?;
    Ok(Run { child, output, counted })
}

impl Run {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Result<Counts, Failure> {
        let output = self.child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the run under valgrind ended with {}: {said}", output.status).into());
        }
        counts(&fs::read_to_string(self.output.path())?, self.counted)
    }
}

/// What stands behind the function that a line is about.
#[derive(Clone, Copy)]
enum Function {
    Counted,
    Allocating,
    Other,
}

/// Instructions are those of the one call of `counted`, inclusive. Allocations are all since then: callgrind has no
/// inclusive number of calls, and the end of a program only frees.
///
/// **Source:** "Callgrind Format Specification" of the valgrind manual. A function's name stands once, as `(number) name`,
/// and is meant by its number from there on. `cfn=` names a callee, `calls=` how often, the line after that at what
/// inclusive cost.
fn counts(profile: &str, counted: &str) -> Result<Counts, Failure> {
    let mut functions = HashMap::new();
    let (mut instructions, mut allocations, mut callee) = (None, 0, Function::Other);
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "fn" | "cfn" => {
                let (number, name) = value.split_once(' ').unwrap_or((value, ""));
                callee = *functions.entry(number).or_insert_with(|| Function::new(name, counted));
            }
            "calls" => {
                let cost = lines.next().and_then(|line| line.split(' ').next_back()).unwrap_or("");
                match callee {
                    Function::Counted => instructions = Some(cost.parse()?),
                    Function::Allocating => {
                        allocations += value.split(' ').next().unwrap_or(value).parse::<u64>()?;
                    }
                    Function::Other => {}
                }
            }
            _ => {}
        }
    }
    let instructions = instructions.ok_or_else(|| format!("callgrind saw no call of {counted}"))?;
    Ok(Counts { instructions, allocations })
}

impl Function {
    fn new(name: &str, counted: &str) -> Self {
        match name {
            name if name.contains(counted) => Self::Counted,
            name if ALLOCATING.contains(&name) => Self::Allocating,
            _ => Self::Other,
        }
    }
}
