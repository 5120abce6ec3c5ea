//! What must not be lost: outcomes, labels, erasures, forgotten devices. Each ends when Redis has it, and, where the server can tell,
//! when it is on its disk.

use super::Inner;
use super::names::{self, List, Tag};
use super::near;
use super::near::Stamp;
use super::queue::Waiting;
use super::scripts::Invocation;
use super::share::{MERGES_MAX, Stored};
use super::vault::LEFT_MS;
use crate::clock::Timestamp;
use crate::history::{Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::memory::MemoryError;
use crate::memory::decisions::{
    Decision, DecisionId, Feedback, Given, LoginResult, Pending, Report, Settled, Settlement,
};
use crate::memory::record::RecordError;
use crate::memory::vault::Place;
use ::redis::Value;

/// How often what others change at the same time is looked at again.
pub(super) const LOOKS_MAX: usize = 4 * MERGES_MAX;
/// The beginning of a sealed decision that is another one each time that it is sealed: version and nonce.
const SEEN_BYTES: usize = 13;

/// A decision as Redis has it.
pub(super) struct Found {
    pub(super) decision: Decision,
    seen: Vec<u8>,
}

/// What became of an attempt to replace a decision.
enum Replaced {
    Yes,
    /// It is another decision by now.
    NotAsSeen,
}

impl Inner {
    pub(super) async fn settle(
        &self,
        id: DecisionId,
        now: Timestamp,
        report: Report,
    ) -> Result<Settlement, MemoryError> {
        let tag = self.tagger.tag(id);
        for _ in 0..LOOKS_MAX {
            let Some(Found { decision, seen }) = self.decision(tag, id).await? else { return Ok(Settlement::Unknown) };
            let pending = match decision {
                Decision::Pending(pending) if now <= pending.expires => pending,
                Decision::Pending(_) => return Ok(Settlement::Unknown),
                Decision::Settled(settled) => {
                    let again = settled.again(report);
                    if again == Settlement::Taken {
                        self.nodes.durable(tag).await?;
                    }
                    return Ok(again);
                }
            };
            let lesson = match pending.settle(report) {
                Ok(lesson) => lesson,
                Err(refusal) => return Ok(Settlement::Refused(refusal)),
            };
            let ended = pending.ended(report, lesson.as_ref());
            let user = self.user_in_use(&pending.given).await?;
            let lesson = self.learn_elsewhere(user, &pending.given, lesson, id).await?;
            let settled = pending.into_settled(Some(report.result), report.factor);
            match self.replace_settled(id, &seen, settled, lesson, List::SettledKnown).await? {
                Replaced::Yes => {
                    self.nodes.durable(tag).await?;
                    self.nodes.durable(Tag::of_user(user)).await?;
                    return Ok(ended.map_or(Settlement::Taken, Settlement::Counted));
                }
                Replaced::NotAsSeen => {}
            }
        }
        Err(crowded())
    }

    pub(super) async fn label(
        &self,
        id: DecisionId,
        now: Timestamp,
        feedback: Feedback,
    ) -> Result<Settlement, MemoryError> {
        let tag = self.tagger.tag(id);
        let Some(Found { decision, .. }) = self.decision(tag, id).await? else { return Ok(Settlement::Unknown) };
        let (given, is_completed) = match &decision {
            Decision::Pending(pending) => (&pending.given, false),
            Decision::Settled(settled) => (&settled.given, settled.result == Some(LoginResult::Success)),
        };
        let lesson = match feedback.teaches(given, is_completed, now) {
            Ok(lesson) => lesson,
            Err(refusal) => return Ok(Settlement::Refused(refusal)),
        };
        let user = self.user_in_use(given).await?;
        self.learn(user, &lesson, given.login.time).await?;
        self.nodes.durable(Tag::of_user(user)).await?;
        Ok(Settlement::Labelled(given.name.clone()))
    }

    /// What a decision of before the key was replaced teaches is learnt in another slot than it lies in, hence before it is settled: to
    /// learn it again is the same as once. Gives what is left to learn with the decision.
    async fn learn_elsewhere(
        &self,
        user: UserKey,
        given: &Given,
        lesson: Option<Lesson>,
        id: DecisionId,
    ) -> Result<Option<Lesson>, MemoryError> {
        match lesson {
            Some(lesson) if user != given.user => self.learn(user, &lesson, id.time()).await.map(|()| None),
            lesson => Ok(lesson),
        }
    }

    /// The row goes with the decisions, in one step; what is left is when that was.
    pub(super) async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        let tag = Tag::of_user(user);
        let value = near::value(Stamp { version: self.version(), erased_ms: self.now_ms() }, None);
        let (row, of_user) = (names::user_row(user), names::user_list(user));
        let lists = List::ALL.map(|list| tag.list(list));
        let [a, b, c, d] = &lists;
        let (_, record) = names::record(Place::User(user));
        let (users_ttl, now_ms, left_ms) =
            (self.users_ttl_s.to_string(), self.now_ms().to_string(), LEFT_MS.to_string());
        let invocation = Invocation {
            script: &self.scripts.erase,
            keys: &[&row, &of_user, a, b, c, d, &record],
            arguments: &[
                &value,
                users_ttl.as_bytes(),
                &user.0.to_be_bytes(),
                &tag.prefix(),
                now_ms.as_bytes(),
                left_ms.as_bytes(),
            ],
        };
        self.nodes.script(tag, invocation).await?;
        self.queue.forget(user);
        self.near.take(user, &value, None)?;
        Ok(self.nodes.durable(tag).await?)
    }

    /// Logins that wait come first: what is settled meanwhile is learnt before the device is forgotten.
    pub(super) async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        let tag = Tag::of_user(user);
        for id in self.ids_of(user).await? {
            for _ in 0..LOOKS_MAX {
                let Some(Found { decision: Decision::Pending(pending), seen }) = self.decision(tag, id).await? else {
                    break;
                };
                if pending.forgets_device || !pending.given.login.is_on(device) {
                    break;
                }
                let replacement = Pending { forgets_device: true, ..*pending };
                let sealed = self.sealed(id, &Decision::Pending(Box::new(replacement)))?;
                let key = tag.decision(id);
                let invocation =
                    Invocation { script: &self.scripts.replace, keys: &[&key], arguments: &[&seen, &sealed] };
                if self.nodes.script(tag, invocation).await? == Value::Int(1) {
                    break;
                }
            }
        }
        self.learn(user, &Lesson::Copied(device), self.clock.now()).await?;
        Ok(self.nodes.durable(tag).await?)
    }

    /// The time of a demand is over: if nobody told its outcome, that is learnt, by whichever replica comes first.
    pub(super) async fn expire(&self, demand: Waiting) -> Result<(), MemoryError> {
        let Waiting { id, user, login, has_history, .. } = demand;
        let lesson = Lesson::Unfinished(login);
        match self.decision(Tag::of_user(user), id).await? {
            Some(Found { decision: Decision::Pending(pending), seen }) => {
                let in_use = self.user_in_use(&pending.given).await?;
                let lesson = self.learn_elsewhere(in_use, &pending.given, Some(lesson), id).await?;
                let settled = pending.into_settled(None, None);
                let to = if has_history { List::SettledKnown } else { List::SettledStrangers };
                self.replace_settled(id, &seen, settled, lesson, to).await.map(drop)
            }
            Some(Found { decision: Decision::Settled(_), .. }) => Ok(()),
            // It had to make room, or was erased, which its time tells.
            None => self.learn(user, &lesson, id.time()).await,
        }
    }

    /// Learns at once, on top of whatever others store. Nothing of before an erasure.
    pub(super) async fn learn(&self, user: UserKey, lesson: &Lesson, of: Timestamp) -> Result<(), MemoryError> {
        let mut current = self.value(user).await?;
        for _ in 0..LOOKS_MAX {
            let Some((stamp, value)) = self.taught(&current, lesson, of)? else { return Ok(()) };
            let told = self.near.told(user);
            match self.store(user, (&stamp.compared(), &value), None, false).await? {
                Stored::Yes => {
                    self.near.take(user, &value, None)?;
                    self.near.distrust_if_told_since(user, told);
                    return Ok(());
                }
                Stored::Changed(found) => current = found,
            }
        }
        Err(crowded())
    }

    /// The row with the lesson, and what it builds on; `None` where nothing is to be learnt.
    fn taught(&self, current: &[u8], lesson: &Lesson, of: Timestamp) -> Result<Option<(Stamp, Vec<u8>)>, MemoryError> {
        let (stamp, row) = near::taken_apart(current)?;
        let of_ms = u64::try_from(of.unix_ms()).unwrap_or(0);
        let is_erased = stamp.erased_ms != 0 && of_ms <= stamp.erased_ms;
        if is_erased || row.is_empty() && !lesson.begins_a_history() {
            return Ok(None);
        }
        let mut history = UserHistory::default();
        if !row.is_empty() {
            history.fill(row)?;
        }
        history.learn(lesson);
        let after = Stamp { version: self.version(), ..stamp };
        Ok(Some((stamp, near::value(after, Some(&history)))))
    }

    /// Replaces a decision that is still what was seen, and learns with it, in one step.
    async fn replace_settled(
        &self,
        id: DecisionId,
        seen: &[u8],
        settled: Settled,
        lesson: Option<Lesson>,
        to: List,
    ) -> Result<Replaced, MemoryError> {
        let (user, of) = (settled.given.user, id.time());
        let tag = Tag::of_user(user);
        let sealed = self.sealed(id, &Decision::Settled(settled))?;
        let mut current = match (&lesson, self.near.as_stored(user)) {
            (None, _) => Vec::new(),
            (Some(_), Some(near)) => near,
            (Some(_), None) => self.value(user).await?,
        };
        let (row, decision) = (names::user_row(user), tag.decision(id));
        let (users_ttl, room) = (self.users_ttl_s.to_string(), self.room(to).to_string());
        let (known, strangers, to_list) =
            (tag.list(List::WaitingKnown), tag.list(List::WaitingStrangers), tag.list(to));
        for _ in 0..LOOKS_MAX {
            let taught = match &lesson {
                Some(lesson) => self.taught(&current, lesson, of)?,
                None => None,
            };
            let (version, value) = match taught {
                Some((stamp, value)) => (stamp.compared(), self.rounded(&value)),
                None => (Vec::new(), Vec::new()),
            };
            let invocation = Invocation {
                script: &self.scripts.settle,
                keys: &[&row, &decision, &known, &strangers, &to_list],
                arguments: &[
                    &version,
                    &value,
                    users_ttl.as_bytes(),
                    seen,
                    &sealed,
                    &id.to_bytes(),
                    &user.0.to_be_bytes(),
                    room.as_bytes(),
                    &tag.prefix(),
                ],
            };
            let told = self.near.told(user);
            match self.nodes.script(tag, invocation).await? {
                Value::Int(1) => {
                    if !value.is_empty() {
                        self.near.take(user, &value, None)?;
                        self.near.distrust_if_told_since(user, told);
                    }
                    return Ok(Replaced::Yes);
                }
                Value::BulkString(found) => current = found,
                _ => return Ok(Replaced::NotAsSeen),
            }
        }
        Err(crowded())
    }

    pub(super) async fn decision(&self, tag: Tag, id: DecisionId) -> Result<Option<Found>, MemoryError> {
        let mut command = ::redis::cmd("GET");
        command.arg(tag.decision(id));
        let record = self.bytes(tag, command).await?;
        self.opened(id, &record)
    }

    /// A decision that opens; one that never will is as none.
    pub(super) fn opened(&self, id: DecisionId, record: &[u8]) -> Result<Option<Found>, MemoryError> {
        if record.is_empty() {
            return Ok(None);
        }
        match self.cipher.open(id, record) {
            Ok(decision) => Ok(Some(Found { decision, seen: record[..SEEN_BYTES.min(record.len())].to_vec() })),
            // Sealed under a key that was taken away: to ask again is of no use. A replica whose own key is the old one is shut out
            // before others seal under a newer one.
            Err(RecordError::NotOurs) => Ok(None),
            // What another version wrote, a replica of that version can read.
            Err(error) => Err(MemoryError::Unavailable(error.to_string())),
        }
    }

    fn sealed(&self, id: DecisionId, decision: &Decision) -> Result<Vec<u8>, MemoryError> {
        self.cipher.seal(id, decision).map_err(|error| MemoryError::Unavailable(error.to_string()))
    }
}

pub(super) fn crowded() -> MemoryError {
    MemoryError::Unavailable("others change this user all the time".to_owned())
}
