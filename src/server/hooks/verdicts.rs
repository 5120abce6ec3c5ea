//! Verdicts on requests, for as long as they stand.

use crate::bounded::Bounded;
use crate::clock::{Clock, Started};
use crate::history::Stamp;
use crate::keyed_hash::UserKey;
use crate::pipeline::request::{Circumstances, Judged, Standing};
use crate::verdict::Action;
use quick_cache::sync::Cache;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Verdicts by what they depend on, some 300 bytes each; who was not here longest goes first. One for the process.
pub(super) struct Verdicts {
    cache: Cache<Circumstances, Arc<Entry>>,
    /// Users whose verdicts of before stand no longer, and since when.
    ended: Cache<UserKey, Started>,
    ttl: Duration,
    clock: Clock,
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verdicts({})", self.cache.len())
    }
}

/// A verdict, when it was given, and since when its decision stands.
struct Entry {
    judged: Judged,
    given: Started,
    decided: Started,
}

/// What is known of a request.
#[derive(Debug)]
pub(super) enum Known {
    /// This was said a moment ago.
    Judged(Box<Judged>),
    /// It is to be judged; what was said on the same a while ago, under which decision.
    Unjudged(Option<Standing>),
}

/// For how long one decision stands for what is allowed: a session has a few of them a day.
const ALLOWED_UNDER_ONE: Duration = Duration::from_secs(3600);
/// The same for a demand: whoever follows it has ten minutes, and a demand that nobody meets fifteen (`memory.pending_ttl_s`).
const ASKED_UNDER_ONE: Duration = Duration::from_secs(240);
/// Users who set up or lost a factor within some minutes. Whoever is pushed out waits for as long as a decision stands.
const ENDED_MAX: usize = 4096;

impl Verdicts {
    pub(super) fn new(count_max: usize, ttl_s: Bounded<0, 3_600>, clock: Clock) -> Self {
        let ttl = Duration::from_secs(ttl_s.get().into());
        Self { cache: Cache::new(count_max), ended: Cache::new(ENDED_MAX), ttl, clock }
    }

    /// Ends all that was said of a user: what they can prove with is another now, and no history tells.
    pub(super) fn end(&self, user: UserKey) {
        self.ended.insert(user, self.clock.start());
    }

    /// Looks for a verdict that was given while the history was as it is now.
    pub(super) fn find(&self, circumstances: &Circumstances, stamp: Stamp) -> Known {
        let ended = self.ended.get(&circumstances.user);
        let stands = |entry: &Arc<Entry>| {
            let is_ended = ended.is_some_and(|ended| ended.elapsed() <= entry.decided.elapsed());
            entry.judged.stamp == stamp && !is_ended
        };
        let Some(entry) = self.cache.get(circumstances).filter(stands) else { return Known::Unjudged(None) };
        if entry.given.elapsed() < self.ttl {
            return Known::Judged(Box::new(entry.judged.clone()));
        }
        let stands_for = if entry.judged.action == Action::Allow { ALLOWED_UNDER_ONE } else { ASKED_UNDER_ONE };
        let Judged { id, action, device, .. } = entry.judged;
        Known::Unjudged((entry.decided.elapsed() < stands_for).then_some(Standing { id, action, device }))
    }

    pub(super) fn keep(&self, circumstances: Circumstances, judged: Judged) {
        let now = self.clock.start();
        let before = self.cache.get(&circumstances).filter(|entry| entry.judged.id == judged.id);
        let decided = before.map_or(now, |entry| entry.decided);
        self.cache.insert(circumstances, Arc::new(Entry { judged, given: now, decided }));
    }
}
