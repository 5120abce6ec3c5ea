//! Events that wait to be told, in the vault of the store: they outlive the process, and any replica may go on with them.
//!
//! There are so many lanes, each a record of so many events, put over the version that was read: what is full takes no more, and nothing
//! is lost between two who change a lane at once. Order is nobody's promise. Events name users, so that a lane is sealed.

use super::EventKind;
use super::event::Told;
use crate::clock::Timestamp;
use crate::memory::vault::{Place, Put, Record, Version};
use crate::memory::{Memory, MemoryError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lanes, and events in each: 4,096 events wait at most, some 400 bytes each. A lane is written as a whole with each change, so none is long.
pub(super) const LANES: usize = 32;
pub(super) const LANE_MAX: usize = 128;
/// A lane that nobody looks at goes after the longest time for which an event may wait.
const LANE_MS: i64 = 8 * 86_400_000;
/// How often a lane that others change is looked at again before the next one is.
const LOOKS_MAX: usize = 8;
const NONCE_BYTES: usize = 24;

/// Seals lanes, and opens what was sealed under any of its keys. Never printed.
#[derive(Clone)]
pub struct Sealer(Vec<[u8; 32]>);

impl Sealer {
    /// Under keys that follow from these secrets, the one in use first.
    #[must_use]
    pub fn new(secrets: &[[u8; 32]]) -> Self {
        Self(secrets.iter().map(|secret| blake3::derive_key("askance 2026-11-22 events to be told", secret)).collect())
    }

    fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*key))
    }

    fn seal(&self, place: &[u8; 16], content: &[u8]) -> Result<Vec<u8>, MemoryError> {
        let unavailable = || MemoryError::Unavailable("events cannot be sealed".to_owned());
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| unavailable())?;
        let cipher = self.0.first().map(Self::cipher).ok_or_else(unavailable)?;
        let payload = Payload { msg: content, aad: place };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| unavailable())?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, place: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let opened = |key| Self::cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).ok();
        self.0.iter().find_map(opened)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.0.len())
    }
}

/// An event that somebody is yet to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    /// The identifier of the message.
    pub(super) id: String,
    pub(super) kind: EventKind,
    pub(super) time_ms: i64,
    pub(super) body: String,
    /// Who is.
    pub(super) to: Vec<Due>,
}

/// When somebody is told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    /// Whom, as the webhook is called here.
    pub(super) tag: u64,
    /// How often that was tried.
    pub(super) tries: u32,
    pub(super) next_ms: i64,
}

impl Item {
    /// `None` where nobody wants to know.
    pub(super) fn new(told: &Told, to: impl Iterator<Item = u64>) -> Option<Self> {
        let time_ms = told.time.unix_ms();
        let to: Vec<Due> = to.map(|tag| Due { tag, tries: 0, next_ms: 0 }).collect();
        let body = String::from_utf8(told.body.clone()).ok()?;
        (!to.is_empty()).then(|| Self { id: told.message_id(), kind: told.kind, time_ms, body, to })
    }
}

/// The lanes of a store.
#[derive(Debug)]
pub(super) struct Queue {
    sealer: Sealer,
    /// Where the next events go first, so that replicas and moments spread over lanes.
    next: AtomicUsize,
}

impl Queue {
    pub(super) fn new(sealer: Sealer) -> Self {
        let start = getrandom::u32().map_or(0, |random| random as usize % LANES);
        Self { sealer, next: AtomicUsize::new(start) }
    }

    /// Adds events, from the front of `items`, which keeps what is not added yet where the store fails. Gives how many there was no room
    /// for.
    pub(super) async fn add(
        &self,
        memory: &impl Memory,
        items: &mut Vec<Item>,
        now: Timestamp,
    ) -> Result<usize, MemoryError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for lane in (0..LANES).map(|step| (first + step) % LANES) {
            if items.is_empty() {
                return Ok(0);
            }
            let mut taken = 0;
            let change = |held: &mut Vec<Item>| {
                taken = items.len().min(LANE_MAX.saturating_sub(held.len()));
                held.extend_from_slice(&items[..taken]);
                taken > 0
            };
            if self.change(memory, lane, now, change).await? {
                items.drain(..taken);
            }
        }
        Ok(std::mem::take(items).len())
    }

    /// Changes a lane, unless `change` says that nothing is to be changed. Gives whether it was; not, where others change it all the time.
    pub(super) async fn change(
        &self,
        memory: &impl Memory,
        lane: usize,
        now: Timestamp,
        mut change: impl FnMut(&mut Vec<Item>) -> bool + Send,
    ) -> Result<bool, MemoryError> {
        for _ in 0..LOOKS_MAX {
            let (over, mut items) = self.lane(memory, lane, now).await?;
            if !change(&mut items) {
                return Ok(false);
            }
            let record = (!items.is_empty()).then(|| self.record(lane, &items, now)).transpose()?;
            if memory.put(Place::Other(place(lane)), over, record, now).await? == Put::Done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a lane holds, and its version. One that was sealed under a key that was taken away holds nothing that anybody can tell.
    pub(super) async fn lane(
        &self,
        memory: &impl Memory,
        lane: usize,
        now: Timestamp,
    ) -> Result<(Option<Version>, Vec<Item>), MemoryError> {
        let place = place(lane);
        let Some(kept) = memory.kept(Place::Other(place), now).await? else { return Ok((None, Vec::new())) };
        let opened = self.sealer.open(&place, &kept.content);
        let items = opened.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_else(|| {
            tracing::error!(lane, "events that were yet to be told cannot be read, and are not told");
            Vec::new()
        });
        Ok((Some(kept.version), items))
    }

    fn record(&self, lane: usize, items: &[Item], now: Timestamp) -> Result<Record, MemoryError> {
        let content = serde_json::to_vec(items).map_err(|error| MemoryError::Unavailable(error.to_string()))?;
        let content = self.sealer.seal(&place(lane), &content)?.into_boxed_slice();
        Ok(Record { content, until: Timestamp::from_unix_ms(now.unix_ms() + LANE_MS) })
    }
}

/// Where a lane is: nothing in it is anybody's name, so that its hash needs no key, and stays when keys are replaced.
fn place(lane: usize) -> [u8; 16] {
    named(&format!("lane {lane}"))
}

/// A place of ours in the vault.
pub(super) fn named(name: &str) -> [u8; 16] {
    let [place @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        blake3::derive_key("askance 2026-11-22 webhooks", name.as_bytes());
    place
}
