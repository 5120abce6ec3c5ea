//! Sources as bytes: on a disk, in what is kept of them in Redis, and on their way between replicas.
//!
//! ```text
//! row      version u8 = 1 | any number of sources
//! source   shard u8 | key u64 | past u1, scope u7 | touched u32 | weight u16 | past, if any: f32 f32
//!          | ring of minutes | of an hour | of a day | who succeeded: cells | who failed: users
//! ring     which buckets u16 | for each: failures, successes, as small numbers
//! cells    how many u8 | for each: place u8, stamp u16
//! users    how many u8 | for each: tag u32, stamp u16 | cells
//! small    below 255: u8; else 255 | u16
//! ```
//! All little-endian. A source with one failure has 40 bytes, one that is busy some 250.

use super::source::Source;
use super::table::{SHARDS, Spot};
use crate::keyed_hash::SourceKey;
use std::fmt;
use std::num::NonZeroU64;

const VERSION: u8 = 1;

/// These bytes are no sources of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRow;

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is kept of velocity is damaged, or of another version")
    }
}

impl std::error::Error for BadRow {}

/// Writes sources; nothing, where there are none.
pub(super) fn write<'a>(sources: impl Iterator<Item = (Spot, &'a Source)>) -> Vec<u8> {
    let mut row = Vec::new();
    for (spot, source) in sources {
        if row.is_empty() {
            row.push(VERSION);
        }
        row.push(spot.shard);
        row.extend_from_slice(&spot.key.0.get().to_le_bytes());
        source.write(&mut row);
    }
    row
}

/// What was written so.
pub(super) fn read(row: &[u8]) -> Result<Vec<(Spot, Source)>, BadRow> {
    let Some((version, rest)) = row.split_first() else { return Ok(Vec::new()) };
    if *version != VERSION {
        return Err(BadRow);
    }
    let (mut reader, mut sources) = (Reader::new(rest), Vec::new());
    while !reader.is_at_end() {
        let shard = reader.u8().filter(|shard| usize::from(*shard) < SHARDS).ok_or(BadRow)?;
        let key = reader.u64().and_then(NonZeroU64::new).map(SourceKey).ok_or(BadRow)?;
        sources.push((Spot { shard, key }, Source::read(&mut reader).ok_or(BadRow)?));
    }
    Ok(sources)
}

/// Takes numbers off the front of bytes.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A number that is small nearly always.
    pub(super) fn small(&mut self) -> Option<u16> {
        match self.u8()? {
            LARGE => self.u16(),
            small => Some(small.into()),
        }
    }

    /// A number of logins, part of which faded.
    pub(super) fn count(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes).filter(|count| (0.0..=COUNT_MAX).contains(count))
    }

    fn bytes<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

const LARGE: u8 = u8::MAX;
/// Far beyond what two weeks bring, and far below where a sum would lose single logins for good.
const COUNT_MAX: f32 = 1e12;

pub(super) fn write_small(row: &mut Vec<u8>, number: u16) {
    match u8::try_from(number) {
        Ok(small) if small < LARGE => row.push(small),
        Ok(_) | Err(_) => {
            row.push(LARGE);
            row.extend_from_slice(&number.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::super::source::Happening;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sources_are_given_back_with_their_keys_and_one_failure_is_short() {
        let mut source = Source::new(1_790_000_000, Scope::Address);
        source.count(Happening::failure(Some(7 << 40), false, 1_790_000_000));
        let spots =
            [(0, NonZeroU64::MIN), (63, NonZeroU64::MAX)].map(|(shard, key)| Spot { shard, key: SourceKey(key) });
        let row = write(spots.iter().map(|spot| (*spot, &source)));
        assert_eq!(row.len(), 1 + 2 * 40);
        let told = |sources: &[(Spot, Source)]| {
            sources.iter().map(|(spot, it)| (*spot, it.tally().into_owned())).collect::<Vec<_>>()
        };
        assert_eq!(read(&row).map(|read| told(&read)), Ok(told(&spots.map(|spot| (spot, source.clone())))));
        assert_eq!((write(std::iter::empty()), read(&[]).map(|read| read.len())), (Vec::new(), Ok(0)));
        assert!(read(&[&[2], &row[1..]].concat()).is_err(), "of another version");
        assert!(read(&[&row[..], &[0]].concat()).is_err(), "something follows");
        assert!(read(&[&[1, 64], &row[2..]].concat()).is_err(), "there is no such shard");
    }

    proptest! {
        /// Whatever it is, it is read or refused; and what is read can be written, and is the same again.
        #[test]
        fn any_bytes_are_read_or_refused(mut row in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(version) = row.first_mut() {
                *version = VERSION;
            }
            if let Ok(sources) = read(&row) {
                let again = write(sources.iter().map(|(spot, source)| (*spot, source)));
                prop_assert_eq!(read(&again).map(|sources| sources.len()), Ok(sources.len()));
            }
        }

        /// The same where only a few bytes are not as they were.
        #[test]
        fn damage_is_read_or_refused(at in 0..72_usize, bits in 1..=255_u8) {
            let mut source = Source::new(1_790_000_000, Scope::Prefix);
            source.count(Happening::failure(Some(7 << 40), false, 1_790_000_000));
            source.count(Happening::success(9 << 40, true, 1_790_000_000));
            let mut row = write([(Spot { shard: 3, key: SourceKey(NonZeroU64::MIN) }, &source)].into_iter());
            let at = at % row.len();
            row[at] ^= bits;
            let read = read(&row);
            prop_assert!(at > 0 || read.is_err());
        }
    }
}
