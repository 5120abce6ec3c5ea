//! Memory that a restart forgets: for tests and the demo.
//!
//! Owns the map of histories. Guards of the map stay in this file, and its functions await nothing.

use super::decisions::{
    Decision, DecisionId, Decisions, DeviceForgetter, Eraser, Feedback, Listing, Page, Query, Report, Settlement,
    Visitor, Walk,
};
use super::{Counts, Memory, MemoryError, Settings};
use crate::clock::Timestamp;
use crate::history::{Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, UserKey};
use dashmap::DashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Histories as rows (some 150 bytes) in a map of shards, and decisions.
#[derive(Debug)]
pub struct Volatile {
    users: DashMap<UserKey, Box<[u8]>, BuildHasherDefault<KeyIsHash>>,
    users_max: usize,
    /// How many more users may come until the next sweep, which counts them.
    room: AtomicUsize,
    decisions: Decisions,
}

/// More shards than cores, so that two logins seldom meet at one lock.
const SHARDS: usize = 256;

impl Volatile {
    /// Empty memory.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            users: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            users_max: settings.users_max.as_usize(),
            room: AtomicUsize::new(with_surplus(settings.users_max.as_usize())),
            decisions: Decisions::new(settings.pending_max.as_usize(), settings.decisions_max.as_usize()),
        }
    }

    fn judge<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, MemoryError> {
        let (answer, lesson) = if let Some(mut row) = self.users.get_mut(&user) {
            let mut history = UserHistory::default();
            history.fill(&row)?;
            let (answer, lesson) = judge(Some(&history));
            if let Some(lesson) = &lesson {
                history.learn(lesson);
                write(&mut row, &history);
            }
            return Ok(answer);
        } else {
            judge(None)
        };
        if let Some(lesson) = lesson.filter(|lesson| lesson.begins_a_history() && self.takes_room()) {
            // Another login of the same user may have come first: merge, never overwrite.
            let mut row = self.users.entry(user).or_default();
            let mut history = if row.is_empty() { UserHistory::default() } else { UserHistory::read_row(&row)? };
            history.learn(&lesson);
            write(&mut row, &history);
        }
        Ok(answer)
    }

    fn learn(&self, user: UserKey, lesson: &Lesson) -> Result<(), MemoryError> {
        self.judge(user, |_| ((), Some(*lesson)))
    }

    /// Other requests of this core are served between two pieces.
    async fn walk(&self, visitor: &mut (impl Visitor + Send)) {
        let mut walk = Walk::default();
        while self.decisions.step(&mut walk, visitor) {
            tokio::task::yield_now().await;
        }
    }

    /// The sweep makes room at `users_max`; between two sweeps an eighth more may come, and no more than that. To count the
    /// map here would lock each of its shards, which was a quarter of the time of an import.
    fn takes_room(&self) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    /// Forgets the users who were away longest, down to 19/20 of the bound, so that this is seldom needed.
    fn forget_oldest(&self) {
        if self.users.len() <= self.users_max {
            return;
        }
        let last_login = |row: &[u8]| UserHistory::last_login_of_row(row);
        let mut times: Vec<u32> = self.users.iter().map(|entry| last_login(entry.value())).collect();
        let surplus = times.len().saturating_sub(self.users_max - self.users_max / 20);
        let (_, cutoff, _) = times.select_nth_unstable(surplus.min(self.users_max));
        let cutoff = *cutoff;
        let mut left = surplus;
        self.users.retain(|_, row| {
            let goes = left > 0 && last_login(row) <= cutoff;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
impl Volatile {
    /// What is kept of a user, to come back to.
    pub(crate) fn row(&self, user: UserKey) -> Option<Box<[u8]>> {
        self.users.get(&user).map(|row| row.clone())
    }

    /// Puts back what was kept of a user at some time.
    pub(crate) fn put_back(&self, user: UserKey, row: Option<Box<[u8]>>) {
        match row {
            Some(row) => drop(self.users.insert(user, row)),
            None => drop(self.users.remove(&user)),
        }
    }
}

/// How many users there may be between two sweeps.
fn with_surplus(users_max: usize) -> usize {
    users_max + users_max / 8
}

/// In place where the length is the same, as it is for most logins.
fn write(row: &mut Box<[u8]>, history: &UserHistory) {
    let length = history.row_len();
    if row.len() != length {
        *row = vec![0; length].into_boxed_slice();
    }
    history.write_row_into(row);
}

impl Memory for Volatile {
    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, MemoryError> {
        self.judge(user, judge)
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        self.decisions.keep(id, decision, has_history);
        Ok(())
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        self.decisions.settle(id, now, report, |user, lesson| self.learn(user, lesson))
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        self.decisions.label(id, now, feedback, |user, lesson| self.learn(user, lesson))
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        let mut listing = Listing::new(query);
        self.walk(&mut listing).await;
        Ok(listing.page())
    }

    /// Decisions go before the row: an outcome that is taken meanwhile is learnt under its shard's lock, hence into a row
    /// that is yet to go.
    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        self.walk(&mut Eraser(user)).await;
        self.decisions.unlearn(user);
        self.users.remove(&user);
        Ok(())
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        self.walk(&mut DeviceForgetter(user, device)).await;
        self.learn(user, &Lesson::Copied(device))
    }

    fn sweep(&self, now: Timestamp) {
        self.decisions.sweep(now, |user, lesson| {
            // A damaged row is told by the next login, which it costs a factor.
            let _damaged = self.learn(user, lesson);
        });
        self.forget_oldest();
        let room = with_surplus(self.users_max).saturating_sub(self.users.len());
        self.room.store(room, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts { users: self.users.len(), pending: self.decisions.pending() }
    }
}

/// The keys are keyed hashes already; hashing them again would only cost.
#[derive(Debug, Default)]
struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let head = bytes.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
        self.0 ^= head;
    }

    fn write_u128(&mut self, key: u128) {
        let [a, b, c, d, e, f, g, h, ..] = key.to_le_bytes();
        self.0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Login;
    use crate::keyed_hash::{DeviceTag, HashKey};

    const NOW_S: u32 = 1_790_000_000;

    fn login(time_s: u32, device: u64) -> Login {
        Login { device: Some(DeviceTag(device)), ..Login::bare(time_s) }
    }

    fn learn(memory: &Volatile, user: UserKey, login: Login) {
        assert!(memory.learn(user, &Lesson::Completed(login)).is_ok());
    }

    #[test]
    fn a_user_who_never_completed_a_login_takes_no_place() {
        let memory = Volatile::new(&Settings::default());
        let key = HashKey::fixed([3; 16]);
        for number in 0..1000 {
            let stranger = memory.judge(key.user("default", &number.to_string()), |history| (history.is_none(), None));
            assert!(stranger.is_ok_and(|stranger| stranger));
        }
        assert_eq!(memory.counts().users, 0);
    }

    #[test]
    fn bounded_in_all_the_longest_away_go_first() {
        let settings = Settings { users_max: crate::bounded::Bounded::of::<100>(), ..Settings::default() };
        let memory = Volatile::new(&settings);
        let key = HashKey::fixed([3; 16]);
        let user = |number: u32| key.user("default", &number.to_string());
        for number in 0..1000 {
            learn(&memory, user(number), login(NOW_S + number, 1));
        }
        assert_eq!(memory.counts().users, 112, "an eighth more between two sweeps");
        memory.sweep(Timestamp::from_unix_s(NOW_S));
        assert_eq!(memory.counts().users, 95);
        let knows = |number| memory.judge(user(number), |history| (history.is_some(), None)).is_ok_and(|known| known);
        assert!(knows(111) && !knows(0));
        for number in 1000..2000 {
            learn(&memory, user(number), login(NOW_S + number, 1));
        }
        assert_eq!(memory.counts().users, 112, "as many more as the sweep made room for");
    }

    #[test]
    fn what_two_cores_learn_at_once_is_merged() {
        let memory = Volatile::new(&Settings::default());
        let user = HashKey::fixed([3; 16]).user("default", "alice");
        std::thread::scope(|scope| {
            for device in 1..=2 {
                let memory = &memory;
                scope.spawn(move || (0..500).for_each(|second| learn(memory, user, login(NOW_S + second, device))));
            }
        });
        let both = memory.judge(user, |history| {
            let knows =
                |tag| history.is_some_and(|it| it.knows_device(DeviceTag(tag), Timestamp::from_unix_s(NOW_S + 499), 1));
            ((knows(1), knows(2)), None)
        });
        assert!(both.is_ok_and(|both| both == (true, true)));
    }
}
