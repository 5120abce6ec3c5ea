//! NewCountry: has this user completed a login from this country within the window?

use super::{Assessment, Code, OnFailure, Recall};
use crate::bounded::Bounded;
use crate::context::LoginContext;
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of NewCountry.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days for which a country stays known after the last login from there.
    pub window_days: Bounded<1, 3650>,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    /// **Source:** signals.md; Logto has the same 180 days.
    fn default() -> Self {
        Self { window_days: Bounded::of::<180>(), on_failure: OnFailure::Low }
    }
}

/// `initial_login` for a user of whom no country is known: the first one is new to everybody.
pub(super) fn assess(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessment {
    let neutral = |code| Assessment::new(Confidence::Neutral, code);
    let history = match recall {
        Recall::Failed => return Assessment::not_available(settings.on_failure),
        Recall::Stranger | Recall::Labelled(_) => return neutral(Code::InitialLogin),
        Recall::History(history) => history,
    };
    let Some(country) = context.country else { return neutral(Code::MissingGeoip) };
    if history.knows_country(country, context.time, settings.window_days.get()) {
        Assessment::new(Confidence::High, Code::KnownCountry)
    } else if history.knows_countries() {
        Assessment::new(Confidence::Low, Code::NewCountry)
    } else {
        neutral(Code::InitialLogin)
    }
}
