//! From bytes to entries: line by line, so that a file is never held whole.

use super::csv::Table;
use super::entry::Entry;
use super::ranges::{Prefixes, Ranges};
use super::settings::Format;
use super::{drop_json, netset, tor};
use std::io::{BufRead, Read};

/// A list, parsed.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) ranges: Ranges,
    /// Sorted.
    pub(super) asns: Box<[u32]>,
    /// How many the file names; some may be the same, or within each other.
    pub(super) entries: usize,
}

impl Parsed {
    /// What it takes, to the byte.
    pub(super) fn heap_bytes(&self) -> usize {
        self.ranges.heap_bytes() + size_of_val(&*self.asns)
    }
}

/// Longer lines are in no list: the longest of ASN-DROP are below 200 bytes. A file without line ends is refused here,
/// and not when it has filled memory.
const LINE_BYTES_MAX: usize = 4096;

/// Ten times the largest list that we know of. While it is read, an IPv6 prefix takes 32 bytes: 320 MB.
const ENTRIES_MAX: usize = 10_000_000;

/// # Errors
///
/// What is wrong, with the line. A list is good as a whole or not at all.
pub(super) fn parse(mut source: impl BufRead, format: &Format) -> Result<Parsed, String> {
    let mut parser = Parser::new(format);
    let (mut prefixes, mut asns, mut entries) = (Prefixes::default(), Vec::new(), 0);
    let mut buffer = Vec::new();
    let mut at = 0_u64;
    loop {
        at += 1;
        let wrong = |reason: String| format!("line {at}: {reason}");
        let Some(line) = next_line(&mut source, &mut buffer).map_err(wrong)? else { break };
        // Some editors begin a file with a mark of its encoding.
        let line = if at == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let Some(entry) =
            parser.line(line).and_then(|entry| entry.map(Entry::distrusted).transpose()).map_err(wrong)?
        else {
            continue;
        };
        entries += 1;
        if entries > ENTRIES_MAX {
            return Err(format!("holds more than {ENTRIES_MAX} entries"));
        }
        match entry {
            Entry::Network(network) => prefixes.push(network),
            Entry::Asn(asn) => asns.push(asn),
        }
    }
    parser.end()?;
    if entries == 0 {
        return Err("holds no entry".to_owned());
    }
    asns.sort_unstable();
    asns.dedup();
    Ok(Parsed { ranges: prefixes.into_ranges(), asns: asns.into(), entries })
}

/// What reads the lines of each format.
enum Parser<'a> {
    Netset,
    DropJson,
    Tor,
    Csv(Table<'a>),
}

impl<'a> Parser<'a> {
    fn new(format: &'a Format) -> Self {
        match format {
            Format::Netset => Self::Netset,
            Format::DropJson => Self::DropJson,
            Format::Tor => Self::Tor,
            Format::Csv { column } => Self::Csv(Table::new(column)),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Entry>, String> {
        match self {
            Self::Netset => netset::line(line),
            Self::DropJson => drop_json::line(line),
            Self::Tor => tor::line(line),
            Self::Csv(table) => table.line(line),
        }
    }

    fn end(&self) -> Result<(), String> {
        match self {
            Self::Csv(table) => table.end(),
            Self::Netset | Self::DropJson | Self::Tor => Ok(()),
        }
    }
}

/// The next line without its end, in `buffer`; none behind the last.
fn next_line<'a>(source: &mut impl BufRead, buffer: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>, String> {
    buffer.clear();
    let bound = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let read = source.take(bound).read_until(b'\n', buffer).map_err(|error| error.to_string())?;
    let line = buffer.strip_suffix(b"\n").unwrap_or(buffer);
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("over {LINE_BYTES_MAX} bytes"));
    }
    Ok((read > 0).then(|| line.strip_suffix(b"\r").unwrap_or(line)))
}
