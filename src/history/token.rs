//! Which generation of a device's token was accepted last, and what an older one means.
//!
//! A generation counts from when it is first presented. From then on the one before is good for 60 s of the event's time,
//! from the same network and browser only: two tabs. Anything older is a copy of the cookie.

use super::UserHistory;
use crate::clock::Timestamp;
use crate::device_token::{Origin, TokenUse};
use crate::keyed_hash::DeviceTag;

/// What the history says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStanding {
    /// Good as far as is known.
    Good,
    /// A newer one was accepted: this is a copy, or its owner's after a thief was here.
    Copied,
}

/// The generation that was accepted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Accepted {
    pub(super) generation: u32,
    pub(super) since_s: u32,
    pub(super) origin: u16,
}

/// A row has three bytes for it: a login a second for half a year, by one device. Beyond that a copy is no longer told.
pub(super) const GENERATION_MAX: u32 = 0xFF_FFFF;
/// **Source:** signals.md.
const GRACE_MS: i64 = 60_000;

impl UserHistory {
    /// What this token is worth at `now`.
    #[must_use]
    pub fn token_standing(&self, token: &TokenUse, now: Timestamp) -> TokenStanding {
        let Some(known) = self.devices.iter().find(|known| known.tag == token.device) else {
            return TokenStanding::Good;
        };
        let Accepted { generation, since_s, origin } = known.accepted;
        let is_within_grace = token.generation.checked_add(1) == Some(generation)
            && now.ms_since(Timestamp::from_unix_s(since_s)) <= GRACE_MS
            && token.origin == Some(Origin(origin));
        if token.generation >= generation || is_within_grace { TokenStanding::Good } else { TokenStanding::Copied }
    }

    /// Whether presenting this token takes its device a generation on.
    #[must_use]
    pub fn advances(&self, token: &TokenUse) -> bool {
        self.devices.iter().any(|known| known.tag == token.device && token.generation > known.accepted.generation)
    }

    /// Takes the device on to this generation, if it is known and was not further already.
    pub(super) fn accept(&mut self, token: TokenUse, now_s: u32) {
        if let Some(known) = self.devices.iter_mut().find(|known| known.tag == token.device)
            && token.generation > known.accepted.generation
        {
            let origin = token.origin.map_or(0, |origin| origin.0);
            known.accepted = Accepted { generation: token.generation.min(GENERATION_MAX), since_s: now_s, origin };
        }
    }

    /// Forgets a device and the last token accepted of it; a later login with it is one from a new device. What was
    /// labelled fraud stays marked.
    pub fn forget_device(&mut self, device: DeviceTag) {
        self.devices.retain(|known| known.tag != device);
        self.untie();
    }
}
