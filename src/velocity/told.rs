//! What replicas tell each other: each what it counted itself since it last said so, once. Put together, in whatever order, that is
//! what one process would have counted, since counts add up and users are joined by their latest time.
//!
//! A source is told once somebody failed there within the day; until then its successes wait, since nobody asks how usual it is that
//! nobody fails. So what is told is as much as fails, and not as much as logs in.

use super::kept::spot;
use super::row::{self, BadRow};
use super::source::Source;
use super::table::{Event, SHARDS, Sets, Spot};
use super::{Velocity, judge};
use crate::clock::Timestamp;
use crate::keyed_hash::SourceKey;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZeroU64;

/// Of sources that wait to be told, however many are counted: some 40 MB at most.
const UNTOLD_MAX: usize = 65_536;

/// In how many parts all that replicas told is kept.
pub const PARTS: usize = SHARDS;
/// Sources of one part. When there are more, those go that would give way first.
const PART_SOURCES_MAX: usize = UNTOLD_MAX / PARTS;

/// A batch of what a replica told.
#[derive(Debug, Default)]
pub struct Told(Vec<(Spot, Source)>);

impl Told {
    /// Reads a batch.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(batch: &[u8]) -> Result<Self, BadRow> {
        row::read(batch).map(Self)
    }

    /// Whether it tells of sources of this part.
    #[must_use]
    pub fn is_of(&self, part: usize) -> bool {
        self.0.iter().any(|(spot, _)| usize::from(spot.shard) == part)
    }

    /// Sources in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is of nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What all replicas told of the sources of one part, put together.
#[derive(Debug)]
pub struct Part {
    number: usize,
    sources: HashMap<SourceKey, Source>,
}

impl Part {
    /// Nothing was told of it.
    #[must_use]
    pub fn empty(number: usize) -> Self {
        Self { number, sources: HashMap::new() }
    }

    /// What was written of the part with this number, below [`PARTS`].
    ///
    /// # Errors
    ///
    /// It was not.
    pub fn read(number: usize, bytes: &[u8]) -> Result<Self, BadRow> {
        let sources = row::read(bytes)?.into_iter().map(|(spot, source)| (spot.key, source)).collect();
        Ok(Self { number, sources })
    }

    /// Adds those of a batch of this time that belong to this part. What was counted by a clock that is far ahead is left out.
    pub fn add(&mut self, told: &Told, at: Timestamp) {
        let here = told.0.iter().filter(|(spot, _)| usize::from(spot.shard) == self.number);
        for (spot, source) in here.filter(|(_, source)| source.tells_something(at.unix_s())) {
            let begin = || Source::new(source.touched().at_s, source.scope());
            self.sources.entry(spot.key).or_insert_with(begin).absorb(source);
        }
    }

    /// As it is to be kept: what has something to tell, and of that no more than there is room for.
    #[must_use]
    pub fn write(&self, now: Timestamp) -> Vec<u8> {
        let telling = self.sources.iter().filter(|(_, source)| source.tells_something(now.unix_s()));
        let mut kept: Vec<_> = telling.collect();
        kept.sort_unstable_by_key(|(key, source)| (Reverse(source.touched().stays_until_s()), key.0));
        kept.truncate(PART_SOURCES_MAX);
        row::write(kept.into_iter().map(|(key, source)| (spot(self.number, *key), source)))
    }
}

impl Velocity {
    /// From now on notes what is counted here, so that it can be told.
    pub fn begin_to_tell(&self) {
        for shard in 0..SHARDS {
            let sets = self.table.sets_of_shard().min(UNTOLD_MAX / SHARDS / 8);
            self.table.shard_at(shard).untold.get_or_insert_with(|| Sets::new(sets));
        }
    }

    /// Takes up to `max` sources of what others do not know, those with the most failures first. They are to be told, come what may.
    #[must_use]
    pub fn take_untold(&self, max: usize, now: Timestamp) -> Vec<u8> {
        let now_s = now.unix_s();
        // The one with the fewest failures is on top.
        let mut chosen: BinaryHeap<Reverse<(u32, usize, NonZeroU64)>> = BinaryHeap::new();
        for number in 0..SHARDS {
            let shard = self.table.shard_at(number);
            for (key, source) in shard.untold.iter().flat_map(Sets::sources) {
                let failures = source.failures_of_day(now_s);
                let is_asked_for = || failures > 0 || shard.find(key).is_some_and(|all| all.failures_of_day(now_s) > 0);
                let is_among = chosen.len() < max || chosen.peek().is_some_and(|least| failures > least.0.0);
                if is_among && is_asked_for() {
                    chosen.push(Reverse((failures, number, key.0)));
                    if chosen.len() > max {
                        chosen.pop();
                    }
                }
            }
        }
        let take = |spot: Spot| Some((spot, self.table.shard_of(spot).untold.as_mut()?.take(spot.key)?));
        let chosen = chosen.into_iter().map(|Reverse((_, shard, key))| spot(shard, SourceKey(key)));
        let taken: Vec<_> = chosen.filter_map(take).collect();
        row::write(taken.iter().map(|(spot, source)| (*spot, source)))
    }

    /// Adds what another replica told. What it counted by a clock that is far ahead is left out: here it would stand for hours to come.
    pub fn hear(&self, told: &Told, now: Timestamp) {
        for (spot, source) in &told.0 {
            self.add(*spot, source, now.unix_s());
        }
    }

    /// Takes what all replicas told of a part, this one among them, in place of what is here of those sources; what was counted here
    /// and not told yet is added.
    pub fn take_over(&self, part: &Part, now: Timestamp) {
        let (now_s, settings) = (now.unix_s(), self.settings());
        let mut suspect_until_s = 0;
        for (key, source) in part.sources.iter().filter(|(_, source)| source.tells_something(now_s)) {
            let mut shard = self.table.shard_at(part.number);
            let untold = shard.untold.as_ref().and_then(|untold| untold.find(*key)).cloned();
            let (at_s, outlives_s) = (source.touched().at_s, source.touched().outlives_s());
            let event = Event { key: *key, scope: source.scope(), at_s, outlives_s };
            self.table.take_in(&mut shard, event, |own| {
                *own = source.clone();
                untold.iter().for_each(|untold| own.absorb(untold));
                let until_s = judge::suspect_until_s(own, own.scope(), now_s, &settings);
                suspect_until_s = suspect_until_s.max(until_s.unwrap_or(0));
            });
        }
        self.suspect_until(suspect_until_s);
    }
}
