//! A user who was known under a key that is replaced goes on under the one in use.

use super::row::Row;
use super::{Unread, Users};
use crate::history::UserHistory;
use crate::keyed_hash::UserKey;
use std::sync::{MutexGuard, PoisonError};

impl Users {
    /// Gives what is known under `from` to `to`, where some may be known already. Gives whether there was anything.
    ///
    /// # Errors
    ///
    /// One of the two rows is damaged or elsewhere; nothing was moved.
    pub(in crate::memory) fn adopt(&self, from: UserKey, to: UserKey) -> Result<bool, (UserKey, Unread)> {
        let turn = self.adoption();
        let Some(row) = self.rows.shard(from).get(from).map(|row| Box::<[u8]>::from(row.bytes())) else {
            return Ok(false);
        };
        if row.is_empty() {
            return Err((from, Unread::Elsewhere));
        }
        let history = UserHistory::read_row(&row).map_err(|error| (from, error.into()))?;
        {
            let mut shard = self.rows.shard(to);
            let joined = match shard.get(to).map(Row::bytes) {
                None => history,
                Some([]) => return Err((to, Unread::Elsewhere)),
                Some(row) => {
                    let mut joined = UserHistory::read_row(row).map_err(|error| (to, error.into()))?;
                    joined.merge(&history);
                    joined
                }
            };
            self.change(to, shard.get_or_default(to), &joined);
        }
        self.take_out(from);
        drop(turn);
        Ok(true)
    }

    /// Between the two steps of an adoption nobody is erased: whoever is erased under both keys does not come back under the second.
    pub(super) fn adoption(&self) -> MutexGuard<'_, ()> {
        self.adopting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Lesson, Login, RowError};
    use crate::keyed_hash::{DeviceTag, HashKey};

    fn devices(users: &Users, user: UserKey) -> Option<usize> {
        users.visit(user, |history| (history.map(|it| it.devices().count()), None)).ok().flatten()
    }

    #[test]
    fn a_history_goes_to_the_key_in_use_and_is_joined_with_what_is_there() {
        let (users, key) = (Users::new(1_000), HashKey::fixed([3; 16]));
        let user = |number: u32| key.user("default", &number.to_string());
        let learn = |user, device| {
            let login = Login { device: Some(DeviceTag(device)), ..Login::bare(1_790_000_000) };
            assert!(users.learn(user, &Lesson::Completed(login)).is_ok());
        };
        learn(user(1), 1);
        assert!(users.adopt(user(1), user(2)).is_ok_and(|moved| moved));
        assert_eq!((devices(&users, user(1)), devices(&users, user(2))), (None, Some(1)));
        assert!(users.adopt(user(1), user(2)).is_ok_and(|moved| !moved), "nobody is there any more");
        learn(user(1), 2);
        assert!(users.adopt(user(1), user(2)).is_ok_and(|moved| moved));
        assert_eq!((devices(&users, user(2)), users.len()), (Some(2), 1));
        users.put_back(user(3), Some([7; 9].into()));
        for (from, to) in [(3, 2), (2, 3)] {
            let refused = users.adopt(user(from), user(to));
            assert!(matches!(refused, Err((_, Unread::Damaged(RowError)))), "{from} to {to}");
        }
        assert_eq!((devices(&users, user(2)), users.len()), (Some(2), 2), "nothing is lost");
    }
}
