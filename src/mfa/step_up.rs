//! Step-up: a proof within a session that is logged in already, for one action or of late.
//!
//! It starts without a password, replaces no token, and is bound to one session, one client, one tenant and, where there is an action,
//! to what was shown of it. It is judged as a login is, and teaches only when it is proved. A proof is spent once, wherever that is tried: what
//! says so is a record that can be put once, and that outlives the proof.

use super::action::{Action, Actions};
use super::assertion::{self, Act, Claims, Statement};
use super::counted::Proved;
use super::user::{Proof, UserRecord};
use super::{Mfa, MfaError, MfaToken, TokenKind};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet, LoginEvent, User};
use crate::memory::decisions::{ClientTag, DecisionId};
use crate::memory::vault::{Place, Put, Record};
use crate::memory::{Memory, Unvisited};
use crate::pipeline::UserName;
use crate::pipeline::request::{Judged, Request};
use crate::verdict::Action as Ruled;
use serde::{Deserialize, Serialize};

/// The tunables of step-ups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What becomes of a user who has an email address and no other factor.
    pub email_only: EmailOnly,
    /// What may be proved, and how it is shown.
    pub actions: Actions,
}

/// Whether a code by email is a proof within a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailOnly {
    /// It is none: whoever reads the mail of a session's owner often has the session, too.
    #[default]
    Deny,
    /// It is one.
    Allow,
}

/// What is asked of a step-up.
#[derive(Debug, Clone, Copy)]
pub struct StepUp<'a, 'e> {
    /// Who asks, and its name in assertions.
    pub client: (ClientTag, &'a str),
    /// Of whom, and from where.
    pub event: &'a LoginEvent<'e>,
    /// The session.
    pub session: &'a str,
    /// What is to be done, with the text that is shown.
    pub action: Option<&'a Action>,
    /// A proof that is no older does, where nothing is to be done. Seconds.
    pub max_age_s: Option<u32>,
    /// Only passkeys do.
    pub is_phishing_resistant: bool,
}

/// What a step-up comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// A proof is asked for.
    Asked {
        /// For the calls that follow.
        mfa_token: String,
        /// The factors that do.
        factors: Vec<Factor>,
        /// When the token is good for the last time.
        expires: Timestamp,
        /// The decision that asks.
        decision: DecisionId,
    },
    /// There is one of late.
    Proved {
        /// It, signed anew.
        assertion: String,
        /// The decision that asked.
        decision: DecisionId,
    },
    /// The session looks like somebody else's: nothing that is proved now would help.
    Denied {
        /// The decision that denies.
        decision: DecisionId,
    },
}

/// What is asked of a proof that is to be spent.
#[derive(Debug, Clone, Copy)]
pub struct Spending<'a> {
    /// As it was given.
    pub assertion: &'a str,
    /// The client that spends it.
    pub audience: &'a str,
    /// The session in which the action is done.
    pub session: &'a str,
    /// What is done.
    pub action: &'a Action,
}

/// A record of a spent proof outlives it by this, so that the clocks of replicas may differ.
const SPENT_LONGER_MS: i64 = 300_000;

impl<M: Memory> Mfa<M> {
    /// Judges a request within a session, and asks for a proof unless there is one of late.
    ///
    /// # Errors
    ///
    /// The user has no factor that does; or memory does not answer.
    pub async fn step_up(&self, asked: StepUp<'_, '_>, now: Timestamp) -> Result<Answered, MfaError> {
        let user = UserName { tenant: &asked.event.tenant, id: &asked.event.user.id };
        let record = self.read_user(user, now).await?;
        // Judged as a login of somebody with these factors.
        let enrolled = record.enrolled().both(self.settings.factors.set());
        let event = &LoginEvent { user: User { enrolled, ..asked.event.user.clone() }, ..asked.event.clone() };
        let asked = StepUp { event, ..asked };
        let fresh = self.fresh_proof(&record, &asked, now);
        // With a proof of late, nothing is wanted beside the verdict.
        let mut judged = self.judge(&asked, fresh.is_none(), now).await?;
        if judged.action == Ruled::Deny {
            return Ok(Answered::Denied { decision: judged.id });
        }
        if let Some(proof) = fresh {
            if judged.action == Ruled::Allow {
                return self.proved_of_late(&asked, proof, judged.id, now);
            }
            // The session is in doubt, and what it proved before is, too.
            judged = self.judge(&asked, true, now).await?;
        }
        self.ask(&asked, &record, &judged, now).await
    }

    /// Takes a proof for what it was given for, once.
    ///
    /// # Errors
    ///
    /// It is none of ours that is good now, another client's, of another session or action, or was spent.
    pub async fn spend(&self, spending: Spending<'_>, now: Timestamp) -> Result<Claims, MfaError> {
        let spent = self.spend_once(spending, now).await;
        match &spent {
            Ok(_) => self.counts.proof(Proved::Spent),
            // It may be good all the same.
            Err(MfaError::Unavailable) => {}
            Err(_) => self.counts.proof(Proved::Refused),
        }
        spent
    }

    async fn spend_once(&self, spending: Spending<'_>, now: Timestamp) -> Result<Claims, MfaError> {
        let claims = self.signer.verify(spending.assertion, now).map_err(|_| MfaError::TokenInvalid)?;
        if claims.aud != spending.audience {
            return Err(MfaError::TokenOfOtherClient);
        }
        if claims.sid.as_deref() != Some(spending.session) {
            return Err(MfaError::StepUpOfOtherSession);
        }
        let done = Act { name: spending.action.name().to_owned(), digest: spending.action.digest() };
        if claims.act.as_ref() != Some(&done) {
            return Err(MfaError::StepUpOfOtherAction);
        }
        let until = i64::from(claims.exp) * 1000 + SPENT_LONGER_MS;
        let spent = Record { content: Box::default(), until: Timestamp::from_unix_ms(until) };
        // By the whole of a number at random, and by no key, which replicas replace one after the other.
        let place = Place::Other(tag("askance 2026-11-22 proof that was spent", &claims.jti));
        match self.pipeline.memory().put(place, None, Some(spent), now).await {
            Ok(Put::Done) => Ok(claims),
            Ok(Put::Changed) => Err(MfaError::StepUpUsed),
            Err(error) => {
                self.pipeline.failed(&error);
                Err(MfaError::Unavailable)
            }
        }
    }

    /// The latest proof of the same session and client that does. One that was for an action was for that action.
    fn fresh_proof<'r>(&self, record: &'r UserRecord, asked: &StepUp<'_, '_>, now: Timestamp) -> Option<&'r Proof> {
        let max_age_ms = i64::from(asked.max_age_s?) * 1000;
        let accepted = self.accepted(asked);
        let does = |proof: &&Proof| {
            proof.session.as_deref() == Some(asked.session)
                && proof.client == asked.client.0
                && proof.action.is_none()
                && !proof.is_of_contact
                && accepted.has(proof.factor)
                && (0..=max_age_ms).contains(&now.ms_since(proof.at))
        };
        record.proofs.iter().filter(does).max_by_key(|proof| proof.at).filter(|_| asked.action.is_none())
    }

    fn proved_of_late(
        &self,
        asked: &StepUp<'_, '_>,
        proof: &Proof,
        decision: DecisionId,
        now: Timestamp,
    ) -> Result<Answered, MfaError> {
        let statement = Statement {
            audience: asked.client.1,
            subject: &asked.event.user.id,
            tenant: &asked.event.tenant,
            session: Some(asked.session),
            proof: assertion::Proof {
                factor: proof.factor,
                at_s: proof.at.unix_s(),
                is_bound_to_device: proof.is_bound_to_device,
            },
            decision_id: &decision.to_string(),
            act: None,
        };
        let signed = self.signer.sign(&statement, now).map_err(|_| MfaError::Unavailable)?;
        self.counts.proof(Proved::Signed);
        Ok(Answered::Proved { assertion: signed.text, decision })
    }

    /// Judged as a login: what is told of it is told by whoever proves it.
    async fn judge(&self, asked: &StepUp<'_, '_>, demands: bool, now: Timestamp) -> Result<Judged, MfaError> {
        let request = Request { client: asked.client.0, awaits_outcome: true, demands, ..Request::of(asked.event) };
        let (judged, share) = self.once_here(|| self.pipeline.judge(request, now)).await?;
        if let Some(share) = share {
            // Whoever proves it at another replica must find it there.
            share.await.map_err(|_| MfaError::Unavailable)?;
        }
        Ok(judged)
    }

    async fn ask(
        &self,
        asked: &StepUp<'_, '_>,
        record: &UserRecord,
        judged: &Judged,
        now: Timestamp,
    ) -> Result<Answered, MfaError> {
        let accepted = self.accepted(asked);
        let mut factors = record.in_order();
        factors.retain(|factor| accepted.has(*factor));
        // Backup codes go with another factor, here as everywhere.
        if factors.iter().all(|factor| *factor == Factor::BackupCode) {
            return Err(MfaError::FactorMissing);
        }
        let is_device_known = self.once_here(|| self.pipeline.knows_device(asked.event)).await?;
        let action = asked.action.map(|action| Act { name: action.name().to_owned(), digest: action.digest() });
        let token = MfaToken {
            kind: TokenKind::StepUp,
            made: now,
            client: asked.client.0,
            decision: judged.id,
            tenant: asked.event.tenant.clone().into_owned(),
            user: asked.event.user.id.clone().into_owned(),
            offered: factors.iter().copied().collect(),
            is_device_known,
            ip: asked.event.ip.ip(),
            email: None,
            session: Some(asked.session.to_owned()),
            action,
        };
        let mfa_token = token.mint(&self.keys)?;
        Ok(Answered::Asked { mfa_token, factors, expires: token.expires(), decision: judged.id })
    }

    /// The factors that are on and do here.
    fn accepted(&self, asked: &StepUp<'_, '_>) -> FactorSet {
        let on = self.settings.factors.set();
        let on = if self.step_up.email_only == EmailOnly::Deny { on.without(Factor::Email) } else { on };
        if asked.is_phishing_resistant { on.both(FactorSet::EMPTY.with(Factor::Webauthn)) } else { on }
    }

    /// Asks until the history is here.
    async fn once_here<T>(&self, ask: impl Fn() -> Result<T, Unvisited>) -> Result<T, MfaError> {
        loop {
            let failed = match ask() {
                Ok(told) => return Ok(told),
                Err(unvisited) => unvisited.fetched().await,
            };
            if let Err(error) = failed {
                self.pipeline.failed(&error);
                return Err(MfaError::Unavailable);
            }
        }
    }
}

pub(super) fn tag(context: &str, text: &str) -> [u8; 16] {
    let hash = blake3::derive_key(context, text.as_bytes());
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests;
