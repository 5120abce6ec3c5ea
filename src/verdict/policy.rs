//! From confidence to action: enrolment, flow, first factor, remembered browser.
//!
//! The table of signals.md, read from the top. Nothing here looks at single signals but for what may be offered.

use super::standing::Standing;
use super::{Action, DecidedBy, Next, Policy, RememberedBrowser, Settings, Strength};
use crate::clock::Timestamp;
use crate::context::LoginContext;
use crate::context::network::NetworkKind;
use crate::event::{Factor, FactorSet, FirstFactor, Flow};
use crate::signals::{Assessments, Code, Details, Leg};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};

/// A first factor that may be exempt. Only a passkey proves possession and user verification at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExemptFirstFactor {
    /// A passkey with user verification.
    Passkey,
}

/// Contact data that changed this recently may be the attacker's. **Source:** signals.md.
const CONTACT_FRESH_MS: i64 = 72 * 3_600_000;

/// What the policy says, before the mode.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruling {
    pub(super) action: Action,
    pub(super) decided_by: DecidedBy,
    pub(super) offered: FactorSet,
    pub(super) strength: Strength,
    pub(super) next: Option<Next>,
    /// Why the email address could not help, where that made it a `deny`.
    pub(super) no_email: Option<NoEmail>,
}

/// Why an email address cannot prove anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoEmail {
    NotKnown,
    NotVerified,
    JustChanged,
    FirstFactor,
}

/// A remembered browser counts only while confidence is not low, and while no fraud is unanswered; at low it is ignored,
/// always.
pub(super) fn remembered(context: &LoginContext<'_>, standing: Standing, confidence: Confidence) -> RememberedBrowser {
    match confidence {
        _ if !context.remembered_browser => RememberedBrowser::Absent,
        Confidence::Low => RememberedBrowser::Ignored,
        _ if standing.distrusts_remembered_browsers => RememberedBrowser::Ignored,
        Confidence::Medium | Confidence::High | Confidence::Neutral => RememberedBrowser::Honoured,
    }
}

pub(super) fn rule(
    context: &LoginContext<'_>,
    assessments: &Assessments,
    standing: Standing,
    confidence: Confidence,
    settings: &Settings,
) -> Ruling {
    let by_confidence = DecidedBy::Aggregator(settings.aggregator);
    let low = confidence == Confidence::Low;
    let trusted = remembered(context, standing, confidence) == RememberedBrowser::Honoured;
    match settings.policy {
        Policy::Never => return allow(DecidedBy::PolicyNever),
        Policy::Adaptive if !low => return allow(by_confidence),
        Policy::Always if trusted => return allow(DecidedBy::PolicyAlways),
        Policy::Adaptive | Policy::Always => {}
    }
    if is_exempt(context, assessments, settings) {
        return allow(DecidedBy::FirstFactorPasskey);
    }
    let decided_by = if low { by_confidence } else { DecidedBy::PolicyAlways };
    demanded(context, assessments, standing, low, decided_by)
}

/// What a demand for a factor comes to.
pub(super) fn demanded(
    context: &LoginContext<'_>,
    assessments: &Assessments,
    standing: Standing,
    low: bool,
    decided_by: DecidedBy,
) -> Ruling {
    let strength = required_strength(context, assessments, standing);
    let offered = match strength {
        Strength::Any => offerable(context, assessments),
        // Only the strongest: where that is weak, it lets the login pass and proves no more.
        Strength::PhishingResistant => offerable(context, assessments).iter().take(1).collect(),
    };
    let ruling = if !offered.is_empty() {
        demand(Action::Challenge, Next::Challenge, offered, decided_by)
    } else if !low {
        demand(Action::Challenge, Next::Enroll, FactorSet::EMPTY, decided_by)
    } else {
        unenrolled_at_low(context, decided_by)
    };
    Ruling { strength, ..ruling }
}

/// A passkey is not followed by a second factor, but where something of the login was labelled fraud.
pub(super) fn is_exempt(context: &LoginContext<'_>, assessments: &Assessments, settings: &Settings) -> bool {
    context.first_factor == FirstFactor::Passkey
        && settings.exempt_first_factors.contains(&ExemptFirstFactor::Passkey)
        && assessments.reported.code != Code::Reported
}

/// An unknown device on a hosting network, or in an autonomous system that is new to the user, is what a phisher's proxy
/// looks like. **Source:** signals.md.
fn required_strength(context: &LoginContext<'_>, assessments: &Assessments, standing: Standing) -> Strength {
    let is_device_known = matches!(assessments.new_device.details, Details::Legs { device: Leg::Known, .. });
    let is_proxy_like = standing.is_new_asn || context.address.kinds.has(NetworkKind::Hosting);
    if is_proxy_like && !is_device_known { Strength::PhishingResistant } else { Strength::Any }
}

/// Nobody to ask but the owner of the email address, if there is one who can be trusted.
fn unenrolled_at_low(context: &LoginContext<'_>, decided_by: DecidedBy) -> Ruling {
    match no_email(context) {
        Some(no_email) => Ruling { no_email: Some(no_email), ..refuse(decided_by) },
        None if context.flow == Flow::Password => refuse(DecidedBy::FlowPassword),
        None => {
            let email = FactorSet::EMPTY.with(Factor::Email);
            demand(Action::VerifyEmail, Next::VerifyEmail, email, decided_by)
        }
    }
}

pub(super) fn refuse(decided_by: DecidedBy) -> Ruling {
    Ruling { action: Action::Deny, ..allow(decided_by) }
}

pub(super) fn allow(decided_by: DecidedBy) -> Ruling {
    Ruling {
        action: Action::Allow,
        decided_by,
        offered: FactorSet::EMPTY,
        strength: Strength::Any,
        next: None,
        no_email: None,
    }
}

fn demand(action: Action, next: Next, offered: FactorSet, decided_by: DecidedBy) -> Ruling {
    Ruling { action, offered, next: Some(next), ..allow(decided_by) }
}

/// The enrolled factors that prove something now: not the channel of the first factor, no SMS to a number that just
/// changed or that costs money to call.
fn offerable(context: &LoginContext<'_>, assessments: &Assessments) -> FactorSet {
    let mut offered = context.account.enrolled;
    let number_changed = context.account.phone_changed_at.is_some_and(|changed| is_fresh(changed, context.time));
    let number_bad = assessments.phone_number.confidence == Confidence::Low;
    if number_changed || number_bad || context.first_factor == FirstFactor::Sms {
        offered = offered.without(Factor::Sms);
    }
    if context.first_factor == FirstFactor::Email {
        offered = offered.without(Factor::Email);
    }
    offered
}

fn no_email(context: &LoginContext<'_>) -> Option<NoEmail> {
    let account = &context.account;
    if !account.has_email {
        Some(NoEmail::NotKnown)
    } else if account.email_verified == Some(false) {
        Some(NoEmail::NotVerified)
    } else if account.email_changed_at.is_some_and(|changed| is_fresh(changed, context.time)) {
        Some(NoEmail::JustChanged)
    } else if context.first_factor == FirstFactor::Email {
        Some(NoEmail::FirstFactor)
    } else {
        None
    }
}

/// A change in the future counts as fresh: its clock is wrong, or it lies.
fn is_fresh(changed: Timestamp, now: Timestamp) -> bool {
    now.ms_since(changed) <= CONTACT_FRESH_MS
}
