//! What velocity is told: failures as they are reported, and logins as they end. By the server's clock, never by the caller's.

use super::Pipeline;
use crate::clock::Timestamp;
use crate::event::{FailureEvent, FailureKind};
use crate::memory::decisions::{LoginResult, Report};
use crate::velocity::{Failed, Visit};

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

    pub(super) fn count_success(&self, visit: Option<Visit>, now: Timestamp) {
        if let Some(visit) = visit {
            self.velocity.succeeded(&visit, now);
        }
    }

    /// Who went away has neither failed nor succeeded.
    pub(super) fn count_outcome(&self, visit: Visit, report: Report, now: Timestamp) {
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
