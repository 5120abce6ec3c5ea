//! Answers to challenges.
//!
//! An answer is taken in two steps. The first one takes it, and writes so: from then on the code, the step or the ceremony is used up.
//! Then the decision is settled. The second step writes the proof, and ends the challenge; what is answered rests on it, so that one
//! answer makes one proof, whoever sends it how often. Between the two, the same answer of the same challenge goes on where a process
//! ended: it is neither lost nor good for anything else. Behind the second step the answer is used, and refused as such.

use super::assertion::{self, Statement};
use super::challenge::{ChallengeId, Passed, Waiting};
use super::codes::CodeError;
use super::counted::{Fate, Proved};
use super::recipient::Recipient;
use super::sealing::Use;
use super::tidings::Missed;
use super::token::{MfaToken, TokenKind};
use super::user::{CodeHash, Means, Proof, UserRecord};
use super::{Mfa, MfaError, Next, totp};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;
use crate::memory::decisions::{LoginResult, Report};
use crate::pipeline::SettleError;
use crate::webhooks::EventKind;
use serde_json::Value;
use subtle::ConstantTimeEq;

/// What the user answers.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A code.
    Code(&'a str),
    /// What the browser gives of a passkey.
    Credential(&'a Value),
}

/// What an answer came to.
#[derive(Debug)]
pub struct Verified {
    /// Signed, for the servers of the caller.
    pub assertion: String,
    /// What it says of the proof.
    pub proof: assertion::Proof,
    /// What to do now.
    pub next: Next,
    /// Backup codes that are left, where one was used.
    pub backup_codes_left: Option<usize>,
}

impl<M: Memory> Mfa<M> {
    /// Takes an answer, settles the decision with it, and says so.
    ///
    /// # Errors
    ///
    /// The answer is wrong, late, used, or of another challenge; the factor sleeps; the decision is gone; memory does not answer, and
    /// the same answer is to be sent again.
    pub async fn verify(
        &self,
        token: &MfaToken,
        audience: &str,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Verified, MfaError> {
        let factor = self.taken(token, id, answer, now).await?;
        // A prompt is no decision.
        if matches!(token.kind, TokenKind::Login | TokenKind::StepUp) {
            self.settle(token, factor, now).await?;
        }
        let (proof, next, left) = self.concluded(token, id, now).await?;
        let assertion = self.assert(token, audience, assertion::Proof::from(&proof), now)?;
        Ok(Verified { assertion, proof: (&proof).into(), next, backup_codes_left: left })
    }

    /// Takes an answer on a page of ours. Its decision is settled when the browser goes back with it, and not before.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub async fn prove(
        &self,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Next, MfaError> {
        self.taken(token, id, answer, now).await?;
        self.concluded(token, id, now).await.map(|(_, next, _)| next)
    }

    /// The first step.
    async fn taken(
        &self,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Factor, MfaError> {
        let hashed = self.slow_hash(token, id, answer, now).await?;
        let trial = Trial { mfa: self, token, id, answer, hashed, now };
        let mut missed = None;
        let taken = self.update_user(token.user(), now, |record| trial.take(record, &mut missed)).await;
        if let Some(missed) = missed {
            self.tell_of_failure(token, missed, now);
        }
        taken
    }

    /// The second step.
    async fn concluded(
        &self,
        token: &MfaToken,
        id: ChallengeId,
        now: Timestamp,
    ) -> Result<(Proof, Next, Option<usize>), MfaError> {
        let concluded = self.update_user(token.user(), now, |record| self.conclude(record, token, id, now)).await?;
        self.counts.challenge(concluded.0.factor, Fate::Passed);
        self.tell(EventKind::MfaSucceeded, token, concluded.0.factor, now);
        Ok(concluded)
    }

    /// Signs what was proved.
    ///
    /// # Errors
    ///
    /// There is no randomness.
    pub fn assert(
        &self,
        token: &MfaToken,
        audience: &str,
        proof: assertion::Proof,
        now: Timestamp,
    ) -> Result<String, MfaError> {
        let mut decision_id = [0; 36];
        let statement = Statement {
            audience,
            subject: &token.user,
            tenant: &token.tenant,
            session: token.session.as_deref(),
            proof,
            decision_id: token.decision.encode(&mut decision_id),
            act: token.action.as_ref(),
        };
        let signed = self.signer.sign(&statement, now).map_err(|_| MfaError::Unavailable)?;
        self.counts.proof(Proved::Signed);
        Ok(signed.text)
    }

    /// The hash of a backup code, which takes a while, before anything is decided. Of a factor that sleeps, none is made.
    async fn slow_hash(
        &self,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Option<Hashed>, MfaError> {
        let Answer::Code(code) = answer else { return Ok(None) };
        let record = self.read_user(token.user(), now).await?;
        let challenge = record.challenges.get(record.challenge(token, id)?);
        let is_asked = challenge.is_some_and(|challenge| {
            challenge.factor == Factor::BackupCode && matches!(challenge.waiting, Waiting::Code)
        });
        let settings = &self.settings.failures;
        if !is_asked || record.failures.locked_s(Factor::BackupCode, token.side(), now, settings).is_some() {
            return Ok(None);
        }
        let Some(salt) = record.backup_codes.map(|codes| codes.salt) else { return Ok(None) };
        let hash = self.slow_hashes.hash(salt, code).await?;
        Ok(hash.map(|hash| Hashed { salt, hash }))
    }

    /// The first step alone, as a process leaves it that ends behind it.
    #[cfg(test)]
    pub(super) fn take(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Factor, MfaError> {
        Trial { mfa: self, token, id, answer, hashed: None, now }.take(record, &mut None)
    }

    async fn settle(&self, token: &MfaToken, factor: Factor, now: Timestamp) -> Result<(), MfaError> {
        let report = Report {
            client: token.client,
            result: LoginResult::Success,
            factor: Some(factor),
            verified_here: FactorSet::EMPTY,
        };
        let settled = self.pipeline.settle(token.decision, report, now).await;
        settled.map_err(|error| match error {
            SettleError::NotFound => MfaError::DecisionNotFound,
            SettleError::Refused(_) => MfaError::DecisionSettled,
            SettleError::Memory(_) => MfaError::Unavailable,
        })
    }

    fn conclude(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        id: ChallengeId,
        now: Timestamp,
    ) -> Result<(Proof, Next, Option<usize>), MfaError> {
        let at = record.challenge(token, id)?;
        let Waiting::Passed(passed) = &record.challenges[at].waiting else { return Err(MfaError::CodeNotFound) };
        let passed = passed.clone();
        let challenge = record.challenges.remove(at);
        let factor = challenge.factor;
        let proof = Proof {
            of: token.decision,
            kind: token.kind,
            client: token.client,
            factor,
            at: passed.at,
            is_of_contact: factor == Factor::Email && challenge.factor_id.is_none(),
            is_bound_to_device: passed.is_bound_to_device,
            session: token.session.clone(),
            action: token.action.clone(),
        };
        record.prove(proof.clone());
        record.forget_ended(now);
        let left = record.backup_codes.as_ref().map(|codes| codes.unused.len());
        let left = left.filter(|_| factor == Factor::BackupCode);
        Ok((proof, self.next(record, token), left))
    }
}

impl From<&Proof> for assertion::Proof {
    fn from(proof: &Proof) -> Self {
        Self { factor: proof.factor, at_s: proof.at.unix_s(), is_bound_to_device: proof.is_bound_to_device }
    }
}

/// The slow hash of what is said to be a code of the set with this salt.
#[derive(Debug, Clone, Copy)]
struct Hashed {
    salt: [u8; 16],
    hash: CodeHash,
}

/// One answer to one challenge, held against a record.
struct Trial<'a, M> {
    mfa: &'a Mfa<M>,
    token: &'a MfaToken,
    id: ChallengeId,
    answer: Answer<'a>,
    hashed: Option<Hashed>,
    now: Timestamp,
}

/// What an answer is worth.
enum Refused {
    /// It was a guess.
    Wrong(MfaError),
    /// It was none.
    Other(MfaError),
}

impl<M: Memory> Trial<'_, M> {
    /// The first step: takes the answer, or counts it as wrong.
    fn take(&self, record: &mut UserRecord, missed: &mut Option<Missed>) -> Result<Factor, MfaError> {
        *missed = None;
        let at = record.challenge(self.token, self.id)?;
        let factor = record.challenges[at].factor;
        if let Waiting::Passed(passed) = &record.challenges[at].waiting {
            let is_same = bool::from(passed.answer.ct_eq(&self.fingerprint()));
            return if is_same { Ok(factor) } else { Err(MfaError::CodeNotFound) };
        }
        let (side, settings) = (self.token.side(), &self.mfa.settings.failures);
        if let Some(wait_s) = record.failures.locked_s(factor, side, self.now, settings) {
            *missed = Some(Missed { factor, was_asleep: true, is_asleep: true });
            return Err(MfaError::Locked { wait_s });
        }
        match self.judge(record, at) {
            Ok(is_bound_to_device) => {
                let passed = Passed { at: self.now, answer: self.fingerprint(), is_bound_to_device };
                record.challenges[at].waiting = Waiting::Passed(passed);
                Ok(factor)
            }
            Err(Refused::Other(error)) => Err(error),
            Err(Refused::Wrong(error)) => {
                if matches!(record.challenges[at].waiting, Waiting::Passkey(_)) {
                    record.challenges.remove(at);
                }
                let is_asleep = record.failures.failed(factor, side, self.now, settings).is_some();
                *missed = Some(Missed { factor, was_asleep: false, is_asleep });
                Err(error)
            }
        }
    }

    /// Whether the answer is right; of a passkey, whether its key stays in one device.
    fn judge(&self, record: &mut UserRecord, at: usize) -> Result<bool, Refused> {
        match (record.challenges[at].factor, self.answer) {
            (Factor::Totp, Answer::Code(code)) => self.totp(record, code).map(|()| false),
            (Factor::BackupCode, Answer::Code(_)) => self.backup_code(record).map(|()| false),
            (Factor::Sms | Factor::Email, Answer::Code(code)) => self.sent(record, at, code).map(|()| false),
            (Factor::Webauthn, Answer::Credential(credential)) => self.passkey(record, at, credential),
            (Factor::Webauthn, Answer::Code(_)) => Err(Refused::Other(PASSKEY_WANTED)),
            (_, Answer::Credential(_)) => Err(Refused::Other(CODE_WANTED)),
        }
    }

    fn totp(&self, record: &mut UserRecord, code: &str) -> Result<(), Refused> {
        let of = self.token.decision;
        for bound in record.factors.iter_mut().filter(|bound| bound.bound_in != of) {
            if let Means::Totp { secret, last_step } = &mut bound.means
                && let Some(step) = totp::accepted_step(&secret.0, Some(*last_step), code, self.now)
            {
                *last_step = step;
                bound.last_used = Some(self.now);
                return Ok(());
            }
        }
        Err(Refused::Wrong(MfaError::InvalidTotpCode))
    }

    fn backup_code(&self, record: &mut UserRecord) -> Result<(), Refused> {
        let codes = record.backup_codes.as_mut();
        let taken = codes
            .zip(self.hashed)
            .is_some_and(|(codes, hashed)| codes.salt == hashed.salt && codes.take(&hashed.hash, self.now));
        if taken { Ok(()) } else { Err(Refused::Wrong(MfaError::InvalidBackupCode)) }
    }

    fn sent(&self, record: &mut UserRecord, at: usize, code: &str) -> Result<(), Refused> {
        let factor_id = record.challenges[at].factor_id;
        let bound = record.factors.iter_mut().find(|bound| Some(bound.id) == factor_id);
        let told = || self.token.email.as_ref().and_then(|email| Recipient::email(&email.address));
        let to = match &bound {
            Some(bound) => bound.means.recipient().cloned(),
            None if factor_id.is_none() => told(),
            None => None,
        };
        let to = to.ok_or(Refused::Other(MfaError::CodeNotFound))?;
        let Waiting::Sent(sent) = &mut record.challenges[at].waiting else {
            return Err(Refused::Other(MfaError::CodeNotFound));
        };
        let (keys, codes) = (&self.mfa.code_keys, &self.mfa.settings.codes);
        sent.verify(keys, self.id.as_bytes(), &to, code, self.now, codes).map_err(refused_code)?;
        if let Some(bound) = bound {
            bound.last_used = Some(self.now);
        }
        Ok(())
    }

    fn passkey(&self, record: &mut UserRecord, at: usize, credential: &Value) -> Result<bool, Refused> {
        let wrong = || Refused::Wrong(MfaError::WebauthnFailed);
        let relying = self.mfa.relying.as_ref().ok_or_else(wrong)?;
        let Waiting::Passkey(waiting) = &record.challenges[at].waiting else { return Err(wrong()) };
        let of = self.token.decision;
        let is_usable = |means: &Means, bound_in| matches!(means, Means::Webauthn { .. }) && bound_in != of;
        let mut usable: Vec<_> =
            record.factors.iter_mut().filter(|bound| is_usable(&bound.means, bound.bound_in)).collect();
        let credentials: Vec<&str> = usable.iter().filter_map(|bound| bound.means.credential()).collect();
        let proved = relying.finish_authentication(waiting, credential, &credentials, self.now);
        let proved = proved.map_err(|_| wrong())?;
        let bound = usable.get_mut(proved.at).ok_or_else(wrong)?;
        bound.means = Means::Webauthn { credential: proved.credential };
        bound.last_used = Some(self.now);
        Ok(proved.is_bound_to_device)
    }

    /// What tells this answer to this challenge from others. Of a code, nobody without the key finds it by trying all.
    fn fingerprint(&self) -> [u8; 32] {
        let key = self.mfa.keys.of(Use::Codes).first().copied().unwrap_or_default();
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(self.id.as_bytes());
        match self.answer {
            Answer::Code(code) => hasher.update(b"code").update(code.as_bytes()),
            Answer::Credential(credential) => hasher.update(b"credential").update(credential.to_string().as_bytes()),
        };
        *hasher.finalize().as_bytes()
    }
}

pub(super) const PASSKEY_WANTED: MfaError =
    MfaError::Invalid { field: "credential", why: "a passkey answers with credential, as the browser gives it" };
pub(super) const CODE_WANTED: MfaError = MfaError::Invalid { field: "code", why: "this factor answers with code" };

fn refused_code(error: CodeError) -> Refused {
    match error {
        CodeError::Mismatch => Refused::Wrong(error.into()),
        CodeError::NotFound | CodeError::OtherTarget | CodeError::Expired | CodeError::TooManyTries => {
            Refused::Other(error.into())
        }
    }
}
