//! Inactivity: how long ago did the user last complete a login?

use super::{Assessment, Code, OnFailure, Recall};
use crate::bounded::Bounded;
use crate::clock::DAY_MS;
use crate::context::LoginContext;
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of Inactivity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days after which a user was away for long.
    pub days_max: Bounded<1, 3650>,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    /// **Source:** signals.md; Logto has the same 30 days.
    fn default() -> Self {
        Self { days_max: Bounded::of::<30>(), on_failure: OnFailure::Low }
    }
}

pub(super) fn assess(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessment {
    let last_login = match recall {
        Recall::Failed => return Assessment::not_available(settings.on_failure),
        Recall::Stranger | Recall::Labelled(_) => None,
        Recall::History(history) => history.last_login(),
    };
    let Some(last_login) = last_login else {
        return Assessment::new(Confidence::Neutral, Code::InitialLogin);
    };
    // Strictly over: exactly 30 days are recent.
    if context.time.ms_since(last_login) > i64::from(settings.days_max.get()) * DAY_MS {
        Assessment::new(Confidence::Low, Code::LongInactivity)
    } else {
        Assessment::new(Confidence::High, Code::Recent)
    }
}
