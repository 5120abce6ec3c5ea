//! Velocity: which addresses, prefixes and autonomous systems fail to log in more often than they use to.
//!
//! Every failed login that is told, and every completed one, is counted for three sources: its address (an IPv6 one by its /64),
//! its prefix (/24 or /48) and its autonomous system. A source is found when it is over an absolute floor and far over its own past
//! (`velocity/judge.rs`). It decides nothing: what a finding means for a login is for UntrustedIP to say.
//!
//! What is counted outlives the process (`velocity/kept.rs`), and replicas tell each other of it (`velocity/told.rs`).
//!
//! Nothing is kept of a user but that a user's hash fell into one of 64 cells, or 32 bits of it for the last eight who failed.

mod judge;
mod kept;
mod ring;
mod row;
mod source;
mod table;
mod tally;
mod told;
mod touched;
mod users;

pub use row::BadRow;
pub use told::{PARTS, Part, Told};

use crate::bounded::{Bounded, BoundedFloat};
use crate::clock::Timestamp;
use crate::keyed_hash::{SourceKey, Sources, UserKey};
use crate::prefetch::Lines;
use serde::{Deserialize, Serialize};
use source::{Happening, Source};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use table::{Event, Table};
use touched::Touched;

/// The tunables of velocity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Failures in five minutes, below which nothing is found. Of an hour, three times as many; of a day, ten times; of an autonomous
    /// system, five times.
    pub failures_min: Bounded<1, 1_000_000>,
    /// Distinct users who failed, any of the two being enough.
    pub users_min: Bounded<1, 1_000_000>,
    /// So many users with a known device halve what the failures of their source count; twice as many make it a third.
    pub known_users_half: Bounded<1, 1_000_000>,
    /// Standard deviations by which there must be more failures than the source's past lets expect.
    pub surprise_min: BoundedFloat<0, 100>,
    /// Sources that are counted: 80 bytes each, and 470 more for one that was seen four times, or comes from a disk or another
    /// replica.
    pub sources_max: Bounded<1024, 16_777_216>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures_min: Bounded::of::<10>(),
            users_min: Bounded::of::<5>(),
            known_users_half: Bounded::of::<5>(),
            surprise_min: BoundedFloat::of::<3>(),
            sources_max: Bounded::of::<32_768>(),
        }
    }
}

/// A time over which is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last five minutes.
    FiveMinutes,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
}

impl Window {
    const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// Its length.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::FiveMinutes => 300,
            Self::Hour => 3_600,
            Self::Day => users::DAY_S,
        }
    }
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// An address, or an IPv6 /64.
    Address,
    /// A /24 or a /48.
    Prefix,
    /// An autonomous system.
    System,
}

impl Scope {
    /// As it is kept.
    fn number(self) -> u8 {
        match self {
            Self::Address => 0,
            Self::Prefix => 1,
            Self::System => 2,
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        [Self::Address, Self::Prefix, Self::System].into_iter().find(|scope| scope.number() == number)
    }
}

/// The closest source of a login that fails far more often than it uses to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Which of its sources.
    pub scope: Scope,
    /// The shortest time in which that shows.
    pub window: Window,
    /// Failures in that time.
    pub failures: u32,
    /// Distinct users who failed in that time; an estimate from eight on.
    pub users: u32,
}

/// Who came from where: what is counted of a login when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// Whose login.
    pub user: UserKey,
    /// From where.
    pub sources: Sources,
    /// Whether the user's device was known, so that the login speaks for its source.
    pub device_known: bool,
}

/// A login that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    /// Whose, where that was told.
    pub user: Option<UserKey>,
    /// Whether the caller knows no such user.
    pub is_unknown: bool,
    /// From where.
    pub sources: Sources,
}

/// What is counted of all sources. One for the process; all cores share it.
///
/// Counting takes two short locks, of the shard of the prefix and of the system; looking up takes none, unless a source went over
/// its floor not long ago.
#[derive(Debug)]
pub struct Velocity {
    table: Table,
    /// No source can be found from this second on, unless another failure comes.
    suspect_until_s: AtomicU32,
    /// By which it is told whether a source that comes from elsewhere is over its floor.
    settings: Mutex<Settings>,
}

impl Velocity {
    /// Nothing counted yet; at most `sources_max` sources will be.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let table = Table::new(settings.sources_max.as_usize());
        Self { table, suspect_until_s: AtomicU32::new(0), settings: Mutex::new(settings) }
    }

    /// Takes other settings for what comes from elsewhere. The number of sources stays.
    pub fn set(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a login that failed at `at`.
    pub fn failed(&self, failed: &Failed, at: Timestamp, settings: &Settings) {
        let at_s = at.unix_s();
        let happening = Happening::failure(failed.user.map(UserKey::low_bits), failed.is_unknown, at_s);
        let mut until_s = 0;
        self.count(&failed.sources, at_s, Touched::FAILED_ONCE_OUTLIVES_S, |source, scope| {
            source.count(happening);
            until_s = until_s.max(judge::suspect_until_s(source, scope, at_s, settings).unwrap_or(0));
        });
        self.suspect_until(until_s);
    }

    /// Counts a login that was completed at `at`.
    pub fn succeeded(&self, visit: &Visit, at: Timestamp) {
        let at_s = at.unix_s();
        let happening = Happening::success(visit.user.low_bits(), visit.device_known, at_s);
        self.count(&visit.sources, at_s, Touched::SUCCEEDED_ONCE_OUTLIVES_S, |source, _| source.count(happening));
    }

    /// The closest of a login's sources that fails far more often than it uses to.
    #[must_use]
    pub fn look_up(&self, sources: &Sources, now: Timestamp, settings: &Settings) -> Option<Finding> {
        let now_s = now.unix_s();
        if now_s >= self.suspect_until_s.load(Ordering::Acquire) {
            return None;
        }
        let find = |source: Option<&Source>, scope| judge::find(source?, scope, now_s, settings);
        let near = {
            let shard = self.table.shard(sources.prefix);
            find(shard.find(sources.address), Scope::Address)
                .or_else(|| find(shard.find(sources.prefix), Scope::Prefix))
        };
        near.or_else(|| sources.system.and_then(|key| find(self.table.shard(key).find(key), Scope::System)))
    }

    /// A login from here is about to be counted: has what is read first come from where memory is slow.
    pub fn prefetch_keys(&self, sources: &Sources) {
        let near = {
            let shard = self.table.shard(sources.prefix);
            [sources.prefix, sources.address].map(|key| shard.lines_of_set(key))
        };
        let system = sources.system.and_then(|key| self.table.shard(key).lines_of_set(key));
        near.into_iter().chain([system]).flatten().flatten().for_each(Lines::prefetch);
    }

    /// The same of what is counted, when that has come.
    pub fn prefetch_counts(&self, sources: &Sources, at: Timestamp) {
        let event =
            |key, scope| Event { key, scope, at_s: at.unix_s(), outlives_s: Touched::SUCCEEDED_ONCE_OUTLIVES_S };
        let near = {
            let shard = self.table.shard(sources.prefix);
            let near = [(sources.prefix, Scope::Prefix), (sources.address, Scope::Address)];
            near.map(|(key, scope)| shard.lines_of_source(event(key, scope)))
        };
        let system = sources.system.and_then(|key| self.table.shard(key).lines_of_source(event(key, Scope::System)));
        near.into_iter().chain([system]).flatten().for_each(Lines::prefetch);
    }

    /// Sources that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.table.held()
    }

    fn suspect_until(&self, second: u32) {
        if second > 0 {
            self.suspect_until_s.fetch_max(second, Ordering::Release);
        }
    }

    fn count(&self, sources: &Sources, at_s: u32, outlives_s: u32, mut count: impl FnMut(&mut Source, Scope)) {
        let mut one = |shard: &mut table::Shard, key: SourceKey, scope| {
            self.table.count(shard, Event { key, scope, at_s, outlives_s }, |source| count(source, scope));
        };
        {
            let mut shard = self.table.shard(sources.prefix);
            one(&mut shard, sources.prefix, Scope::Prefix);
            one(&mut shard, sources.address, Scope::Address);
        }
        if let Some(system) = sources.system {
            one(&mut self.table.shard(system), system, Scope::System);
        }
    }
}

#[cfg(test)]
mod tests;
