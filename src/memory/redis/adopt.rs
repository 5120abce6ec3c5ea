//! While the pseudonymisation key is being replaced: a user who is known under the one before goes on under the one in use.
//!
//! The two lie in two slots, so that it takes two steps: the row in use learns all of the other, then that one goes, if nobody learnt more
//! of it meanwhile. Whatever fails between the two, the first is done again, and is the same as once (`UserHistory::merge`). So it is
//! when replicas that have the two keys in another order move a user to and fro: nothing is lost, and none of them waits for good.
//!
//! Decisions stay where their ids say. They are found by the lists of both keys, and teach whoever their user is now.

use super::Inner;
use super::names::{self, Tag};
use super::near::{self, Stamp};
use super::outcome::{LOOKS_MAX, crowded};
use super::scripts::Invocation;
use super::share::Stored;
use crate::history::UserHistory;
use crate::keyed_hash::UserKey;
use crate::memory::decisions::Given;
use crate::memory::{MemoryError, Unvisited};
use ::redis::Value;
use std::sync::Arc;

impl Inner {
    /// Of whom nothing is known under the one key, as far as was told, there is nothing to do. While Redis is away, what is near has to
    /// do, which is under the key in use.
    pub(super) fn begin_to_adopt(self: &Arc<Self>, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        let serve = |user| self.nodes.serves(Tag::of_user(user));
        if self.near.is_nobody(from) || !serve(from) || !serve(to) {
            return Ok(());
        }
        let inner = Arc::clone(self);
        Err(Unvisited::Elsewhere(Box::pin(async move { inner.adopt(from, to).await })))
    }

    /// The key under which what this decision teaches is to be learnt; all that is known is known under it.
    pub(super) async fn user_in_use(&self, given: &Given) -> Result<UserKey, MemoryError> {
        if !self.key.is_being_replaced() {
            return Ok(given.user);
        }
        let anchor = self.key.anchor(given.name.tenant(), given.name.user());
        let user = self.key.user_of(anchor);
        if let Some(before) = self.key.replaced_user_of(anchor) {
            self.adopt(before, user).await?;
        }
        Ok(user)
    }

    async fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), MemoryError> {
        for _ in 0..LOOKS_MAX {
            let told = self.near.told(from);
            self.adopt_record(from, to, self.clock.now()).await?;
            let found = self.value(from).await?;
            let (stamp, row) = near::taken_apart(&found)?;
            if row.is_empty() {
                self.near.take(from, &found, None)?;
                self.near.distrust_if_told_since(from, told);
                return Ok(());
            }
            if self.join(to, stamp, &UserHistory::read_row(row)?).await? && self.give_up(from, stamp).await? {
                return Ok(());
            }
        }
        Err(crowded())
    }

    /// Gives whether it was joined: not, where somebody else was faster.
    async fn join(&self, to: UserKey, from: Stamp, history: &UserHistory) -> Result<bool, MemoryError> {
        let told = self.near.told(to);
        let current = self.value(to).await?;
        let (stamp, row) = near::taken_apart(&current)?;
        let mut joined = if row.is_empty() { UserHistory::default() } else { UserHistory::read_row(row)? };
        joined.merge(history);
        let after = Stamp { version: self.version(), erased_ms: stamp.erased_ms.max(from.erased_ms) };
        let value = near::value(after, Some(&joined));
        match self.store(to, (&stamp.compared(), &value), None, false).await? {
            Stored::Yes => {
                self.near.take(to, &value, None)?;
                self.near.distrust_if_told_since(to, told);
                Ok(true)
            }
            Stored::Changed(_) => Ok(false),
        }
    }

    async fn give_up(&self, from: UserKey, stamp: Stamp) -> Result<bool, MemoryError> {
        let left = match stamp.erased_ms {
            0 => Vec::new(),
            erased_ms => near::value(Stamp { version: self.version(), erased_ms }, None),
        };
        let (row, users_ttl) = (names::user_row(from), self.users_ttl_s.to_string());
        let invocation = Invocation {
            script: &self.scripts.give_up,
            keys: &[&row],
            arguments: &[&stamp.compared(), &left, users_ttl.as_bytes()],
        };
        let told = self.near.told(from);
        if self.nodes.script(Tag::of_user(from), invocation).await? != Value::Int(1) {
            return Ok(false);
        }
        self.near.take(from, &left, None)?;
        self.near.distrust_if_told_since(from, told);
        Ok(true)
    }
}
