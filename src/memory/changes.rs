//! What changed in memory and is not on the disk yet.
//!
//! Locks of this file are taken under those of the tables in memory, never the other way round, and never over a disk.

use super::decisions::DecisionId;
use crate::keyed_hash::{KeyIsHash, UserKey};
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Users whose row changed since it was last written, 16 bytes each. Whoever notes one marks the row, and does not note it again while
/// it is marked: there are hardly ever more than memory holds. Who was written earlier, because somebody waited, stands here still, and
/// has no mark any more. And decisions, 16 bytes each: of these few more are noted than memory holds, and the oldest are let go first,
/// as they are there.
#[derive(Debug)]
pub(super) struct Changes {
    decisions: Box<[Mutex<VecDeque<DecisionId>>]>,
    decisions_max: usize,
    users: Box<[Mutex<VecDeque<UserKey>>]>,
    /// A user is here before their row loses its mark, and until it is on the disk or marked again.
    being_written: Mutex<HashSet<UserKey, BuildHasherDefault<KeyIsHash>>>,
    /// At which shard the next batch begins, so that none is left behind while there is more than a batch takes.
    next: AtomicUsize,
}

/// Ids are spread by chance.
const UNEVEN: usize = 64;
/// More than cores, so that two logins seldom meet at one lock.
const SHARDS: usize = 64;

impl Changes {
    /// For a memory of at most so many decisions.
    pub(super) fn new(decisions_max: usize) -> Self {
        Self {
            decisions: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            decisions_max: decisions_max.div_ceil(SHARDS) + UNEVEN,
            users: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            being_written: Mutex::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// This decision is new, or changed. Called under its lock, as [`Self::note`] is.
    pub(super) fn note_decision(&self, id: DecisionId) {
        let [.., low] = id.to_bytes();
        let mut queue = lock(&self.decisions[usize::from(low) % SHARDS]);
        if queue.len() >= self.decisions_max {
            queue.pop_front();
        }
        queue.push_back(id);
    }

    /// Takes up to `max` decisions, some more than once; and whether none is left.
    pub(super) fn take_decisions(&self, max: usize) -> (Vec<DecisionId>, bool) {
        let mut taken = Vec::new();
        for queue in &self.decisions {
            let mut queue = lock(queue);
            let some = queue.len().min(max - taken.len());
            taken.extend(queue.drain(..some));
            if !queue.is_empty() {
                return (taken, false);
            }
        }
        (taken, true)
    }

    /// This user's row changed, and was not marked. Called under the lock of the row, so that whoever takes the key reads the change.
    pub(super) fn note(&self, user: UserKey) {
        let [.., high] = user.0.to_le_bytes();
        lock(&self.users[usize::from(high) % SHARDS]).push_back(user);
    }

    /// Whether the row on the disk may be older than that in memory, though that has no mark.
    pub(super) fn is_being_written(&self, user: UserKey) -> bool {
        lock(&self.being_written).contains(&user)
    }

    /// Takes these, and up to `max` others; and whether none is left. Those whose row is marked are to be written.
    pub(super) fn take(&self, urgent: impl Iterator<Item = UserKey>, max: usize) -> (Vec<UserKey>, bool) {
        let mut taken: Vec<UserKey> = urgent.collect();
        let mut left = max;
        let mut is_all = false;
        for _ in 0..SHARDS {
            let at = self.next.load(Ordering::Relaxed) % SHARDS;
            let mut queue = lock(&self.users[at]);
            let some = queue.len().min(left);
            taken.extend(queue.drain(..some));
            is_all = queue.is_empty();
            if !is_all {
                break;
            }
            // What a burst made long does not stay so.
            *queue = VecDeque::new();
            left -= some;
            self.next.store(at + 1, Ordering::Relaxed);
        }
        lock(&self.being_written).extend(&taken);
        (taken, is_all)
    }

    /// What was taken is on the disk, or noted again.
    pub(super) fn written(&self) {
        *lock(&self.being_written) = HashSet::default();
    }

    /// How many are not on the disk yet, at most: who was written before their turn is counted until it comes.
    pub(super) fn len(&self) -> usize {
        let users = self.users.iter().map(|queue| lock(queue).len()).sum::<usize>() + lock(&self.being_written).len();
        users + self.decisions.iter().map(|queue| lock(queue).len()).sum::<usize>()
    }
}

/// No step between two states of a queue can panic.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyed_hash::HashKey;

    fn users(count: usize) -> Vec<UserKey> {
        let key = HashKey::fixed([7; 16]);
        (0..count).map(|number| key.user("default", &number.to_string())).collect()
    }

    #[test]
    fn each_is_taken_once_whatever_a_batch_takes() {
        for batch in [1, 7, 1_000, 10_000] {
            let (changes, users) = (Changes::new(1_000), users(1_000));
            users.iter().for_each(|user| changes.note(*user));
            assert_eq!(changes.len(), 1_000);
            let mut taken = Vec::new();
            let mut batches = 0;
            loop {
                let (some, is_all) = changes.take(std::iter::empty(), batch);
                assert!(some.len() <= batch);
                taken.extend(some);
                changes.written();
                batches += 1;
                if is_all {
                    break;
                }
            }
            assert!(batches <= 1_000 / batch + 1, "{batches} batches of {batch}");
            taken.sort_by_key(|user| user.0);
            let mut all = users;
            all.sort_by_key(|user| user.0);
            assert_eq!(taken, all);
        }
    }

    #[test]
    fn decisions_are_bounded_and_the_newest_are_kept() {
        let changes = Changes::new(640);
        let ids = crate::memory::decisions::IdSource::new(HashKey::fixed([1; 16]));
        let at = |second: u32| ids.decision(crate::clock::Timestamp::from_unix_s(1_790_000_000 + second));
        let all: Vec<DecisionId> = (0..10_000).map(at).collect();
        all.iter().for_each(|id| changes.note_decision(*id));
        let (some, is_all) = changes.take_decisions(100);
        assert_eq!((some.len(), is_all), (100, false));
        let (rest, is_all) = changes.take_decisions(10_000);
        assert_eq!((rest.len(), is_all), (64 * 74 - 100, true));
        assert!(rest.iter().all(|id| *id > all[3_000]), "by far not the first ones");
    }

    #[test]
    fn who_waits_comes_first_and_whoever_is_taken_is_being_written() {
        let (changes, users) = (Changes::new(1_000), users(100));
        users.iter().for_each(|user| changes.note(*user));
        let (taken, is_all) = changes.take([users[99]].into_iter(), 0);
        assert_eq!((taken, is_all), (vec![users[99]], false));
        assert!(changes.is_being_written(users[99]) && !changes.is_being_written(users[0]));
        changes.written();
        assert!(!changes.is_being_written(users[99]));
        let (taken, is_all) = changes.take(std::iter::empty(), 1_000);
        assert_eq!((taken.len(), is_all, changes.len()), (100, true, 100));
        assert!(users.iter().all(|user| changes.is_being_written(*user)));
        changes.written();
        assert_eq!(changes.len(), 0);
    }
}
