//! Decisions: what was said on a login, what its outcome will teach, and who may tell it.

mod ids;
mod tables;

pub use ids::{DecisionId, IdSource};
pub(super) use tables::Decisions;

use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::history::Login;
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
    /// The factors that were offered.
    pub offered: FactorSet,
    /// Whether a success needs proof beyond the first factor in order to teach.
    pub teaches_with_factor_only: bool,
    /// When it is forgotten unless settled.
    pub expires: Timestamp,
}

/// What is kept of a decision that was settled: enough to answer whoever tells its outcome again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Who asked, and alone may tell the outcome.
    pub client: ClientTag,
    /// What became of it.
    pub result: LoginResult,
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

/// What a report led to.
#[derive(Debug, PartialEq)]
pub enum Settlement {
    /// There is no such decision, or its time has passed.
    Unknown,
    /// The decision does not admit it, and is as it was.
    Refused(Refusal),
    /// Taken; this is what it teaches.
    Taken(Option<(UserKey, Login)>),
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
}

impl Pending {
    /// Takes the outcome; gives what it teaches.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn settle(&self, report: Report) -> Result<Option<Login>, Refusal> {
        if report.client != self.client {
            return Err(Refusal::OtherClient);
        }
        if report.result != LoginResult::Success {
            return Ok(None);
        }
        if !self.offered.is_empty() {
            let factor = report.factor.ok_or(Refusal::FactorMissing)?;
            if !self.offered.has(factor) {
                return Err(Refusal::FactorNotOffered);
            }
        }
        let factor_passed = self.login.factor_passed || report.factor.is_some();
        let teaches = factor_passed || !self.teaches_with_factor_only;
        Ok(teaches.then(|| Login { factor_passed, ..self.login.clone() }))
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

#[cfg(test)]
mod tests;
