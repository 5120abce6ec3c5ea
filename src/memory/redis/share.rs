//! One login, told to the other replicas before its answer goes out.

use super::names::{self, List, Tag};
use super::near::{self, Outgoing};
use super::node::Trouble;
use super::queue::Waiting;
use super::scripts::Invocation;
use super::{Inner, TURNS};
use crate::clock::Timestamp;
use crate::history::UserHistory;
use crate::keyed_hash::UserKey;
use crate::memory::decisions::{Decision, DecisionId};
use crate::memory::{MemoryError, Share, Sharing, Unshared};
use ::redis::Value;
use std::sync::Arc;

/// How often a lesson is merged into what others stored before it is left to the queue.
pub(super) const MERGES_MAX: usize = 8;

/// A decision on its way to Redis.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) user: UserKey,
    list: List,
    sealed: Vec<u8>,
    /// What is to be learnt when nobody tells its outcome.
    waits: Option<Waiting>,
}

/// What became of a script call.
pub(super) enum Stored {
    Yes,
    /// Somebody else changed the row: this is it.
    Changed(Vec<u8>),
}

impl Inner {
    pub(super) fn record(&self, id: DecisionId, decision: &Decision, has_history: bool) -> Result<Record, MemoryError> {
        let sealed = self.cipher.seal(id, decision).map_err(|error| MemoryError::Unavailable(error.to_string()))?;
        Ok(match decision {
            Decision::Pending(pending) => Record {
                user: pending.given.user,
                list: if has_history { List::WaitingKnown } else { List::WaitingStrangers },
                sealed,
                waits: pending.demanded.then_some(Waiting {
                    id,
                    user: pending.given.user,
                    login: pending.given.login.time,
                    expires: pending.expires,
                    has_history,
                }),
            },
            Decision::Settled(settled) => Record {
                user: settled.given.user,
                list: if has_history { List::SettledKnown } else { List::SettledStrangers },
                sealed,
                waits: None,
            },
        })
    }

    /// One script call: what is to be stored of a user, under the version that it builds on, with a decision.
    pub(super) async fn store(
        &self,
        user: UserKey,
        (version, value): (&[u8], &[u8]),
        record: Option<(DecisionId, &Record)>,
        in_any_case: bool,
    ) -> Result<Stored, Trouble> {
        let tag = Tag::of_user(user);
        let id = record.map_or([0; 16], |(id, _)| id.to_bytes());
        let made = record.map_or(Timestamp::from_unix_s(0), |(id, _)| id.time());
        let list = record.map_or(List::SettledKnown, |(_, record)| record.list);
        let (row, of_user, of_tag) = (names::user_row(user), names::user_list(user), tag.list(list));
        let decision = record.map_or_else(|| row.clone(), |(id, _)| tag.decision(id));
        let oldest = self.oldest(self.clock.now());
        let (users_ttl, decisions_ttl) = (self.users_ttl_s.to_string(), self.decisions_ttl_s.to_string());
        let (room, made_ms, prefix) = (self.room(list).to_string(), made.unix_ms().to_string(), tag.prefix());
        let value = self.rounded(value);
        let invocation = Invocation {
            script: &self.scripts.share,
            keys: &[&row, &decision, &of_user, &of_tag],
            arguments: &[
                version,
                &value,
                users_ttl.as_bytes(),
                record.map_or(&[], |(_, record)| record.sealed.as_slice()),
                decisions_ttl.as_bytes(),
                &id,
                &user.0.to_be_bytes(),
                room.as_bytes(),
                &oldest,
                if in_any_case { b"1" } else { b"0" },
                made_ms.as_bytes(),
                &prefix,
            ],
        };
        match self.nodes.script(tag, invocation).await? {
            Value::Int(1) => Ok(Stored::Yes),
            Value::BulkString(current) => Ok(Stored::Changed(current)),
            _ => Err(Trouble::Odd),
        }
    }

    /// A value as it may lie in Redis. A damaged one is told by the user's next login.
    pub(super) fn rounded(&self, value: &[u8]) -> Vec<u8> {
        let row = near::taken_apart(value).map_or(&[][..], |(_, row)| row);
        match UserHistory::rounded_row(row, self.coordinate_decimals) {
            Ok(rounded) => [&value[..value.len() - row.len()], &rounded].concat(),
            Err(_) => value.to_vec(),
        }
    }

    /// Decisions with smaller ids are gone from Redis.
    fn oldest(&self, now: Timestamp) -> [u8; 16] {
        let ms = u64::try_from(now.unix_ms()).unwrap_or(0).saturating_sub(u64::from(self.decisions_ttl_s) * 1_000);
        (u128::from(ms) << 80).to_be_bytes()
    }

    /// What was learnt of a user without a login, or while Redis was away. Gives whether all of it is in Redis.
    pub(super) async fn share_lessons(&self, user: UserKey) -> Result<bool, MemoryError> {
        let _turn = self.turn(user).lock().await;
        self.merge(user, None).await
    }

    /// Stores what is near on top of what others store, and a decision with it, whatever they do.
    async fn merge(&self, user: UserKey, mut record: Option<(DecisionId, &Record)>) -> Result<bool, MemoryError> {
        for _ in 0..MERGES_MAX {
            let outgoing = self.near.outgoing(user, None, self.version())?;
            let value = outgoing.as_ref().and_then(|outgoing| outgoing.value.as_ref());
            let (expected, bytes) = match (&outgoing, value) {
                (Some(outgoing), Some((_, bytes))) => (outgoing.expected.compared(), bytes.as_slice()),
                _ if record.is_none() => return Ok(true),
                _ => (Vec::new(), &[][..]),
            };
            match self.store(user, (&expected, bytes), record.take(), true).await? {
                Stored::Changed(_) if value.is_none() => return Ok(true),
                Stored::Changed(current) => self.near.take(user, &current, None)?,
                Stored::Yes => {
                    if let Some(outgoing) = &outgoing {
                        self.near.stored(user, outgoing);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn turn(&self, user: UserKey) -> &tokio::sync::Mutex<()> {
        let at = usize::try_from(user.low_bits() % TURNS as u64).unwrap_or(0);
        &self.turns[at]
    }

    /// A decision that waited in the queue.
    pub(super) async fn share_record(&self, id: DecisionId, record: &Record) -> Result<(), MemoryError> {
        self.store(record.user, (&[], &[]), Some((id, record)), true).await?;
        self.queue.await_outcome(record.waits);
        Ok(())
    }
}

/// Takes a decision out of the box, to share it, or to have it wait with the rest.
pub(super) fn begin(inner: &Arc<Inner>, id: DecisionId, user: UserKey, how: Sharing) -> Option<Share> {
    let record = inner.outbox.remove(&id).map(|(_, record)| record);
    if how == Sharing::Later || !inner.nodes.serves(Tag::of_user(user)) {
        if let Some(record) = record {
            inner.queue.add_record(id, record);
        }
        inner.queue.add_user_if(user, || inner.near.is_unshared(user));
        return None;
    }
    let sharing = OneLogin { inner: Arc::clone(inner), id, user, is_over: false };
    Some(Box::pin(sharing.run(record, how)))
}

/// A login that is being shared. Dropped before it is, what it taught is taken back: either it is judged again, or nobody
/// waits for its answer.
struct OneLogin {
    inner: Arc<Inner>,
    id: DecisionId,
    user: UserKey,
    is_over: bool,
}

impl Drop for OneLogin {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.near.take_back(self.user, self.id);
        }
    }
}

impl OneLogin {
    async fn run(mut self, record: Option<Record>, how: Sharing) -> Result<(), Unshared> {
        let inner = Arc::clone(&self.inner);
        let deadline = inner.nodes.deadline();
        // Whether this login taught anything; others of this process may take its lesson along.
        let taught = inner.near.holds(self.user, self.id);
        let late = |_late| Unshared::Failed(Trouble::Late.into());
        let turn = tokio::time::timeout(deadline, inner.turn(self.user).lock()).await.map_err(late)?;
        // Merging may take more than one call, each of which has its time.
        let to_share = record.as_ref().map(|record| (self.id, record));
        let shared = tokio::time::timeout(2 * deadline, self.told(to_share, how, taught)).await.map_err(late)?;
        drop(turn);
        if shared.is_ok() {
            self.is_over = true;
            inner.queue.await_outcome(record.and_then(|record| record.waits));
        }
        shared
    }

    async fn told(&self, record: Option<(DecisionId, &Record)>, how: Sharing, taught: bool) -> Result<(), Unshared> {
        let inner = &self.inner;
        let outgoing = inner.near.outgoing(self.user, Some(self.id), inner.version())?;
        let was_taken_along = taught && !outgoing.as_ref().is_some_and(|outgoing| outgoing.holds_own);
        if how != Sharing::Merged && !was_taken_along {
            return self.compared(outgoing.ok_or(Unshared::Changed)?, record).await;
        }
        if !inner.merge(self.user, record).await? {
            inner.queue.add_user(self.user);
        }
        Ok(())
    }

    /// Stores only where nobody else was faster.
    async fn compared(&self, outgoing: Outgoing, record: Option<(DecisionId, &Record)>) -> Result<(), Unshared> {
        let bytes = outgoing.value.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        match self.inner.store(self.user, (&outgoing.expected.compared(), bytes), record, false).await {
            Ok(Stored::Yes) => {
                self.inner.near.stored(self.user, &outgoing);
                self.inner.meters.rows_written.increment(1);
                Ok(())
            }
            Ok(Stored::Changed(current)) => {
                self.inner.near.take(self.user, &current, Some(self.id))?;
                Err(Unshared::Changed)
            }
            Err(trouble) => Err(Unshared::Failed(trouble.into())),
        }
    }
}
