//! Whose turn it is to tell, where replicas share a store: a record of the vault that ends unless whoever has it says again that they are
//! there. Should two think so for a moment, somebody is told twice, and nobody not at all.

use super::super::queue::named;
use crate::clock::Timestamp;
use crate::memory::vault::{Place, Put, Record};
use crate::memory::{Memory, MemoryError};

/// For so long it is somebody's turn: longer than a round of posts takes.
const TURN_MS: i64 = 30_000;
/// With less than this left, it is said again: a round takes 12 s at most, and the store its time.
const LEFT_MS: i64 = 20_000;

/// This replica's name in it.
#[derive(Debug)]
pub(super) struct Turn([u8; 16]);

impl Default for Turn {
    fn default() -> Self {
        let mut own = [0; 16];
        // Two replicas without randomness would take each other for themselves, and tell everything twice.
        getrandom::fill(&mut own).unwrap_or_default();
        Self(own)
    }
}

fn place() -> Place {
    Place::Other(named("turn"))
}

impl Turn {
    /// Whether it is this replica's turn, now and for as long as a round takes.
    pub(super) async fn take(&self, memory: &impl Memory, now: Timestamp) -> Result<bool, MemoryError> {
        let kept = memory.kept(place(), now).await?;
        let holder = kept.as_ref().and_then(|kept| kept.content.split_first_chunk::<16>());
        let until_ms = holder.and_then(|(_, until)| until.first_chunk()).map_or(0, |bytes| i64::from_le_bytes(*bytes));
        match holder {
            Some((holder, _)) if *holder != self.0 => return Ok(false),
            Some(_) if until_ms.saturating_sub(now.unix_ms()) > LEFT_MS => return Ok(true),
            Some(_) | None => {}
        }
        let until = now.unix_ms().saturating_add(TURN_MS);
        let content = [&self.0[..], &until.to_le_bytes()].concat().into_boxed_slice();
        let record = Record { content, until: Timestamp::from_unix_ms(until) };
        let put = memory.put(place(), kept.map(|kept| kept.version), Some(record), now).await?;
        Ok(put == Put::Done)
    }

    /// Lets the next one have it at once. Where that fails, it ends by itself.
    pub(super) async fn give_up(&self, memory: &impl Memory, now: Timestamp) {
        let Ok(Some(kept)) = memory.kept(place(), now).await else { return };
        if kept.content.starts_with(&self.0) {
            drop(memory.put(place(), Some(kept.version), None, now).await);
        }
    }
}
