//! What is known of one source: an address, a prefix or an autonomous system.
//!
//! Most sources are seen once or twice, and give way to others. Of such a one what happened is kept as it came, in one line of cache; it
//! is counted when there is more, or when somebody asks.

use super::Scope;
use super::row::Reader;
use super::tally::Tally;
use super::touched::Touched;
use super::users::{CELL_BITS, DAY_S, TAG_BITS};
use std::borrow::Cow;

/// One source. Whether it is few or many shows in no answer.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Few(Few),
    Many(Box<Tally>),
}

/// A login that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happening {
    /// When.
    pub(super) at_s: u32,
    /// Of a hash of whose it was, what is counted by: no more is kept.
    pub(super) user: u64,
    /// Whether it is told whose it was.
    pub(super) is_named: bool,
    /// How it ended.
    pub(super) has_failed: bool,
    /// Of a failure, that nobody knows the user; of a success, that the device was known.
    pub(super) is_marked: bool,
}

impl Happening {
    pub(super) fn failure(user: Option<u64>, is_unknown: bool, at_s: u32) -> Self {
        let is_named = user.is_some();
        let user = user.unwrap_or(0) & (CELL_BITS | TAG_BITS);
        Self { at_s, user, is_named, has_failed: true, is_marked: is_unknown }
    }

    pub(super) fn success(user: u64, device_known: bool, at_s: u32) -> Self {
        Self { at_s, user: user & CELL_BITS, is_named: true, has_failed: false, is_marked: device_known }
    }
}

/// How many logins are kept as they came: with the rest 64 bytes.
const FEW: usize = 3;

/// What happened, in the order in which it was told.
#[derive(Debug, Clone)]
pub(super) struct Few {
    touched: Touched,
    scope: Scope,
    happened: [Option<Happening>; FEW],
}

impl Few {
    fn none(at_s: u32, scope: Scope) -> Self {
        Self { touched: Touched::new(at_s), scope, happened: [None; FEW] }
    }

    /// Keeps it, or does not, where there is no room.
    fn keep(&mut self, happening: Happening) -> bool {
        if self.happened[0].is_none() || self.touched.is_ahead_of(happening.at_s) {
            *self = Self::none(happening.at_s, self.scope);
        }
        let Some(place) = self.happened.iter_mut().find(|place| place.is_none()) else { return false };
        *place = Some(happening);
        self.touched.advance(happening.at_s);
        self.touched.weigh(happening.has_failed);
        true
    }

    fn happened(&self) -> impl Iterator<Item = Happening> {
        self.happened.into_iter().flatten()
    }

    /// As it would have been counted.
    fn tally(&self) -> Tally {
        let first_s = self.happened().next().map_or(self.touched.at_s, |first| first.at_s);
        let mut tally = Tally::new(first_s, self.scope);
        self.happened().for_each(|happening| tally.count(happening));
        tally
    }
}

impl Source {
    /// Nothing is known of it yet.
    pub(super) fn new(at_s: u32, scope: Scope) -> Self {
        Self::Few(Few::none(at_s, scope))
    }

    pub(super) fn count(&mut self, happening: Happening) {
        match self {
            Self::Many(tally) => tally.count(happening),
            Self::Few(few) => {
                if !few.keep(happening) {
                    let mut tally = Box::new(few.tally());
                    tally.count(happening);
                    *self = Self::Many(tally);
                }
            }
        }
    }

    /// All of it, counted.
    pub(super) fn tally(&self) -> Cow<'_, Tally> {
        match self {
            Self::Few(few) => Cow::Owned(few.tally()),
            Self::Many(tally) => Cow::Borrowed(tally),
        }
    }

    /// Failures that it can tell of at most; nothing is counted for that.
    pub(super) fn failures_max(&self) -> u32 {
        match self {
            Self::Few(few) => few.happened().map(|happening| u32::from(happening.has_failed)).sum(),
            Self::Many(_) => u32::MAX,
        }
    }

    pub(super) fn touched(&self) -> Touched {
        match self {
            Self::Few(few) => few.touched,
            Self::Many(tally) => tally.touched(),
        }
    }

    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Few(few) => few.scope,
            Self::Many(tally) => tally.scope(),
        }
    }

    /// Failures of the day that ends at `now_s`.
    pub(super) fn failures_of_day(&self, now_s: u32) -> u32 {
        if self.failures_max() == 0 { 0 } else { self.tally().failures_of_day(now_s) }
    }

    /// See [`Tally::tells_something`].
    pub(super) fn tells_something(&self, now_s: u32) -> bool {
        let touched = self.touched();
        let is_of_today = now_s.saturating_sub(touched.at_s) < DAY_S;
        !touched.is_ahead_of(now_s) && (is_of_today || self.tally().tells_something(now_s))
    }

    /// Adds what was counted of the same source at another place.
    pub(super) fn absorb(&mut self, other: &Self) {
        let mut tally = Box::new(self.tally().into_owned());
        tally.absorb(&other.tally());
        *self = Self::Many(tally);
    }

    /// See [`Tally::write`].
    pub(super) fn write(&self, row: &mut Vec<u8>) {
        self.tally().write(row);
    }

    /// What was written so; `None` of anything else.
    pub(super) fn read(row: &mut Reader<'_>) -> Option<Self> {
        Tally::read(row).map(|tally| Self::Many(Box::new(tally)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velocity::Window;
    use proptest::prelude::*;

    const START_S: u32 = 1_790_000_000;

    #[test]
    fn a_source_that_is_seldom_seen_is_a_line_of_cache() {
        assert_eq!(size_of::<Source>(), 64);
        let mut source = Source::new(START_S, Scope::Prefix);
        for seen in 1..=FEW + 1 {
            source.count(Happening::failure(None, false, START_S));
            assert_eq!(matches!(source, Source::Few(_)), seen <= FEW, "{seen} times");
        }
    }

    #[test]
    fn no_more_is_kept_of_a_user_than_is_counted_by() {
        assert_eq!(Happening::success(u64::MAX, true, START_S).user.count_ones(), 6);
        assert_eq!(Happening::failure(Some(u64::MAX), true, START_S).user.count_ones(), 6 + 32);
    }

    fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let happening = (-90_000..200_000_i64, any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(forward_s, user, is_named, has_failed, is_marked)| {
                let at_s = u32::try_from(i64::from(START_S) + forward_s).unwrap_or(START_S);
                Happening { at_s, user, is_named, has_failed, is_marked }
            },
        );
        prop::collection::vec(happening, 1..6)
    }

    proptest! {
        /// Whenever it is counted: as it comes, when there is more, or when somebody asks. And when the clock goes back, too.
        #[test]
        fn few_are_as_many(happenings in happenings(), idle_s in 0..200_000_u32) {
            let mut source = Source::new(START_S, Scope::Address);
            let mut tally = Tally::new(happenings[0].at_s, Scope::Address);
            for happening in happenings {
                source.count(happening);
                tally.count(happening);
                let now_s = happening.at_s.saturating_add(idle_s);
                prop_assert_eq!(&*source.tally(), &tally);
                prop_assert_eq!(source.touched(), tally.touched());
                prop_assert_eq!(source.tells_something(now_s), tally.tells_something(now_s));
                prop_assert_eq!(source.failures_of_day(now_s), tally.failures_of_day(now_s));
                let failures = |window: Window| tally.counts(window, tally.touched().at_s).failures;
                prop_assert!(source.failures_max() >= failures(Window::Day));
            }
        }
    }
}
