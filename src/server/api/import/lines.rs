//! Lines out of a stream that comes in pieces, each bounded.

use std::io::BufRead;

/// Cuts pieces into lines. Holds at most one line that is not complete; a line within a piece is not copied.
#[derive(Debug)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come; or a whole line that was given out.
    rest: Vec<u8>,
    given_out: bool,
    /// Within a line that is too long, up to its end.
    skipping: bool,
    bytes_max: usize,
}

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than allowed. Told at its end.
    TooLong,
}

impl Lines {
    /// Lines of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { rest: Vec::new(), given_out: false, skipping: false, bytes_max }
    }

    /// The next line that ends within `piece`, which is taken off its front; `None` when all of it was taken.
    pub(super) fn next<'a, 'p: 'a>(&'a mut self, piece: &mut &'p [u8]) -> Option<Line<'a>> {
        if std::mem::take(&mut self.given_out) {
            self.rest.clear();
        }
        let whole = *piece;
        // Of the ways without a dependency to find a byte, the one that uses the processor's wide registers.
        let length = piece.skip_until(b'\n').unwrap_or(whole.len());
        let taken = &whole[..length];
        let Some((b'\n', line)) = taken.split_last() else {
            self.keep(taken);
            return None;
        };
        if std::mem::take(&mut self.skipping) || self.rest.len() + line.len() > self.bytes_max {
            self.rest.clear();
            return Some(Line::TooLong);
        }
        if self.rest.is_empty() {
            return Some(Line::Whole(line));
        }
        self.rest.extend_from_slice(line);
        self.given_out = true;
        Some(Line::Whole(&self.rest))
    }

    /// Whether a line has begun whose end has not come.
    pub(super) fn has_rest(&self) -> bool {
        self.skipping || !self.given_out && !self.rest.is_empty()
    }

    fn keep(&mut self, beginning: &[u8]) {
        self.skipping |= self.rest.len() + beginning.len() > self.bytes_max;
        if self.skipping {
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(beginning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each line, `None` for one that is too long; the last as if the stream ended with a line feed.
    fn cut(pieces: &[&[u8]], bytes_max: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(bytes_max);
        let mut found = Vec::new();
        let mut take = |lines: &mut Lines, mut piece: &[u8]| {
            while let Some(line) = lines.next(&mut piece) {
                found.push(match line {
                    Line::Whole(line) => Some(line.to_vec()),
                    Line::TooLong => None,
                });
            }
        };
        for piece in pieces {
            take(&mut lines, piece);
            assert!(lines.rest.len() <= bytes_max);
        }
        if lines.has_rest() {
            take(&mut lines, b"\n");
        }
        assert!(!lines.has_rest());
        found
    }

    #[test]
    fn lines_are_cut_wherever_pieces_end() {
        let line = |text: &str| Some(text.as_bytes().to_vec());
        for (pieces, expected) in [
            (&[&b""[..]][..], vec![]),
            (&[b"a\nbc\n"], vec![line("a"), line("bc")]),
            (&[b"a\nb", b"c"], vec![line("a"), line("bc")]),
            (&[b"a", b"\n", b"\nb\n"], vec![line("a"), line(""), line("b")]),
            (&[b"1234\n12345\n1\n"], vec![line("1234"), None, line("1")]),
            (&[b"12", b"34", b"5", b"67\n1\n"], vec![None, line("1")]),
            (&[b"12345"], vec![None]),
        ] {
            assert_eq!(cut(pieces, 4), expected, "{pieces:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[a\n]{0,60}", cuts in prop::collection::vec(0..60_usize, 0..6), bytes_max in 1..8_usize,
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
            let whole: Vec<Option<Vec<u8>>> = text
                .split_terminator('\n')
                .map(|line| (line.len() <= bytes_max).then(|| line.as_bytes().to_vec()))
                .collect();
            prop_assert_eq!(cut(&pieces, bytes_max), whole);
        }
    }
}
