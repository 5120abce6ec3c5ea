//! A simulation of replicas that share one store, each with a near cache: how often a login finds its user there, and how often
//! what it finds is out of date.
//!
//! The model, no more than that: every user logs in as a Poisson process of a rate of their own (log-normal, so that few users make
//! most logins), a part of logins is followed soon by another one of the same user (a second tab, a second application), a
//! load balancer sends each login to the replica of its user or to any, and a completed login changes the user's row, which the other
//! replicas learn after a delay. Times are in seconds of simulated time; everything is seeded.

use crate::random::SplitMix;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// What is simulated.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) users: u32,
    pub(crate) replicas: u32,
    /// Share of logins that a load balancer sends to the replica of their user.
    pub(crate) sticky: f64,
    /// Users that fit a near cache, as a share of all users divided by replicas: 1 holds exactly a replica's own users.
    pub(crate) capacity: f64,
    /// From a change in the store until the other replicas have dropped what they hold.
    pub(crate) invalidation_s: f64,
}

/// What came of it, all per login but the last.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) logins: u64,
    /// Found in the near cache, and still in it.
    pub(crate) hits: u64,
    /// Found, and out of date: the script says so, and the login is judged again.
    pub(crate) stale: u64,
    /// Messages that drop a user somewhere.
    pub(crate) invalidations: u64,
    /// Users in the near cache of the fullest replica at the end.
    pub(crate) cached_max: usize,
}

const DAY_S: f64 = 86_400.0;
const WARM_UP_DAYS: f64 = 4.0;
const MEASURED_DAYS: f64 = 1.0;
/// Logins a user and day in the mean, and the spread of its logarithm.
const LOGINS_PER_DAY: f64 = 1.5;
const SPREAD: f64 = 1.2;
/// Share of logins that another one of the same user follows, and after how many seconds in the mean.
const FOLLOWED: f64 = 0.25;
const FOLLOWED_AFTER_S: f64 = 20.0;
/// Share of logins that complete at once, and so change the row.
const COMPLETED: f64 = 0.97;

/// One replica's near cache: which version of which user it holds, the least recently used in front of the queue.
#[derive(Default)]
struct Replica {
    held: HashMap<u32, Held>,
    order: VecDeque<(u32, u64)>,
    used: u64,
}

struct Held {
    version: u32,
    used: u64,
}

/// A user's row in the store, and who holds it.
#[derive(Clone, Default)]
struct Row {
    version: u32,
    /// When the last change was known everywhere, and by whom it was made.
    known_s: f64,
    holders: Vec<u32>,
}

impl World {
    pub(crate) fn run(self, seed: u64) -> Outcome {
        let mut random = SplitMix(seed);
        let mut rows = vec![Row::default(); usize::try_from(self.users).unwrap_or(0)];
        let mut replicas: Vec<Replica> = (0..self.replicas).map(|_| Replica::default()).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few million at most")]
        let capacity = ((f64::from(self.users) / f64::from(self.replicas) * self.capacity) as usize).max(1);
        let rates: Vec<f64> = (0..self.users).map(|_| rate(&mut random)).collect();
        let mut coming: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
        for (user, rate) in (0..).zip(&rates) {
            coming.push(Reverse((micros(exponential(&mut random, DAY_S / rate)), user)));
        }
        let end_s = (WARM_UP_DAYS + MEASURED_DAYS) * DAY_S;
        let mut outcome = Outcome::default();
        while let Some(Reverse((at, user))) = coming.pop() {
            let at_s = seconds(at);
            if at_s > end_s {
                break;
            }
            let number = usize::try_from(user).unwrap_or(0);
            let next_s = exponential(&mut random, DAY_S / rates[number]);
            // A follower takes the place of the next one, which is drawn anew behind it: the rate stays nearly what it was.
            let follows = unit(&mut random) < FOLLOWED;
            let gap_s = if follows { exponential(&mut random, FOLLOWED_AFTER_S) } else { next_s };
            coming.push(Reverse((micros(at_s + gap_s), user)));
            let own = user % self.replicas;
            let any = u32::try_from(random.below(self.replicas.into())).unwrap_or(0);
            let replica = if unit(&mut random) < self.sticky { own } else { any };
            let counted = at_s > WARM_UP_DAYS * DAY_S;
            let mut seen = Outcome::default();
            self.login(user, replica, at_s, &mut rows[number], &mut replicas, capacity, &mut random, &mut seen);
            if counted {
                outcome.logins += 1;
                outcome.hits += seen.hits;
                outcome.stale += seen.stale;
                outcome.invalidations += seen.invalidations;
            }
        }
        outcome.cached_max = replicas.iter().map(|replica| replica.held.len()).max().unwrap_or(0);
        outcome
    }

    #[expect(clippy::too_many_arguments, reason = "one step of one loop, cut out to be read")]
    fn login(
        self,
        user: u32,
        replica: u32,
        at_s: f64,
        row: &mut Row,
        replicas: &mut [Replica],
        capacity: usize,
        random: &mut SplitMix,
        seen: &mut Outcome,
    ) {
        // What was told to drop it has dropped it by now, unless the change is younger than the delay.
        if at_s >= row.known_s {
            for holder in std::mem::take(&mut row.holders) {
                let cache = &mut replicas[index(holder)];
                if cache.held.get(&user).is_some_and(|held| held.version == row.version) {
                    row.holders.push(holder);
                } else if cache.held.remove(&user).is_some() {
                    seen.invalidations += 1;
                }
            }
        }
        let cache = &mut replicas[index(replica)];
        match cache.held.get(&user) {
            Some(held) if held.version == row.version => seen.hits += 1,
            Some(_) => seen.stale += 1,
            None => {}
        }
        if unit(random) < COMPLETED {
            row.version += 1;
            row.known_s = at_s + self.invalidation_s;
        }
        cache.used += 1;
        cache.held.insert(user, Held { version: row.version, used: cache.used });
        cache.order.push_back((user, cache.used));
        if !row.holders.contains(&replica) {
            row.holders.push(replica);
        }
        while cache.held.len() > capacity {
            let Some((oldest, used)) = cache.order.pop_front() else { break };
            if cache.held.get(&oldest).is_some_and(|held| held.used == used) {
                cache.held.remove(&oldest);
            }
        }
    }
}

fn index(replica: u32) -> usize {
    usize::try_from(replica).unwrap_or(0)
}

/// Logins a day of one user: log-normal around the mean.
fn rate(random: &mut SplitMix) -> f64 {
    // The sum of twelve is as good a normal as this needs.
    let normal: f64 = (0..12).map(|_| unit(random)).sum::<f64>() - 6.0;
    LOGINS_PER_DAY * (SPREAD * normal - SPREAD * SPREAD / 2.0).exp()
}

/// In [0, 1).
fn unit(random: &mut SplitMix) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    let bits = (random.next() >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

fn exponential(random: &mut SplitMix, mean: f64) -> f64 {
    -mean * (1.0 - unit(random)).ln()
}

/// Whole microseconds, which sort.
fn micros(at_s: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some days")]
    let micros = (at_s * 1e6) as u64;
    micros
}

fn seconds(micros: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "days in microseconds are far below 2^53")]
    let seconds = micros as f64;
    seconds / 1e6
}
