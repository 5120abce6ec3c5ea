//! All networks, in lanes of their own locks.

use super::network::{Name, Network, Proposal, User};
use super::row::{self, BadRow};
use super::{FamiliarNetworks, Seen};
use crate::clock::Timestamp;
use crate::keyed_hash::SourceKey;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// In how many parts networks are held, and kept.
pub const LANES: usize = 64;
/// Networks of a lane, some 250 bytes each: 16,384 in all, 4 MB. When there are more, those go that have the fewest users, the
/// oldest of these: who comes alone displaces who came alone.
const NETWORKS_MAX: usize = 256;
const DAY_S: u32 = 86_400;

/// What is counted of the networks of all tenants. One for the process.
#[derive(Debug)]
pub struct Familiar {
    lanes: [Mutex<Lane>; LANES],
    /// Of networks that are proposed, sorted: what a login looks at where a proposal is enough.
    proposed: ArcSwap<Vec<SourceKey>>,
    users_min: AtomicUsize,
}

#[derive(Debug, Default)]
struct Lane {
    networks: HashMap<SourceKey, Network>,
    /// Since it was last kept.
    is_changed: bool,
}

impl Familiar {
    /// Nothing counted yet; a network is proposed for so many users.
    #[must_use]
    pub fn new(users_min: usize) -> Self {
        let lanes = std::array::from_fn(|_| Mutex::default());
        Self { lanes, proposed: ArcSwap::default(), users_min: AtomicUsize::new(users_min) }
    }

    /// Proposes for another number of users from now on.
    pub fn set(&self, users_min: usize, now: Timestamp) {
        self.users_min.store(users_min, Ordering::Relaxed);
        self.age(now);
    }

    fn users_min(&self) -> usize {
        self.users_min.load(Ordering::Relaxed)
    }

    /// Counts a user. Gives whether that made the network one that is proposed.
    pub fn note(&self, seen: &Seen<'_>, at: Timestamp) -> bool {
        let (users_min, today) = (self.users_min(), day(at));
        let tag = u32::try_from(seen.user.low_bits() & u64::from(u32::MAX)).unwrap_or(0);
        let is_new = {
            let mut lane = self.lane(lane_of(seen.prefix));
            let Lane { networks, is_changed } = &mut *lane;
            if !networks.contains_key(&seen.prefix) {
                make_room(networks);
            }
            let network = networks.entry(seen.prefix).or_default();
            *is_changed |= network.note(User { tag, day: today }, users_min);
            let is_new = network.name.is_none() && network.count(today) >= users_min;
            if is_new {
                network.name = Some(Name { tenant: seen.tenant.into(), network: seen.network });
                *is_changed = true;
            }
            is_new
        };
        if is_new {
            self.propose(today);
        }
        is_new
    }

    /// Whether a proposal is enough, and there is one. It takes no lock.
    #[must_use]
    pub fn is_familiar(&self, prefix: SourceKey, how: FamiliarNetworks) -> bool {
        how == FamiliarNetworks::Auto && self.proposed.load().binary_search(&prefix).is_ok()
    }

    /// What is proposed now, by tenant and network.
    #[must_use]
    pub fn proposals(&self, now: Timestamp) -> Vec<Proposal> {
        let (users_min, today) = (self.users_min(), day(now));
        let mut all = Vec::new();
        for lane in 0..LANES {
            let lane = self.lane(lane);
            let proposed = lane.networks.values().filter(|network| network.count(today) >= users_min);
            all.extend(proposed.filter_map(|network| {
                let Name { tenant, network: name } = network.name.as_ref()?;
                Some(Proposal { tenant: (**tenant).to_owned(), network: *name, last_day: network.last_day() })
            }));
        }
        all.sort_by(|a, b| (&a.tenant, a.network).cmp(&(&b.tenant, b.network)));
        all
    }

    /// Forgets who logged in too long ago, and withdraws what is no longer to be proposed.
    pub fn age(&self, now: Timestamp) {
        let (users_min, today) = (self.users_min(), day(now));
        for lane in 0..LANES {
            self.lane(lane).networks.retain(|_, network| network.age(today, users_min));
        }
        self.propose(today);
    }

    /// Whether a lane changed since it was last asked.
    #[must_use]
    pub fn take_changed(&self, lane: usize) -> bool {
        std::mem::take(&mut self.lane(lane).is_changed)
    }

    /// A lane was not kept after all.
    pub fn note_changed(&self, lane: usize) {
        self.lane(lane).is_changed = true;
    }

    /// Adds what others counted of a lane.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn absorb(&self, lane: usize, bytes: &[u8], now: Timestamp) -> Result<(), BadRow> {
        let (users_min, today) = (self.users_min(), day(now));
        let told = row::read(bytes)?;
        let mut lane = self.lane(lane);
        for (key, mut network) in told {
            if network.age(today, users_min) {
                if !lane.networks.contains_key(&key) {
                    make_room(&mut lane.networks);
                }
                lane.networks.entry(key).or_default().absorb(&network, users_min);
            }
        }
        Ok(())
    }

    /// A lane as it is to be kept; empty where there is nothing to keep.
    #[must_use]
    pub fn write(&self, lane: usize) -> Vec<u8> {
        let lane = self.lane(lane);
        let mut networks: Vec<_> = lane.networks.iter().map(|(key, network)| (*key, network)).collect();
        networks.sort_unstable_by_key(|(key, _)| *key);
        row::write(&networks)
    }

    fn propose(&self, today: u16) {
        let users_min = self.users_min();
        let mut proposed = Vec::new();
        for lane in 0..LANES {
            let lane = self.lane(lane);
            let is_proposed =
                |(_, network): &(&SourceKey, &Network)| network.name.is_some() && network.count(today) >= users_min;
            proposed.extend(lane.networks.iter().filter(is_proposed).map(|(key, _)| *key));
        }
        proposed.sort_unstable();
        if **self.proposed.load() != proposed {
            self.proposed.store(proposed.into());
        }
    }

    /// No step between two states of a lane can panic.
    fn lane(&self, lane: usize) -> MutexGuard<'_, Lane> {
        self.lanes[lane % LANES].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lane_of(key: SourceKey) -> usize {
    usize::try_from(key.0.get() % 64).unwrap_or(0)
}

fn day(time: Timestamp) -> u16 {
    u16::try_from(time.unix_s() / DAY_S).unwrap_or(u16::MAX)
}

fn make_room(networks: &mut HashMap<SourceKey, Network>) {
    if networks.len() >= NETWORKS_MAX {
        let rank = |(key, network): &(&SourceKey, &Network)| (network.users.len(), network.last_day(), **key);
        if let Some(key) = networks.iter().min_by_key(rank).map(|(key, _)| *key) {
            networks.remove(&key);
        }
    }
}
