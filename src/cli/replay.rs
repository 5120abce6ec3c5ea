//! `askance replay`: past logins through a configuration, offline; and through another one beside it, to see whom that would
//! ask.

mod cause;
mod charts;
mod difference;
mod lines;
mod output;
mod report;
mod side;
mod summary;

use super::bar::Bar;
use super::chunks::{Chunks, Input};
use crate::clock::Clock;
use crate::config::Source;
use crate::server::logged::Logged;
use clap::ValueHint;
use lines::Lines;
use output::{DecisionLine, Output};
use side::Sides;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::Scope;
use summary::Read;

/// What is replayed, and what is wanted of it.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArguments {
    /// Logins sorted by time, one JSON object a line; packed by the ending .gz or .zst; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    events: PathBuf,
    /// Where the decisions go, one JSON object a line; packed by the ending .gz or .zst; - is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Another configuration: say whom it would ask more, whom less, and why
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,
    /// A page with plots, which needs nothing beside it
    #[arg(long, value_name = "FILE.html", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,
    /// Print the summary, and the difference, as JSON
    #[arg(long)]
    json: bool,
}

/// Replays, and says what came of it on standard error. Lines that are skipped are no error, but are named.
pub(super) fn run(source: &Source, arguments: &ReplayArguments) -> Result<(), Box<dyn Error>> {
    let started = Clock.start();
    let sides = Sides::new(source, arguments.against.as_ref(), arguments.report.is_some())?;
    let bar = Bar::new();
    let input = Input::open(&arguments.events, &bar.bar)?;
    let output = arguments.out.as_deref().map(Output::create).transpose()?;
    let mut run = Run { sides, read: Read::default(), decisions: Vec::new(), writes: output.is_some() };
    let replayed = std::thread::scope(|scope| run.all(scope, Chunks::new(input, 0), output, &bar));
    bar.bar.finish_and_clear();
    replayed?;
    let Run { sides, read, .. } = run;
    let mut err = std::io::stderr();
    if arguments.json {
        writeln!(err, "{}", sides.json(&read))?;
    } else {
        write!(err, "{}{}", read.text(started.elapsed()), sides.text())?;
    }
    if let Some(path) = &arguments.report {
        let page = sides.report(&arguments.events.to_string_lossy());
        std::fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match sides.difference(arguments.json) {
        // Decisions on standard output are for a program, which wants nothing between them.
        Some(difference) if arguments.out.as_deref() == Some(Path::new("-")) => writeln!(err, "{difference}")?,
        Some(difference) => writeln!(std::io::stdout(), "{difference}")?,
        None => {}
    }
    Ok(())
}

/// One run under way.
struct Run {
    sides: Sides,
    read: Read,
    decisions: Vec<u8>,
    writes: bool,
}

impl Run {
    /// Cutting, reading and writing have threads of their own; the events are judged here, one after the other, since what comes
    /// before teaches what comes after.
    fn all<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        chunks: Chunks,
        output: Option<Output>,
        bar: &Bar,
    ) -> Result<(), Box<dyn Error>> {
        let chunks = lines::read_ahead(scope, chunks);
        let mut writer = output.map(|output| output.write_behind(scope));
        let mut lines = Lines::default();
        loop {
            let (window, error) = lines::window(&chunks);
            let is_last = window.is_empty();
            let is_written = std::thread::scope(|scope| -> Result<bool, Box<dyn Error>> {
                for piece in lines::read_beside(scope, &window, &mut lines) {
                    self.piece(piece)?;
                    bar.show_if_slow();
                    if let Some(writer) = &mut writer
                        && !writer.write(std::mem::take(&mut self.decisions))
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?;
            if let Some(error) = error {
                return Err(error.into());
            }
            if is_last || !is_written {
                return writer.map_or(Ok(()), output::Writer::finish);
            }
        }
    }

    fn piece(&mut self, piece: lines::Piece<'_>) -> Result<(), Box<dyn Error>> {
        for (number, line) in piece {
            self.read.lines += 1;
            match line {
                Ok(logged) => self.event(number, &logged)?,
                Err(skipped) => self.read.skip(skipped),
            }
        }
        Ok(())
    }

    fn event(&mut self, line: u64, logged: &Logged<'_>) -> Result<(), Box<dyn Error>> {
        match logged {
            Logged::Failure(failure, time) => {
                self.read.failures += 1;
                self.sides.failure(failure, *time);
            }
            Logged::Login(event, label) => {
                self.read.login(event);
                let scored = self.sides.login(line, event, *label);
                if self.writes {
                    serde_json::to_writer(&mut self.decisions, &DecisionLine::new(line, event, &scored, *label))?;
                    self.decisions.push(b'\n');
                }
            }
        }
        Ok(())
    }
}
