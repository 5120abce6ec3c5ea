//! Names of decisions.

use crate::clock::Timestamp;
use crate::keyed_hash::HashKey;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// A UUID of version 7 (RFC 9562): sorts by time, and 74 bits of it cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(pub(super) u128);

impl DecisionId {
    /// Parses the hyphenated form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(|id| Self(id.as_u128()))
    }

    /// When the decision was made: the first 48 bits.
    #[must_use]
    pub fn time(self) -> Timestamp {
        let ms = i64::try_from(self.0 >> 80).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(ms).unwrap_or(Timestamp::from_unix_s(u32::MAX))
    }

    /// As a key on a disk: sorts by time, as the id does.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id that [`Self::to_bytes`] gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The same id with other bits at its end, the lowest of these.
    #[must_use]
    pub fn with_low_bits(self, count: u32, bits: u16) -> Self {
        let mask = (1 << count) - 1;
        Self(self.0 & !mask | u128::from(bits) & mask)
    }

    /// As a number, which sorts by time, too.
    pub(in crate::memory) fn bits(self) -> u128 {
        self.0
    }

    /// From that number.
    pub(in crate::memory) fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// No id of this time or later is less.
    pub(in crate::memory) fn bits_since(time: Timestamp) -> u128 {
        u128::try_from(time.unix_ms()).unwrap_or(0) << 80
    }

    /// The hyphenated form.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        Uuid::from_u128(self.0).hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_u128(self.0), f)
    }
}

/// Makes ids: a keyed hash of a counter, which nobody without the key can foretell. Shared by all cores, without a lock.
#[derive(Debug)]
pub struct IdSource {
    key: HashKey,
    count: AtomicU64,
    instance: u64,
}

impl IdSource {
    /// Ids under `key`, which must not be used for another source.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = key.unforeseeable(b"instance").to_le_bytes();
        Self { key, count: AtomicU64::new(0), instance: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// Names a request in logs and answers: this process, and a running number. Not a secret.
    pub fn request(&self) -> u128 {
        u128::from(self.instance) << 64 | u128::from(self.next())
    }

    /// 128 bits that nobody can foretell.
    fn bits(&self) -> u128 {
        self.key.unforeseeable(&self.next().to_le_bytes())
    }

    /// Names a new device: 64 bits that nobody can foretell.
    pub fn device(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bits().to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// A key that nobody can foretell, and that goes with the process.
    pub fn key(&self) -> HashKey {
        HashKey::fixed(self.bits().to_le_bytes())
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// A new decision's id.
    pub fn decision(&self, now: Timestamp) -> DecisionId {
        let [random @ .., _, _, _, _, _, _] = self.bits().to_le_bytes();
        let ms = u64::try_from(now.unix_ms()).unwrap_or(0);
        DecisionId(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().as_u128())
    }
}
