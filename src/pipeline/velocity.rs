//! What velocity is told: failures as they are reported, and logins as they end. By the server's clock, never by the caller's.

use super::{Pipeline, UserName};
use crate::clock::Timestamp;
use crate::event::{FailureEvent, FailureKind};
use crate::memory::decisions::{DecisionId, Ended, LoginResult, Report};
use crate::velocity::{Failed, Visit};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Decisions of which it is known that their factor failed, 16 bytes each; of older ones, an outcome may count again.
const FAILED_HERE_MAX: usize = 4_096;

/// Decisions whose factor failed here, and was counted then.
#[derive(Debug, Default)]
pub(super) struct FailedHere(Mutex<VecDeque<DecisionId>>);

impl FailedHere {
    fn note(&self, id: DecisionId) {
        // No step between two states of the queue can panic.
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= FAILED_HERE_MAX {
            failed.pop_front();
        }
        failed.push_back(id);
    }

    /// Whether this report says what was counted.
    pub(super) fn is_told_by(&self, id: DecisionId, report: Report) -> bool {
        let failed = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        report.result == LoginResult::Failure && failed().contains(&id)
    }
}

impl<M> Pipeline<M> {
    /// Counts a login that failed elsewhere, at `now`. It says something of where it came from, and nothing of the user: whoever fails in
    /// the name of somebody else does not lock that user out.
    pub fn fail(&self, failure: &FailureEvent<'_>, now: Timestamp) {
        let loaded = self.loaded.load();
        let asn = loaded.geoip.look_up(failure.ip).asn;
        let failed = Failed {
            user: failure.user_id.as_deref().map(|id| self.key.user(&failure.tenant, id)),
            is_unknown: failure.kind == FailureKind::UnknownUser,
            sources: self.key.sources(&failure.tenant, failure.ip, asn),
        };
        self.velocity.failed(&failed, now, &loaded.signals.untrusted_ip.velocity);
        self.meters.failed(failure.kind);
    }

    /// Counts a factor that failed here, at `now`. What is told of the same decision afterwards does not count again.
    pub fn fail_factor(&self, id: DecisionId, user: UserName<'_>, ip: Option<IpAddr>, now: Timestamp) {
        self.failed_here.note(id);
        if let Some(ip) = ip {
            let (tenant, user_id) = (Cow::Borrowed(user.tenant), Some(Cow::Borrowed(user.id)));
            self.fail(&FailureEvent { tenant, user_id, ip, kind: FailureKind::Mfa }, now);
        }
    }

    pub(super) fn count_success(&self, visit: Option<Visit>, now: Timestamp) {
        if let Some(visit) = visit {
            self.velocity.succeeded(&visit, now);
        }
    }

    /// Who went away has neither failed nor succeeded.
    pub(super) fn count_outcome(&self, ended: &Ended, report: Report, now: Timestamp) {
        let visit = ended.visit;
        if let Some(given) = &ended.proved {
            self.count_proved(given, visit, now);
        }
        match report.result {
            LoginResult::Success => {
                // A factor makes a device known.
                let device_known = visit.device_known || report.factor.is_some();
                self.velocity.succeeded(&Visit { device_known, ..visit }, now);
            }
            LoginResult::Failure => {
                let failed = Failed { user: Some(visit.user), is_unknown: false, sources: visit.sources };
                self.velocity.failed(&failed, now, &self.loaded.load().signals.untrusted_ip.velocity);
            }
            LoginResult::Abandoned => {}
        }
    }
}
