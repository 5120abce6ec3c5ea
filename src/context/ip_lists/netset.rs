//! Netsets, as FireHOL and many others publish them: an address or a CIDR a line. Ranges (`a-b`) do not occur there.

use super::entry::text;
use super::entry::{self, Entry};

pub(super) fn line(line: &[u8]) -> Result<Option<Entry>, String> {
    // Comments go first: they may be in any encoding.
    let entry = line.split(|byte| matches!(byte, b'#' | b';')).next().unwrap_or_default().trim_ascii();
    if entry.is_empty() { Ok(None) } else { entry::network(text(entry)?).map(Some) }
}
