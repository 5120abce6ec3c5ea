//! `askance import FILE`: past logins to a running service, in pieces that are sent over several connections, so that a run that
//! stopped goes on where it was.

mod progress;
mod upload;

use super::bar::Bar;
use super::chunks::{Chunks, Input};
use super::target::TargetArguments;
use crate::clock::Clock;
use crate::config::Source;
use clap::ValueHint;
use progress::{Progress, StateFile, Summary};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What is sent, and where.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// Logins, one JSON object a line; packed by the ending .gz or .zst; - is standard input, which cannot be resumed
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// Where it is kept how far a run came; default is FILE.askance-import
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Connections at a time; each is served by one core
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    connections: u8,
    /// Seconds to try again for when the service does not answer
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=3600))]
    patience_s: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Sends the file and prints what became of its lines. It is an error if any was rejected.
pub(super) fn run(source: &Source, arguments: &ImportArguments) -> Result<(), Box<dyn Error>> {
    let target = arguments.target.target(source)?;
    let bar = Bar::new();
    let mut input = Input::open(&arguments.file, &bar.bar)?;
    let mut state = state_file(arguments, &input, &target.address.to_string());
    let mut progress = state.as_ref().map_or_else(|| Ok(Progress::default()), StateFile::read)?;
    if progress.lines > 0 {
        writeln!(std::io::stderr(), "going on behind line {}, where the last run stopped", progress.lines)?;
        input.skip(progress.bytes)?;
    }
    let upload = upload::Upload {
        target,
        connections: arguments.connections,
        patience: Duration::from_secs(arguments.patience_s.into()),
        clock: Clock,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(upload.run(&mut Chunks::new(input, progress.lines), |done| {
        progress.add(done);
        bar.show_if_slow();
        state.as_mut().map_or(Ok(()), |state| state.write(&progress))
    }));
    bar.bar.finish_and_clear();
    if let Err(error) = sent {
        let resumable = if state.is_some() { "; run it again to go on from there" } else { "" };
        return Err(format!("stopped behind line {}{resumable}: {error}", progress.lines).into());
    }
    state.map_or(Ok(()), StateFile::remove)?;
    report(&progress.summary, arguments.json)
}

fn state_file(arguments: &ImportArguments, input: &Input, service: &str) -> Option<StateFile> {
    let identity = input.identity()?;
    let beside = || {
        let mut path = arguments.file.clone().into_os_string();
        path.push(".askance-import");
        path.into()
    };
    Some(StateFile::new(arguments.state.clone().unwrap_or_else(beside), identity, service))
}

fn report(summary: &Summary, json: bool) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(summary)?)?;
    } else {
        writeln!(out, "{} logins read, {} recorded, {} rejected", summary.read, summary.recorded, summary.rejected)?;
        for error in &summary.first_errors {
            let field = error.field.as_deref().map(|field| format!(" ({field})")).unwrap_or_default();
            writeln!(out, "line {}: {}{field}", error.line, error.code)?;
        }
    }
    match summary.rejected {
        0 => Ok(()),
        rejected => Err(format!("{rejected} of {} logins were rejected", summary.read).into()),
    }
}
