//! Rows by user, in shards of their own locks: a look-up reads one line of cache, and then the row.

use super::row::Row;
use crate::keyed_hash::UserKey;
use crate::memory::places::{Key, Places};
use crate::prefetch::Lines;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All rows.
#[derive(Debug)]
pub(super) struct Table(Box<[Mutex<Shard>]>);

/// One lock's share of them.
pub(super) type Shard = Places<UserKey, Row>;

/// More shards than cores, so that two logins seldom meet at one lock.
pub(super) const SHARDS: usize = 256;

impl Key for UserKey {
    /// There are many, so that room counts.
    const TAKEN_PERCENT_MAX: usize = 75;

    /// By its middle bits. By the highest, users who come in the order of their keys, as from a store, would all want the first places
    /// until the last have come; by the lowest, shards are told apart.
    fn position(self) -> u64 {
        u64::try_from((self.0 >> u8::BITS) & u128::from(u64::MAX)).unwrap_or(0)
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(SHARDS).collect())
    }

    /// The shard that a user is in, by the lowest bits.
    pub(super) fn shard(&self, user: UserKey) -> MutexGuard<'_, Shard> {
        let [low, ..] = user.0.to_le_bytes();
        lock(&self.0[usize::from(low) % SHARDS])
    }

    /// Each shard in turn, locked while it is looked at.
    pub(super) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.0.iter().map(lock)
    }

    pub(super) fn len(&self) -> usize {
        self.shards().map(|shard| shard.len()).sum()
    }

    /// Has the line of cache come in which the user's place is.
    pub(super) fn prefetch_place(&self, user: UserKey) {
        let place = self.shard(user).line_of(user);
        place.prefetch();
    }

    /// The same of the row. It waits for the place.
    pub(super) fn prefetch_row(&self, user: UserKey) {
        let row = self.shard(user).get(user).map(|row| Lines::of(row.bytes()));
        if let Some(row) = row {
            row.prefetch();
        }
    }

    /// Makes room for so many rows in all. Keyed hashes are spread as by chance: hardly a shard has more than four standard deviations
    /// beyond its share.
    pub(super) fn reserve(&self, count: usize) {
        let share = count.div_ceil(SHARDS);
        self.shards().for_each(|mut shard| shard.reserve(share + 4 * share.isqrt()));
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.shards().map(|shard| shard.capacity()).sum()
    }
}

/// No step between two states of a shard can panic, but to make room, and that comes first.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_small_and_room_is_made_once() {
        assert_eq!(size_of::<Option<(UserKey, Row)>>(), 32);
        let table = Table::new();
        table.reserve(1_000_000);
        let places = table.capacity();
        assert!((1_333_333..1_450_000).contains(&places), "{places}");
        assert!(table.shard(UserKey(7)).insert(UserKey(7), Row::default()).is_none());
        assert_eq!(table.capacity(), places);
    }
}
