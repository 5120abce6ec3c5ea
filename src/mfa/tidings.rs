//! What others are told of proofs and factors, and what is counted of them.
//!
//! Wrong answers, and messages that are refused, are told once a flow: whoever guesses, or asks for codes, does so many times, and nobody
//! wants to hear of each.

use super::Mfa;
use super::counted::Fate;
use super::token::MfaToken;
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::decisions::DecisionId;
use crate::pipeline::UserName;
use crate::webhooks::{Event, EventKind};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Flows of which something was told, 24 bytes each; of older ones it may be told again.
const TOLD_MAX: usize = 4_096;

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<VecDeque<(EventKind, DecisionId)>>);

impl Told {
    /// Whether it is the first time.
    fn is_first(&self, kind: EventKind, of: DecisionId) -> bool {
        // No step between two states of the queue can panic.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&(kind, of)) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.pop_front();
        }
        told.push_back((kind, of));
        true
    }
}

impl<M> Mfa<M> {
    /// Tells of something within a flow.
    pub(super) fn tell(&self, kind: EventKind, token: &MfaToken, factor: Factor, now: Timestamp) {
        let (user, decision) = (token.user(), Some(token.decision));
        let event = Event { kind, time: now, tenant: user.tenant, user: Some(user.id), decision, factor: Some(factor) };
        self.pipeline.events().emit(event);
    }

    /// The same, the first time that it comes to pass in the flow.
    pub(super) fn tell_once(&self, kind: EventKind, token: &MfaToken, factor: Factor, now: Timestamp) {
        if self.pipeline.events().wants(kind) && self.told.is_first(kind, token.decision) {
            self.tell(kind, token, factor, now);
        }
    }

    /// Tells of something that somebody does to a user's factors.
    pub(super) fn tell_of(&self, kind: EventKind, user: UserName<'_>, factor: Factor, now: Timestamp) {
        let event =
            Event { kind, time: now, tenant: user.tenant, user: Some(user.id), decision: None, factor: Some(factor) };
        self.pipeline.events().emit(event);
    }

    /// Tells of an answer that was not taken, and of a factor that it put to sleep. The first wrong one of a flow is a login that failed
    /// where it comes from; who mistypes again in the same flow has not failed more often.
    pub(super) fn tell_of_failure(&self, token: &MfaToken, missed: Missed, now: Timestamp) {
        if missed.was_asleep {
            return self.counts.challenge(missed.factor, Fate::Locked);
        }
        self.counts.challenge(missed.factor, Fate::Wrong);
        if self.told.is_first(EventKind::MfaFailed, token.decision) {
            self.tell(EventKind::MfaFailed, token, missed.factor, now);
            self.pipeline.fail_factor(token.decision, token.user(), token.ip, now);
        }
        if missed.is_asleep {
            self.tell(EventKind::MfaLocked, token, missed.factor, now);
        }
    }
}

/// An answer that was not taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed {
    pub(super) factor: Factor,
    /// It was not looked at.
    pub(super) was_asleep: bool,
    /// The factor sleeps from now on.
    pub(super) is_asleep: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_once_is_told_once_a_flow_and_kind() {
        let told = Told::default();
        let of = |number: u128| DecisionId::from_bytes(number.to_be_bytes());
        for (kind, number, is_first) in [
            (EventKind::MfaFailed, 1, true),
            (EventKind::MfaFailed, 1, false),
            (EventKind::MessageRateLimited, 1, true),
            (EventKind::MfaFailed, 2, true),
        ] {
            assert_eq!(told.is_first(kind, of(number)), is_first, "{kind:?} {number}");
        }
        for number in 0..10_000 {
            told.is_first(EventKind::MfaLocked, of(number));
        }
        assert_eq!(told.0.lock().map(|told| told.len()).ok(), Some(TOLD_MAX));
    }
}
