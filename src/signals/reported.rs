//! Reported: was something of this login labelled fraud, or a demand to this user left unmet?

use super::{Assessment, Code, OnFailure, Recall};
use crate::bounded::Bounded;
use crate::context::LoginContext;
use crate::history::Traces;
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of Reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Hours for which a demand that was left unmet counts.
    pub unfinished_challenge_h: Bounded<0, 720>,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    /// **Source:** signals.md.
    fn default() -> Self {
        Self { unfinished_challenge_h: Bounded::of::<24>(), on_failure: OnFailure::Low }
    }
}

/// `reported`: low, hard, until a strong login or an operator clears it. `unfinished_challenge`: low, hard, on devices
/// that are not known, until a factor is passed; whoever tries again from elsewhere is not let in by trying again.
pub(super) fn assess(
    context: &LoginContext<'_>,
    recall: Recall<'_>,
    device_window_days: u32,
    settings: &Settings,
) -> Assessment {
    let not_reported = || Assessment::new(Confidence::High, Code::NotReported);
    let history = match recall {
        Recall::Failed => return Assessment::not_available(settings.on_failure),
        Recall::Stranger => return not_reported(),
        Recall::Labelled(history) | Recall::History(history) => history,
    };
    let devices = [context.device, context.token.map(|token| token.device)];
    let traces = Traces { devices, address: context.address.tag, location: context.location };
    if history.is_reported(&traces) {
        return Assessment::hard(Code::Reported);
    }
    let unfinished = history.has_unfinished_challenge(context.time, settings.unfinished_challenge_h.get() * 3600);
    let knows = |tag| history.knows_device(tag, context.time, device_window_days);
    if unfinished && !devices.into_iter().flatten().any(knows) {
        return Assessment::hard(Code::UnfinishedChallenge);
    }
    not_reported()
}
