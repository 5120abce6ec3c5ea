//! How far an import came, and the file that keeps it between two runs.

use super::super::chunks::Identity;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;

/// What was sent and acknowledged, from the start of the input without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Bytes of text, uncompressed.
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) summary: Summary,
}

/// The counts of the API, over all pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) read: u64,
    pub(super) recorded: u64,
    pub(super) rejected: u64,
    pub(super) first_errors: Vec<LineError>,
}

/// A line that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LineError {
    pub(super) line: u64,
    pub(super) code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
}

/// One piece that the service has.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) bytes: u64,
    pub(super) first_line: u64,
    pub(super) lines: u64,
    pub(super) summary: Summary,
}

/// As many errors as one answer of the API names.
const ERRORS_MAX: usize = 20;

impl Progress {
    /// Counts the next piece, whose lines the service counted from 1.
    pub(super) fn add(&mut self, done: Done) {
        self.bytes += done.bytes;
        self.lines += done.lines;
        let (all, new) = (&mut self.summary, done.summary);
        all.read += new.read;
        all.recorded += new.recorded;
        all.rejected += new.rejected;
        let before = done.first_line - 1;
        let room = ERRORS_MAX.saturating_sub(all.first_errors.len());
        let errors = new.first_errors.into_iter().take(room);
        all.first_errors.extend(errors.map(|error| LineError { line: before + error.line, ..error }));
    }
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    input: Identity,
    service: String,
    progress: Progress,
}

/// Keeps the progress of one input into one service.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    input: Identity,
    service: String,
}

impl StateFile {
    pub(super) fn new(path: PathBuf, input: Identity, service: &str) -> Self {
        Self { path, input, service: service.to_owned() }
    }

    /// Where the last run came to. That of another input or another service counts for nothing, and is written over.
    pub(super) fn read(&self) -> Result<Progress, String> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::default()),
            Err(error) => return Err(self.failed(&error)),
        };
        let state: State = serde_json::from_slice(&text).map_err(|error| {
            format!("{}: no state of an import ({error}); remove it, or name another one", self.path.display())
        })?;
        let is_ours = state.input == self.input && state.service == self.service;
        Ok(if is_ours { state.progress } else { Progress::default() })
    }

    /// Written beside it and renamed, so that it is always whole.
    pub(super) fn write(&mut self, progress: &Progress) -> Result<(), String> {
        let state = State { input: self.input.clone(), service: self.service.clone(), progress: progress.clone() };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let json = serde_json::to_vec(&state).map_err(|error| error.to_string())?;
        fs::write(&beside, json).and_then(|()| fs::rename(&beside, &self.path)).map_err(|error| self.failed(&error))
    }

    /// There is nothing to go on with any more.
    pub(super) fn remove(self) -> Result<(), String> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("{}: {error}; --state names another place", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(first_line: u64, lines: u64, errors: u64) -> Done {
        let error = |line| LineError { line, code: "request.invalid".to_owned(), field: None };
        let first_errors = (1..=errors).map(error).collect();
        let summary = Summary { read: lines, recorded: lines - errors, rejected: errors, first_errors };
        Done { bytes: 100, first_line, lines, summary }
    }

    #[test]
    fn lines_are_counted_over_all_pieces_and_errors_stay_few() {
        let mut progress = Progress::default();
        for (first_line, lines, errors) in [(1, 10, 0), (11, 10, 2), (21, 30, 19)] {
            progress.add(done(first_line, lines, errors));
        }
        let Progress { bytes, lines, summary } = progress;
        assert_eq!((bytes, lines, summary.read, summary.recorded, summary.rejected), (300, 50, 50, 29, 21));
        let named: Vec<u64> = summary.first_errors.iter().map(|error| error.line).collect();
        assert_eq!(named, [11, 12].into_iter().chain(21..=38).collect::<Vec<_>>());
    }
}
