//! Tables: RFC 4180, with `#` comments. The header names the column that is read. Fields are apart by comma, tab or
//! semicolon: whichever makes that column appear in the header, in this order.

use super::entry::text;
use super::entry::{self, Entry, quoted};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

/// Reads one table, line by line.
#[derive(Debug)]
pub(super) struct Table<'a> {
    column: &'a str,
    /// None before the header.
    rows: Option<Box<Rows>>,
}

/// Reads records of one delimiter.
#[derive(Debug)]
struct Rows {
    reader: Reader,
    /// Where the column is.
    at: usize,
    record: Record,
}

/// One record, unquoted, while it is read: a field in quotes may go over several lines.
#[derive(Debug)]
struct Record {
    bytes: Vec<u8>,
    filled: usize,
    /// Where each field ends.
    ends: Vec<usize>,
    fields: usize,
}

/// A quote that is never closed ends here, and not with the file.
const RECORD_BYTES_MAX: usize = 16_384;
const FIELDS_MAX: usize = 512;

const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

impl<'a> Table<'a> {
    pub(super) fn new(column: &'a str) -> Self {
        Self { column, rows: None }
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<Option<Entry>, String> {
        if let Some(rows) = &mut self.rows {
            return rows.line(line);
        }
        if !line.trim_ascii().is_empty() && !line.starts_with(b"#") {
            self.rows = Some(Box::new(self.header(line)?));
        }
        Ok(None)
    }

    /// # Errors
    ///
    /// The file ends inside a field.
    pub(super) fn end(&self) -> Result<(), String> {
        let is_open = self.rows.as_ref().is_some_and(|rows| rows.record.filled > 0 || rows.record.fields > 0);
        if is_open { Err("a field in quotes does not end".to_owned()) } else { Ok(()) }
    }

    fn header(&self, line: &[u8]) -> Result<Rows, String> {
        let mut most_names = Vec::new();
        for delimiter in DELIMITERS {
            let mut rows = Rows::new(delimiter);
            if !rows.record.take(&mut rows.reader, line)? {
                return Err("the header goes over more than one line".to_owned());
            }
            let fields = (0..rows.record.fields).filter_map(|at| rows.record.field(at));
            let names = fields.map(text).collect::<Result<Vec<_>, _>>()?;
            if let Some(at) = names.iter().position(|name| *name == self.column) {
                rows.at = at;
                rows.record.clear();
                return Ok(rows);
            }
            if names.len() > most_names.len() {
                most_names = names.into_iter().map(quoted).collect();
            }
        }
        Err(format!("no column {} in the header: {}", quoted(self.column), most_names.join(", ")))
    }
}

impl Rows {
    fn new(delimiter: u8) -> Self {
        // Lines come without their ends, and get the same one back, so that no line holds two records.
        let mut builder = ReaderBuilder::new();
        let reader = builder.delimiter(delimiter).comment(Some(b'#')).terminator(Terminator::Any(b'\n')).build();
        let (bytes, ends) = (vec![0; RECORD_BYTES_MAX], vec![0; FIELDS_MAX]);
        Self { reader, at: 0, record: Record { bytes, filled: 0, ends, fields: 0 } }
    }

    /// A row with an empty cell tells nothing; one that is too short is broken.
    fn line(&mut self, line: &[u8]) -> Result<Option<Entry>, String> {
        if !self.record.take(&mut self.reader, line)? {
            return Ok(None);
        }
        let cell = self.record.field(self.at).ok_or("the row ends before the column")?;
        let entry = if cell.is_empty() { None } else { Some(entry::network(text(cell)?)?) };
        self.record.clear();
        Ok(entry)
    }
}

impl Record {
    /// Adds a line; true when it completes the record. An empty line and a comment are none.
    fn take(&mut self, reader: &mut Reader, line: &[u8]) -> Result<bool, String> {
        for input in [line, b"\n"] {
            let mut rest = input;
            while !rest.is_empty() {
                let (bytes, ends) = (&mut self.bytes[self.filled..], &mut self.ends[self.fields..]);
                let (result, read, written, ended) = reader.read_record(rest, bytes, ends);
                rest = &rest[read..];
                self.filled += written;
                self.fields += ended;
                match result {
                    ReadRecordResult::InputEmpty => {}
                    ReadRecordResult::Record => return Ok(true),
                    ReadRecordResult::OutputFull => return Err(format!("a record over {RECORD_BYTES_MAX} bytes")),
                    ReadRecordResult::OutputEndsFull => return Err(format!("a record over {FIELDS_MAX} fields")),
                    // Only an empty input ends a table.
                    ReadRecordResult::End => return Ok(false),
                }
            }
        }
        Ok(false)
    }

    fn field(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.fields].get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(self.bytes.get(start..end)?.trim_ascii())
    }

    fn clear(&mut self) {
        (self.filled, self.fields) = (0, 0);
    }
}
