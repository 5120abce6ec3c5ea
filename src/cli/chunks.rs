//! The input, cut into pieces of whole lines.

use super::zstd::{self, Unpacker};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Some thousand lines: large enough that a request costs nothing beside its lines, small enough that little is sent again.
const CHUNK_BYTES: usize = 512 << 10;
/// The largest `server.body_bytes_max` that can be configured: no service takes a longer line.
const LINE_BYTES_MAX: usize = 16 << 20;
/// How much of a file tells it from others.
const HEAD_BYTES: u64 = 64 << 10;

/// A file, or standard input, with its compression taken off.
pub(super) struct Input {
    text: Box<dyn Read + Send>,
    identity: Option<Identity>,
}

/// Tells one file from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    bytes: u64,
    head_blake3: String,
}

impl Input {
    /// Opens `path`; `bar` is told how much of it was read.
    pub(super) fn open(path: &Path, bar: &ProgressBar) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Ok(Self { text: Box::new(bar.wrap_read(io::stdin())), identity: None });
        }
        let identity = Identity::of(path)?;
        bar.set_length(identity.bytes);
        let file = bar.wrap_read(open(path)?);
        let is_gzip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let text: Box<dyn Read + Send> = match path {
            _ if is_gzip => Box::new(MultiGzDecoder::new(file)),
            path if zstd::is_named(path) => Box::new(Unpacker::new(io::BufReader::new(file))),
            _ => Box::new(file),
        };
        Ok(Self { text, identity: Some(identity) })
    }

    /// `None` for what can be read only once.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity.clone()
    }

    /// Goes over what was sent before. It is read again, which takes a hundredth of the time that sending it took.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), ChunkError> {
        let skipped = io::copy(&mut self.text.by_ref().take(bytes), &mut io::sink()).map_err(ChunkError::Read)?;
        if skipped == bytes { Ok(()) } else { Err(ChunkError::Read(io::ErrorKind::UnexpectedEof.into())) }
    }
}

impl Identity {
    fn of(path: &Path) -> Result<Self, String> {
        let refused = |error: io::Error| format!("{}: {error}", path.display());
        let file = open(path)?;
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            return Err(format!("{}: no file; - reads standard input", path.display()));
        }
        let mut head = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut head).map_err(refused)?;
        Ok(Self { bytes: metadata.len(), head_blake3: blake3::hash(&head).to_hex().to_string() })
    }
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whole lines, the last one of the input without its line feed if it has none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) text: Bytes,
    /// The number of its first line, from 1.
    pub(super) first_line: u64,
    pub(super) lines: u64,
}

/// Why there are no more lines to be had.
#[derive(Debug)]
pub(super) enum ChunkError {
    Read(io::Error),
    LineTooLong(u64),
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the input cannot be read: {error}"),
            Self::LineTooLong(line) => write!(f, "line {line} is over 16 MiB, which no service takes"),
        }
    }
}

impl std::error::Error for ChunkError {}

/// Cuts an input. Holds one chunk and the beginning of the next.
pub(super) struct Chunks {
    input: Input,
    rest: Vec<u8>,
    lines: u64,
}

impl Chunks {
    /// Of an input of which `lines` were read before.
    pub(super) fn new(input: Input, lines: u64) -> Self {
        Self { input, rest: Vec::new(), lines }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, ChunkError> {
        let mut text = std::mem::take(&mut self.rest);
        loop {
            let read = self.input.text.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut text);
            let is_end = read.map_err(ChunkError::Read)? < CHUNK_BYTES;
            let end =
                if is_end { text.len() } else { text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
            if end > 0 {
                self.rest = text.split_off(end);
                return Ok(Some(self.chunk(text)));
            }
            if is_end {
                return Ok(None);
            }
            if text.len() > LINE_BYTES_MAX {
                return Err(ChunkError::LineTooLong(self.lines + 1));
            }
        }
    }

    fn chunk(&mut self, text: Vec<u8>) -> Chunk {
        let first_line = self.lines + 1;
        let lines = text.split_inclusive(|byte| *byte == b'\n').count() as u64;
        self.lines += lines;
        Chunk { text: text.into(), first_line, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &[u8]) -> Chunks {
        let text: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.to_vec()));
        Chunks::new(Input { text, identity: None }, 0)
    }

    #[test]
    fn pieces_are_whole_lines_and_nothing_is_lost() -> Result<(), ChunkError> {
        let line = |number: usize| format!("{number} {}\n", "x".repeat(number % 900)).into_bytes();
        for (text, pieces_min) in [
            (Vec::new(), 0),
            (b"one\ntwo".to_vec(), 1),
            (b"\n\n".to_vec(), 1),
            ((0..5_000).flat_map(line).collect(), 4),
            ([vec![b'x'; 3 * CHUNK_BYTES], b"\nshort\n".to_vec()].concat(), 1),
            (vec![b'\n'; CHUNK_BYTES], 1),
        ] {
            let (mut chunks, mut all, mut pieces) = (chunks(&text), Vec::new(), 0);
            let mut lines = 0;
            while let Some(chunk) = chunks.next()? {
                assert_eq!(chunk.first_line, lines + 1);
                all.extend_from_slice(&chunk.text);
                lines += chunk.lines;
                pieces += 1;
                assert!(all.ends_with(b"\n") || all.len() == text.len());
            }
            assert_eq!(all, text);
            assert_eq!(lines, text.split_inclusive(|byte| *byte == b'\n').count() as u64);
            assert!(pieces >= pieces_min, "{pieces}");
        }
        Ok(())
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let mut chunks = Chunks::new(Input { text: Box::new(io::repeat(b'x')), identity: None }, 41);
        assert!(matches!(chunks.next(), Err(ChunkError::LineTooLong(42))));
        assert!(chunks.rest.capacity() < 2 * LINE_BYTES_MAX);
    }
}
