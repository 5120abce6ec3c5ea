//! NewDevice: has this account used this device within the window?
//!
//! Two legs, the device (an id of the caller's, or a token of ours) and the user agent (a browser family). "Known" means used for a completed
//! login at most `window_days` ago, inclusive, by the event's own time.

use super::{Assessment, Code, Details, Leg, OnFailure, Recall};
use crate::bounded::Bounded;
use crate::clock::DAY_MS;
use crate::context::LoginContext;
use crate::event::Flow;
use crate::history::{TokenStanding, UserHistory};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// The tunables of NewDevice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Days (1..=365) for which a device stays known after its last use.
    pub window_days: Bounded<1, 365>,
    /// What it means that nothing is known of a user whose account is over a day old.
    pub history_missing: HistoryMissing,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window_days: Bounded::of::<30>(), history_missing: HistoryMissing::Low, on_failure: OnFailure::Low }
    }
}

/// What it means that nothing is known of a user whose account is over a day old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HistoryMissing {
    /// Memory was lost, or an old account wakes up: hard evidence.
    #[default]
    Low,
    /// Nothing: for the weeks of adopting askance.
    Neutral,
}

/// An account older than this must have a past. **Source:** signals.md.
const ACCOUNT_AGE_MS_MAX: i64 = DAY_MS;

pub(super) fn assess(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessment {
    match recall {
        Recall::Failed => Assessment::not_available(settings.on_failure),
        Recall::Stranger | Recall::Labelled(_) => stranger(context, settings),
        Recall::History(history) => returning(context, history, settings),
    }
}

/// `history_missing`: low, hard (or neutral while adopting). `initial_login`: neutral.
fn stranger(context: &LoginContext<'_>, settings: &Settings) -> Assessment {
    let account = context.account.created_at;
    if account.is_none_or(|created| context.time.ms_since(created) <= ACCOUNT_AGE_MS_MAX) {
        return Assessment::new(Confidence::Neutral, Code::InitialLogin);
    }
    match settings.history_missing {
        HistoryMissing::Low => Assessment::hard(Code::HistoryMissing),
        HistoryMissing::Neutral => Assessment::new(Confidence::Neutral, Code::HistoryMissing),
    }
}

fn returning(context: &LoginContext<'_>, history: &UserHistory, settings: &Settings) -> Assessment {
    let (now, window_days) = (context.time, settings.window_days.get());
    if context.token.is_some_and(|token| history.token_standing(&token, now) == TokenStanding::Copied) {
        return Assessment::hard(Code::DeviceReused).with(Details::CopiedDevice);
    }
    let devices = [context.device, context.token.map(|token| token.device)];
    let has_device = devices.iter().any(Option::is_some);
    if context.flow == Flow::Password && !has_device {
        // Password grants carry no cookie: without an id of its own, a new network is all there is to tell by.
        let address = &context.address;
        if !address.is_familiar && address.asn.is_some_and(|asn| history.is_new_asn(asn)) {
            return Assessment::hard(Code::UnknownDevice);
        }
        if context.agent.is_none() {
            return Assessment::new(Confidence::Neutral, Code::UnknownDevice);
        }
    }
    if !has_device && context.agent.is_none() {
        return Assessment::new(Confidence::Low, Code::UnknownDevice);
    }
    if !history.remembers_devices(now, window_days) {
        return Assessment::new(Confidence::Low, Code::NoDeviceHistory);
    }
    let device = leg(devices.into_iter().flatten().any(|tag| history.knows_device(tag, now, window_days)));
    let useragent = leg(context.agent.is_some_and(|agent| history.knows_agent(agent, now, window_days)));
    let (confidence, code) = match (device, useragent) {
        (Leg::Known, Leg::Known) => (Confidence::High, Code::Match),
        (Leg::Known, Leg::Unknown) | (Leg::Unknown, Leg::Known) => (Confidence::Medium, Code::PartialMatch),
        (Leg::Unknown, Leg::Unknown) => (Confidence::Low, Code::NoMatch),
    };
    Assessment::new(confidence, code).with(Details::Legs { device, useragent })
}

fn leg(known: bool) -> Leg {
    if known { Leg::Known } else { Leg::Unknown }
}
