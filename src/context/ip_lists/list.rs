//! One list: what was last good, and what became of its file since.

use super::ListError;
use super::entry::Entry;
use super::forms::Forms;
use super::parse::{Parsed, parse};
use super::ranges::Ranges;
use super::settings::{Category, Format, ListSettings};
use crate::clock::{Clock, Timestamp};
use crate::context::data_file::{self, Stamp};
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

/// A list as it serves. Its content is shared with the list that it was before its settings or its neighbours changed.
#[derive(Debug)]
pub(super) struct List {
    pub(super) name: Arc<str>,
    pub(super) category: Category,
    pub(super) hard: bool,
    path: PathBuf,
    format: Format,
    max_age_ms: i64,
    /// The last good version; none where there never was one.
    content: Option<Arc<Content>>,
    /// Which version of the file was last read, good or not.
    seen: Option<Stamp>,
    /// Why that version is not in `content`.
    refused: Option<String>,
}

#[derive(Debug)]
struct Content {
    parsed: Parsed,
    modified: Timestamp,
}

/// 32 times a list of a million prefixes as text: more is a mistake, and would keep a core busy for a minute.
const FILE_MIB_MAX: u32 = 512;
const BUFFER_BYTES: usize = 1 << 16;

impl List {
    /// Reads the file, unless `previous` holds that version. What is refused leaves the content of `previous`.
    pub(super) fn read(settings: &ListSettings, previous: Option<&Self>, clock: Clock) -> Self {
        let last_good = previous.and_then(|previous| previous.content.clone());
        if let Some(previous) = previous.filter(|previous| previous.is_current(settings)) {
            return Self::new(settings, last_good, previous.seen, None);
        }
        let read = data_file::read_with(&settings.path, FILE_MIB_MAX, |source| {
            parse(BufReader::with_capacity(BUFFER_BYTES, source), &settings.format)
        });
        let (parsed, seen) = match read {
            Ok((parsed, stamp)) => (parsed, Some(stamp)),
            Err(error) => (Err(error.to_string()), Stamp::of(&settings.path).ok()),
        };
        let fitting = parsed.and_then(|parsed| match &last_good {
            Some(last_good) => refuse_shrunken(&last_good.parsed, parsed),
            None => Ok(parsed),
        });
        match (fitting, seen) {
            (Ok(parsed), Some(stamp)) => {
                let content = Content { parsed, modified: clock.of_file(stamp.modified()) };
                Self::new(settings, Some(Arc::new(content)), seen, None)
            }
            (Err(reason), seen) => Self::new(settings, last_good, seen, Some(reason)),
            (Ok(_), None) => Self::new(settings, last_good, None, Some("has no modification time".to_owned())),
        }
    }

    /// A list that is never read, and why.
    pub(super) fn unread(settings: &ListSettings, reason: &str) -> Self {
        Self::new(settings, None, Stamp::of(&settings.path).ok(), Some(reason.to_owned()))
    }

    fn new(
        settings: &ListSettings,
        content: Option<Arc<Content>>,
        seen: Option<Stamp>,
        refused: Option<String>,
    ) -> Self {
        Self {
            name: settings.name.as_str().into(),
            category: settings.category,
            hard: settings.is_hard(),
            path: settings.path.clone(),
            format: settings.format.clone(),
            max_age_ms: i64::from(settings.max_age_h) * 3_600_000,
            content,
            seen,
            refused,
        }
    }

    pub(super) fn is_named(&self, settings: &ListSettings) -> bool {
        *self.name == *settings.name && self.path == settings.path
    }

    /// Whether reading the file again would give what is here. What was refused is always read again: the cause may
    /// have been ours, such as too many open files.
    fn is_current(&self, settings: &ListSettings) -> bool {
        self.refused.is_none() && self.format == settings.format && !self.is_changed()
    }

    /// Whether the file is another version than the one last read.
    pub(super) fn is_changed(&self) -> bool {
        Stamp::of(&self.path).ok() != self.seen
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.content.as_ref().is_some_and(|content| now.ms_since(content.modified) <= self.max_age_ms)
    }

    pub(super) fn ranges(&self) -> Option<&Ranges> {
        self.content.as_ref().map(|content| &content.parsed.ranges)
    }

    /// What is on the list, and how much of the address it matches, in bits. A system matches none: any network is a
    /// closer match.
    pub(super) fn find(&self, forms: &Forms, asn: Option<u32>) -> Option<(u8, Entry)> {
        let Parsed { ranges, asns, .. } = &self.content.as_ref()?.parsed;
        match forms.longest(ranges) {
            Some((bits, network)) => Some((bits, Entry::Network(network))),
            None => asn.filter(|asn| asns.binary_search(asn).is_ok()).map(|asn| (0, Entry::Asn(asn))),
        }
    }

    pub(super) fn refusal(&self) -> Option<ListError> {
        let reason = self.refused.clone()?;
        Some(ListError { name: Arc::clone(&self.name), path: self.path.clone(), reason })
    }

    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    pub(super) fn entries(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.parsed.entries)
    }

    pub(super) fn modified(&self) -> Option<Timestamp> {
        self.content.as_ref().map(|content| content.modified)
    }

    #[cfg(test)]
    pub(super) fn shares_content(&self, other: &Self) -> bool {
        self.content.as_ref().zip(other.content.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.parsed.heap_bytes())
    }
}

/// A list that loses more than half of its entries was cut off, not cleaned up.
fn refuse_shrunken(last_good: &Parsed, parsed: Parsed) -> Result<Parsed, String> {
    if parsed.entries * 2 < last_good.entries {
        return Err(format!("shrank from {} entries to {}", last_good.entries, parsed.entries));
    }
    Ok(parsed)
}
