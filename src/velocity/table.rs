//! Where sources are kept: a table that grows up to its bound and never beyond, whatever comes.
//!
//! It has sets of eight places, and a source has its place in one set only, as a keyed hash decides. When the set is full, the one
//! that stays shortest makes room ([`Touched::stays_until_s`]), or the newcomer is not let in. So a flood of new sources, each of
//! which has one failure to tell, replaces its own kind: a source with 200 failures outlives it by two hours after its last one. To push
//! that out, all its seven neighbours must have as much to tell, and nobody knows who they are: it takes the same effort on
//! every place of the table.

use super::Scope;
use super::source::Source;
use super::touched::Touched;
use crate::keyed_hash::SourceKey;
use crate::prefetch::Lines;
use std::fmt;
use std::num::NonZeroU64;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) const SHARDS: usize = 64;
const WAYS: usize = 8;

/// All sources, in shards of their own locks. A set is allocated when its first source comes, and stays.
pub(super) struct Table {
    shards: Box<[Mutex<Shard>]>,
    sets_of_shard: usize,
    held: AtomicUsize,
}

/// One lock's share of the table.
pub(super) struct Shard {
    all: Sets,
    /// A bit a set: it is not on the disk as it is here.
    changed: Box<[u64]>,
    /// What was counted here and not told to other replicas, where there are any.
    pub(super) untold: Option<Sets>,
}

/// Sets of one shard, among which a source has one place.
pub(super) struct Sets(Box<[Option<Box<Set>>]>);

pub(super) struct Set {
    /// Zero where there is none.
    keys: [u64; WAYS],
    /// When each gives way, beside the keys: who goes is found without looking at the sources.
    stay_until_s: [u32; WAYS],
    sources: [Source; WAYS],
}

/// Where a source is: the shard does not follow from the key, since an address lies in that of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    /// Below [`SHARDS`].
    pub(super) shard: u8,
    pub(super) key: SourceKey,
}

/// Something to count at a source, which is begun if need be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) key: SourceKey,
    pub(super) scope: Scope,
    pub(super) at_s: u32,
    /// How long the source outlives this if it has nothing else to tell.
    pub(super) outlives_s: u32,
}

impl Table {
    pub(super) fn new(sources_max: usize) -> Self {
        let sets_of_shard = (sources_max / SHARDS / WAYS).max(1);
        let shard = || Mutex::new(Shard::new(sets_of_shard));
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect(), sets_of_shard, held: AtomicUsize::new(0) }
    }

    /// The shard of a key; addresses are kept in that of their prefix, so that one lock does for both.
    pub(super) fn shard(&self, key: SourceKey) -> MutexGuard<'_, Shard> {
        // By the lowest bits; the upper ones choose the set.
        self.shard_at(usize::try_from(key.0.get() % (1 << 16)).unwrap_or(0))
    }

    pub(super) fn shard_at(&self, number: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[number % SHARDS])
    }

    pub(super) fn shard_of(&self, spot: Spot) -> MutexGuard<'_, Shard> {
        self.shard_at(spot.shard.into())
    }

    /// Sources that are held.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Sets in all shards.
    pub(super) fn sets(&self) -> usize {
        SHARDS * self.sets_of_shard
    }

    pub(super) fn sets_of_shard(&self) -> usize {
        self.sets_of_shard
    }

    /// Counts at the source in its shard, and notes it for other replicas.
    pub(super) fn count(&self, shard: &mut Shard, event: Event, mut count: impl FnMut(&mut Source)) {
        self.take_in(shard, event, &mut count);
        if let Some(untold) = &mut shard.untold {
            untold.count(event, count);
        }
    }

    /// Counts what others have already.
    pub(super) fn take_in(&self, shard: &mut Shard, event: Event, count: impl FnOnce(&mut Source)) {
        let set = shard.all.number_of(event.key);
        if shard.all.count(event, count) {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        shard.note_changed(set);
    }

    /// Gives up sources of a set for which `stay` is not so.
    pub(super) fn retain(&self, shard: &mut Shard, set: usize, stay: impl Fn(&Source) -> bool) {
        let Some(held) = shard.all.0[set].as_deref_mut() else { return };
        let mut left = 0;
        for place in 0..WAYS {
            if held.keys[place] != 0 && !stay(&held.sources[place]) {
                (held.keys[place], held.stay_until_s[place]) = (0, 0);
                held.sources[place] = Source::new(0, Scope::Address);
                left += 1;
            }
        }
        if left > 0 {
            self.held.fetch_sub(left, Ordering::Relaxed);
            shard.note_changed(set);
        }
    }
}

/// A panic under the lock leaves counts that are off by one at worst.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn new(sets: usize) -> Self {
        Self { all: Sets::new(sets), changed: vec![0; sets.div_ceil(BITS)].into(), untold: None }
    }

    pub(super) fn find(&self, key: SourceKey) -> Option<&Source> {
        self.all.find(key)
    }

    /// Where it is looked for first, when something is counted, and who makes room, if need be.
    pub(super) fn lines_of_set(&self, key: SourceKey) -> Option<[Lines; 2]> {
        let set = self.all.set(key)?;
        Some([Lines::of(&set.keys), Lines::of(&set.stay_until_s)])
    }

    /// Where it is counted then, or where that is found.
    pub(super) fn lines_of_source(&self, Event { key, at_s, outlives_s, .. }: Event) -> Option<Lines> {
        let set = self.all.set(key)?;
        let place = set.place_of(key).or_else(|| set.place_for_another(at_s.saturating_add(outlives_s)))?;
        Some(Lines::of(slice::from_ref(&set.sources[place])))
    }

    /// The sources of one set.
    pub(super) fn sources(&self, set: usize) -> impl Iterator<Item = (SourceKey, &Source)> {
        self.all.0[set].iter().flat_map(|set| set.sources())
    }

    pub(super) fn number_of(&self, key: SourceKey) -> usize {
        self.all.number_of(key)
    }

    pub(super) fn note_changed(&mut self, set: usize) {
        self.changed[set / BITS] |= 1 << (set % BITS);
    }

    /// Takes up to `max` sets that changed.
    pub(super) fn take_changed(&mut self, max: usize) -> Vec<usize> {
        let mut taken = Vec::new();
        for (number, word) in self.changed.iter_mut().enumerate() {
            while *word != 0 && taken.len() < max {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                taken.push(number * BITS + usize::try_from(bit).unwrap_or(0));
            }
        }
        taken
    }
}

/// Of a word of notes.
const BITS: usize = 64;

impl Sets {
    pub(super) fn new(sets: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(sets).collect())
    }

    pub(super) fn find(&self, key: SourceKey) -> Option<&Source> {
        let set = self.set(key)?;
        Some(&set.sources[set.place_of(key)?])
    }

    /// The set in which a source is, if it is anywhere.
    fn set(&self, key: SourceKey) -> Option<&Set> {
        self.0[self.number_of(key)].as_deref()
    }

    /// All that are there.
    pub(super) fn sources(&self) -> impl Iterator<Item = (SourceKey, &Source)> {
        self.0.iter().flatten().flat_map(|set| set.sources())
    }

    /// Takes a source out; a set that has none any more goes.
    pub(super) fn take(&mut self, key: SourceKey) -> Option<Source> {
        let number = self.number_of(key);
        let set = self.0[number].as_deref_mut()?;
        let place = set.place_of(key)?;
        (set.keys[place], set.stay_until_s[place]) = (0, 0);
        let source = std::mem::replace(&mut set.sources[place], Source::new(0, Scope::Address));
        if set.keys == [0; WAYS] {
            self.0[number] = None;
        }
        Some(source)
    }

    /// Counts; not, if all that could make room stay for longer than the source would with this one thing to tell. Gives whether a
    /// free place was taken.
    fn count(&mut self, event: Event, count: impl FnOnce(&mut Source)) -> bool {
        let number = self.number_of(event.key);
        let set = self.0[number].get_or_insert_with(|| Box::new(Set::new()));
        let mut is_more = false;
        let place = match set.place_of(event.key) {
            Some(place) => place,
            None => {
                let until_s = event.at_s.saturating_add(event.outlives_s);
                let Some(place) = set.place_for_another(until_s) else { return false };
                is_more = std::mem::replace(&mut set.keys[place], event.key.0.get()) == 0;
                set.sources[place] = Source::new(event.at_s, event.scope);
                place
            }
        };
        count(&mut set.sources[place]);
        set.stay_until_s[place] = set.sources[place].touched().stays_until_s();
        is_more
    }

    /// By the upper bits; the lower ones chose the shard.
    fn number_of(&self, key: SourceKey) -> usize {
        let sets = u128::try_from(self.0.len()).unwrap_or(1);
        usize::try_from((u128::from(key.0.get()) * sets) >> NonZeroU64::BITS).unwrap_or(0)
    }
}

impl Set {
    fn new() -> Self {
        let nobody = |_| Source::new(0, Scope::Address);
        Self { keys: [0; WAYS], stay_until_s: [0; WAYS], sources: std::array::from_fn(nobody) }
    }

    fn sources(&self) -> impl Iterator<Item = (SourceKey, &Source)> {
        let keys = self.keys.iter().map(|key| NonZeroU64::new(*key).map(SourceKey));
        keys.zip(&self.sources).filter_map(|(key, source)| Some((key?, source)))
    }

    fn place_of(&self, key: SourceKey) -> Option<usize> {
        self.keys.iter().position(|known| *known == key.0.get())
    }

    /// A free place stays until the year 1970, so that it goes first. Whoever would stay for longer than anybody can is from before
    /// the clock was set back, and goes as well.
    fn place_for_another(&self, newcomer_stays_until_s: u32) -> Option<usize> {
        let latest_s = newcomer_stays_until_s.saturating_add(Touched::OUTLIVES_S_MAX);
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
