//! Decisions at rest: sealed, since user, tenant and address stand in them in clear.
//!
//! ```text
//! record  version u8 = 2 | nonce [12] | sealed decision | tag [16]
//! ```
//! ChaCha20-Poly1305 under a key of this record's own, which follows from the deployment's key and the id by keyed BLAKE3. A key seals
//! a decision each time that it changes, a few times at most, so that random nonces of 96 bits never come near to meeting. Version
//! and id are authenticated with it: a record can neither be altered nor be put in the place of another.
//!
//! **Source:** RFC 8439 (ChaCha20-Poly1305), as the `ring` crate has it; `derive_key` and the keyed mode of BLAKE3 (O'Connor et al.,
//! 2020).

mod fields;
mod numbers;

use super::decisions::{Decision, DecisionId};
use crate::keyed_hash::Secrets;
use fields::{Field, Reader};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

const VERSION: u8 = 2;
/// Read still, and not written any more: without the code of Familiarity.
const VERSION_BEFORE: u8 = 1;
const HEAD_BYTES: usize = 1 + NONCE_LEN;
/// A decision with an IPv4 address, a place, a token and a user id of 36 bytes has some 230 bytes.
const USUAL_BYTES: usize = 320;

/// Seals decisions and opens them again. A clone copies the keys; neither is ever printed.
#[derive(Clone)]
pub struct RecordCipher {
    key: [u8; 32],
    /// Opens what was sealed before the key was replaced; seals nothing.
    replaced: Option<[u8; 32]>,
    /// Of coordinates, where they are not sealed as they are.
    decimals: Option<u32>,
}

/// Why a record gives no decision, or a decision no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// It was written by another version of the program.
    Version(u8),
    /// It was sealed under another key or for another id, altered, or cut short.
    NotOurs,
    /// It was sealed here, but what was sealed is no decision.
    Damaged,
    /// The operating system gives no randomness.
    Random,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "a decision of format {version} cannot be read; this is {VERSION}"),
            Self::NotOurs => f.write_str("a decision does not open: it is damaged, or of another key"),
            Self::Damaged => f.write_str("what was sealed is no decision"),
            Self::Random => f.write_str("the operating system gives no randomness"),
        }
    }
}

impl std::error::Error for RecordError {}

impl RecordCipher {
    /// Seals under a key that follows from the deployment's secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: derived(secret), replaced: None, decimals: None }
    }

    /// Seals under the deployment's secret, and opens what was sealed under the one that it replaces.
    #[must_use]
    pub fn of(secrets: &Secrets) -> Self {
        let (current, replaced) = secrets.of_records();
        let cipher = Self::new(&current);
        replaced.iter().fold(cipher, Self::replacing)
    }

    /// The same, with coordinates of so many decimals of a degree in what is sealed.
    #[must_use]
    pub fn rounding_to(self, coordinate_decimals: u32) -> Self {
        Self { decimals: Some(coordinate_decimals), ..self }
    }

    /// The same, and opens what was sealed under the secret that was in use before.
    #[must_use]
    pub fn replacing(self, secret: &[u8; 32]) -> Self {
        Self { replaced: Some(derived(secret)), ..self }
    }

    /// A decision as it may lie on a disk; some 1.5 µs.
    ///
    /// # Errors
    ///
    /// [`RecordError::Random`]: there is no nonce to be had.
    pub fn seal(&self, id: DecisionId, decision: &Decision) -> Result<Vec<u8>, RecordError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| RecordError::Random)?;
        let mut record = Vec::with_capacity(USUAL_BYTES);
        record.push(VERSION);
        record.extend_from_slice(&nonce);
        match self.decimals.filter(|_| decision.given().login.place.is_some()) {
            Some(decimals) => decision.clone().rounded(decimals).put(&mut record),
            None => decision.put(&mut record),
        }
        let (nonce, content) = (Nonce::assume_unique_for_key(nonce), &mut record[HEAD_BYTES..]);
        // It fails for 256 GiB and more.
        let tag = record_key(&self.key, id)
            .seal_in_place_separate_tag(nonce, associated(VERSION, id), content)
            .map_err(|_| RecordError::Damaged)?;
        record.extend_from_slice(tag.as_ref());
        Ok(record)
    }

    /// The decision of a record.
    ///
    /// # Errors
    ///
    /// See [`RecordError`].
    pub fn open(&self, id: DecisionId, record: &[u8]) -> Result<Decision, RecordError> {
        let (&version, rest) = record.split_first().ok_or(RecordError::NotOurs)?;
        if !matches!(version, VERSION_BEFORE | VERSION) {
            return Err(RecordError::Version(version));
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(RecordError::NotOurs)?;
        let opened = [Some(&self.key), self.replaced.as_ref()].into_iter().flatten().find_map(|key| {
            // What did not open is spoilt for the next try.
            let mut sealed = sealed.to_vec();
            let (nonce, associated) = (Nonce::assume_unique_for_key(*nonce), associated(version, id));
            let length = record_key(key, id).open_in_place(nonce, associated, &mut sealed).ok()?.len();
            sealed.truncate(length);
            Some(sealed)
        });
        read(&opened.ok_or(RecordError::NotOurs)?, version).ok_or(RecordError::Damaged)
    }
}

impl fmt::Debug for RecordCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordCipher(…)")
    }
}

fn derived(secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("askance 2026-11-22 decision at rest", secret)
}

#[expect(clippy::expect_used, reason = "a BLAKE3 hash is as long as the algorithm's key")]
fn record_key(key: &[u8; 32], id: DecisionId) -> LessSafeKey {
    let of_record = blake3::keyed_hash(key, &id.to_bytes());
    let key = UnboundKey::new(&CHACHA20_POLY1305, of_record.as_bytes());
    LessSafeKey::new(key.expect("a key of ChaCha20-Poly1305 has 32 bytes"))
}

fn associated(version: u8, id: DecisionId) -> Aad<[u8; 17]> {
    let mut bytes = [version; 17];
    bytes[1..].copy_from_slice(&id.to_bytes());
    Aad::from(bytes)
}

/// A decision, and nothing behind it.
fn read(content: &[u8], version: u8) -> Option<Decision> {
    let mut reader = Reader(content, version);
    let decision = Decision::take(&mut reader)?;
    reader.0.is_empty().then_some(decision)
}

#[cfg(test)]
mod tests;
