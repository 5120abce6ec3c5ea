//! The checks. Each takes the facts of one login and the user's history and gives an assessment.
//!
//! Pure and synchronous: no clock, no lookup, no logging, no `Result`. A missing fact is a value, and its assessment is
//! neutral with a code that says so; never safe and never guilty. A *failure* of ours is another thing: it answers
//! `assessment_not_available`, low unless the signal's `on_failure` says neutral.

pub mod familiarity;
pub mod impossible_travel;
pub mod inactivity;
mod names;
pub mod new_country;
pub mod new_device;
pub mod phone_number;
pub mod reported;
pub mod untrusted_ip;

pub use names::{Code, Signal};

use crate::context::LoginContext;
use crate::context::ip_lists::{Category, Entry, ListFinding};
use crate::context::phone::Number;
use crate::familiar::{Confirmed, FamiliarNetworks};
use crate::history::UserHistory;
use crate::units::Confidence;
use impossible_travel::Travel;
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The tunables of every signal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What makes a network familiar.
    pub familiar_networks: FamiliarNetworks,
    /// Those that the operator confirmed.
    pub confirmed_networks: Confirmed,
    /// Of NewDevice.
    pub new_device: new_device::Settings,
    /// Of ImpossibleTravel.
    pub impossible_travel: impossible_travel::Settings,
    /// Of UntrustedIP.
    pub untrusted_ip: untrusted_ip::Settings,
    /// Of PhoneNumber.
    pub phone_number: phone_number::Settings,
    /// Of NewCountry.
    pub new_country: new_country::Settings,
    /// Of Inactivity.
    pub inactivity: inactivity::Settings,
    /// Of Reported.
    pub reported: reported::Settings,
    /// Of Familiarity.
    pub familiarity: familiarity::Settings,
}

/// What a signal answers when it could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The login is treated as suspicious.
    #[default]
    Low,
    /// The signal is not counted.
    Neutral,
}

/// What memory could tell of the user.
#[derive(Debug, Clone, Copy)]
pub enum Recall<'a> {
    /// This.
    History(&'a UserHistory),
    /// The user never completed a login.
    Stranger,
    /// The user never completed a login, and this was labelled of one that was tried.
    Labelled(&'a UserHistory),
    /// Memory could not be asked. A failure of ours.
    Failed,
}

impl<'a> From<Option<&'a UserHistory>> for Recall<'a> {
    fn from(history: Option<&'a UserHistory>) -> Self {
        match history {
            None => Self::Stranger,
            Some(history) if history.last_login().is_none() => Self::Labelled(history),
            Some(history) => Self::History(history),
        }
    }
}

/// One signal's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// How much this speaks for the user.
    pub confidence: Confidence,
    /// Why.
    pub code: Code,
    /// Whether this stands by itself, whatever else speaks for the user.
    pub hard: bool,
    /// The facts behind the code.
    pub details: Details,
}

/// All answers on one login.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessments {
    /// Has the account used this device?
    pub new_device: Assessment,
    /// Could the user have come here?
    pub impossible_travel: Assessment,
    /// What is known against the address?
    pub untrusted_ip: Assessment,
    /// What kind of number is it? Never counted.
    pub phone_number: Assessment,
    /// Has the user logged in from this country?
    pub new_country: Assessment,
    /// How long was the user away?
    pub inactivity: Assessment,
    /// Was any of this labelled fraud, or a demand left unmet?
    pub reported: Assessment,
    /// Is this where, and by what, the user logs in?
    pub familiarity: Assessment,
    /// The numbers behind ImpossibleTravel.
    pub travel: Option<Travel>,
}

/// A leg of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    /// Seen within the window.
    Known,
    /// Not seen, or not given.
    Unknown,
}

/// The facts behind a code.
#[derive(Debug, Clone, PartialEq)]
pub enum Details {
    /// The code says it all.
    None,
    /// NewDevice's two legs.
    Legs {
        /// Device id or token.
        device: Leg,
        /// Browser family.
        useragent: Leg,
    },
    /// A token that is one copy of two.
    CopiedDevice,
    /// A hit on a list.
    Listed {
        /// The entry on the list.
        matches: Entry,
        /// The list's name.
        source: Arc<str>,
        /// The list's category.
        category: Category,
        /// Whether the list says that its hits stand by themselves.
        hard: bool,
    },
    /// A hit on the allow list.
    Allowed {
        /// The entry.
        matches: String,
    },
    /// A source that fails too often.
    Velocity {
        /// The source.
        matches: Entry,
        /// The time that was counted.
        window_s: u32,
        /// Failures in it.
        failures: u32,
        /// Users who failed in it.
        users: u32,
    },
    /// What the edge said.
    Automated {
        /// 0 to 99.
        bot_score: Option<u8>,
        /// A crawler known by name.
        verified_bot: bool,
    },
    /// The first list that is too old.
    Stale {
        /// Its name.
        source: Arc<str>,
    },
    /// A number.
    Phone(Number),
}

impl Assessments {
    /// One signal's answer.
    #[must_use]
    pub fn of(&self, signal: Signal) -> &Assessment {
        match signal {
            Signal::NewDevice => &self.new_device,
            Signal::ImpossibleTravel => &self.impossible_travel,
            Signal::UntrustedIp => &self.untrusted_ip,
            Signal::PhoneNumber => &self.phone_number,
            Signal::NewCountry => &self.new_country,
            Signal::Inactivity => &self.inactivity,
            Signal::Reported => &self.reported,
            Signal::Familiarity => &self.familiarity,
        }
    }
}

impl Assessment {
    fn new(confidence: Confidence, code: Code) -> Self {
        Self { confidence, code, hard: false, details: Details::None }
    }

    fn hard(code: Code) -> Self {
        Self { hard: true, ..Self::new(Confidence::Low, code) }
    }

    fn with(self, details: Details) -> Self {
        Self { details, ..self }
    }

    /// Whether NewDevice, whose answer this is, knows the device itself, and not its browser only.
    pub(crate) fn knows_device(&self) -> bool {
        matches!(self.details, Details::Legs { device: Leg::Known, .. })
    }

    fn not_available(on_failure: OnFailure) -> Self {
        let confidence = match on_failure {
            OnFailure::Low => Confidence::Low,
            OnFailure::Neutral => Confidence::Neutral,
        };
        Self::new(confidence, Code::AssessmentNotAvailable)
    }
}

/// Asks every signal. One that panics is not available; the others are not touched by it.
#[must_use]
pub fn assess(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessments {
    // One guard for all, and one each only when somebody has panicked: signals only read, so asking again is harmless.
    catch_unwind(AssertUnwindSafe(|| ask::<false>(context, recall, settings)))
        .unwrap_or_else(|_| ask::<true>(context, recall, settings))
}

fn ask<const GUARDED: bool>(context: &LoginContext<'_>, recall: Recall<'_>, settings: &Settings) -> Assessments {
    let new_device =
        one::<GUARDED>(settings.new_device.on_failure, || new_device::assess(context, recall, &settings.new_device));
    let mut travel = None;
    let mut impossible_travel = one::<GUARDED>(settings.impossible_travel.on_failure, || {
        let (assessment, evidence) = impossible_travel::assess(context, recall, &settings.impossible_travel);
        travel = evidence;
        assessment
    });
    if matches!(context.address.lists, ListFinding::Allowed { by_network: true, .. }) {
        // The operator vouches for the network: where it is no longer counts. The code stays, for whoever reads it.
        impossible_travel = Assessment { confidence: Confidence::Neutral, hard: false, ..impossible_travel };
    }
    let mut new_country =
        one::<GUARDED>(settings.new_country.on_failure, || new_country::assess(context, recall, &settings.new_country));
    if context.address.is_familiar && new_country.code == Code::NewCountry {
        // The country is new to this user, not to those who work there.
        new_country.confidence = Confidence::Neutral;
    }
    Assessments {
        impossible_travel,
        untrusted_ip: one::<GUARDED>(settings.untrusted_ip.on_failure, || {
            untrusted_ip::assess(&context.address, new_device.knows_device(), &settings.untrusted_ip)
        }),
        phone_number: one::<GUARDED>(settings.phone_number.on_failure, || phone_number::assess(&context.phone)),
        new_country,
        inactivity: one::<GUARDED>(settings.inactivity.on_failure, || {
            inactivity::assess(context, recall, &settings.inactivity)
        }),
        reported: one::<GUARDED>(settings.reported.on_failure, || {
            let device_window_days = settings.new_device.window_days.get();
            reported::assess(context, recall, device_window_days, &settings.reported)
        }),
        familiarity: one::<GUARDED>(settings.familiarity.on_failure, || {
            familiarity::assess(context, recall, &settings.familiarity)
        }),
        travel,
        new_device,
    }
}

fn one<const GUARDED: bool>(on_failure: OnFailure, signal: impl FnOnce() -> Assessment) -> Assessment {
    if GUARDED { guarded(on_failure, signal) } else { signal() }
}

/// A panic in one signal costs that signal, not the login.
fn guarded(on_failure: OnFailure, signal: impl FnOnce() -> Assessment) -> Assessment {
    // Nothing that a signal could leave half-done is seen afterwards: it only reads.
    catch_unwind(AssertUnwindSafe(signal)).unwrap_or_else(|_| Assessment::not_available(on_failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_assessment_that_is_not_available() {
        let low = guarded(OnFailure::Low, || panic!("on purpose"));
        assert_eq!((low.confidence, low.code), (Confidence::Low, Code::AssessmentNotAvailable));
        let neutral = guarded(OnFailure::Neutral, || panic!("on purpose"));
        assert_eq!(neutral.confidence, Confidence::Neutral);
    }
}
