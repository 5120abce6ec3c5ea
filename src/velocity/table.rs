//! Where sources are kept: a table that grows up to its bound and never beyond, whatever comes.
//!
//! It has sets of eight places, and a source has its place in one set only, as a keyed hash decides. When the set is full, the one
//! that stays shortest makes room ([`Source::stays_until_s`]), or the newcomer is not let in. So a flood of new sources, each of
//! which has one failure to tell, replaces its own kind: a source with 200 failures outlives it by two hours after its last one. To push
//! that out, all its seven neighbours must have as much to tell, and nobody knows who they are: it takes the same effort on
//! every place of the table.

use super::source::Source;
use crate::keyed_hash::SourceKey;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
const WAYS: usize = 8;

/// All sources, in shards of their own locks. A set is allocated when its first source comes, and stays.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    held: AtomicUsize,
}

/// One lock's share of the table.
pub(super) struct Shard {
    sets: Box<[Option<Box<Set>>]>,
}

struct Set {
    /// Zero where there is none.
    keys: [u64; WAYS],
    /// When each gives way, beside the keys: who goes is found without looking at the sources.
    stay_until_s: [u32; WAYS],
    sources: [Source; WAYS],
}

impl Table {
    pub(super) fn new(sources_max: usize) -> Self {
        let sets = (sources_max / SHARDS / WAYS).max(1);
        let shard = || Mutex::new(Shard { sets: std::iter::repeat_with(|| None).take(sets).collect() });
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect(), held: AtomicUsize::new(0) }
    }

    /// Adds what another table holds, made with the same key.
    pub(super) fn absorb(&self, other: &Self) {
        for (own, others) in self.shards.iter().zip(&other.shards) {
            // Copied, so that no two locks are held at a time.
            let told: Vec<(SourceKey, Source)> = lock(others).held().collect();
            let mut shard = lock(own);
            for (key, source) in told {
                let (touched_s, outlives_s) = (source.touched_s(), source.outlives_s());
                self.count(&mut shard, key, touched_s, outlives_s, |own| own.absorb(&source));
            }
        }
    }

    /// The shard of a key; addresses are kept in that of their prefix, so that one lock does for both.
    pub(super) fn shard(&self, key: SourceKey) -> MutexGuard<'_, Shard> {
        let number = usize::try_from(key.0.get() % (1 << 16)).unwrap_or(0) % SHARDS;
        lock(&self.shards[number])
    }

    /// Sources that are held.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts at the source in its shard, which is begun at `at_s` if need be; not, if all that could make room stay for longer than it
    /// would with this one thing to tell.
    pub(super) fn count(
        &self,
        shard: &mut Shard,
        key: SourceKey,
        at_s: u32,
        outlives_s: u32,
        count: impl FnOnce(&mut Source),
    ) {
        let set = shard.set_of(key).get_or_insert_with(|| Box::new(Set::new()));
        let key = key.0.get();
        let place = match set.keys.iter().position(|known| *known == key) {
            Some(place) => place,
            None => {
                let Some(place) = set.place_for_another(at_s.saturating_add(outlives_s)) else { return };
                if std::mem::replace(&mut set.keys[place], key) == 0 {
                    self.held.fetch_add(1, Ordering::Relaxed);
                }
                set.sources[place] = Source::new(at_s);
                place
            }
        };
        count(&mut set.sources[place]);
        set.stay_until_s[place] = set.sources[place].stays_until_s();
    }
}

/// A panic under the lock leaves counts that are off by one at worst.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn held(&self) -> impl Iterator<Item = (SourceKey, Source)> {
        let of_set = |set: &Set| {
            let keys = set.keys.into_iter().map(|key| NonZeroU64::new(key).map(SourceKey));
            keys.zip(set.sources.clone()).filter_map(|(key, source)| Some((key?, source)))
        };
        self.sets.iter().flatten().flat_map(move |set| of_set(set))
    }

    pub(super) fn find(&self, key: SourceKey) -> Option<&Source> {
        let set = self.sets[self.number_of(key)].as_deref()?;
        let place = set.keys.iter().position(|known| *known == key.0.get())?;
        Some(&set.sources[place])
    }

    fn set_of(&mut self, key: SourceKey) -> &mut Option<Box<Set>> {
        &mut self.sets[self.number_of(key)]
    }

    /// By the upper bits; the lower ones chose the shard.
    fn number_of(&self, key: SourceKey) -> usize {
        let sets = u128::try_from(self.sets.len()).unwrap_or(1);
        usize::try_from((u128::from(key.0.get()) * sets) >> NonZeroU64::BITS).unwrap_or(0)
    }
}

impl Set {
    fn new() -> Self {
        Self { keys: [0; WAYS], stay_until_s: [0; WAYS], sources: std::array::from_fn(|_| Source::new(0)) }
    }

    /// A free place stays until the year 1970, so that it goes first. Whoever would stay for longer than anybody can is from before
    /// the clock was set back, and goes as well.
    fn place_for_another(&self, newcomer_stays_until_s: u32) -> Option<usize> {
        let latest_s = newcomer_stays_until_s.saturating_add(Source::OUTLIVES_S_MAX);
        let stays = |until_s: u32| if until_s > latest_s { 0 } else { until_s };
        let stays = self.stay_until_s.into_iter().map(stays).enumerate();
        let (place, until_s) = stays.min_by_key(|(_, until_s)| *until_s)?;
        (until_s <= newcomer_stays_until_s).then_some(place)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("held", &self.held()).finish_non_exhaustive()
    }
}
