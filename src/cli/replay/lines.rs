//! Lines of a log, in their order: cut on one thread, read on another, so that a third may judge what was read before.

use super::super::chunks::{Chunk, ChunkError, Chunks};
use super::summary::{Skipped, Why};
use crate::clock::Timestamp;
use crate::server::logged::{self, Logged};
use std::io::BufRead;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Pieces of half a MiB that are looked at together: lines borrow from them, so that they stay until all of theirs are judged. What two
/// threads do side by side ends with each of them, which costs a piece in so many.
const WINDOW: usize = 16;
/// Pieces whose lines are read before they are needed, some 2 MB each.
const READ_AHEAD: usize = 2;
/// How far back a line may lie. **Source:** cli.md.
const OUT_OF_ORDER_MS_MAX: i64 = 300_000;

/// Reads on a thread of its own, which also takes compression off.
pub(super) fn read_ahead<'s>(scope: &'s Scope<'s, '_>, mut chunks: Chunks) -> Receiver<Result<Chunk, ChunkError>> {
    let (sender, receiver) = sync_channel(WINDOW);
    scope.spawn(move || {
        while let Some(chunk) = chunks.next().transpose() {
            let is_last = chunk.is_err();
            if sender.send(chunk).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// The next pieces; and why there are no more after them, where that is an error.
pub(super) fn window(chunks: &Receiver<Result<Chunk, ChunkError>>) -> (Vec<Chunk>, Option<ChunkError>) {
    let mut window = Vec::with_capacity(WINDOW);
    while window.len() < WINDOW {
        match chunks.recv() {
            Ok(Ok(chunk)) => window.push(chunk),
            Ok(Err(error)) => return (window, Some(error)),
            Err(_ended) => break,
        }
    }
    (window, None)
}

/// The lines of a piece, read, each with its number.
pub(super) type Piece<'a> = Vec<(u64, Result<Logged<'a>, Skipped>)>;

/// Reads the lines of pieces on a thread of its own, in their order.
pub(super) fn read_beside<'s, 'a: 's>(
    scope: &'s Scope<'s, '_>,
    window: &'a [Chunk],
    lines: &'s mut Lines,
) -> Receiver<Piece<'a>> {
    let (sender, receiver) = sync_channel(READ_AHEAD);
    scope.spawn(move || {
        for chunk in window {
            let piece = of(chunk).map(|(number, line)| (number, lines.read(number, line))).collect();
            if sender.send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The lines of a chunk with their numbers, but empty ones.
fn of(chunk: &Chunk) -> impl Iterator<Item = (u64, &[u8])> {
    let mut rest = &chunk.text[..];
    let mut number = chunk.first_line;
    let lines = std::iter::from_fn(move || {
        let whole = rest;
        // Of the ways without a dependency to find a byte, the one that uses the processor's wide registers.
        let length = rest.skip_until(b'\n').unwrap_or(whole.len());
        number += 1;
        (length > 0).then(|| (number - 1, whole[..length].trim_ascii()))
    });
    lines.filter(|(_, line)| !line.is_empty())
}

/// Reads line by line, and holds them to their order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    latest: Option<Timestamp>,
}

impl Lines {
    /// The event of a line, if that can be read and is not too far out of order.
    pub(super) fn read<'a>(&mut self, number: u64, line: &'a [u8]) -> Result<Logged<'a>, Skipped> {
        let event = logged::read(line).map_err(|error| Skipped { line: number, why: Why::Unreadable(error) })?;
        let time = event.time();
        let latest = self.latest.get_or_insert(time);
        if time.ms_since(*latest) < -OUT_OF_ORDER_MS_MAX {
            return Err(Skipped { line: number, why: Why::OutOfOrder });
        }
        *latest = time.max(*latest);
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_lie_back_by_five_minutes() {
        let mut lines = Lines::default();
        let mut at = |seconds: u32| {
            let time = Timestamp::from_unix_s(1_000_000_000 + seconds);
            let line = format!(r#"{{"user":{{"id":"a"}},"ip":"192.0.2.1","time":"{time}"}}"#);
            lines
                .read(7, line.as_bytes())
                .map(|event| event.time().unix_s() - 1_000_000_000)
                .map_err(|skipped| skipped.why)
        };
        assert_eq!(at(1_000), Ok(1_000));
        assert_eq!(at(700), Ok(700), "five minutes");
        assert_eq!(at(699), Err(Why::OutOfOrder), "what is skipped is measured from the latest, too");
        assert_eq!(at(2_000), Ok(2_000));
        assert_eq!(at(1_699), Err(Why::OutOfOrder));
        assert_eq!(at(1_700), Ok(1_700));
    }

    #[test]
    fn lines_have_the_numbers_of_the_file() {
        let chunk = Chunk { text: "a\n\n b\r\nc".into(), first_line: 10, lines: 4 };
        let found: Vec<(u64, &[u8])> = of(&chunk).collect();
        assert_eq!(found, [(10, &b"a"[..]), (12, b"b"), (13, b"c")]);
    }
}
