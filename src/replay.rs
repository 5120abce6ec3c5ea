//! Past logins through a configuration: what it would have said, had it been in force.
//!
//! The pipeline is the service's own, over volatile memory; only its clock is that of the events. Teaching is online, score
//! first: a legitimate login completes, with the factor if one is demanded; an attack that is let through teaches as it
//! would have in life, and one that is not teaches nothing.

use crate::app::{self, AppError};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::event::{FactorSet, FailureEvent, LoginEvent};
use crate::keyed_hash::HashKey;
use crate::memory::decisions::{ClientTag, IdSource, LoginResult, Report};
use crate::memory::volatile::Volatile;
use crate::memory::{Memory, Settings};
use crate::pipeline::{Look, Pipeline, Scored};
use crate::server::logged::Label;
use crate::telemetry::Meters;
use crate::verdict::Action;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// One configuration, and what it has learnt of the events so far.
#[derive(Debug)]
pub struct Replay {
    pipeline: Pipeline<Volatile>,
    housekeeping: Housekeeping,
}

/// When memory is swept: once a second in the service, and here whenever a second has passed in which it could have
/// come to matter.
#[derive(Debug)]
struct Housekeeping {
    every_events: u32,
    events: u32,
    last: Timestamp,
}

/// Who asks. There is one caller only.
const CLIENT: ClientTag = ClientTag(0);
/// The same for all replays, so that two of one file say the same. Nobody gains by colliding names in a log of theirs.
const KEY: [u8; 16] = *b"askance replay 1";
/// Logins after which what the metrics keep of each is thrown away, and memory swept.
const EVENTS_PER_SWEEP: u32 = 1024;

impl Replay {
    /// Loads what the configuration names. Lists count as fresh, whatever their age.
    ///
    /// # Errors
    ///
    /// A file does not load, or the system gives no randomness.
    pub fn new(mut config: Config) -> Result<Self, AppError> {
        for list in &mut config.signals.untrusted_ip.lists {
            list.max_age_h = u32::MAX;
        }
        let clock = Clock;
        let memory = Volatile::new(&config.memory);
        let loaded = app::load(&config, clock)?;
        let (key, ids) = (HashKey::fixed(KEY), IdSource::new(HashKey::fixed(KEY)));
        let pipeline = Pipeline::new(memory, key, ids, loaded, Arc::new(Meters::new()), clock);
        Ok(Self { pipeline, housekeeping: Housekeeping::new(&config.memory) })
    }

    /// Judges a login as of its own time, and learns what it teaches.
    pub fn login<'a>(&mut self, event: &'a LoginEvent<'_>, label: Label) -> Scored<'a> {
        self.keep_house(event.time);
        let Ok(scored) = self.pipeline.score(CLIENT, event, event.time, Look { is_alone: true, ..Look::default() })
        else {
            unreachable!("a login whose history cannot be fetched is judged without")
        };
        self.end(&scored, event.time, label);
        scored
    }

    /// Counts a login whose first factor was wrong, as of the time when it was.
    pub fn failure(&mut self, event: &FailureEvent<'_>, time: Timestamp) {
        self.keep_house(time);
        self.pipeline.fail(event, time);
    }

    /// What became of the login.
    fn end(&self, scored: &Scored<'_>, time: Timestamp, label: Label) {
        let verdict = &scored.verdict;
        match (verdict.action, label) {
            (Action::Allow, _) | (Action::Challenge | Action::VerifyEmail, Label::Legitimate) => {
                // The strongest that is offered; none where the user is to enrol one.
                let report = Report {
                    client: CLIENT,
                    result: LoginResult::Success,
                    factor: verdict.offered.iter().next(),
                    verified_here: FactorSet::EMPTY,
                };
                // Refused only where the login was settled at once, which is as good.
                let _settled = at_once(self.pipeline.settle(scored.id, report, time));
            }
            (Action::Challenge | Action::VerifyEmail, Label::Attack) => self.pipeline.memory().discard(scored.id),
            (Action::Deny, _) => {}
        }
    }

    fn keep_house(&mut self, now: Timestamp) {
        if self.housekeeping.is_due(now) {
            self.pipeline.memory().sweep(now);
        }
    }
}

impl Housekeeping {
    /// A sixteenth of the users may come between two sweeps: memory takes an eighth more than its bound.
    fn new(memory: &Settings) -> Self {
        let sixteenth = u32::try_from(memory.users_max.as_usize() / 16).unwrap_or(u32::MAX);
        Self { every_events: sixteenth.clamp(1, EVENTS_PER_SWEEP), events: 0, last: Timestamp::from_unix_s(0) }
    }

    fn is_due(&mut self, now: Timestamp) -> bool {
        self.events += 1;
        let is_due = self.events >= self.every_events && now.ms_since(self.last).abs() >= 1000;
        if is_due {
            (self.events, self.last) = (0, now);
        }
        is_due
    }
}

/// What volatile memory promises is there as soon as it is asked for.
fn at_once<T>(promise: impl Future<Output = T>) -> Option<T> {
    match pin!(promise).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
