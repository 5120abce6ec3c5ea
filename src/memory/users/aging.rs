//! Goes through all users for what is older than it may be.

use super::Users;
use crate::history::{Cutoffs, Lesson, UserHistory};

/// Users whose rows are rewritten in one pass, 16 MiB of keys; the others wait for the next one.
const AGED_MAX: usize = 1 << 20;

impl Users {
    /// Forgets what is older than it may be. A shard is locked while its rows are looked at, not while they are rewritten: some 0.1 ms
    /// with a million users. A row is rewritten under its lock, like that of a login.
    pub(in crate::memory) fn age(&self, cutoffs: &Cutoffs) {
        let mut aged = Vec::new();
        for shard in self.rows.shards() {
            let rows = shard.iter().filter(|(_, row)| UserHistory::row_is_aged(row.bytes(), cutoffs));
            aged.extend(rows.map(|(user, _)| user).take(AGED_MAX - aged.len()));
        }
        for user in aged {
            // A damaged row is told by the next login, which it costs a factor.
            let _damaged = self.learn(user, &Lesson::Aged(*cutoffs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::history::Login;
    use crate::keyed_hash::{DeviceTag, HashKey};
    use crate::privacy::RetentionDays;

    const NOW_S: u32 = 1_790_000_000;

    #[test]
    fn all_users_are_gone_through_and_none_is_forgotten() {
        let (users, key) = (Users::new(10_000), HashKey::fixed([3; 16]));
        let user = |number: u32| key.user("default", &number.to_string());
        for number in 0..1000 {
            let login = Login { device: Some(DeviceTag(1)), ..Login::bare(NOW_S + number) };
            assert!(users.learn(user(number), &Lesson::Completed(login)).is_ok());
        }
        let now = Timestamp::from_unix_s(NOW_S + 500 + 180 * 86_400);
        users.age(&Cutoffs::new(now, &RetentionDays::default()));
        for number in 0..1000 {
            let left = users.visit(user(number), |history| {
                (history.map(|it| (it.devices().count(), it.last_login().is_some())), None)
            });
            let expected = (usize::from(number >= 500), true);
            assert!(left.is_ok_and(|left| left == Some(expected)), "{number}");
        }
        assert_eq!(users.len(), 1000);
    }
}
