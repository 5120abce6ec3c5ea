//! The decisions of a replay, one line each.

use super::super::zstd::{self, Packer};
use crate::clock::Timestamp;
use crate::event::LoginEvent;
use crate::pipeline::Scored;
use crate::server::logged::Label;
use crate::signals::{Assessments, Signal};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// A line of the output. **Source:** cli.md.
#[derive(Serialize)]
pub(super) struct DecisionLine<'a> {
    line: u64,
    time: Text,
    user: &'a str,
    action: &'static str,
    confidence: &'static str,
    /// The sum of an aggregator that has one.
    score: Option<f64>,
    decided_by: &'a str,
    codes: Codes<'a>,
    label: &'static str,
}

impl<'a> DecisionLine<'a> {
    pub(super) fn new(line: u64, event: &'a LoginEvent<'_>, scored: &'a Scored<'_>, label: Label) -> Self {
        let verdict = &scored.verdict;
        Self {
            line,
            time: Text(event.time),
            user: &event.user.id,
            action: verdict.action.as_str(),
            confidence: verdict.confidence.as_str(),
            score: verdict.evidence.as_ref().map(|evidence| evidence.score),
            decided_by: verdict.decided_by.as_str(),
            codes: Codes(&scored.assessments),
            label: label.as_str(),
        }
    }
}

struct Text(Timestamp);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.encode(&mut [0; 24]))
    }
}

struct Codes<'a>(&'a Assessments);

impl Serialize for Codes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut codes = serializer.serialize_map(Some(Signal::ALL.len()))?;
        for signal in Signal::ALL {
            codes.serialize_entry(signal.as_str(), self.0.of(signal).code.as_str())?;
        }
        codes.end()
    }
}

/// Where the lines go.
pub(super) enum Output {
    Plain(Box<dyn Write + Send>),
    Gzip(GzEncoder<File>),
    Zstd(Packer<File>),
}

/// Pieces that wait to be written.
const PIECES_BEHIND: usize = 4;

impl Output {
    /// Standard output for `-`, else a file, packed if its name says so.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self::Plain(Box::new(io::stdout())));
        }
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let is_gzip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let plain = |file| Self::Plain(Box::new(file));
        Ok(match path {
            _ if is_gzip => Self::Gzip(GzEncoder::new(file, Compression::fast())),
            path if zstd::is_named(path) => Self::Zstd(Packer::new(file)),
            _ => plain(file),
        })
    }

    /// Writes on a thread of its own.
    pub(super) fn write_behind<'s>(mut self, scope: &'s Scope<'s, '_>) -> Writer<'s> {
        let (sender, pieces) = sync_channel::<Vec<u8>>(PIECES_BEHIND);
        let thread = scope.spawn(move || {
            pieces.into_iter().try_for_each(|piece| self.write(&piece))?;
            self.finish()
        });
        Writer { sender, thread }
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(piece),
            Self::Gzip(out) => out.write_all(piece),
            Self::Zstd(out) => out.write_piece(piece),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish().map(|_file| ()),
            Self::Zstd(out) => out.finish(),
        }
    }
}

/// The end of the thread that writes to which pieces are handed.
pub(super) struct Writer<'s> {
    sender: SyncSender<Vec<u8>>,
    thread: ScopedJoinHandle<'s, io::Result<()>>,
}

impl Writer<'_> {
    /// Whether anybody takes it still; [`Self::finish`] says why not.
    pub(super) fn write(&mut self, piece: Vec<u8>) -> bool {
        self.sender.send(piece).is_ok()
    }

    /// Waits until all of it is written.
    pub(super) fn finish(self) -> Result<(), Box<dyn Error>> {
        drop(self.sender);
        let written = self.thread.join().map_err(|_| "the thread that writes broke off")?;
        Ok(written.map_err(|error| format!("the decisions cannot be written: {error}"))?)
    }
}
