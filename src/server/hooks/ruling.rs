//! The core: from a verdict, or from what kept it from being given, to what the door is to say. Pure.

use super::assurance::Assurance;
use super::settings::{OnError, Settings};
use super::step_up::Wanted;
use super::subject::Fault;
use crate::event::FactorSet;
use crate::memory::decisions::DecisionId;
use crate::pipeline::request::{Device, HardEvidence, Judged};
use crate::units::Confidence;
use crate::verdict::Action;
use std::borrow::Cow;

/// What a door is to say.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub(super) enum Ruling {
    /// The request passes, with what is told to the site.
    Allow(Told),
    /// Somebody is to prove who they are.
    Challenge(Option<Demand>),
    /// The request is refused.
    Deny,
}

/// What the site is told of a request that passes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) confidence: Confidence,
    pub(super) score: Option<f64>,
    pub(super) reasons: Vec<Cow<'static, str>>,
    /// `None` where nothing was decided.
    pub(super) decision: Option<DecisionId>,
    /// The device cookie that the browser is to keep.
    pub(super) cookie: Option<String>,
}

/// What asks somebody; where nothing could be decided, nothing does that could be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) decision: DecisionId,
    /// The factors that answer it.
    pub(super) offered: FactorSet,
    pub(super) hard: HardEvidence,
    pub(super) device: Device,
    /// The proof that this part of the site wants, whatever the verdict.
    pub(super) wanted: Option<Wanted>,
}

/// Decides; `assurance` is what the history vouches for.
pub(super) fn conclude(
    judged: Result<Judged, Fault>,
    (assurance, wanted): (Option<&Assurance>, Option<Wanted>),
    settings: &Settings,
) -> Ruling {
    match judged {
        Ok(judged) => of_verdict(judged, assurance, wanted),
        Err(fault) => of_fault(fault, settings.on_error),
    }
}

fn of_verdict(judged: Judged, assurance: Option<&Assurance>, wanted: Option<Wanted>) -> Ruling {
    match judged.action {
        Action::Deny => Ruling::Deny,
        Action::Challenge | Action::VerifyEmail if !is_lifted(&judged, assurance) => {
            let Judged { id: decision, offered, hard, device, .. } = judged;
            Ruling::Challenge(Some(Demand { decision, offered, hard, device, wanted }))
        }
        Action::Allow | Action::Challenge | Action::VerifyEmail => Ruling::Allow(Told {
            confidence: judged.confidence,
            score: judged.score,
            reasons: judged.reasons,
            decision: Some(judged.id),
            cookie: judged.cookie,
        }),
    }
}

/// Whether the factor that was passed answers the demand: not where fraud was reported, nor evidence that came up since and stands by
/// itself.
pub(super) fn is_lifted(judged: &Judged, assurance: Option<&Assurance>) -> bool {
    assurance.is_some_and(|assurance| !judged.is_reported && !judged.hard.exceeds(assurance.hard))
}

/// Only what fails here may let a request pass, and only if the operator wants that.
fn of_fault(fault: Fault, on_error: OnError) -> Ruling {
    match on_error {
        OnError::Deny => Ruling::Deny,
        OnError::DangerAllow if fault.is_ours() => Ruling::Allow(Told {
            confidence: Confidence::Neutral,
            score: None,
            reasons: vec!["assessment_not_available".into()],
            decision: None,
            cookie: None,
        }),
        OnError::DangerAllow | OnError::Challenge => Ruling::Challenge(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::event::Factor;
    use crate::history::Stamp;
    use crate::keyed_hash::DeviceTag;

    fn judged(action: Action, hard: u8, is_reported: bool) -> Judged {
        Judged {
            id: DecisionId::from_bytes([1; 16]),
            action,
            offered: FactorSet::ALL,
            confidence: Confidence::Low,
            score: None,
            reasons: Vec::new(),
            hard: HardEvidence::from_bits(hard),
            is_reported,
            stamp: Stamp::of(None),
            device: Device { number: 1, is_fresh: true, is_known: false },
            cookie: None,
        }
    }

    fn word(ruling: &Ruling) -> &'static str {
        match ruling {
            Ruling::Allow(_) => "allow",
            Ruling::Challenge(_) => "challenge",
            Ruling::Deny => "deny",
        }
    }

    /// What a proof lifts, and what stands before it.
    #[test]
    fn a_proof_lifts_a_demand_and_nothing_else() {
        let proof = |hard: u8| Assurance {
            proved: Timestamp::from_unix_s(1),
            factor: Factor::Totp,
            hard: HardEvidence::from_bits(hard),
            witness: DeviceTag(1),
        };
        for (judged, proof, expected) in [
            (judged(Action::Allow, 0, false), None, "allow"),
            (judged(Action::Challenge, 0, false), None, "challenge"),
            (judged(Action::Challenge, 0, false), Some(proof(0)), "allow"),
            (judged(Action::Challenge, 0b11, false), Some(proof(0b11)), "allow"),
            (judged(Action::Challenge, 0b11, false), Some(proof(0b111)), "allow"),
            (judged(Action::Challenge, 0b11, false), Some(proof(0b01)), "challenge"),
            (judged(Action::Challenge, 0b01, true), Some(proof(0b01)), "challenge"),
            (judged(Action::Deny, 0, false), Some(proof(0)), "deny"),
        ] {
            let ruling = conclude(Ok(judged.clone()), (proof.as_ref(), None), &Settings::default());
            assert_eq!(word(&ruling), expected, "{judged:?} {proof:?}");
        }
    }

    #[test]
    fn a_fault_of_the_request_lets_nobody_in() {
        let faults = [Fault::UserMissing, Fault::UserAmbiguous, Fault::UserUnreadable, Fault::AddressMissing];
        for (faults, on_error, expected) in [
            (&faults[..], OnError::Challenge, "challenge"),
            (&faults, OnError::Deny, "deny"),
            (&faults, OnError::DangerAllow, "challenge"),
            (&[Fault::Memory, Fault::Late, Fault::Overloaded], OnError::DangerAllow, "allow"),
            (&[Fault::Memory, Fault::Late, Fault::Overloaded], OnError::Challenge, "challenge"),
            (&[Fault::Memory, Fault::Late, Fault::Overloaded], OnError::Deny, "deny"),
        ] {
            let settings = Settings { on_error, ..Settings::default() };
            for fault in faults {
                assert_eq!(word(&conclude(Err(*fault), (None, None), &settings)), expected, "{fault:?} {on_error:?}");
            }
        }
    }
}
