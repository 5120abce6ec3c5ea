//! How often something happened of late: a rolling window that never counts less than there was.
//!
//! What happened within one slot counts until the end of that slot is a window ago. Exact where a slot is a millisecond; coarser slots
//! count a little longer, and keep less.

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// How far back is looked, and how finely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    length_ms: i64,
    slot_ms: i64,
}

impl Span {
    /// Ten minutes to the millisecond.
    pub const TEN_MINUTES: Self = Self { length_ms: 600_000, slot_ms: 1 };
    /// A day to the millisecond.
    pub const DAY: Self = Self { length_ms: crate::clock::DAY_MS, slot_ms: 1 };

    /// Seconds, both of them; a slot of none is a millisecond.
    #[must_use]
    pub const fn seconds(length_s: u32, slot_s: u32) -> Self {
        let slot_ms = if slot_s == 0 { 1 } else { slot_s as i64 * 1000 };
        Self { length_ms: length_s as i64 * 1000, slot_ms }
    }

    fn slot(self, at: Timestamp) -> i64 {
        at.unix_ms() - at.unix_ms() % self.slot_ms
    }

    /// When what happened in this slot counts no more.
    fn end(self, slot: i64) -> i64 {
        slot + (self.slot_ms - 1) + self.length_ms
    }

    /// A clock that was wrong, and is mended, leaves what it wrote; that counts for no longer than it would have then.
    fn is_within(self, slot: i64, now: Timestamp) -> bool {
        now.unix_ms() < self.end(slot) && slot - now.unix_ms() <= self.length_ms
    }
}

/// What happened, by slots, the oldest first. At most as many as the window has slots, or as were let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Window {
    slots: Vec<(i64, u32)>,
}

impl Window {
    /// How often, as of now.
    #[must_use]
    pub fn count(&self, now: Timestamp, span: Span) -> u32 {
        self.within(now, span).fold(0, |sum, (_, times)| sum.saturating_add(times))
    }

    /// Milliseconds until it may happen again if it may `max` times; `None` when it may now.
    #[must_use]
    pub fn wait_ms(&self, now: Timestamp, span: Span, max: u32) -> Option<i64> {
        let mut over = self.count(now, span).checked_sub(max)?;
        for (slot, times) in self.within(now, span) {
            if times > over {
                return Some(span.end(slot) - now.unix_ms());
            }
            over -= times;
        }
        // Of none at all, nothing has to go: `max` is 0.
        Some(span.length_ms)
    }

    /// It happened once more. What counts no more is forgotten.
    pub fn add(&mut self, now: Timestamp, span: Span) {
        self.slots.retain(|(slot, _)| span.is_within(*slot, now));
        let slot = span.slot(now);
        match self.slots.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(at) => self.slots[at].1 = self.slots[at].1.saturating_add(1),
            Err(at) => self.slots.insert(at, (slot, 1)),
        }
    }

    /// What was added at that time did not happen after all.
    pub fn take_back(&mut self, added: Timestamp, span: Span) {
        if let Ok(at) = self.slots.binary_search_by_key(&span.slot(added), |(slot, _)| *slot) {
            self.slots[at].1 = self.slots[at].1.saturating_sub(1);
            self.slots.retain(|(_, times)| *times > 0);
        }
    }

    /// Whether nothing is counted any more.
    #[must_use]
    pub fn is_empty(&self, now: Timestamp, span: Span) -> bool {
        self.within(now, span).next().is_none()
    }

    fn within(&self, now: Timestamp, span: Span) -> impl Iterator<Item = (i64, u32)> {
        self.slots.iter().copied().filter(move |(slot, _)| span.is_within(*slot, now))
    }
}

/// Whole seconds that cover the milliseconds, at least one.
#[must_use]
pub fn seconds_up(ms: i64) -> u32 {
    u32::try_from(ms.max(1).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_000_000_000 + ms).expect("it is in range")
    }

    fn window(times: &[i64], span: Span) -> Window {
        let mut window = Window::default();
        times.iter().for_each(|ms| window.add(at(*ms), span));
        window
    }

    /// `wait` is asked for a cap of two.
    fn check(span: Span, times: &[i64], now: i64, count: u32, wait: Option<i64>) {
        let window = window(times, span);
        assert_eq!((window.count(at(now), span), window.wait_ms(at(now), span, 2)), (count, wait), "{times:?} {now}");
    }

    #[test]
    fn what_happened_counts_until_it_is_a_window_ago() {
        let exact = Span::seconds(10, 0);
        check(exact, &[], 0, 0, None);
        check(exact, &[0], 0, 1, None);
        check(exact, &[0, 4], 4, 2, Some(9_996));
        check(exact, &[0, 4], 9_999, 2, Some(1));
        check(exact, &[0, 4], 10_000, 1, None);
        check(exact, &[0, 0, 0], 1, 3, Some(9_999));
        // A slot counts until its last millisecond is a window ago.
        let coarse = Span::seconds(10, 1);
        check(coarse, &[0, 999], 10_998, 2, Some(1));
        check(coarse, &[0, 999], 10_999, 0, None);
    }

    #[test]
    fn a_clock_that_was_wrong_holds_nobody_up_for_long() {
        let span = Span::seconds(10, 0);
        check(span, &[10_000, 10_000], 0, 2, Some(20_000));
        check(span, &[10_001, 10_001], 0, 0, None);
        check(span, &[500, 0], 0, 2, Some(10_000));
    }

    #[test]
    fn what_did_not_happen_is_taken_back() {
        let span = Span::seconds(10, 1);
        let mut window = window(&[0, 1, 5_000], span);
        window.take_back(at(500), span);
        assert_eq!(window.count(at(5_000), span), 2);
        window.take_back(at(500), span);
        window.take_back(at(500), span);
        assert_eq!(window.count(at(5_000), span), 1, "of another slot nothing is taken");
        assert!(!window.is_empty(at(15_998), span) && window.is_empty(at(15_999), span));
        assert_eq!(Window::default().wait_ms(at(0), span, 0), Some(10_000));
        assert_eq!([0, 1, 1000, 1001].map(seconds_up), [1, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn whoever_waits_as_told_is_let_in(times in prop::collection::vec(0..60_000_i64, 0..40), max in 1..5_u32, slot_s in 0..7_u32) {
            let (span, mut times) = (Span::seconds(10, slot_s), times);
            times.sort_unstable();
            let (window, last) = (window(&times, span), times.last().copied().unwrap_or_default());
            if let Some(wait) = window.wait_ms(at(last), span, max) {
                prop_assert!(window.wait_ms(at(last + wait - 1), span, max).is_some());
                prop_assert_eq!(window.wait_ms(at(last + wait), span, max), None);
            }
            let there = times.iter().filter(|ms| last - **ms < 10_000).count();
            prop_assert!(window.count(at(last), span) as usize >= there);
        }
    }
}
