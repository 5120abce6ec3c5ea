//! One network, and who counts for it.

use ipnet::IpNet;

/// Days for which a user counts, that of the login being the first. **Source:** signals.md.
const DAYS: u16 = 30;

/// Who counts for a network: as many users as make it familiar, and those of the last days where there are more. Some 200 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) users: Vec<User>,
    /// Once it is proposed.
    pub(super) name: Option<Name>,
}

/// A user, and the last day since 1970 on which they logged in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) tag: u32,
    pub(super) day: u16,
}

/// A network in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) tenant: Box<str>,
    pub(super) network: IpNet,
}

/// A network with so many users that it is like to be an office, or a carrier's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Whose users they are.
    pub tenant: String,
    /// The /24 or /48.
    pub network: IpNet,
    /// The last day of the last of them, since 1970.
    pub last_day: u16,
}

impl Network {
    /// Counts a user. Gives whether anything changed.
    pub(super) fn note(&mut self, user: User, users_max: usize) -> bool {
        if let Some(known) = self.users.iter_mut().find(|known| known.tag == user.tag) {
            if user.day <= known.day {
                return false;
            }
            known.day = user.day;
        } else {
            self.users.push(user);
        }
        self.keep_latest(users_max);
        self.users.contains(&user)
    }

    /// Adds what was counted elsewhere.
    pub(super) fn absorb(&mut self, other: &Self, users_max: usize) {
        for user in &other.users {
            self.note(*user, users_max);
        }
        if self.name.is_none() {
            self.name.clone_from(&other.name);
        }
    }

    /// Forgets who was here too long ago; and the name where the others are too few. Gives whether anybody is left.
    pub(super) fn age(&mut self, today: u16, users_min: usize) -> bool {
        self.users.retain(|user| is_recent(user.day, today));
        if self.users.len() < users_min {
            self.name = None;
        }
        !self.users.is_empty()
    }

    /// Users who count on this day.
    pub(super) fn count(&self, today: u16) -> usize {
        self.users.iter().filter(|user| is_recent(user.day, today)).count()
    }

    pub(super) fn last_day(&self) -> u16 {
        self.users.iter().map(|user| user.day).max().unwrap_or(0)
    }

    /// The order of users does not depend on that of their logins, so that two who know the same write the same.
    fn keep_latest(&mut self, users_max: usize) {
        self.users.sort_unstable_by_key(|user| (std::cmp::Reverse(user.day), user.tag));
        self.users.truncate(users_max);
    }
}

/// A day ahead of this one counts, since clocks differ.
fn is_recent(day: u16, today: u16) -> bool {
    day.saturating_add(DAYS) > today
}
