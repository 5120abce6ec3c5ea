//! Freeman et al., "Who Are You? A Statistical Approach to Measuring User Authenticity", NDSS 2016: how much more usual the address
//! and the browser are among all logins than among the user's.
//!
//! **Source:** formula, weights and smoothing as the reference implementation of the das-group computes them
//! (das-group/rba-algorithm), in which p(A|x) is 1 and what a user never had counts as a quarter of what it is among all.

use crate::events::Event;
use crate::networks::Row;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Default)]
pub(super) struct Freeman {
    all: Counts,
    users: HashMap<u32, Counts>,
}

/// How often each value of each level was seen.
#[derive(Default)]
struct Counts {
    logins: f64,
    seen: HashMap<(usize, u64), f64>,
    distinct: [f64; LEVELS],
}

const LEVELS: usize = 7;
/// Address, system, country; user agent, browser with version, system, form. Each feature's weights sum to one.
const FEATURES: [(std::ops::Range<usize>, &[f64]); 2] =
    [(0..3, &[0.6, 0.3, 0.1]), (3..7, &[0.53867, 0.26805, 0.18818, 0.00511])];

impl Freeman {
    /// 0 for who never logged in before, whom the reference lets in.
    pub(super) fn risk(&self, event: &Event, row: &Row, user_prior: bool) -> f64 {
        let Some(user) = self.users.get(&event.user) else { return 0.0 };
        let values = values(event, row);
        let mut risk = 1.0;
        for (levels, weights) in FEATURES {
            let global: f64 = levels
                .clone()
                .zip(weights)
                .map(|(level, weight)| weight * self.all.smoothed(level, values[level]))
                .sum();
            let local: f64 = levels.zip(weights).map(|(level, weight)| weight * user.share(level, values[level])).sum();
            risk *= global / if local > 0.0 { local } else { global / 4.0 };
        }
        // p(u|A) / p(u|L) is all logins, by users, by the user's.
        if user_prior { risk * self.all.logins / (self.count() * user.logins) } else { risk }
    }

    pub(super) fn learn(&mut self, event: &Event, row: &Row) {
        let values = values(event, row);
        self.all.learn(&values);
        self.users.entry(event.user).or_default().learn(&values);
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousand users")]
    fn count(&self) -> f64 {
        self.users.len() as f64
    }
}

impl Counts {
    fn learn(&mut self, values: &[u64; LEVELS]) {
        self.logins += 1.0;
        for (level, value) in values.iter().enumerate() {
            let count = self.seen.entry((level, *value)).or_default();
            self.distinct[level] += if *count == 0.0 { 1.0 } else { 0.0 };
            *count += 1.0;
        }
    }

    fn share(&self, level: usize, value: u64) -> f64 {
        self.seen.get(&(level, value)).copied().unwrap_or(0.0) / self.logins.max(1.0)
    }

    /// Some is kept for what was never seen: as many values as lie below in the hierarchy, and one.
    fn smoothed(&self, level: usize, value: u64) -> f64 {
        let (from, _) = if level < 3 { (0, 3) } else { (3, LEVELS) };
        let unseen = 1.0 + (from..level).map(|below| self.distinct[below]).sum::<f64>();
        match self.share(level, value) {
            0.0 => 1.0 / (self.logins + unseen),
            share => share * (1.0 - unseen / (self.logins + unseen)),
        }
    }
}

fn values(event: &Event, row: &Row) -> [u64; LEVELS] {
    let agent = &*event.agent;
    let system = agent.split(['(', ')']).nth(1).unwrap_or("");
    let browser = agent.rsplit_once(')').map_or(agent, |(_, browser)| browser);
    let is_mobile = agent.contains("Mobile");
    [hash(event.ip), hash(row.asn), hash(row.country), hash(agent), hash(browser), hash(system), hash(is_mobile)]
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
