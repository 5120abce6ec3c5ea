//! What goes where there is no room for more.

use super::{KnownAgent, KnownCountry, KnownDevice, KnownNetwork, Usage};
use arrayvec::ArrayVec;

/// Something with a usage, of which a user's share holds only so many.
pub(super) trait Counted {
    fn usage(&self) -> Usage;
}

impl Counted for KnownDevice {
    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Counted for KnownAgent {
    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Counted for KnownNetwork {
    fn usage(&self) -> Usage {
        self.usage
    }
}

impl Counted for KnownCountry {
    fn usage(&self) -> Usage {
        self.usage
    }
}

/// Makes room of one entry where there is none, for what else the row holds.
pub(super) fn spare<T: Counted, const MAX: usize>(entries: &mut ArrayVec<T, MAX>) {
    if entries.is_full() {
        let rank = |(_, known): &(usize, &T)| (known.usage().days.count_ones(), known.usage().last_s);
        if let Some(at) = entries.iter().enumerate().min_by_key(rank).map(|(at, _)| at) {
            entries.remove(at);
        }
    }
}

/// Puts a new entry in, for the one used on the fewest days where there is no room, the oldest of those: a flood of
/// logins within a day cannot flush old habits. Gives whether one had to go.
pub(super) fn insert<T: Counted, const MAX: usize>(entries: &mut ArrayVec<T, MAX>, entry: T) -> bool {
    let Err(full) = entries.try_push(entry) else { return false };
    let rank = |known: &T| (known.usage().days.count_ones(), known.usage().last_s);
    if let Some(victim) = entries.iter_mut().min_by_key(|known| rank(known)) {
        *victim = full.element();
    }
    true
}
