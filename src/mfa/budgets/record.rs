//! What is kept of one budget.

use super::Limits;
use crate::clock::{DAY_MS, Timestamp};
use crate::memory::vault::{Place, Put, Record, Version};
use crate::memory::{Memory, MemoryError};
use crate::mfa::window::Window;
use serde::{Deserialize, Serialize};

/// What was sent of late. As JSON some 3 kB at most where it is counted coarsely, and some 25 bytes a message where it is counted exactly.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    ten_minutes: Window,
    day: Window,
}

/// Longer than anything counts, slots and all.
const KEPT_MS: i64 = DAY_MS + 3_600_000;

impl Counted {
    /// Milliseconds until one more may be sent; `None` when it may now.
    pub(super) fn wait_ms(&self, now: Timestamp, limits: &Limits) -> Option<i64> {
        let ((ten_minutes_max, ten_minutes), (day_max, day)) = (limits.ten_minutes, limits.day);
        self.ten_minutes.wait_ms(now, ten_minutes, ten_minutes_max).max(self.day.wait_ms(now, day, day_max))
    }

    pub(super) fn add(&mut self, now: Timestamp, limits: &Limits) {
        self.ten_minutes.add(now, limits.ten_minutes.1);
        self.day.add(now, limits.day.1);
    }

    pub(super) fn take_back(&mut self, added: Timestamp, limits: &Limits) {
        self.ten_minutes.take_back(added, limits.ten_minutes.1);
        self.day.take_back(added, limits.day.1);
    }
}

/// What is counted at a place; nothing where nothing is.
pub(super) async fn read<M: Memory>(
    memory: &M,
    place: [u8; 16],
    now: Timestamp,
) -> Result<(Option<Version>, Counted), MemoryError> {
    let Some(kept) = memory.kept(Place::Other(place), now).await? else { return Ok((None, Counted::default())) };
    let counted = serde_json::from_slice(&kept.content);
    let counted = counted.map_err(|_| MemoryError::Unavailable("a budget of messages is damaged".to_owned()))?;
    Ok((Some(kept.version), counted))
}

/// Whether it could be put over what was read.
pub(super) async fn put<M: Memory>(
    memory: &M,
    place: [u8; 16],
    over: Option<Version>,
    counted: &Counted,
    now: Timestamp,
) -> Result<bool, MemoryError> {
    let content = serde_json::to_vec(counted).map_err(|error| MemoryError::Unavailable(error.to_string()))?;
    let until = Timestamp::from_unix_ms(now.unix_ms() + KEPT_MS);
    let put = memory.put(Place::Other(place), over, Some(Record { content: content.into(), until }), now).await?;
    Ok(put == Put::Done)
}
