//! Entries of the stream.

use crate::clock::Timestamp;
use ::redis::Value;
use std::fmt;

/// Where an entry stands; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct EntryId {
    ms: u64,
    number: u64,
}

/// A batch, and who told it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    pub(super) replica: Vec<u8>,
    pub(super) batch: Vec<u8>,
}

impl EntryId {
    fn parse(text: &[u8]) -> Option<Self> {
        let (ms, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, number: number.parse().ok()? })
    }

    /// The first that may follow.
    pub(super) fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// When it was appended, by the server's clock.
    pub(super) fn time(self) -> Timestamp {
        let ms = i64::try_from(self.ms).ok().and_then(Timestamp::from_unix_ms);
        ms.unwrap_or_else(|| Timestamp::from_unix_s(u32::MAX))
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.number)).to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, number @ ..] = bytes;
        Self { ms: u64::from_be_bytes([a, b, c, d, e, f, g, h]), number: u64::from_be_bytes(number) }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl Entry {
    /// `[id, ["r", replica, "b", batch]]`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let [Value::BulkString(id), Value::Array(fields)] = parts.as_slice() else { return None };
        let [_, Value::BulkString(replica), _, Value::BulkString(batch)] = fields.as_slice() else { return None };
        Some(Self { id: EntryId::parse(id)?, replica: replica.clone(), batch: batch.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_the_server_writes_them_and_sort_by_their_bytes() {
        let ids = [(0, 0), (1, 7), (1, 8), (2, 0), (1_790_000_000_000, 3)].map(|(ms, number)| EntryId { ms, number });
        for id in ids {
            assert_eq!(EntryId::parse(id.to_string().as_bytes()), Some(id));
            assert_eq!(EntryId::from_bytes(id.to_bytes()), id);
            assert!(id.next() > id);
        }
        assert!(ids.is_sorted() && ids.map(EntryId::to_bytes).is_sorted());
        assert_eq!(ids[4].time(), Timestamp::from_unix_s(1_790_000_000));
        for none in ["", "1", "1-", "-1", "a-b", "1-2-3"] {
            assert_eq!(EntryId::parse(none.as_bytes()), None, "{none}");
        }
    }
}
