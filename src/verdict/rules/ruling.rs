//! Rules beside the policy: the stricter one wins.

use super::{Effect, RuleHit};
use crate::verdict::policy::{Ruling, allow, refuse};
use crate::verdict::reasons::{Reason, Words};
use crate::verdict::{Action, DecidedBy};

/// What rules need to know of the login and of the policy.
#[derive(Debug, Clone, Copy)]
pub(in crate::verdict) struct Ground {
    /// The user has a factor.
    pub(in crate::verdict) is_enrolled: bool,
    /// The first factor is strong enough not to be followed by a second; only a refusal stands against it.
    pub(in crate::verdict) is_exempt: bool,
}

/// The ruling of policy and rules together; `demand` is what a rule that demands a factor comes to.
pub(in crate::verdict) fn apply(
    ruling: Ruling,
    hits: &mut [RuleHit],
    ground: Ground,
    demand: impl FnOnce(DecidedBy) -> Ruling,
) -> Ruling {
    let Ground { is_enrolled, is_exempt } = ground;
    if let Some(rule) = hits.iter().find(|hit| hit.does() == Some(Effect::Deny)) {
        return refuse(DecidedBy::Rule(rule.name.clone()));
    }
    let demands = |hit: &&RuleHit| match hit.does() {
        Some(Effect::Challenge) => true,
        Some(Effect::Enroll) => !is_enrolled,
        Some(Effect::Deny | Effect::Bypass | Effect::Tag) | None => false,
    };
    let ruling = match hits.iter().find(demands).filter(|_| ruling.action == Action::Allow) {
        Some(_) if is_exempt => allow(DecidedBy::FirstFactorPasskey),
        Some(rule) => demand(DecidedBy::Rule(rule.name.clone())),
        None => ruling,
    };
    match hits.iter_mut().find(|hit| hit.does() == Some(Effect::Bypass)).filter(|_| ruling.action.demands_mfa()) {
        Some(rule) => {
            rule.lifted = Some(ruling.action);
            allow(DecidedBy::Rule(rule.name.clone()))
        }
        None => ruling,
    }
}

impl RuleHit {
    /// What it does; nothing where it is only counted.
    fn does(&self) -> Option<Effect> {
        let effect = if self.has_failed { Effect::Challenge } else { self.effect };
        (!self.is_shadow).then_some(effect)
    }

    /// Why, where it decided.
    pub(in crate::verdict) fn reason(&self) -> Reason {
        let ours = match self.effect {
            _ if self.has_failed => "a rule could not be evaluated, so a factor is demanded",
            Effect::Deny => "a rule refuses this login",
            Effect::Challenge => "a rule demands a second factor",
            Effect::Enroll => "a rule demands that the user enrols a second factor",
            Effect::Bypass => "a rule lifts the demand for a second factor",
            Effect::Tag => "a rule tags this login",
        };
        let theirs = self.reason.as_deref().filter(|_| !self.has_failed);
        let words = theirs.map_or(Words::Fixed(ours), |theirs| Words::Rule(theirs.to_owned()));
        Reason { code: self.name.code().to_owned().into(), words }
    }
}
