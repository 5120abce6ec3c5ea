//! The near cache: what Redis had of a user when it was last asked, and what was learnt since and is not there yet.
//!
//! A lesson stays beside the row until Redis has it, so that it can be learnt again on top of what another replica stored, and
//! be taken back where its login is judged anew. Guards of the map stay in this file.

use crate::history::{Lesson, RowError, UserHistory};
use crate::keyed_hash::{KeyIsHash, UserKey};
use crate::memory::decisions::DecisionId;
use dashmap::DashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// What is known of users here.
#[derive(Debug)]
pub(super) struct Near {
    users: DashMap<UserKey, Cached, BuildHasherDefault<KeyIsHash>>,
    users_max: usize,
    /// How many more users may come until they are counted, which locks every shard.
    room: AtomicUsize,
    /// Lessons are numbered, to tell those that were sent from those that came since.
    number: AtomicU64,
    lost: AtomicU64,
    /// How often it was told that users changed, of some users each: what was asked before that is of before, though its answer may be
    /// taken behind it.
    told: Box<[AtomicU32]>,
}

/// So that a user is seldom taken for another who changed, which costs another look.
const TOLD: usize = 1_024;
/// More than cores, so that two logins seldom meet at one lock.
const SHARDS: usize = 256;
/// Lessons of one user that wait; the oldest is given up for the newest.
const UNSHARED_MAX: usize = 32;
/// Version and time of erasure, before the row.
const HEAD_BYTES: usize = 16;

#[derive(Debug, Default)]
struct Cached {
    stamp: Stamp,
    /// Somebody else changed it, or may have.
    is_stale: bool,
    /// As Redis has it; empty where the user has no history.
    row: Box<[u8]>,
    unshared: Vec<Unshared>,
}

/// What stands before a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Another one with every change; 0 where there is nothing in Redis.
    pub(super) version: u64,
    pub(super) erased_ms: u64,
}

impl Stamp {
    /// What a script compares.
    pub(super) fn compared(&self) -> Vec<u8> {
        if self.version == 0 { Vec::new() } else { self.version.to_le_bytes().to_vec() }
    }
}

#[derive(Debug, Clone, Copy)]
struct Unshared {
    number: u64,
    /// The login that brought it, while that is being shared.
    by: Option<DecisionId>,
    learnt_ms: u64,
    lesson: Lesson,
}

/// What a visit finds.
pub(super) enum Visited<T> {
    Here(T),
    /// It has to be fetched.
    Elsewhere,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) expected: Stamp,
    /// The row with all lessons; `None` where there are none.
    pub(super) value: Option<(u64, Vec<u8>)>,
    /// The lesson of the login in question is among them.
    pub(super) holds_own: bool,
    upto: u64,
}

/// A value of Redis, taken apart; an empty one is of a user of whom nothing is there.
pub(super) fn taken_apart(value: &[u8]) -> Result<(Stamp, &[u8]), RowError> {
    if value.is_empty() {
        return Ok((Stamp::default(), value));
    }
    let (version, rest) = value.split_first_chunk().ok_or(RowError)?;
    let (erased_ms, row) = rest.split_first_chunk().ok_or(RowError)?;
    Ok((Stamp { version: u64::from_le_bytes(*version), erased_ms: u64::from_le_bytes(*erased_ms) }, row))
}

/// A value for Redis.
pub(super) fn value(stamp: Stamp, history: Option<&UserHistory>) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD_BYTES + history.map_or(0, UserHistory::row_len));
    value.extend_from_slice(&stamp.version.to_le_bytes());
    value.extend_from_slice(&stamp.erased_ms.to_le_bytes());
    if let Some(history) = history {
        history.write_row(&mut value);
    }
    value
}

impl Cached {
    /// The row with what was learnt since; whether there is a history.
    fn fill(&self, history: &mut UserHistory) -> Result<bool, RowError> {
        if !self.row.is_empty() {
            history.fill(&self.row)?;
        }
        let mut is_known = !self.row.is_empty();
        for Unshared { lesson, .. } in &self.unshared {
            if is_known || lesson.begins_a_history() {
                history.learn(lesson);
                is_known = true;
            }
        }
        Ok(is_known)
    }
}

impl Near {
    pub(super) fn new(users_max: usize) -> Self {
        Self {
            users: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), SHARDS),
            users_max,
            room: AtomicUsize::new(with_surplus(users_max)),
            number: AtomicU64::new(1),
            lost: AtomicU64::new(0),
            told: std::iter::repeat_with(AtomicU32::default).take(TOLD).collect(),
        }
    }

    /// To be had before Redis is asked for a user.
    pub(super) fn told(&self, user: UserKey) -> u32 {
        self.told_of(user).load(Ordering::Acquire)
    }

    /// What was asked then was taken: somebody may have changed it meanwhile.
    pub(super) fn distrust_if_told_since(&self, user: UserKey, then: u32) {
        if self.told(user) != then {
            self.distrust(user);
        }
    }

    fn told_of(&self, user: UserKey) -> &AtomicU32 {
        &self.told[usize::try_from(user.low_bits() % TOLD as u64).unwrap_or(0)]
    }

    /// Shows a user to `judge`, and keeps what that learns. `stale_too` where nothing better can be had.
    pub(super) fn visit<T>(
        &self,
        user: UserKey,
        (by, now_ms, stale_too): (Option<DecisionId>, u64, bool),
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<Visited<T>, RowError> {
        let Some(mut cached) = self.users.get_mut(&user).filter(|cached| stale_too || !cached.is_stale) else {
            return Ok(Visited::Elsewhere);
        };
        let mut history = UserHistory::default();
        let is_known = cached.fill(&mut history)?;
        let (answer, lesson) = judge(is_known.then_some(&history));
        if let Some(lesson) = lesson.filter(|lesson| is_known || lesson.begins_a_history()) {
            if cached.unshared.len() == UNSHARED_MAX {
                cached.unshared.remove(0);
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            cached.unshared.push(Unshared { number, by, learnt_ms: now_ms, lesson });
        }
        Ok(Visited::Here(answer))
    }

    /// Takes what Redis has of a user, and learns on top of it what is not there yet, but for the lesson of `without` and
    /// what is older than an erasure.
    pub(super) fn take(&self, user: UserKey, found: &[u8], without: Option<DecisionId>) -> Result<(), RowError> {
        let (stamp, row) = taken_apart(found)?;
        if !row.is_empty() {
            UserHistory::read_row(row)?;
        }
        if !self.users.contains_key(&user) && !self.takes_room() {
            self.make_room();
        }
        let mut cached = self.users.entry(user).or_default();
        cached.unshared.retain(|unshared| {
            let is_erased = stamp.erased_ms != 0 && unshared.learnt_ms <= stamp.erased_ms;
            !is_erased && (without.is_none() || unshared.by != without)
        });
        (cached.stamp, cached.is_stale) = (stamp, false);
        if *cached.row != *row {
            cached.row = row.into();
        }
        Ok(())
    }

    /// What Redis is to be told of a user, under a new version.
    pub(super) fn outgoing(
        &self,
        user: UserKey,
        by: Option<DecisionId>,
        version: u64,
    ) -> Result<Option<Outgoing>, RowError> {
        let Some(cached) = self.users.get(&user) else { return Ok(None) };
        let expected = cached.stamp;
        let holds_own = by.is_some() && cached.unshared.iter().any(|unshared| unshared.by == by);
        let upto = cached.unshared.last().map_or(0, |unshared| unshared.number);
        let value = if cached.unshared.is_empty() {
            None
        } else {
            let mut history = UserHistory::default();
            let is_known = cached.fill(&mut history)?;
            Some((version, value(Stamp { version, ..expected }, is_known.then_some(&history))))
        };
        Ok(Some(Outgoing { expected, value, holds_own, upto }))
    }

    /// What Redis had of a user when it was last asked, if nothing speaks against it.
    pub(super) fn as_stored(&self, user: UserKey) -> Option<Vec<u8>> {
        let cached = self.users.get(&user).filter(|cached| !cached.is_stale)?;
        let mut stored = Vec::new();
        if cached.stamp.version != 0 {
            stored.extend_from_slice(&cached.stamp.version.to_le_bytes());
            stored.extend_from_slice(&cached.stamp.erased_ms.to_le_bytes());
            stored.extend_from_slice(&cached.row);
        }
        Some(stored)
    }

    /// Whether Redis has nothing of this user, as far as was told.
    pub(super) fn is_nobody(&self, user: UserKey) -> bool {
        self.users.get(&user).is_some_and(|cached| !cached.is_stale && cached.row.is_empty())
    }

    /// Whether this login taught something that Redis does not have.
    pub(super) fn holds(&self, user: UserKey, by: DecisionId) -> bool {
        self.users.get(&user).is_some_and(|cached| cached.unshared.iter().any(|unshared| unshared.by == Some(by)))
    }

    /// Redis has what was sent.
    pub(super) fn stored(&self, user: UserKey, sent: &Outgoing) {
        let Some((version, value)) = &sent.value else { return };
        let Some(mut cached) = self.users.get_mut(&user) else { return };
        cached.unshared.retain(|unshared| unshared.number > sent.upto);
        if cached.stamp == sent.expected {
            cached.stamp.version = *version;
            cached.row = value[HEAD_BYTES..].into();
        } else {
            // What was fetched meanwhile may be of before.
            cached.is_stale = true;
        }
    }

    /// Takes back what a login taught, which is judged anew, or by nobody any more.
    pub(super) fn take_back(&self, user: UserKey, by: DecisionId) {
        if let Some(mut cached) = self.users.get_mut(&user) {
            cached.unshared.retain(|unshared| unshared.by != Some(by));
        }
    }

    /// It is told that somebody else changed this user.
    pub(super) fn tell(&self, user: UserKey) {
        self.told_of(user).fetch_add(1, Ordering::AcqRel);
        self.distrust(user);
    }

    /// Somebody else changed this user. What there is stays for as long as nothing better can be had.
    fn distrust(&self, user: UserKey) {
        if let Some(mut cached) = self.users.get_mut(&user) {
            cached.is_stale = true;
        }
    }

    /// Nobody tells what changes, for a while.
    pub(super) fn distrust_all(&self) {
        for told in &self.told {
            told.fetch_add(1, Ordering::AcqRel);
        }
        self.users.iter_mut().for_each(|mut cached| cached.is_stale = true);
    }

    /// Better can be had again. Who was erased meanwhile is gone with the rest.
    pub(super) fn forget_stale(&self) {
        self.users.retain(|_, cached| !cached.is_stale || !cached.unshared.is_empty());
    }

    /// This user was erased.
    pub(super) fn forget(&self, user: UserKey) {
        self.users.remove(&user);
    }

    /// Whether something of this user is not in Redis.
    pub(super) fn is_unshared(&self, user: UserKey) -> bool {
        self.users.get(&user).is_some_and(|cached| !cached.unshared.is_empty())
    }

    /// Users here.
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Lessons given up since the last time that this was asked.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    fn takes_room(&self) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    /// Those without a history go first, then those who were away longest, down to 19/20 of the bound; once for every eighth of it
    /// that comes. What Redis does not have stays.
    fn make_room(&self) {
        self.users.retain(|_, cached| !cached.row.is_empty() || !cached.unshared.is_empty());
        let last_login = |cached: &Cached| UserHistory::last_login_of_row(&cached.row);
        let mut times: Vec<u32> = self.users.iter().map(|entry| last_login(&entry)).collect();
        if times.len() > self.users_max {
            let surplus = times.len() - (self.users_max - self.users_max / 20);
            let (_, cutoff, _) = times.select_nth_unstable(surplus - 1);
            let (cutoff, mut left) = (*cutoff, surplus);
            self.users.retain(|_, cached| {
                let goes = left > 0 && cached.unshared.is_empty() && last_login(cached) <= cutoff;
                left -= usize::from(goes);
                !goes
            });
        }
        self.room.store(with_surplus(self.users_max).saturating_sub(self.users.len()), Ordering::Relaxed);
    }
}

/// How many users there may be before they are counted.
fn with_surplus(users_max: usize) -> usize {
    users_max + users_max / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Login;
    use crate::keyed_hash::DeviceTag;

    const USER: UserKey = UserKey(1);
    const NOW_MS: u64 = 1_790_000_000_000;

    fn lesson(device: u64) -> Lesson {
        Lesson::Completed(Login { device: Some(DeviceTag(device)), ..Login::bare(1_790_000_000) })
    }

    /// What Redis has once it learnt of these devices.
    fn stored(version: u64, erased_ms: u64, devices: &[u64]) -> Vec<u8> {
        let mut history = UserHistory::default();
        devices.iter().for_each(|device| history.learn(&lesson(*device)));
        value(Stamp { version, erased_ms }, (!devices.is_empty()).then_some(&history))
    }

    fn learn(near: &Near, device: u64, by: Option<DecisionId>) {
        let visited = near.visit(USER, (by, NOW_MS, true), |_| ((), Some(lesson(device))));
        assert!(matches!(visited, Ok(Visited::Here(()))));
    }

    /// The devices that are known, if any history is.
    fn known(near: &Near) -> Option<Vec<u64>> {
        let look =
            |history: Option<&UserHistory>| (history.map(|it| it.devices().map(|device| device.tag.0).collect()), None);
        match near.visit(USER, (None, NOW_MS, true), look) {
            Ok(Visited::Here(known)) => known,
            Ok(Visited::Elsewhere) | Err(_) => None,
        }
        .map(|mut known: Vec<u64>| {
            known.sort_unstable();
            known
        })
    }

    fn id(number: u8) -> DecisionId {
        DecisionId::from_bytes([number; 16])
    }

    #[test]
    fn what_others_stored_is_taken_and_what_was_learnt_here_is_learnt_on_top() -> Result<(), RowError> {
        let near = Near::new(100);
        assert_eq!(known(&near), None);
        near.take(USER, &[], None)?;
        learn(&near, 1, Some(id(1)));
        learn(&near, 2, Some(id(2)));
        assert_eq!(known(&near), Some(vec![1, 2]));
        // Another replica was faster: the second login is judged anew, the first one goes on.
        near.take(USER, &stored(7, 0, &[3]), Some(id(2)))?;
        assert_eq!(known(&near), Some(vec![1, 3]));
        let outgoing = near.outgoing(USER, Some(id(1)), 8)?;
        assert!(outgoing.as_ref().is_some_and(|out| out.holds_own && out.expected.version == 7));
        learn(&near, 4, None);
        near.stored(USER, &outgoing.unwrap_or_else(|| unreachable!("the user is here")));
        assert_eq!(near.as_stored(USER), Some(stored(8, 0, &[3, 1])), "sent, and not what came since");
        assert!(near.is_unshared(USER) && known(&near) == Some(vec![1, 3, 4]));
        near.take_back(USER, id(9));
        assert_eq!(known(&near), Some(vec![1, 3, 4]), "nobody else's is taken back");
        Ok(())
    }

    #[test]
    fn nothing_of_before_an_erasure_is_learnt_again() -> Result<(), RowError> {
        let near = Near::new(100);
        near.take(USER, &stored(1, 0, &[1]), None)?;
        learn(&near, 2, None);
        near.take(USER, &stored(2, NOW_MS, &[]), None)?;
        assert_eq!(known(&near), None);
        learn(&near, 3, None);
        near.take(USER, &stored(3, NOW_MS - 1, &[]), None)?;
        assert_eq!(known(&near), Some(vec![3]), "it came behind this erasure");
        Ok(())
    }

    /// The server tells of a change behind its answer, and the answer may be taken last.
    #[test]
    fn what_was_asked_before_a_change_was_told_is_not_trusted() -> Result<(), RowError> {
        let near = Near::new(100);
        let trusted =
            |near: &Near| matches!(near.visit(USER, (None, NOW_MS, false), |_| ((), None)), Ok(Visited::Here(())));
        for is_told in [false, true] {
            let told = near.told(USER);
            if is_told {
                near.tell(USER);
            }
            near.take(USER, &stored(1, 0, &[1]), None)?;
            near.distrust_if_told_since(USER, told);
            assert_eq!(trusted(&near), !is_told);
        }
        let told = near.told(USER);
        near.distrust_all();
        near.take(USER, &stored(1, 0, &[1]), None)?;
        near.distrust_if_told_since(USER, told);
        assert!(!trusted(&near), "nobody told anything for a while");
        Ok(())
    }

    #[test]
    fn bounded_and_what_redis_does_not_have_stays() -> Result<(), RowError> {
        let near = Near::new(100);
        near.take(USER, &stored(1, 0, &[1]), None)?;
        learn(&near, 2, None);
        for number in 0..10_000 {
            near.take(UserKey(1_000 + number), &stored(1, 0, if number % 2 == 0 { &[1] } else { &[] }), None)?;
            assert!(near.len() <= 113, "{}", near.len());
        }
        assert_eq!(known(&near), Some(vec![1, 2]));
        for device in 0..1_000 {
            learn(&near, device, None);
        }
        assert_eq!(near.take_lost(), 969, "lessons of one user are bounded, too");
        Ok(())
    }

    #[test]
    fn a_damaged_row_is_not_taken() {
        let near = Near::new(100);
        for damaged in [&[1][..], &[0; 15], &[9; 17]] {
            assert!(near.take(USER, damaged, None).is_err());
        }
        assert_eq!(near.len(), 0);
    }
}
