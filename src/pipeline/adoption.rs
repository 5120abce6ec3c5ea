//! While the pseudonymisation key is being replaced, a user who is known under the one before moves to the one in use with the first
//! login or request that concerns them.

use super::{Pipeline, UserName};
use crate::keyed_hash::{Anchor, UserKey};
use crate::memory::{Memory, MemoryError, Unvisited};

impl<M: Memory> Pipeline<M> {
    /// Has whoever is known under the key before known under the one in use. Nearly always no key is being replaced, and nothing is to
    /// do.
    pub(super) fn adopt(&self, anchor: Anchor, user: UserKey) -> Result<(), Unvisited> {
        match self.key.replaced_user_of(anchor) {
            None => Ok(()),
            Some(before) => self.memory.adopt(before, user),
        }
    }

    /// The same where somebody may wait for it. Gives the key in use.
    ///
    /// # Errors
    ///
    /// What is known cannot be had.
    pub async fn adopted(&self, user: UserName<'_>) -> Result<UserKey, MemoryError> {
        let anchor = self.key.anchor(user.tenant, user.id);
        let key = self.key.user_of(anchor);
        while let Err(unvisited) = self.adopt(anchor, key) {
            self.told(unvisited.fetched().await)?;
        }
        Ok(key)
    }

    /// All keys under which something may be known of a user: the one before first, so that what moves meanwhile is still met.
    pub(super) fn all_keys(&self, user: UserName<'_>) -> impl Iterator<Item = UserKey> + use<M> {
        let anchor = self.key.anchor(user.tenant, user.id);
        self.key.replaced_user_of(anchor).into_iter().chain([self.key.user_of(anchor)])
    }
}
