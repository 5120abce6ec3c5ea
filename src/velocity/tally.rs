//! All that is counted of one source.

use super::ring::{Counts, Ring};
use super::row::Reader;
use super::source::Happening;
use super::touched::{STEP_S, Touched, Weight};
use super::users::{Cells, DAY_S, RecentUsers, Stamp, Users};
use super::{Scope, Window};

/// The counts of one source, some 460 bytes. Two of the same source, counted at two places, can be put together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    touched: Touched,
    scope: Scope,
    past: Past,
    minutes: Ring<10, 300>,
    hour: Ring<12, 3_600>,
    day: Ring<12, DAY_S>,
    /// Who logged in; marked: on a device that was known.
    succeeding: Cells,
    /// Who failed; marked: whom the caller does not know.
    failing: RecentUsers,
}

/// What was counted longer than a day ago, fading: half of it is gone after 34 steps of two hours, some three days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Past {
    pub(super) failures: f32,
    pub(super) successes: f32,
}

impl Past {
    const KEPT: f32 = 0.98;

    fn fade(&mut self, steps: i32) {
        let kept = Self::KEPT.powi(steps);
        self.failures *= kept;
        self.successes *= kept;
    }

    pub(super) fn add(&mut self, counts: Counts) {
        #[expect(clippy::cast_precision_loss, reason = "a share does not need the last of 24 bits")]
        let (failures, successes) = (counts.failures as f32, counts.successes as f32);
        self.failures += failures;
        self.successes += successes;
    }
}

impl Tally {
    pub(super) fn new(at_s: u32, scope: Scope) -> Self {
        Self {
            touched: Touched::new(at_s),
            scope,
            past: Past { failures: 0.0, successes: 0.0 },
            minutes: Ring::EMPTY,
            hour: Ring::EMPTY,
            day: Ring::EMPTY,
            succeeding: Cells::EMPTY,
            failing: RecentUsers::EMPTY,
        }
    }

    /// Counts a login that ended.
    pub(super) fn count(&mut self, happening: Happening) {
        let Happening { at_s, user, is_named, has_failed, is_marked } = happening;
        self.advance(at_s);
        self.touched.weigh(has_failed);
        self.add(at_s, if has_failed { Counts::FAILURE } else { Counts::SUCCESS });
        let stamp = Stamp::new(at_s, is_marked);
        match has_failed {
            true if is_named => self.failing.note(user, stamp, self.touched.at_s),
            true => {}
            false => self.succeeding.note(user, stamp, self.touched.at_s),
        }
    }

    pub(super) fn touched(&self) -> Touched {
        self.touched
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// Failures of the day that ends at `now_s`.
    pub(super) fn failures_of_day(&self, now_s: u32) -> u32 {
        self.asked_at(now_s).map_or(0, |now_s| self.counts(Window::Day, now_s).failures)
    }

    /// Whether it is worth keeping: something of the day before `now_s`, or a past that says what is usual there. Not what is of the
    /// future, from before the clock was set back.
    pub(super) fn tells_something(&self, now_s: u32) -> bool {
        if self.touched.is_ahead_of(now_s) {
            return false;
        }
        let days_s = now_s.saturating_sub(self.touched.at_s);
        let mut faded = self.past;
        if days_s >= DAY_S {
            faded.add(self.counts(Window::Day, self.touched.at_s));
            faded.fade(i32::try_from(days_s / STEP_S).unwrap_or(i32::MAX));
        }
        days_s < DAY_S || faded.failures + faded.successes >= PAST_MIN
    }

    /// The second as of which it may be asked, or none, when it has nothing to tell of the day before `now_s`.
    pub(super) fn asked_at(&self, now_s: u32) -> Option<u32> {
        let is_current = self.touched.at_s.saturating_add(DAY_S) > now_s && !self.touched.is_ahead_of(now_s);
        is_current.then_some(now_s.max(self.touched.at_s))
    }

    pub(super) fn counts(&self, window: Window, now_s: u32) -> Counts {
        match window {
            Window::FiveMinutes => self.minutes.total(self.touched.at_s, now_s),
            Window::Hour => self.hour.total(self.touched.at_s, now_s),
            Window::Day => self.day.total(self.touched.at_s, now_s),
        }
    }

    /// What was counted before the window.
    pub(super) fn before(&self, window: Window, now_s: u32) -> Past {
        let mut past = self.past;
        past.add(self.counts(Window::Day, now_s) - self.counts(window, now_s));
        past
    }

    pub(super) fn failing(&self, window: Window, now_s: u32) -> Users {
        self.failing.count(window.seconds(), now_s)
    }

    pub(super) fn succeeding(&self, window: Window, now_s: u32) -> Users {
        self.succeeding.count(window.seconds(), now_s)
    }

    /// Adds what was counted of the same source at another place.
    pub(super) fn absorb(&mut self, other: &Self) {
        let mut other = other.clone();
        let touched_s = self.touched.at_s.max(other.touched.at_s);
        self.advance(touched_s);
        other.advance(touched_s);
        self.touched.weight.add(other.touched.weight);
        self.past.failures += other.past.failures;
        self.past.successes += other.past.successes;
        self.minutes.absorb(&other.minutes);
        self.hour.absorb(&other.hour);
        self.day.absorb(&other.day);
        self.succeeding.absorb(&other.succeeding, touched_s);
        self.failing.absorb(&other.failing, touched_s);
    }

    /// Writes it: a flag that says whether there is a past, the scope, when it was touched, and the rest.
    pub(super) fn write(&self, row: &mut Vec<u8>) {
        let has_past = self.past.failures > 0.0 || self.past.successes > 0.0;
        row.push(u8::from(has_past) << 7 | self.scope.number());
        row.extend_from_slice(&self.touched.at_s.to_le_bytes());
        row.extend_from_slice(&self.touched.weight.0.to_le_bytes());
        if has_past {
            row.extend_from_slice(&self.past.failures.to_le_bytes());
            row.extend_from_slice(&self.past.successes.to_le_bytes());
        }
        self.minutes.write(row);
        self.hour.write(row);
        self.day.write(row);
        self.succeeding.write(row);
        self.failing.write(row);
    }

    /// What was written so; `None` of anything else.
    pub(super) fn read(row: &mut Reader<'_>) -> Option<Self> {
        let head = row.u8()?;
        let (touched_s, weight) = (row.u32()?, Weight(row.u16()?));
        let mut source = Self::new(touched_s, Scope::numbered(head & 0x7F)?);
        source.touched.weight = weight;
        if head & 0x80 != 0 {
            source.past = Past { failures: row.count()?, successes: row.count()? };
        }
        source.minutes = Ring::read(row)?;
        source.hour = Ring::read(row)?;
        source.day = Ring::read(row)?;
        source.succeeding = Cells::read(row)?;
        source.failing = RecentUsers::read(row)?;
        Some(source)
    }

    fn add(&mut self, at_s: u32, counts: Counts) {
        if at_s == self.touched.at_s {
            // Nearly always.
            self.minutes.add_now(at_s, counts);
            self.hour.add_now(at_s, counts);
            self.day.add_now(at_s, counts);
            return;
        }
        self.minutes.add(at_s, self.touched.at_s, counts);
        self.hour.add(at_s, self.touched.at_s, counts);
        self.day.add(at_s, self.touched.at_s, counts);
    }

    fn advance(&mut self, at_s: u32) {
        if self.touched.is_ahead_of(at_s) {
            *self = Self::new(at_s, self.scope);
        }
        let touched_s = self.touched.at_s;
        if at_s <= touched_s {
            return;
        }
        self.minutes.turn(touched_s, at_s);
        self.hour.turn(touched_s, at_s);
        let steps = at_s / STEP_S - touched_s / STEP_S;
        if steps > 0 {
            self.past.fade(i32::try_from(steps).unwrap_or(i32::MAX));
            self.past.add(self.day.advance(touched_s, at_s));
        }
        if at_s - touched_s >= DAY_S {
            // Stamps of any age could be there, and be taken for new ones.
            (self.succeeding, self.failing) = (Cells::EMPTY, RecentUsers::EMPTY);
        } else if at_s / DAY_S != touched_s / DAY_S {
            // The last time was at most two days ago, so that no stamp is older than three.
            self.succeeding.forget_days_past(at_s);
            self.failing.forget_days_past(at_s);
        }
        self.touched.advance(at_s);
    }
}

/// Logins of longer ago than a day below which there is no telling what is usual: fewer than a fifth of what is taken for granted
/// (`velocity/judge.rs`).
const PAST_MIN: f32 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START_S: u32 = 1_790_000_000;
    const WINDOWS: [Window; 3] = [Window::FiveMinutes, Window::Hour, Window::Day];

    fn fail(source: &mut Tally, user: Option<u64>, is_unknown: bool, at_s: u32) {
        source.count(Happening::failure(user, is_unknown, at_s));
    }

    fn succeed(source: &mut Tally, user: u64, device_known: bool, at_s: u32) {
        source.count(Happening::success(user, device_known, at_s));
    }

    #[test]
    fn a_source_is_small() {
        assert!(size_of::<Tally>() <= 464, "{} bytes", size_of::<Tally>());
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew_and_a_little_is_forgiven() {
        let mut source = Tally::new(START_S, Scope::Address);
        (0..20).for_each(|user| fail(&mut source, Some(user << 58), false, START_S));
        fail(&mut source, Some(0), false, START_S - 599);
        let failures = |source: &Tally, now_s| {
            source.asked_at(now_s).map(|now_s| Window::ALL.map(|window| source.counts(window, now_s).failures))
        };
        assert_eq!(failures(&source, START_S - 599), Some([20, 21, 21]), "too old for five minutes only");
        assert_eq!(failures(&source, START_S - 601), None, "from the future");
        fail(&mut source, None, false, START_S - 3_600);
        assert_eq!(failures(&source, START_S - 3_600), Some([1, 1, 1]));
    }

    #[test]
    fn what_a_source_did_before_fades_and_is_not_counted_twice() {
        let mut source = Tally::new(START_S, Scope::Address);
        (0..1_000).for_each(|_| fail(&mut source, None, false, START_S));
        let before = |source: &Tally, window, now_s| source.before(window, now_s).failures;
        for (window, after_s, expected) in
            [(Window::FiveMinutes, 0, 0.0), (Window::FiveMinutes, 600, 1_000.0), (Window::Day, 600, 0.0)]
        {
            let counted = before(&source, window, START_S + after_s);
            assert!((counted - expected).abs() < 0.5, "{window:?} after {after_s} s: {counted}");
        }
        succeed(&mut source, 1, true, START_S + DAY_S);
        assert!((960.0..=1_000.0).contains(&before(&source, Window::Day, START_S + DAY_S)));
        succeed(&mut source, 1, true, START_S + 5 * DAY_S);
        assert!((200.0..=500.0).contains(&before(&source, Window::Day, START_S + 5 * DAY_S)));
    }

    #[derive(Debug, Clone)]
    struct Event {
        forward_s: u32,
        user: u64,
        failed: bool,
        marked: bool,
        here: bool,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = (0..4_000_u32, any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(forward_s, user, failed, marked, here)| Event { forward_s, user, failed, marked, here });
        prop::collection::vec(event, 1..60)
    }

    fn count(source: &mut Tally, event: &Event, at_s: u32) {
        if event.failed {
            fail(source, Some(event.user), event.marked, at_s);
        } else {
            succeed(source, event.user, event.marked, at_s);
        }
    }

    proptest! {
        /// Counted at two places and put together, in either order, it is as counted at one.
        #[test]
        fn two_halves_make_a_whole(events in events(), idle_s in 0..90_000_u32) {
            let mut whole = Tally::new(START_S, Scope::Address);
            let (mut here, mut there) = (whole.clone(), whole.clone());
            let mut at_s = START_S;
            for event in &events {
                at_s += event.forward_s;
                count(&mut whole, event, at_s);
                count(if event.here { &mut here } else { &mut there }, event, at_s);
            }
            let now_s = at_s + idle_s;
            let told = |source: &Tally| source.asked_at(now_s).map(|now_s| WINDOWS.map(|window| (
                source.counts(window, now_s), source.failing(window, now_s).all, source.succeeding(window, now_s).all,
            )));
            let mut joined = here.clone();
            joined.absorb(&there);
            prop_assert_eq!(told(&joined), told(&whole));
            there.absorb(&here);
            prop_assert_eq!(told(&there), told(&whole));
        }

        /// As it was written, whatever was counted; and a row that ends too soon is none.
        #[test]
        fn a_row_gives_back_the_source(events in events()) {
            let (mut source, mut at_s) = (Tally::new(START_S, Scope::System), START_S);
            for event in &events {
                at_s += event.forward_s;
                count(&mut source, event, at_s);
            }
            let mut row = Vec::new();
            source.write(&mut row);
            let mut reader = Reader::new(&row);
            let read = Tally::read(&mut reader);
            prop_assert!(reader.is_at_end());
            // Who was seen last may have changed places.
            let told = |source: &Tally| WINDOWS.map(|window| (
                source.counts(window, at_s), source.failing(window, at_s), source.succeeding(window, at_s),
            ));
            let read = read.map(|read| (told(&read), read.past, read.scope, read.touched));
            prop_assert_eq!(read, Some((told(&source), source.past, source.scope, source.touched)));
            for bytes in 0..row.len() {
                prop_assert_eq!(Tally::read(&mut Reader::new(&row[..bytes])), None);
            }
        }

        /// Days pass, stamps come round: no user is ever counted who was not there within the window.
        #[test]
        fn nobody_of_days_past_comes_back(gaps in prop::collection::vec(0..86_399_u32, 1..40)) {
            let mut source = Tally::new(START_S, Scope::Address);
            fail(&mut source, Some(1 << 58), true, START_S);
            succeed(&mut source, 1 << 58, true, START_S);
            let mut at_s = START_S;
            for gap_s in gaps {
                at_s += gap_s;
                succeed(&mut source, 2 << 58, false, at_s);
                if at_s >= START_S + DAY_S {
                    prop_assert_eq!(source.failing(Window::Day, at_s), Users::default());
                    prop_assert_eq!(source.succeeding(Window::Day, at_s), Users { all: 1, marked: 0 });
                }
            }
        }
    }
}
