//! Decisions: what was said on a login, what its outcome or a label teaches, and who may tell them.

mod ids;
mod tables;

pub use ids::{DecisionId, IdSource};
pub(super) use tables::Decisions;

use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet, FirstFactor};
use crate::history::{Lesson, Login, Proof};
use crate::keyed_hash::UserKey;
use serde::Deserialize;

/// Which client may report the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTag(pub u64);

/// A decision that waits for its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Whose login.
    pub user: UserKey,
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What the outcome will teach.
    pub login: Login,
    /// How the first factor was given.
    pub first_factor: FirstFactor,
    /// The factors that were offered.
    pub offered: FactorSet,
    /// Whether a factor was demanded: left unmet, that is remembered.
    pub demanded: bool,
    /// What a success must prove in order to teach.
    pub teaches: Teaches,
    /// When it is forgotten unless settled.
    pub expires: Timestamp,
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

/// What is kept of a decision that was settled: enough to answer whoever tells its outcome again, and to learn from a
/// label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled {
    /// Whose login.
    pub user: UserKey,
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What became of it.
    pub result: LoginResult,
    /// The login.
    pub login: Login,
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Its outcome is awaited.
    Pending(Box<Pending>),
    /// A login that was let in and learnt, or refused: nothing is awaited.
    Settled(Settled),
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
        if report.client != self.client {
            return Err(Refusal::OtherClient);
        }
        if report.result != LoginResult::Success {
            return Ok(self.unfinished());
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
        Ok(teaches.then_some(Lesson::Completed(Login { proof, ..self.login })))
    }

    /// What it teaches that nothing more came.
    fn unfinished(&self) -> Option<Lesson> {
        self.demanded.then_some(Lesson::Unfinished(self.login.time))
    }

    fn settled(&self, result: LoginResult) -> Settled {
        Settled { user: self.user, client: self.client, result, login: self.login }
    }
}

impl Settled {
    /// The same result again changes nothing; another one is refused.
    fn again(self, report: Report) -> Result<(), Refusal> {
        if report.client != self.client {
            Err(Refusal::OtherClient)
        } else if report.result != self.result {
            Err(Refusal::AlreadySettled)
        } else {
            Ok(())
        }
    }
}

impl Feedback {
    /// What the label teaches, said of this login.
    fn teaches(self, of: &Settled, is_completed: bool, now: Timestamp) -> Result<Lesson, Refusal> {
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
mod tests;
