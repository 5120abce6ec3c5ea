//! Failures and successes within a window that slides: a ring of buckets, which turns when it is written to. No sweep is
//! needed: what is too old is skipped when read, and overwritten when its place comes round again.

use super::row::{self, Reader};
use std::ops::{Add, Sub};

/// Logins that ended, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) failures: u32,
    pub(super) successes: u32,
}

impl Counts {
    pub(super) const FAILURE: Self = Self { failures: 1, successes: 0 };
    pub(super) const SUCCESS: Self = Self { failures: 0, successes: 1 };
}

impl Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { failures: self.failures + more.failures, successes: self.successes + more.successes }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        Self {
            failures: self.failures.saturating_sub(less.failures),
            successes: self.successes.saturating_sub(less.successes),
        }
    }
}

/// What happened during one step of a ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    failures: u16,
    successes: u16,
}

impl Bucket {
    fn counts(self) -> Counts {
        Counts { failures: self.failures.into(), successes: self.successes.into() }
    }

    /// What does not fit is halved on both sides: it stays far over every floor, and the ratio stays.
    fn add(&mut self, more: Counts) {
        let mut sum = self.counts() + more;
        while sum.failures.max(sum.successes) > u16::MAX.into() {
            sum = Counts { failures: sum.failures / 2, successes: sum.successes / 2 };
        }
        let fitted = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        *self = Self { failures: fitted(sum.failures), successes: fitted(sum.successes) };
    }
}

/// The last `WINDOW_S` seconds in `BUCKETS` steps. Nothing older than the window is ever counted; of its oldest step, some
/// may be missing.
///
/// The ring does not know the time: whoever owns it says up to when it was `touched`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring<const BUCKETS: usize, const WINDOW_S: u32>([Bucket; BUCKETS]);

impl<const BUCKETS: usize, const WINDOW_S: u32> Ring<BUCKETS, WINDOW_S> {
    pub(super) const EMPTY: Self = Self([Bucket { failures: 0, successes: 0 }; BUCKETS]);
    #[expect(clippy::cast_possible_truncation, reason = "a ring has a dozen buckets")]
    const STEPS: u32 = BUCKETS as u32;
    const STEP_S: u32 = WINDOW_S / Self::STEPS;

    /// Turns from `touched_s` on to `to_s`, and gives what falls out.
    pub(super) fn advance(&mut self, touched_s: u32, to_s: u32) -> Counts {
        let (from, to) = (touched_s / Self::STEP_S, to_s / Self::STEP_S);
        if from >= to {
            return Counts::default();
        }
        let steps = (to - from).min(Self::STEPS);
        (to - steps + 1..=to)
            .map(|number| std::mem::take(self.bucket(number)).counts())
            .fold(Counts::default(), Counts::add)
    }

    /// The same where nobody asks what falls out.
    pub(super) fn turn(&mut self, touched_s: u32, to_s: u32) {
        let (from, to) = (touched_s / Self::STEP_S, to_s / Self::STEP_S);
        if from + Self::STEPS <= to {
            *self = Self::EMPTY;
        } else {
            (from + 1..=to).for_each(|number| *self.bucket(number) = Bucket::default());
        }
    }

    /// Adds what happens at the time when the ring was touched.
    pub(super) fn add_now(&mut self, touched_s: u32, more: Counts) {
        self.bucket(touched_s / Self::STEP_S).add(more);
    }

    /// Adds what happened at `at_s`, at most `touched_s`; what is older than the window is not for this ring.
    pub(super) fn add(&mut self, at_s: u32, touched_s: u32, more: Counts) {
        let (number, newest) = (at_s / Self::STEP_S, touched_s / Self::STEP_S);
        if number + Self::STEPS > newest {
            self.bucket(number).add(more);
        }
    }

    /// What happened in the window that ends at `now_s`, at least `touched_s`.
    pub(super) fn total(&self, touched_s: u32, now_s: u32) -> Counts {
        let (newest, now) = (touched_s / Self::STEP_S, now_s / Self::STEP_S);
        let oldest = (now + 1).saturating_sub(Self::STEPS);
        (oldest..=newest).map(|number| self.0[Self::place(number)].counts()).fold(Counts::default(), Counts::add)
    }

    /// Adds a ring that was touched at the same time.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (own, others) in self.0.iter_mut().zip(&other.0) {
            own.add(others.counts());
        }
    }

    /// Writes which buckets hold something, and what.
    pub(super) fn write(&self, row: &mut Vec<u8>) {
        let used = self.0.iter().rev().fold(0_u16, |used, bucket| used << 1 | u16::from(*bucket != Bucket::default()));
        row.extend_from_slice(&used.to_le_bytes());
        for bucket in self.0.iter().filter(|bucket| **bucket != Bucket::default()) {
            row::write_small(row, bucket.failures);
            row::write_small(row, bucket.successes);
        }
    }

    /// What was written so; `None` of anything else.
    pub(super) fn read(row: &mut Reader<'_>) -> Option<Self> {
        let (mut ring, used) = (Self::EMPTY, row.u16()?);
        if used >> BUCKETS != 0 {
            return None;
        }
        for (place, bucket) in ring.0.iter_mut().enumerate() {
            if used >> place & 1 == 1 {
                *bucket = Bucket { failures: row.small()?, successes: row.small()? };
            }
        }
        Some(ring)
    }

    fn bucket(&mut self, number: u32) -> &mut Bucket {
        &mut self.0[Self::place(number)]
    }

    fn place(number: u32) -> usize {
        usize::try_from(number % Self::STEPS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Minutes = Ring<10, 300>;
    const START_S: u32 = 1_790_000_000;

    #[test]
    fn a_full_bucket_keeps_its_ratio() {
        let mut ring = Minutes::EMPTY;
        for _ in 0..70_000 {
            ring.add(START_S, START_S, Counts { failures: 3, successes: 1 });
        }
        let counts = ring.total(START_S, START_S);
        assert!(counts.failures > 30_000, "{counts:?}");
        let share = f64::from(counts.failures) / f64::from(counts.failures + counts.successes);
        assert!((0.74..0.76).contains(&share), "{counts:?}");
    }

    proptest! {
        /// Against a list of all events, whatever their order and however far apart.
        #[test]
        fn all_of_the_window_but_part_of_its_oldest_step_is_counted(
            steps in prop::collection::vec((0..400_u32, 0..700_u32, any::<bool>()), 1..80), idle_s in 0..500_u32,
        ) {
            let (mut ring, mut touched_s) = (Minutes::EMPTY, START_S);
            let mut events = Vec::new();
            for (forward_s, back_s, failed) in steps {
                let to_s = touched_s + forward_s;
                ring.turn(touched_s, to_s);
                touched_s = to_s;
                let at_s = touched_s - back_s;
                ring.add(at_s, touched_s, if failed { Counts::FAILURE } else { Counts::SUCCESS });
                events.push((at_s, failed));
            }
            let now_s = touched_s + idle_s;
            let exact = |window_s: u32, failed: bool| {
                let counted = events.iter().filter(|event| event.0 + window_s > now_s && event.1 == failed).count();
                u32::try_from(counted).unwrap_or(u32::MAX)
            };
            let counts = ring.total(touched_s, now_s);
            for (counted, failed) in [(counts.failures, true), (counts.successes, false)] {
                prop_assert!(counted <= exact(300, failed), "{counted} of {}", exact(300, failed));
                prop_assert!(counted >= exact(270, failed), "{counted} of {}", exact(270, failed));
            }
        }

        /// What falls out and what stays is all that ever came.
        #[test]
        fn nothing_falls_out_twice(gaps in prop::collection::vec(0..1_000_u32, 1..80)) {
            let (mut ring, mut touched_s, mut fallen) = (Minutes::EMPTY, START_S, 0);
            for gap_s in &gaps {
                fallen += ring.advance(touched_s, touched_s + gap_s).failures;
                touched_s += gap_s;
                ring.add(touched_s, touched_s, Counts::FAILURE);
            }
            let kept: u32 = ring.0.iter().map(|bucket| u32::from(bucket.failures)).sum();
            prop_assert_eq!(usize::try_from(fallen + kept).unwrap_or(0), gaps.len());
        }
    }
}
