//! What a login teaches, when, and what is kept of it until then.

use super::Loaded;
use crate::clock::Timestamp;
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::context::{Location, LoginContext, Place};
use crate::device_token::TokenUse;
use crate::history::{Lesson, Login, Proof, UserHistory};
use crate::memory::Record;
use crate::memory::decisions::{Decision, Given, LoginResult, Pending, Settled, Teaches};
use crate::signals::{Assessments, Code};
use crate::units::Confidence;
use crate::velocity::Visit;
use crate::verdict::{Action, Strength, Verdict};

pub(super) fn is_copied(assessments: &Assessments) -> bool {
    assessments.new_device.code == Code::DeviceReused
}

/// A login that is let in at more than low confidence is complete; every other one waits for its outcome, and so does one
/// with a copied cookie, whatever the aggregator makes of it.
pub(super) fn teaches_at_once(loaded: &Loaded, assessments: &Assessments, verdict: &Verdict) -> bool {
    verdict.action == Action::Allow
        && verdict.confidence != Confidence::Low
        && loaded.record == Record::OnAllow
        && !is_copied(assessments)
}

/// What memory learns while a login is judged. A token that goes on, or was copied, is told whatever becomes of the login.
pub(super) fn lesson(
    loaded: &Loaded,
    context: &LoginContext<'_>,
    issued: Option<TokenUse>,
    assessments: &Assessments,
    verdict: &Verdict,
    history: Option<&UserHistory>,
) -> Option<Lesson> {
    if is_copied(assessments) {
        context.token.map(|token| Lesson::Copied(token.device))
    } else if teaches_at_once(loaded, assessments, verdict) {
        Some(Lesson::Completed(login(context, issued, false)))
    } else {
        let token = context.token.filter(|token| history.is_some_and(|history| history.advances(token)))?;
        Some(Lesson::Presented(token, context.time))
    }
}

/// What is kept of a verdict: for its outcome, or only that it was given.
pub(super) fn decision(
    loaded: &Loaded,
    context: &LoginContext<'_>,
    given: Given,
    assessments: &Assessments,
    verdict: &Verdict,
    now: Timestamp,
) -> Decision {
    let settled = |given, result| Decision::Settled(Settled { given, result: Some(result), factor: None });
    match verdict.action {
        Action::Deny => return settled(given, LoginResult::Failure),
        Action::Allow if teaches_at_once(loaded, assessments, verdict) => return settled(given, LoginResult::Success),
        Action::Allow | Action::Challenge | Action::VerifyEmail => {}
    }
    pending(loaded, context, given, assessments, verdict, now)
}

/// What waits for its outcome.
pub(super) fn pending(
    loaded: &Loaded,
    context: &LoginContext<'_>,
    given: Given,
    assessments: &Assessments,
    verdict: &Verdict,
    now: Timestamp,
) -> Decision {
    let ttl_ms = i64::from(loaded.pending_ttl_s.get()) * 1000;
    let demanded = verdict.action.demands_mfa();
    Decision::Pending(Box::new(Pending {
        given,
        first_factor: context.first_factor,
        offered: verdict.offered,
        demanded,
        teaches: match (verdict.strength, verdict.confidence) {
            (Strength::PhishingResistant, _) if demanded => Teaches::WithPhishingResistantFactor,
            (_, Confidence::Low) => Teaches::WithFactor,
            (_, Confidence::Medium | Confidence::High | Confidence::Neutral) => Teaches::Always,
        },
        visit: visit(context, assessments),
        expires: Timestamp::from_unix_ms(now.unix_ms() + ttl_ms).unwrap_or(now),
        forgets_device: false,
    }))
}

/// What a login counts for velocity when it ends.
pub(super) fn visit(context: &LoginContext<'_>, assessments: &Assessments) -> Option<Visit> {
    let device_known = assessments.new_device.knows_device();
    context.address.sources.map(|sources| Visit { user: context.user, sources, device_known })
}

/// What the login would teach, were it completed as it is: of the token that it presented, unless that was copied, else of
/// the one that it is given.
pub(super) fn login(context: &LoginContext<'_>, issued: Option<TokenUse>, is_copied: bool) -> Login {
    Login {
        time: context.time,
        device: context.device,
        token: context.token.filter(|_| !is_copied).or(issued),
        agent: context.agent,
        address: context.address.tag,
        network: context.address.network,
        asn: context.address.asn,
        country: context.country,
        place: valid_place(context),
        is_anonymous: is_anonymous(context.address.kinds),
        proof: Proof::of(context.first_factor, None),
    }
}

/// Databases take many a VPN's exit for a data centre, and who logs in behind one is somewhere else.
fn is_anonymous(kinds: NetworkKinds) -> bool {
    kinds.is_anonymizer() || kinds.has(NetworkKind::Hosting)
}

/// A relay, a VPN, a data centre or a ground station is no place where a user is.
fn valid_place(context: &LoginContext<'_>) -> Option<Place> {
    let kinds = context.address.kinds;
    let elsewhere = is_anonymous(kinds) || kinds.has(NetworkKind::Satellite);
    match context.location {
        Location::Known(place) if !elsewhere => Some(place),
        Location::Known(_) | Location::Missing | Location::Unusable | Location::Failed => None,
    }
}
