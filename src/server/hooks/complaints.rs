//! What cannot be judged is told in the log, and not more often than somebody reads it: whoever may send requests may send bad ones.

use super::subject::Fault;
use crate::clock::{Clock, Started};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two lines; what comes in between is counted.
const PAUSE: Duration = Duration::from_secs(10);

/// One for the process.
#[derive(Debug)]
pub(super) struct Complaints {
    last: Mutex<Last>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Last {
    at: Option<Started>,
    untold: u64,
}

impl Complaints {
    pub(super) fn new(clock: Clock) -> Self {
        Self { last: Mutex::default(), clock }
    }

    pub(super) fn tell(&self, fault: Fault) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| at.elapsed() < PAUSE) {
            last.untold += 1;
            return;
        }
        let untold = std::mem::take(&mut last.untold);
        last.at = Some(self.clock.start());
        drop(last);
        tracing::warn!(%fault, untold, "a hook could not judge");
    }
}
