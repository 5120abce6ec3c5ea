//! How texts that clients pick are hashed for a map.

use siphasher::sip::SipHasher13;
use std::hash::{BuildHasher, Hasher, RandomState};

/// SipHash 1-3 under a key of the process, as the standard library has it; it takes a text in one go, which is half the work.
#[derive(Clone)]
pub(super) struct TextHash(SipHasher13);

impl TextHash {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self(SipHasher13::new_with_keys(random.hash_one(0), random.hash_one(1)))
    }
}

impl BuildHasher for TextHash {
    type Hasher = OneText;

    fn build_hasher(&self) -> OneText {
        OneText { hasher: self.0, hash: 0 }
    }
}

pub(super) struct OneText {
    hasher: SipHasher13,
    hash: u64,
}

impl Hasher for OneText {
    fn write(&mut self, text: &[u8]) {
        self.hash ^= self.hasher.hash(text);
    }

    /// What ends a text, so that two are no third; there is one.
    fn write_u8(&mut self, _end: u8) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}
