//! Histories in memory: a table of rows, bounded, in shards of their own locks.
//!
//! Guards of the table stay in this room.

mod adoption;
mod aging;
mod row;
mod table;

use super::MemoryError;
use super::changes::Changes;
use crate::history::{Lesson, RowError, UserHistory};
use crate::keyed_hash::UserKey;
use row::Row;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use table::Table;

/// The histories of all users, as rows of some 150 bytes. Over a store, the row of a user who was away longest is in the store
/// only, and stands here as an empty one, some 50 bytes: whether somebody is known is told without asking the store.
#[derive(Debug)]
pub(super) struct Users {
    rows: Table,
    users_max: usize,
    /// How many more users may come until the next sweep, which counts them.
    room: AtomicUsize,
    /// Over a store: what it does not have yet.
    changes: Option<Arc<Changes>>,
    /// How many rows are empty.
    elsewhere: AtomicUsize,
    /// Held while a row goes from one key to another.
    adopting: Mutex<()>,
}

/// Why a history is not shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unread {
    /// It cannot be read.
    Damaged(RowError),
    /// It is in the store only.
    Elsewhere,
}

impl From<RowError> for Unread {
    fn from(error: RowError) -> Self {
        Self::Damaged(error)
    }
}

/// For memory that has no store, in which no history is elsewhere.
impl From<Unread> for MemoryError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Damaged(error) => error.into(),
            Unread::Elsewhere => Self::Unavailable("a history is not in memory".to_owned()),
        }
    }
}

impl Users {
    /// Nobody yet.
    pub(super) fn new(users_max: usize) -> Self {
        Self {
            rows: Table::new(),
            users_max,
            room: AtomicUsize::new(with_surplus(users_max)),
            changes: None,
            elsewhere: AtomicUsize::new(0),
            adopting: Mutex::new(()),
        }
    }

    /// Nobody yet, over a store that is told of every change, and keeps who is beyond the bound.
    pub(super) fn over(users_max: usize, changes: Arc<Changes>) -> Self {
        Self { changes: Some(changes), ..Self::new(users_max) }
    }

    /// Shows one user's history to `judge`, and learns what it returns, under the lock of a shard.
    ///
    /// # Errors
    ///
    /// The row is damaged or elsewhere; `judge` was not called, or what it returned is not learnt.
    pub(super) fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unread> {
        if let Some(row) = self.rows.shard(user).get_mut(user) {
            if row.is_elsewhere() {
                return Err(Unread::Elsewhere);
            }
            let mut history = UserHistory::default();
            history.fill(row.bytes())?;
            let (answer, lesson) = judge(Some(&history));
            if let Some(lesson) = &lesson {
                history.learn(lesson);
                self.change(user, row, &history);
            }
            return Ok(answer);
        }
        let (answer, lesson) = judge(None);
        if let Some(lesson) = lesson.filter(|lesson| lesson.begins_a_history() && self.takes_room()) {
            let mut shard = self.rows.shard(user);
            // Another login of the same user may have come first: merge, never overwrite.
            let mut history = match shard.get(user).map(Row::bytes) {
                None => UserHistory::default(),
                Some([]) => return Err(Unread::Elsewhere),
                Some(row) => UserHistory::read_row(row)?,
            };
            history.learn(&lesson);
            self.change(user, shard.get_or_default(user), &history);
        }
        Ok(answer)
    }

    /// A user is about to be visited: has their place come from where memory is slow.
    pub(super) fn prefetch_place(&self, user: UserKey) {
        self.rows.prefetch_place(user);
    }

    /// The same of their row, when the place has come.
    pub(super) fn prefetch_row(&self, user: UserKey) {
        self.rows.prefetch_row(user);
    }

    /// Writes what a user's history is now, under the lock of the row.
    fn change(&self, user: UserKey, row: &mut Row, history: &UserHistory) {
        row.write(history);
        self.note(user, row);
    }

    /// Under the lock of the row.
    fn note(&self, user: UserKey, row: &mut Row) {
        if let Some(changes) = &self.changes
            && row.mark()
        {
            changes.note(user);
        }
    }

    /// Learns what was found out without a login.
    ///
    /// # Errors
    ///
    /// The row is damaged or elsewhere; nothing was learnt.
    pub(super) fn learn(&self, user: UserKey, lesson: &Lesson) -> Result<(), Unread> {
        self.visit(user, |_| ((), Some(*lesson)))
    }

    /// Forgets a user.
    pub(super) fn remove(&self, user: UserKey) {
        let _none_is_adopted = self.adoption();
        self.take_out(user);
    }

    fn take_out(&self, user: UserKey) {
        let taken = self.rows.shard(user).remove(user);
        if taken.is_some_and(|row| row.is_elsewhere()) {
            self.elsewhere.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Makes room for so many rows at once, evenly spread, as keyed hashes are.
    pub(super) fn reserve(&self, count: usize) {
        self.rows.reserve(count);
    }

    /// Takes a row from the store, up to the bound; of users beyond it, only that there is one.
    pub(super) fn load(&self, user: UserKey, row: &[u8]) {
        let row = if self.takes_room() { Row::of(row) } else { Row::default() };
        if row.is_elsewhere() {
            self.elsewhere.fetch_add(1, Ordering::Relaxed);
        }
        self.rows.shard(user).insert(user, row);
    }

    /// Puts in what the store has of a user whose row is elsewhere, if `is_current` still; a row that is here stays.
    pub(super) fn fill(&self, user: UserKey, row: Option<Box<[u8]>>, is_current: impl FnOnce() -> bool) {
        let mut shard = self.rows.shard(user);
        if shard.get(user).is_some_and(Row::is_elsewhere) && is_current() {
            self.elsewhere.fetch_sub(1, Ordering::Relaxed);
            match row {
                Some(row) => shard.insert(user, Row::of(&row)),
                None => shard.remove(user),
            };
        }
    }

    /// The rows that changed, of these users: they are being written from now on.
    pub(super) fn changed(&self, users: &[UserKey]) -> Vec<(UserKey, Box<[u8]>)> {
        let row = |user: UserKey| -> Option<Box<[u8]>> {
            let mut shard = self.rows.shard(user);
            let row = shard.get_mut(user)?;
            row.unmark().then(|| row.bytes().into())
        };
        users.iter().filter_map(|user| Some((*user, row(*user)?))).collect()
    }

    /// What was being written is not on the disk, and is to be written again.
    pub(super) fn note_again(&self, users: &[UserKey]) {
        for user in users {
            if let Some(row) = self.rows.shard(*user).get_mut(*user) {
                self.note(*user, row);
            }
        }
        self.changes.iter().for_each(|changes| changes.written());
    }

    /// Forgets users beyond the bound, and makes room for others; called once a second.
    pub(super) fn sweep(&self) {
        self.forget_oldest();
        let room = with_surplus(self.users_max).saturating_sub(self.resident());
        self.room.store(room, Ordering::Relaxed);
    }

    /// Whether there is a row of this user, here or in the store.
    pub(super) fn is_known(&self, user: UserKey) -> bool {
        self.rows.shard(user).get(user).is_some()
    }

    /// Whether this user's row is in the store only.
    pub(super) fn is_elsewhere(&self, user: UserKey) -> bool {
        self.rows.shard(user).get(user).is_some_and(Row::is_elsewhere)
    }

    /// How many rows may come from the store at once, to go there again.
    pub(super) fn spare(&self) -> usize {
        self.users_max / 8
    }

    /// Rows that are here.
    fn resident(&self) -> usize {
        self.rows.len().saturating_sub(self.elsewhere.load(Ordering::Relaxed))
    }

    /// Users with a history.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The sweep makes room at `users_max`; between two sweeps an eighth more may come, and no more than that. To count the
    /// table here would lock each of its shards, which was a quarter of the time of an import.
    fn takes_room(&self) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    /// Forgets the users who were away longest, down to 19/20 of the bound, so that this is seldom needed. Over a store they
    /// stay in it, and those whom it does not have yet stay here.
    fn forget_oldest(&self) {
        let resident = self.resident();
        if resident <= self.users_max {
            return;
        }
        let last_login = |row: &[u8]| UserHistory::last_login_of_row(row);
        let mut times = Vec::with_capacity(resident);
        for shard in self.rows.shards() {
            let rows = shard.iter().filter(|(_, row)| !row.is_elsewhere());
            times.extend(rows.map(|(_, row)| last_login(row.bytes())));
        }
        let surplus = times.len().saturating_sub(self.users_max - self.users_max / 20);
        let (_, cutoff, _) = times.select_nth_unstable(surplus.min(self.users_max));
        let cutoff = *cutoff;
        let mut left = surplus;
        let being_written = |user| self.changes.as_ref().is_some_and(|changes| changes.is_being_written(user));
        let mut stays = |user: UserKey, row: &mut Row| {
            let may_go = left > 0 && !row.is_elsewhere() && !row.is_changed();
            if !may_go || last_login(row.bytes()) > cutoff || being_written(user) {
                return true;
            }
            left -= 1;
            if self.changes.is_some() {
                *row = Row::default();
                self.elsewhere.fetch_add(1, Ordering::Relaxed);
            }
            self.changes.is_some()
        };
        self.rows.shards().for_each(|mut shard| shard.retain(&mut stays));
    }
}

#[cfg(test)]
impl Users {
    /// What is kept of a user, to come back to.
    pub(super) fn row(&self, user: UserKey) -> Option<Box<[u8]>> {
        self.rows.shard(user).get(user).map(|row| row.bytes().into())
    }

    /// Puts back what was kept of a user at some time.
    pub(super) fn put_back(&self, user: UserKey, row: Option<Box<[u8]>>) {
        let mut shard = self.rows.shard(user);
        match row {
            Some(row) => shard.insert(user, Row::of(&row)),
            None => shard.remove(user),
        };
    }
}

/// How many users there may be between two sweeps.
fn with_surplus(users_max: usize) -> usize {
    users_max + users_max / 8
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
    fn over_a_store_nobody_is_forgotten_and_who_is_not_written_stays() {
        let changes = Arc::new(Changes::new(1_000));
        let users = Users::over(100, Arc::clone(&changes));
        let key = HashKey::fixed([3; 16]);
        let user = |number: u32| key.user("default", &number.to_string());
        (0..112).for_each(|number| learn(&users, user(number), login(NOW_S + number, 1)));
        users.sweep();
        assert_eq!((users.len(), users.resident()), (112, 112), "nobody is written yet");
        let (taken, _) = changes.take((0..10).map(user), 0);
        assert_eq!(users.changed(&taken).len(), 10);
        users.sweep();
        assert_eq!(users.resident(), 112, "those are being written");
        users.note_again(&taken);
        users.sweep();
        assert_eq!(users.resident(), 112, "that failed");
        let (taken, _) = changes.take((0..10).map(user), 0);
        let mut rows = users.changed(&taken);
        assert!(users.changed(&taken).is_empty(), "they are written once");
        learn(&users, user(10), login(NOW_S + 10, 1));
        learn(&users, user(9), login(NOW_S + 9, 1));
        changes.written();
        users.sweep();
        assert_eq!((users.len(), users.resident()), (112, 103), "nine may go: the tenth learnt more meanwhile");
        let row = Some(rows.swap_remove(0).1);
        assert!(matches!(users.learn(user(0), &Lesson::Completed(login(NOW_S, 2))), Err(Unread::Elsewhere)));
        users.fill(user(0), row.clone(), || false);
        assert!(matches!(users.learn(user(0), &Lesson::Completed(login(NOW_S, 2))), Err(Unread::Elsewhere)));
        users.fill(user(0), row, || true);
        learn(&users, user(0), login(NOW_S, 2));
        assert_eq!((users.len(), users.resident()), (112, 104));
        users.remove(user(1));
        users.fill(user(2), None, || true);
        assert_eq!((users.len(), users.resident()), (110, 104), "one was erased, of one the store has nothing");
        assert!(users.visit(user(2), |history| (history.is_none(), None)).is_ok_and(|is_new| is_new));
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
