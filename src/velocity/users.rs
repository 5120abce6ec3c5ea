//! How many different users, in a fixed number of bytes and within a window that slides.
//!
//! Linear counting over cells that hold a time in place of a bit: a user marks the cell that the user's hash names, and the
//! cells marked within a window tell how many users did. One array serves all windows, and nothing has to be rotated.
//! With 64 cells the standard error is 9 % at 20 users, 13 % at 128 and 17 % at 200; up to seven users are counted exactly, since
//! floors are that low. **Source:** Whang, Vander-Zanden, Taylor, "A linear-time probabilistic counting algorithm for database
//! applications", ACM TODS 15(2), 1990; the errors are its equation for the standard error.

use super::row::Reader;

/// Seconds of one tick of a stamp: how finely windows end.
const TICK_S: u32 = 10;
/// Ticks until a stamp would read as a new one again: 91 hours. Whoever owns stamps forgets those of over a day before that.
const PERIOD: u32 = 0x7fff;
const MARK: u16 = 0x8000;
/// A mark stays on a cell for as long as the cell was never left alone for a day.
pub(super) const DAY_S: u32 = 86_400;

/// A number of users, and of those among them that are marked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Users {
    pub(super) all: u32,
    pub(super) marked: u32,
}

/// A time within the last days, and a mark. Zero is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp(u16);

impl Stamp {
    pub(super) fn new(at_s: u32, marked: bool) -> Self {
        let tick = u16::try_from(at_s / TICK_S % PERIOD).unwrap_or(0) + 1;
        Self(if marked { tick | MARK } else { tick })
    }

    fn is_marked(self) -> bool {
        self.0 & MARK != 0
    }

    /// Ticks from the stamp until `now_s`; a stamp that is none is older than any.
    fn age(self, now_s: u32) -> u32 {
        match u32::from(self.0 & !MARK).checked_sub(1) {
            Some(tick) => (now_s / TICK_S % PERIOD + PERIOD - tick) % PERIOD,
            None => PERIOD,
        }
    }

    fn is_within(self, window_s: u32, now_s: u32) -> bool {
        self.age(now_s) < window_s / TICK_S
    }

    /// The later of two, as seen at `now_s`, when neither is to come; marked if either is.
    fn joined(self, other: Self, now_s: u32) -> Self {
        if self == other || self == Self::default() {
            return other;
        }
        let (later, earlier) = if self.age(now_s) <= other.age(now_s) { (self, other) } else { (other, self) };
        if earlier.is_within(DAY_S, now_s) { Self(later.0 | earlier.0 & MARK) } else { later }
    }

    /// Nothing, if it is over a day old.
    fn if_of_today(self, now_s: u32) -> Self {
        if self.is_within(DAY_S, now_s) { self } else { Self::default() }
    }
}

const CELLS: usize = 64;

/// What of a user's hash names a cell.
pub(super) const CELL_BITS: u64 = 0x3F << 58;
/// What of it tells the users apart who were seen last.
pub(super) const TAG_BITS: u64 = 0xFFFF_FFFF;

/// Users by linear counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells([Stamp; CELLS]);

impl Cells {
    pub(super) const EMPTY: Self = Self([Stamp(0); CELLS]);

    pub(super) fn note(&mut self, user: u64, stamp: Stamp, now_s: u32) {
        let cell = &mut self.0[usize::try_from(user >> 58).unwrap_or(0)];
        *cell = cell.joined(stamp, now_s);
    }

    pub(super) fn count(&self, window_s: u32, now_s: u32) -> Users {
        let (mut all, mut marked) = (0, 0);
        for cell in self.0.iter().filter(|cell| cell.is_within(window_s, now_s)) {
            all += 1;
            marked += usize::from(cell.is_marked());
        }
        Users { all: ESTIMATES[all].into(), marked: ESTIMATES[marked].into() }
    }

    pub(super) fn forget_days_past(&mut self, now_s: u32) {
        self.0.iter_mut().for_each(|cell| *cell = cell.if_of_today(now_s));
    }

    /// Writes how many cells were marked, which, and when.
    pub(super) fn write(&self, row: &mut Vec<u8>) {
        let marked = || (0_u8..).zip(self.0).filter(|(_, stamp)| *stamp != Stamp::default());
        row.push(u8::try_from(marked().count()).unwrap_or(u8::MAX));
        for (place, stamp) in marked() {
            row.push(place);
            row.extend_from_slice(&stamp.0.to_le_bytes());
        }
    }

    /// What was written so; `None` of anything else.
    pub(super) fn read(row: &mut Reader<'_>) -> Option<Self> {
        let mut cells = Self::EMPTY;
        for _ in 0..row.u8()? {
            let (place, stamp) = (row.u8()?, Stamp(row.u16()?));
            *cells.0.get_mut(usize::from(place))? = stamp;
        }
        Some(cells)
    }

    pub(super) fn absorb(&mut self, other: &Self, now_s: u32) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, others)| *own = own.joined(*others, now_s));
    }
}

/// What the number of cells in use amounts to: `64 ln(64 / unused)`; with none unused, as for half a one.
const ESTIMATES: [u16; CELLS + 1] = [
    0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 23, 24, 25, 27, 28, 30, 32, 33, 35, 37, 39, 40,
    42, 44, 46, 48, 51, 53, 55, 58, 60, 63, 65, 68, 71, 74, 78, 81, 85, 89, 93, 97, 102, 107, 113, 119, 126, 133, 142,
    151, 163, 177, 196, 222, 266, 311,
];
/// From so many users on, there may as well be many more.
pub(super) const USERS_MANY: u32 = 190;

/// So many users are told exactly, less one.
const EXACT: usize = 8;

/// The users seen last, and all by linear counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecentUsers {
    tags: [u32; EXACT],
    stamps: [Stamp; EXACT],
    cells: Cells,
}

impl RecentUsers {
    pub(super) const EMPTY: Self = Self { tags: [0; EXACT], stamps: [Stamp(0); EXACT], cells: Cells::EMPTY };

    pub(super) fn note(&mut self, user: u64, stamp: Stamp, now_s: u32) {
        self.cells.note(user, stamp, now_s);
        self.note_tag(u32::try_from(user & TAG_BITS).unwrap_or(0), stamp, now_s);
    }

    /// The one not seen for longest makes room.
    fn note_tag(&mut self, tag: u32, stamp: Stamp, now_s: u32) {
        let mut oldest = 0;
        for place in 0..EXACT {
            if self.tags[place] == tag && self.stamps[place] != Stamp::default() {
                self.stamps[place] = self.stamps[place].joined(stamp, now_s);
                return;
            }
            if self.stamps[place].age(now_s) > self.stamps[oldest].age(now_s) {
                oldest = place;
            }
        }
        if self.stamps[oldest].age(now_s) >= stamp.age(now_s) {
            (self.tags[oldest], self.stamps[oldest]) = (tag, stamp);
        }
    }

    pub(super) fn count(&self, window_s: u32, now_s: u32) -> Users {
        let within = || self.stamps.iter().filter(|stamp| stamp.is_within(window_s, now_s));
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let exact = Users { all: number(within().count()), marked: number(within().filter(|s| s.is_marked()).count()) };
        if exact.all < number(EXACT) {
            // Whoever was seen last is kept, so nobody is missing.
            return exact;
        }
        let estimate = self.cells.count(window_s, now_s);
        Users { all: estimate.all.max(exact.all), marked: estimate.marked.max(exact.marked) }
    }

    pub(super) fn forget_days_past(&mut self, now_s: u32) {
        self.stamps.iter_mut().for_each(|stamp| *stamp = stamp.if_of_today(now_s));
        self.cells.forget_days_past(now_s);
    }

    /// Writes how many were seen last, who and when; and the cells.
    pub(super) fn write(&self, row: &mut Vec<u8>) {
        let seen = || self.tags.into_iter().zip(self.stamps).filter(|(_, stamp)| *stamp != Stamp::default());
        row.push(u8::try_from(seen().count()).unwrap_or(u8::MAX));
        for (tag, stamp) in seen() {
            row.extend_from_slice(&tag.to_le_bytes());
            row.extend_from_slice(&stamp.0.to_le_bytes());
        }
        self.cells.write(row);
    }

    /// What was written so; `None` of anything else.
    pub(super) fn read(row: &mut Reader<'_>) -> Option<Self> {
        let mut users = Self::EMPTY;
        for place in 0..usize::from(row.u8()?) {
            *users.tags.get_mut(place)? = row.u32()?;
            *users.stamps.get_mut(place)? = Stamp(row.u16()?);
        }
        users.cells = Cells::read(row)?;
        Some(users)
    }

    pub(super) fn absorb(&mut self, other: &Self, now_s: u32) {
        self.cells.absorb(&other.cells, now_s);
        for (tag, stamp) in other.tags.into_iter().zip(other.stamps).filter(|(_, stamp)| *stamp != Stamp::default()) {
            self.note_tag(tag, stamp, now_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed_hash::HashKey;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const START_S: u32 = 1_790_000_000;

    fn user(number: u32) -> u64 {
        HashKey::fixed([9; 16]).user("default", &number.to_string()).low_bits()
    }

    #[test]
    fn the_estimates_are_those_of_linear_counting() {
        for (used, estimate) in (0_u32..).zip(ESTIMATES) {
            let unused = if used == 64 { 0.5 } else { f64::from(64 - used) };
            let exact = 64.0 * (64.0 / unused).ln();
            assert!((f64::from(estimate) - exact).abs() <= 0.5, "{used}: {estimate} for {exact}");
        }
    }

    /// The mean over 200 sets of users, and how far one is off, within what the paper says plus what 200 sets leave open.
    #[test]
    fn the_error_is_that_of_the_paper() {
        for count in [10_u32, 20, 64, 128, 200] {
            let load = f64::from(count) / 64.0;
            let expected = (64.0 * (load.exp() - load - 1.0)).sqrt();
            let (mut sum, mut squares) = (0.0, 0.0);
            for set in 0..200_u32 {
                let mut users = RecentUsers::EMPTY;
                for number in 0..count {
                    users.note(user(set * 1_000 + number), Stamp::new(START_S, false), START_S);
                }
                let error = f64::from(users.count(300, START_S).all) - f64::from(count);
                sum += error;
                squares += error * error;
            }
            let (bias, spread) = (sum / 200.0, (squares / 200.0).sqrt());
            assert!(spread < expected * 1.4 + 0.5, "{count} users: off by {spread}, the paper says {expected}");
            assert!(bias.abs() < expected * 0.5 + 0.5, "{count} users: {bias} on average");
        }
    }

    proptest! {
        /// Against a list of all events: exact up to seven users, whatever came before and in whatever order.
        #[test]
        fn few_users_are_counted_exactly(
            steps in prop::collection::vec((0..200_u32, 0..400_u32, 0..12_u32), 1..60), idle_s in 0..400_u32,
        ) {
            let (mut users, mut now_s) = (RecentUsers::EMPTY, START_S);
            let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
            for (forward_s, back_s, number) in steps {
                now_s += forward_s;
                let at_s = now_s - back_s;
                users.note(user(number), Stamp::new(at_s, false), now_s);
                seen.entry(number).and_modify(|last| *last = at_s.max(*last)).or_insert(at_s);
            }
            now_s += idle_s;
            let exact = |window_s: u32| seen.values().filter(|last| **last + window_s > now_s).count();
            let counted = usize::try_from(users.count(300, now_s).all).unwrap_or(0);
            let (least, most) = (exact(290), exact(300));
            if most < EXACT {
                prop_assert!((least..=most).contains(&counted), "{counted}, not {least} to {most}");
            } else {
                prop_assert!(counted >= least.min(EXACT - 1), "{counted}, not {least} or more");
            }
        }

        #[test]
        fn a_stamp_is_as_old_as_it_is(at_s in 0..u32::MAX - 200_000, age_s in 0..172_800_u32) {
            let stamp = Stamp::new(at_s, false);
            let age = stamp.age(at_s + age_s) * TICK_S;
            prop_assert!(age.abs_diff(age_s) <= TICK_S, "{age} s, not {age_s} s");
        }
    }
}
