//! Histories in memory: a map of rows, bounded, in shards of their own locks.
//!
//! Guards of the map stay in this file.

mod aging;

use crate::history::{Lesson, RowError, UserHistory};
use crate::keyed_hash::UserKey;
use dashmap::DashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The histories of all users, as rows of some 150 bytes.
#[derive(Debug)]
pub(super) struct Users {
    rows: DashMap<UserKey, Box<[u8]>, BuildHasherDefault<KeyIsHash>>,
    users_max: usize,
    /// How many more users may come until the next sweep, which counts them.
    room: AtomicUsize,
}

/// More shards than cores, so that two logins seldom meet at one lock.
const SHARDS: usize = 256;

impl Users {
    /// Nobody yet.
    pub(super) fn new(users_max: usize) -> Self {
        Self {
            rows: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            users_max,
            room: AtomicUsize::new(with_surplus(users_max)),
        }
    }

    /// Shows one user's history to `judge`, and learns what it returns, under the lock of a shard.
    ///
    /// # Errors
    ///
    /// The row is damaged; `judge` was not called.
    pub(super) fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, RowError> {
        let (answer, lesson) = if let Some(mut row) = self.rows.get_mut(&user) {
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
            let mut row = self.rows.entry(user).or_default();
            let mut history = if row.is_empty() { UserHistory::default() } else { UserHistory::read_row(&row)? };
            history.learn(&lesson);
            write(&mut row, &history);
        }
        Ok(answer)
    }

    /// Learns what was found out without a login.
    ///
    /// # Errors
    ///
    /// The row is damaged; nothing was learnt.
    pub(super) fn learn(&self, user: UserKey, lesson: &Lesson) -> Result<(), RowError> {
        self.visit(user, |_| ((), Some(*lesson)))
    }

    /// Forgets a user.
    pub(super) fn remove(&self, user: UserKey) {
        self.rows.remove(&user);
    }

    /// Forgets users beyond the bound, and makes room for others; called once a second.
    pub(super) fn sweep(&self) {
        self.forget_oldest();
        let room = with_surplus(self.users_max).saturating_sub(self.rows.len());
        self.room.store(room, Ordering::Relaxed);
    }

    /// Users with a history.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The sweep makes room at `users_max`; between two sweeps an eighth more may come, and no more than that. To count the
    /// map here would lock each of its shards, which was a quarter of the time of an import.
    fn takes_room(&self) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    /// Forgets the users who were away longest, down to 19/20 of the bound, so that this is seldom needed.
    fn forget_oldest(&self) {
        if self.rows.len() <= self.users_max {
            return;
        }
        let last_login = |row: &[u8]| UserHistory::last_login_of_row(row);
        let mut times: Vec<u32> = self.rows.iter().map(|entry| last_login(entry.value())).collect();
        let surplus = times.len().saturating_sub(self.users_max - self.users_max / 20);
        let (_, cutoff, _) = times.select_nth_unstable(surplus.min(self.users_max));
        let cutoff = *cutoff;
        let mut left = surplus;
        self.rows.retain(|_, row| {
            let goes = left > 0 && last_login(row) <= cutoff;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
impl Users {
    /// What is kept of a user, to come back to.
    pub(super) fn row(&self, user: UserKey) -> Option<Box<[u8]>> {
        self.rows.get(&user).map(|row| row.clone())
    }

    /// Puts back what was kept of a user at some time.
    pub(super) fn put_back(&self, user: UserKey, row: Option<Box<[u8]>>) {
        match row {
            Some(row) => drop(self.rows.insert(user, row)),
            None => drop(self.rows.remove(&user)),
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
    use crate::clock::Timestamp;
    use crate::history::Login;
    use crate::keyed_hash::{DeviceTag, HashKey};

    const NOW_S: u32 = 1_790_000_000;

    fn login(time_s: u32, device: u64) -> Login {
        Login { device: Some(DeviceTag(device)), ..Login::bare(time_s) }
    }

    fn learn(users: &Users, user: UserKey, login: Login) {
        assert!(users.learn(user, &Lesson::Completed(login)).is_ok());
    }

    #[test]
    fn a_user_who_never_completed_a_login_takes_no_place() {
        let users = Users::new(1_000);
        let key = HashKey::fixed([3; 16]);
        for number in 0..1000 {
            let stranger = users.visit(key.user("default", &number.to_string()), |history| (history.is_none(), None));
            assert!(stranger.is_ok_and(|stranger| stranger));
        }
        assert_eq!(users.len(), 0);
    }

    #[test]
    fn bounded_in_all_the_longest_away_go_first() {
        let users = Users::new(100);
        let key = HashKey::fixed([3; 16]);
        let user = |number: u32| key.user("default", &number.to_string());
        for number in 0..1000 {
            learn(&users, user(number), login(NOW_S + number, 1));
        }
        assert_eq!(users.len(), 112, "an eighth more between two sweeps");
        users.sweep();
        assert_eq!(users.len(), 95);
        let knows = |number| users.visit(user(number), |history| (history.is_some(), None)).is_ok_and(|known| known);
        assert!(knows(111) && !knows(0));
        for number in 1000..2000 {
            learn(&users, user(number), login(NOW_S + number, 1));
        }
        assert_eq!(users.len(), 112, "as many more as the sweep made room for");
    }

    #[test]
    fn what_two_cores_learn_at_once_is_merged() {
        let users = Users::new(1_000);
        let user = HashKey::fixed([3; 16]).user("default", "alice");
        std::thread::scope(|scope| {
            for device in 1..=2 {
                let users = &users;
                scope.spawn(move || (0..500).for_each(|second| learn(users, user, login(NOW_S + second, device))));
            }
        });
        let both = users.visit(user, |history| {
            let knows =
                |tag| history.is_some_and(|it| it.knows_device(DeviceTag(tag), Timestamp::from_unix_s(NOW_S + 499), 1));
            ((knows(1), knows(2)), None)
        });
        assert!(both.is_ok_and(|both| both == (true, true)));
    }
}
