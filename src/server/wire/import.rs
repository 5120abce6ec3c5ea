//! `POST /v1/import`: lines of the past, and what became of them.

use super::super::error::Failure;
use serde::Serialize;

/// Counts of an import.
#[derive(Debug, Default, Serialize)]
pub(in crate::server) struct Summary {
    pub(in crate::server) read: u64,
    pub(in crate::server) recorded: u64,
    pub(in crate::server) rejected: u64,
    pub(in crate::server) first_errors: Vec<LineError>,
    /// Lines so far, empty ones included: the number by which an error is named.
    #[serde(skip)]
    pub(in crate::server) lines: u64,
}

/// A line that was rejected.
#[derive(Debug, Serialize)]
pub(in crate::server) struct LineError {
    line: u64,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// Errors that an answer names; further ones are only counted.
const ERRORS_MAX: usize = 20;

impl Summary {
    /// Counts a line that is not empty.
    pub(in crate::server) fn count(&mut self, imported: Result<(), Failure>) {
        self.read += 1;
        match imported {
            Ok(()) => self.recorded += 1,
            Err(failure) => self.reject(&failure),
        }
    }

    fn reject(&mut self, failure: &Failure) {
        self.rejected += 1;
        if self.first_errors.len() < ERRORS_MAX {
            let (code, field) = failure.code_and_field();
            self.first_errors.push(LineError { line: self.lines, code, field });
        }
    }
}
