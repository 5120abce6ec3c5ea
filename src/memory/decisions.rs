//! Decisions: what was said on a login, what its outcome or a label teaches, and who may tell them.

mod given;
mod ids;
mod listing;
mod tables;
mod walk;

pub use given::{Given, Name};
pub use ids::{DecisionId, IdSource};
pub(super) use listing::{DeviceForgetter, Eraser, Listing};
pub use listing::{Listed, Page, Query};
pub(super) use tables::Decisions;
pub(super) use walk::{Held, Visitor, Walk};

use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet, FirstFactor};
use crate::history::{Lesson, Login, Proof};
use crate::keyed_hash::UserKey;
use crate::velocity::Visit;
use serde::Deserialize;

/// Which client may report the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTag(pub u64);

/// A decision that waits for its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What was decided, of whom; its login is what the outcome will teach.
    pub given: Given,
    /// How the first factor was given.
    pub first_factor: FirstFactor,
    /// The factors that were offered.
    pub offered: FactorSet,
    /// Whether a factor was demanded: left unmet, that is remembered.
    pub demanded: bool,
    /// What a success must prove in order to teach.
    pub teaches: Teaches,
    /// What its outcome counts for velocity.
    pub visit: Option<Visit>,
    /// When it is too late for an outcome.
    pub expires: Timestamp,
    /// The user's device was forgotten since: it does not become known again by this login.
    pub forgets_device: bool,
}

/// What a success must prove in order to teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teaches {
    /// Nothing beyond the first factor.
    Always,
    /// Something beyond the first factor.
    WithFactor,
    /// A factor that cannot be phished.
    WithPhishingResistantFactor,
}

/// What is kept of a decision that waits for nothing: enough to answer whoever tells its outcome again, to learn from a
/// label, and to be listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What was decided, of whom.
    pub given: Given,
    /// What became of it; `None` where nobody told in time.
    pub result: Option<LoginResult>,
    /// The factor that was passed.
    pub factor: Option<Factor>,
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every login makes the large one, which is moved and not allocated"
)]
pub enum Decision {
    /// Its outcome is awaited.
    Pending(Box<Pending>),
    /// A login that was let in and learnt, or refused: nothing is awaited.
    Settled(Settled),
}

impl Decision {
    /// What was decided, of whom.
    #[must_use]
    pub fn given(&self) -> &Given {
        match self {
            Self::Pending(pending) => &pending.given,
            Self::Settled(settled) => &settled.given,
        }
    }

    /// The same of a user who has another key now: see [`Given::user_in_use`].
    #[must_use]
    pub fn belonging_to(mut self, user: UserKey) -> Self {
        match &mut self {
            Self::Pending(pending) => {
                pending.given.user = user;
                pending.visit = pending.visit.map(|visit| Visit { user, ..visit });
            }
            Self::Settled(settled) => settled.given.user = user,
        }
        self
    }

    /// The same with coordinates of so many decimals of a degree.
    #[must_use]
    pub fn rounded(mut self, decimals: u32) -> Self {
        let given = match &mut self {
            Self::Pending(pending) => &mut pending.given,
            Self::Settled(settled) => &mut settled.given,
        };
        given.login.place = given.login.place.map(|place| place.rounded(decimals));
        self
    }
}

/// What a client tells of a login's end.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Who tells it.
    pub client: ClientTag,
    /// How it ended.
    pub result: LoginResult,
    /// The factor that was passed.
    pub factor: Option<Factor>,
    /// Of who is not this service itself, the factors that it asks for by itself: where one of them was demanded, or none is bound yet,
    /// only what it verified is a success.
    pub verified_here: FactorSet,
}

/// What somebody says of a login afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Feedback {
    /// Who says it.
    pub client: ClientTag,
    /// Whether an operator says it, who may label every decision and whose word lifts a report.
    pub by_operator: bool,
    /// What is said.
    pub label: Label,
}

/// Whose login it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The user's.
    Legitimate,
    /// Somebody else's.
    Fraud,
}

/// What a report or a label led to.
#[derive(Debug, PartialEq)]
pub enum Settlement {
    /// There is no such decision, or its time has passed.
    Unknown,
    /// The decision does not admit it, and is as it was.
    Refused(Refusal),
    /// Taken, and learnt.
    Taken,
    /// The same of a label, and whose login it was.
    Labelled(Name),
    /// The same of an outcome that is counted: the first that was told of its decision.
    Counted(Ended),
}

/// How a login ended that waited.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// From where it came.
    pub visit: Visit,
    /// What was decided of it, where a factor was passed that teaches.
    pub proved: Option<Box<Given>>,
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginResult {
    /// The user is in.
    Success,
    /// The factor was wrong, or the login was refused.
    Failure,
    /// The user went away.
    Abandoned,
}

impl LoginResult {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why an outcome is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another client scored this login.
    OtherClient,
    /// Another result was reported before.
    AlreadySettled,
    /// A success needs the factor that made it one.
    FactorMissing,
    /// That factor was not offered.
    FactorNotOffered,
    /// This service asks for the factor by itself, and has not seen it.
    NotVerified,
    /// Only an operator may call a login legitimate that was not completed.
    NotCompleted,
}

impl Pending {
    /// Takes the outcome; gives what it teaches.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn settle(&self, report: Report) -> Result<Option<Lesson>, Refusal> {
        if report.client != self.given.client {
            return Err(Refusal::OtherClient);
        }
        if report.result != LoginResult::Success {
            return Ok(self.unfinished());
        }
        let is_asked_here = self.offered.is_empty() || !self.offered.both(report.verified_here).is_empty();
        if self.demanded && is_asked_here && !report.verified_here.is_empty() {
            return Err(Refusal::NotVerified);
        }
        if !self.offered.is_empty() {
            let factor = report.factor.ok_or(Refusal::FactorMissing)?;
            if !self.offered.has(factor) {
                return Err(Refusal::FactorNotOffered);
            }
        }
        let proof = Proof::of(self.first_factor, report.factor);
        let resists_phishing = report.factor == Some(Factor::Webauthn) || self.first_factor == FirstFactor::Passkey;
        let teaches = match self.teaches {
            Teaches::Always => true,
            Teaches::WithFactor => proof.is_factor(),
            Teaches::WithPhishingResistantFactor => resists_phishing,
        };
        let login = if self.forgets_device { self.given.login.without_device() } else { self.given.login };
        Ok(teaches.then_some(Lesson::Completed(Login { proof, ..login })))
    }

    /// What it teaches that nothing more came.
    fn unfinished(&self) -> Option<Lesson> {
        self.demanded.then_some(Lesson::Unfinished(self.given.login.time))
    }

    /// What is counted of an outcome that was taken, and taught this.
    pub(super) fn ended(&self, report: Report, lesson: Option<&Lesson>) -> Option<Ended> {
        let is_proved = matches!(lesson, Some(Lesson::Completed(login)) if login.proof.is_factor());
        let proved = is_proved && report.result == LoginResult::Success;
        Some(Ended { visit: self.visit?, proved: proved.then(|| Box::new(self.given.clone())) })
    }

    pub(super) fn into_settled(self, result: Option<LoginResult>, factor: Option<Factor>) -> Settled {
        Settled { given: self.given, result, factor }
    }
}

impl Settled {
    /// The same result again changes nothing; another one is refused, and one that comes too late is of no decision.
    pub(super) fn again(&self, report: Report) -> Settlement {
        match self.result {
            None => Settlement::Unknown,
            Some(_) if report.client != self.given.client => Settlement::Refused(Refusal::OtherClient),
            Some(result) if report.result != result => Settlement::Refused(Refusal::AlreadySettled),
            Some(_) => Settlement::Taken,
        }
    }
}

impl Feedback {
    /// What the label teaches, said of this login.
    pub(super) fn teaches(self, of: &Given, is_completed: bool, now: Timestamp) -> Result<Lesson, Refusal> {
        if self.client != of.client && !self.by_operator {
            return Err(Refusal::OtherClient);
        }
        match self.label {
            Label::Fraud => Ok(Lesson::Fraud { login: of.login, labelled: now }),
            Label::Legitimate if is_completed || self.by_operator => {
                Ok(Lesson::Legitimate { login: of.login, by_operator: self.by_operator })
            }
            Label::Legitimate => Err(Refusal::NotCompleted),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
