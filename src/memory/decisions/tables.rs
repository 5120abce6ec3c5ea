//! Where decisions are kept in memory, bounded.

use super::listing::Aged;
use super::walk::{Held, Visitor, Walk};
use super::{Decision, DecisionId, Feedback, LoginResult, Pending, Report, Settled, Settlement};
use crate::clock::{DAY_MS, Timestamp};
use crate::history::Lesson;
use crate::keyed_hash::UserKey;
use crate::memory::changes::Changes;
use crate::memory::places::{Key, Places};
use crate::prefetch::Lines;
use crate::privacy::RetentionDays;
use std::collections::VecDeque;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All decisions of a process, in shards of their own locks, bounded: users without history never push out those with
/// one.
#[derive(Debug)]
pub(in crate::memory) struct Decisions {
    shards: Box<[Mutex<Shard>]>,
    /// Over a store: what it does not have yet.
    changes: Option<Arc<Changes>>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) pending: PendingTable,
    pub(super) settled_known: Ring,
    pub(super) settled_strangers: Ring,
}

/// A bounded map. An id may stand in a queue after it left the map; it is then passed over.
#[derive(Debug)]
pub(super) struct PendingTable {
    capacity: usize,
    pub(super) decisions: Places<DecisionId, Box<Pending>>,
    pub(super) strangers: Queue,
    pub(super) known: Queue,
    /// How often ids were taken out of the middle of the queues.
    pub(super) tidied: usize,
    /// What was pushed out teaches at the next sweep, as if its time had passed.
    overdue: Vec<(UserKey, Lesson)>,
}

/// Ids in the order in which they came, which is that of their expiry.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ids: VecDeque<DecisionId>,
    /// How many ever came; by that they are numbered.
    pushed: usize,
}

/// The last settled decisions: written one behind the other, which is what nearly every login does, and searched from
/// the newest, which few callers ever need.
#[derive(Debug)]
pub(super) struct Ring {
    capacity: usize,
    /// Apart from the decisions, so that a search reads 16 bytes of each.
    ids: Vec<DecisionId>,
    decisions: Vec<Option<Settled>>,
    /// How many ever came; by that they are numbered, and the one with number n stands at n modulo the capacity.
    pushed: usize,
}

pub(super) const SHARDS: usize = 16;
/// Decisions that expire under one lock, some 1 µs each.
const EXPIRED_MAX: usize = 256;
/// Stands where a decision was erased; no id is 0, whose version is none.
const ERASED: DecisionId = DecisionId(0);
/// Of a UUID: the highest of its lower half, and the same in all.
const VARIANT_BITS: u32 = 2;
/// Of the settled decisions, this share is for users without a history.
const STRANGERS_SHARE: usize = 4;

impl Key for DecisionId {
    const TAKEN_PERCENT_MAX: usize = 50;

    /// Of bits that nobody chose: neither of its time, nor of its version and variant.
    fn position(self) -> u64 {
        u64::try_from((self.0 << VARIANT_BITS) & u128::from(u64::MAX)).unwrap_or(0)
    }
}

impl Decisions {
    pub(in crate::memory) fn new(pending_max: usize, settled_max: usize) -> Self {
        let (pending, settled) = (pending_max.div_ceil(SHARDS), settled_max.div_ceil(SHARDS));
        let shard = || {
            Mutex::new(Shard {
                pending: PendingTable::new(pending),
                settled_known: Ring::new(settled - settled / STRANGERS_SHARE),
                settled_strangers: Ring::new(settled / STRANGERS_SHARE),
            })
        };
        Self { shards: std::iter::repeat_with(shard).take(SHARDS).collect(), changes: None }
    }

    /// The same over a store, which is told of every change but that a decision has expired: that shows.
    pub(in crate::memory) fn over(pending_max: usize, settled_max: usize, changes: Arc<Changes>) -> Self {
        Self { changes: Some(changes), ..Self::new(pending_max, settled_max) }
    }

    /// Has come what keeping a decision is likely to touch: the place where a settled one of a user with a history will be, which is of
    /// most, at once or when they are pushed out; and if one will be pushed out, what that takes.
    pub(in crate::memory) fn prefetch(&self, id: DecisionId) {
        let (settled, pushing_out) = {
            let shard = self.shard(id);
            (shard.settled_known.next_place(), shard.pending.lines_of_next(id))
        };
        settled.prefetch();
        pushing_out.into_iter().flatten().for_each(Lines::prefetch);
    }

    pub(in crate::memory) fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) {
        let mut shard = self.shard(id);
        shard.keep(id, decision, has_history);
        self.note(id);
    }

    /// Takes what a store has.
    pub(in crate::memory) fn load(&self, id: DecisionId, decision: Decision, has_history: bool) {
        self.shard(id).keep(id, decision, has_history);
    }

    /// A copy of a decision, and whether its user has a history.
    pub(in crate::memory) fn held(&self, id: DecisionId) -> Option<(Decision, bool)> {
        let shard = self.shard(id);
        if let Some(pending) = shard.pending.decisions.get(id) {
            // Of one that waits, the users say so when it comes back.
            return Some((Decision::Pending(pending.clone()), true));
        }
        let known = shard.settled_known.find(id).map(|settled| (settled, true));
        let found = known.or_else(|| shard.settled_strangers.find(id).map(|settled| (settled, false)));
        found.map(|(settled, has_history)| (Decision::Settled(settled.clone()), has_history))
    }

    /// Under the lock of the decision.
    fn note(&self, id: DecisionId) {
        if let Some(changes) = &self.changes {
            changes.note_decision(id);
        }
    }

    /// Takes an outcome: `learn` is called under the lock, and the decision is settled only when that went well.
    pub(in crate::memory) fn settle<E>(
        &self,
        id: DecisionId,
        now: Timestamp,
        report: Report,
        learn: impl FnOnce(UserKey, &Lesson) -> Result<(), E>,
    ) -> Result<Settlement, E> {
        let mut shard = self.shard(id);
        if let Some(pending) = shard.waiting(id, now) {
            let lesson = match pending.settle(report) {
                Ok(lesson) => lesson,
                Err(refusal) => return Ok(Settlement::Refused(refusal)),
            };
            let ended = pending.ended(report, lesson.as_ref());
            if let Some(lesson) = lesson {
                learn(pending.given.user, &lesson)?;
            }
            if let Some(pending) = shard.pending.decisions.remove(id) {
                shard.settled_known.push(id, pending.into_settled(Some(report.result), report.factor));
            }
            self.note(id);
            return Ok(ended.map_or(Settlement::Taken, Settlement::Counted));
        }
        Ok(shard.settled(id).map_or(Settlement::Unknown, |settled| settled.again(report)))
    }

    /// Drops a decision that waits, as if it had never been given: nothing is learnt of it, now or later.
    pub(in crate::memory) fn discard(&self, id: DecisionId) {
        self.shard(id).pending.decisions.remove(id);
    }

    /// Takes a label, said of a decision that waits or was settled.
    pub(in crate::memory) fn label<E>(
        &self,
        id: DecisionId,
        now: Timestamp,
        feedback: Feedback,
        learn: impl FnOnce(UserKey, &Lesson) -> Result<(), E>,
    ) -> Result<Settlement, E> {
        let shard = self.shard(id);
        let settled = || shard.settled(id).map(|of| (&of.given, of.result == Some(LoginResult::Success)));
        let found = shard.waiting(id, now).map(|pending| (&pending.given, false)).or_else(settled);
        let Some((of, is_completed)) = found else { return Ok(Settlement::Unknown) };
        match feedback.teaches(of, is_completed, now) {
            Ok(lesson) => learn(of.user, &lesson).map(|()| Settlement::Labelled(of.name.clone())),
            Err(refusal) => Ok(Settlement::Refused(refusal)),
        }
    }

    /// Ends the waiting of what has expired. What that teaches is learnt under the lock, so that it cannot come behind the
    /// erasure of its user.
    pub(in crate::memory) fn sweep(&self, now: Timestamp, mut learn: impl FnMut(UserKey, &Lesson)) {
        for shard in &self.shards {
            while lock(shard).sweep(now, &mut learn) {}
        }
    }

    /// One piece of a walk through all decisions; gives whether more is left.
    pub(in crate::memory) fn step(&self, walk: &mut Walk, visitor: &mut impl Visitor) -> bool {
        if let Some(shard) = self.shards.get(walk.shard) {
            walk.step(&mut lock(shard), visitor);
        }
        walk.shard < self.shards.len()
    }

    /// Forgets what decisions of this user, that are gone, would have taught.
    pub(in crate::memory) fn unlearn(&self, user: UserKey) {
        self.shards.iter().for_each(|shard| lock(shard).pending.overdue.retain(|(of, _)| *of != user));
    }

    /// Forgets decisions that are older than they may be, a piece at a time.
    pub(in crate::memory) fn age(&self, now: Timestamp, days: &RetentionDays) {
        let since_ms = now.unix_ms() - i64::from(days.decisions.get()) * DAY_MS;
        if let Some(since) = Timestamp::from_unix_ms(since_ms) {
            let mut walk = Walk::default();
            while self.step(&mut walk, &mut Aged(since)) {}
        }
    }

    /// Whose decision it is.
    pub(in crate::memory) fn user_of(&self, id: DecisionId) -> Option<UserKey> {
        let shard = self.shard(id);
        let waiting = shard.pending.decisions.get(id).map(|pending| &pending.given);
        waiting.or_else(|| shard.settled(id).map(|settled| &settled.given)).map(|given| given.user)
    }

    pub(in crate::memory) fn pending(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).pending.decisions.len()).sum()
    }

    fn shard(&self, id: DecisionId) -> MutexGuard<'_, Shard> {
        // The low bits of a UUID of version 7 are random.
        let [low, ..] = id.0.to_le_bytes();
        lock(&self.shards[usize::from(low) % SHARDS])
    }
}

impl Shard {
    fn keep(&mut self, id: DecisionId, decision: Decision, has_history: bool) {
        match decision {
            Decision::Pending(pending) => self.insert(id, pending, has_history),
            Decision::Settled(settled) if has_history => self.settled_known.push(id, settled),
            Decision::Settled(settled) => self.settled_strangers.push(id, settled),
        }
    }

    fn waiting(&self, id: DecisionId, now: Timestamp) -> Option<&Pending> {
        self.pending.decisions.get(id).map(|pending| &**pending).filter(|pending| now <= pending.expires)
    }

    fn settled(&self, id: DecisionId) -> Option<&Settled> {
        self.settled_known.find(id).or_else(|| self.settled_strangers.find(id))
    }

    /// When full, users without history go first, then the oldest.
    fn insert(&mut self, id: DecisionId, mut pending: Box<Pending>, has_history: bool) {
        let Self { pending: table, settled_known, settled_strangers } = self;
        while table.decisions.len() >= table.capacity {
            let (oldest, ring) = match table.strangers.ids.pop_front() {
                Some(oldest) => (oldest, &mut *settled_strangers),
                None => match table.known.ids.pop_front() {
                    Some(oldest) => (oldest, &mut *settled_known),
                    None => break,
                },
            };
            let Some(mut room) = table.decisions.remove(oldest) else { continue };
            // The new one is kept where the old one was: the memory that is given back is that which was taken just now, and is near.
            let pushed_out = std::mem::replace(&mut *room, *pending);
            pending = room;
            if table.overdue.len() < table.capacity {
                table.overdue.extend(taught_by(&pushed_out));
            }
            ring.push(oldest, pushed_out.into_settled(None, None));
        }
        let queue = if has_history { &mut table.known } else { &mut table.strangers };
        queue.push(id);
        table.decisions.insert(id, pending);
        table.tidy_up();
    }

    /// Ids stand in the order of their expiry, so only the front needs a look. Gives whether more is left.
    fn sweep(&mut self, now: Timestamp, mut learn: impl FnMut(UserKey, &Lesson)) -> bool {
        let Self { pending: table, settled_known, settled_strangers } = self;
        let mut left = EXPIRED_MAX;
        while left > 0
            && let Some((user, lesson)) = table.overdue.pop()
        {
            learn(user, &lesson);
            left -= 1;
        }
        for (queue, ring) in [(&mut table.strangers, settled_strangers), (&mut table.known, settled_known)] {
            while left > 0
                && let Some(id) = queue.ids.front().copied()
                && table.decisions.get(id).is_none_or(|pending| now > pending.expires)
            {
                queue.ids.pop_front();
                left -= 1;
                if let Some(expired) = table.decisions.remove(id) {
                    if let Some((user, lesson)) = taught_by(&expired) {
                        learn(user, &lesson);
                    }
                    ring.push(id, expired.into_settled(None, None));
                }
            }
        }
        left == 0
    }
}

/// A panic while a shard is locked leaves at worst an id in a queue without its decision, which is passed over.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PendingTable {
    fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            decisions: Places::default(),
            strangers: Queue::default(),
            known: Queue::default(),
            tidied: 0,
            overdue: Vec::new(),
        }
    }

    /// Of a full table, the place of this id, the decision that it pushes out, whose place came when the one before was pushed out, and the
    /// place of the next one.
    fn lines_of_next(&self, id: DecisionId) -> Option<[Lines; 3]> {
        if self.decisions.len() < self.capacity {
            return None;
        }
        let mut oldest = self.strangers.ids.iter().chain(&self.known.ids).copied();
        let pushed_out = self.decisions.get(oldest.next()?)?;
        let next = oldest.next().unwrap_or(id);
        Some([self.decisions.line_of(id), Lines::of(slice::from_ref(&**pushed_out)), self.decisions.line_of(next)])
    }

    /// Settled ones leave their ids behind; clearing them at twice the capacity costs one step an insertion.
    fn tidy_up(&mut self) {
        if self.strangers.ids.len() + self.known.ids.len() > 2 * self.capacity {
            self.strangers.ids.retain(|id| self.decisions.get(*id).is_some());
            self.known.ids.retain(|id| self.decisions.get(*id).is_some());
            self.tidied += 1;
        }
    }
}

impl Queue {
    fn push(&mut self, id: DecisionId) {
        self.ids.push_back(id);
        self.pushed += 1;
    }

    /// The number of the oldest.
    pub(super) fn first(&self) -> usize {
        self.pushed - self.ids.len()
    }

    /// The number that the next one will have.
    pub(super) fn end(&self) -> usize {
        self.pushed
    }

    pub(super) fn id(&self, number: usize) -> Option<DecisionId> {
        self.ids.get(number - self.first()).copied()
    }
}

/// What a decision teaches that nobody told the outcome of.
fn taught_by(forgotten: &Pending) -> Option<(UserKey, Lesson)> {
    forgotten.unfinished().map(|lesson| (forgotten.given.user, lesson))
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), ids: Vec::new(), decisions: Vec::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, id: DecisionId, settled: Settled) {
        let at = self.pushed % self.capacity;
        match (self.ids.get_mut(at), self.decisions.get_mut(at)) {
            (Some(oldest), Some(place)) => (*oldest, *place) = (id, Some(settled)),
            _ => {
                self.ids.push(id);
                self.decisions.push(Some(settled));
            }
        }
        self.pushed += 1;
    }

    /// Where the next one will be, once the ring is full.
    fn next_place(&self) -> Lines {
        Lines::at(&self.decisions, self.pushed % self.capacity)
    }

    pub(super) fn find(&self, id: DecisionId) -> Option<&Settled> {
        let (newer, older) = self.ids.split_at(self.pushed % self.capacity % (self.ids.len() + 1));
        let is_it = |known: &DecisionId| *known == id;
        let in_older = || older.iter().rposition(is_it).map(|at| newer.len() + at);
        let at = newer.iter().rposition(is_it).or_else(in_older)?;
        self.decisions.get(at)?.as_ref()
    }

    /// The number of the oldest.
    pub(super) fn first(&self) -> usize {
        self.pushed - self.ids.len()
    }

    /// The number that the next one will have.
    pub(super) fn end(&self) -> usize {
        self.pushed
    }

    /// Shows the one with this number, and erases it if it is not to stay.
    pub(super) fn look(&mut self, number: usize, visitor: &mut impl Visitor) {
        let at = number % self.capacity;
        if let (Some(id), Some(place)) = (self.ids.get_mut(at), self.decisions.get_mut(at))
            && visitor.wants(*id)
            && let Some(settled) = place
            && !visitor.visit(*id, Held::Settled(settled))
        {
            (*id, *place) = (ERASED, None);
        }
    }
}
