//! Binding factors: begun with a token that admits it, ended when the user shows to have what is bound.

use super::challenge::ChallengeId;
use super::codes::CodeError;
use super::enrolment::{Binding, Enrolment};
use super::token::MfaToken;
use super::user::{BoundFactor, FactorId, Hidden, Means, UserRecord};
use super::verify::Answer;
use super::webauthn::{CEREMONY_S, Registrant};
use super::{Mfa, MfaError, totp};
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::Memory;
use crate::webhooks::EventKind;
use serde_json::Value;

/// What is to be bound.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// A factor of this kind.
    pub factor: Factor,
    /// Of `sms`, the number.
    pub phone_number: Option<&'a str>,
    /// Of `email`, the address; without one, that of the login.
    pub email: Option<&'a str>,
    /// Of `totp`, a secret that an app has already.
    pub secret: Option<&'a str>,
    /// What the user calls it.
    pub label: Option<&'a str>,
    /// The language that the user reads.
    pub locale: Option<&'a str>,
}

/// An enrolment that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Names it.
    pub id: ChallengeId,
    /// What is bound.
    pub factor: Factor,
    /// When it is over.
    pub expires: Timestamp,
    /// What it takes.
    pub needs: Needs,
}

/// What binding takes.
#[derive(Debug)]
pub enum Needs {
    /// An app that is given a secret.
    App {
        /// For who types it.
        secret: String,
        /// For who follows it.
        uri: String,
        /// For who photographs it.
        qr_svg: Option<String>,
    },
    /// A code that was sent.
    Code {
        /// What may be shown of number or address.
        masked: String,
        /// Seconds until another message may be sent.
        resend_after_s: u32,
        /// How often the code may be wrong.
        tries_left: u32,
    },
    /// A passkey: the options for the browser.
    Passkey(Value),
}

/// A factor that was bound.
#[derive(Debug)]
pub struct Bound {
    /// Names it.
    pub id: FactorId,
    /// Backup codes, which are shown once; there with the first factor.
    pub backup_codes: Option<Vec<String>>,
}

/// Factors of a user, of all kinds together; some 150 bytes each, of a passkey some 700.
const FACTORS_MAX: usize = 20;
/// Enrolments at a time; the oldest one goes.
const ENROLMENTS_MAX: usize = 4;

impl<M: Memory> Mfa<M> {
    /// Begins to bind a factor; backup codes are made by [`Self::new_backup_codes`].
    ///
    /// # Errors
    ///
    /// Something has to be proved first, the factor is off, or there already, or its message cannot be sent.
    pub async fn enroll(&self, token: &MfaToken, wish: Wish<'_>, now: Timestamp) -> Result<Begun, MfaError> {
        match wish.factor {
            Factor::Totp => {
                let secret = match wish.secret {
                    Some(text) => totp::import(text)
                        .ok_or(MfaError::Invalid { field: "secret", why: "must have 16 to 32 characters of base32" })?,
                    None => totp::random_secret().map_err(|_| MfaError::Unavailable)?,
                };
                let user = token.user();
                self.update_user(user, now, |record| self.enroll_app(record, token, wish, &secret, now)).await
            }
            Factor::Webauthn => {
                self.update_user(token.user(), now, |record| self.enroll_passkey(record, token, wish, now)).await
            }
            Factor::Sms | Factor::Email => self.enroll_recipient(token, wish, now).await,
            Factor::BackupCode => Err(MfaError::BackupCodesAlone),
        }
    }

    /// Ends an enrolment, and makes backup codes with the first factor.
    ///
    /// # Errors
    ///
    /// The answer is wrong or late, or there is no such enrolment.
    pub async fn bind(
        &self,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Bound, MfaError> {
        let user = token.user();
        let (bound, factor, needs_codes) =
            self.update_user(user, now, |record| self.take_binding(record, token, id, answer, now)).await?;
        self.tell(EventKind::FactorBound, token, factor, now);
        // Made behind the check: a guess must not cost ten slow hashes. A process that ends here leaves `next` at backup_codes.
        let backup_codes = if needs_codes { Some(self.replace_backup_codes(user, now).await?.1) } else { None };
        Ok(Bound { id: bound, backup_codes })
    }

    /// What every enrolment takes.
    pub(super) fn admit_enrolment(
        &self,
        record: &UserRecord,
        token: &MfaToken,
        factor: Factor,
    ) -> Result<(), MfaError> {
        if !self.on().has(factor) {
            return Err(MfaError::FactorNotEnabled(self.on()));
        }
        self.may_enroll(record, token)?;
        let has_app = || record.factors.iter().any(|bound| matches!(bound.means, Means::Totp { .. }));
        if factor == Factor::Totp && has_app() {
            return Err(MfaError::TotpInUse);
        }
        if record.factors.len() >= FACTORS_MAX {
            return Err(MfaError::Invalid { field: "factor", why: "the user has twenty factors: remove one first" });
        }
        Ok(())
    }

    fn enroll_app(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        wish: Wish<'_>,
        secret: &[u8],
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        self.admit_enrolment(record, token, Factor::Totp)?;
        let needs = self.needs_of_app(secret, wish.label.unwrap_or(&token.user));
        let enrolment = enrolment(ChallengeId::random()?, token, wish, Binding::Totp(Hidden(secret.to_vec())));
        Ok(record.begin(enrolment, needs, token.expires(), now))
    }

    fn enroll_passkey(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        wish: Wish<'_>,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        self.admit_enrolment(record, token, Factor::Webauthn)?;
        let relying = self.relying.as_ref().ok_or(MfaError::WebauthnFailed)?;
        let handle = match record.handle {
            Some(handle) => handle,
            None => super::webauthn::Handle::random().map_err(|_| MfaError::Unavailable)?,
        };
        record.handle = Some(handle);
        let existing: Vec<&str> = record.factors.iter().filter_map(|bound| bound.means.credential()).collect();
        let who = Registrant { handle, name: wish.label.unwrap_or(&token.user) };
        let begun = relying.begin_registration(who, &existing, now);
        let (options, registering) = begun.map_err(|_| MfaError::WebauthnFailed)?;
        let expires = Timestamp::from_unix_ms(now.unix_ms() + i64::from(CEREMONY_S) * 1000).unwrap_or(now);
        let enrolment = enrolment(ChallengeId::random()?, token, wish, Binding::Passkey(registering));
        Ok(record.begin(enrolment, Needs::Passkey(options), expires.min(token.expires()), now))
    }

    /// Binds, or counts a wrong answer.
    fn take_binding(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        id: ChallengeId,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<(FactorId, Factor, bool), MfaError> {
        record.forget_ended(now);
        let is_it = |enrolment: &Enrolment| {
            enrolment.id == id && enrolment.of == token.decision && enrolment.kind == token.kind
        };
        let at = record.enrolments.iter().position(is_it).ok_or(MfaError::CodeNotFound)?;
        let factor = record.enrolments[at].factor();
        self.admit_enrolment(record, token, factor)?;
        let (side, settings) = (token.side(), &self.settings.failures);
        if let Some(wait_s) = record.failures.locked_s(factor, side, now, settings) {
            return Err(MfaError::Locked { wait_s });
        }
        let means = match self.judge_binding(record, at, answer, now) {
            Ok(means) => means,
            Err((error, is_guess)) => {
                if is_guess {
                    record.failures.failed(factor, side, now, settings);
                }
                // A ceremony is good for one answer.
                if error == MfaError::WebauthnFailed {
                    record.enrolments.remove(at);
                }
                return Err(error);
            }
        };
        let enrolment = record.enrolments.remove(at);
        let had_primary = record.has_primary(self.on());
        let bound = FactorId::random()?;
        record.factors.push(BoundFactor {
            id: bound,
            means,
            label: enrolment.label,
            bound: now,
            bound_in: token.decision,
            last_used: None,
        });
        let needs_codes = !had_primary && self.on().has(Factor::BackupCode) && !record.has_backup_codes();
        Ok((bound, factor, needs_codes))
    }

    /// What is bound, where the answer is right; and whether it was a guess, where not.
    fn judge_binding(
        &self,
        record: &mut UserRecord,
        at: usize,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<Means, (MfaError, bool)> {
        let Enrolment { id, binding, .. } = &mut record.enrolments[at];
        match (binding, answer) {
            (Binding::Totp(secret), Answer::Code(code)) => totp::accepted_step(&secret.0, None, code, now)
                .map(|last_step| Means::Totp { secret: secret.clone(), last_step })
                .ok_or((MfaError::InvalidTotpCode, true)),
            (Binding::Sent(to, sent), Answer::Code(code)) => {
                let (to, keys, codes) = (to.clone(), &self.code_keys, &self.settings.codes);
                sent.verify(keys, id.as_bytes(), &to, code, now, codes)
                    .map(|()| Means::of(to))
                    .map_err(|error| (MfaError::from(error), error == CodeError::Mismatch))
            }
            (Binding::Passkey(registering), Answer::Credential(credential)) => {
                let existing: Vec<&str> = record.factors.iter().filter_map(|bound| bound.means.credential()).collect();
                let relying = self.relying.as_ref().ok_or((MfaError::WebauthnFailed, false))?;
                relying
                    .finish_registration(registering, credential, &existing, now)
                    .map(|credential| Means::Webauthn { credential })
                    .map_err(|_| (MfaError::WebauthnFailed, true))
            }
            (Binding::Passkey(_), Answer::Code(_)) => Err((super::verify::PASSKEY_WANTED, false)),
            (_, Answer::Credential(_)) => Err((super::verify::CODE_WANTED, false)),
        }
    }
}

impl<M> Mfa<M> {
    /// What an enrolment of this token takes, told again, where it is there still; a passkey's ceremony is begun anew.
    #[must_use]
    pub fn needs_again(&self, record: &UserRecord, token: &MfaToken, id: ChallengeId) -> Option<Needs> {
        let is_it = |enrolment: &&Enrolment| {
            enrolment.id == id && enrolment.of == token.decision && enrolment.kind == token.kind
        };
        let enrolment = record.enrolments.iter().find(is_it)?;
        match &enrolment.binding {
            Binding::Totp(Hidden(secret)) => {
                Some(self.needs_of_app(secret, enrolment.label.as_deref().unwrap_or(&token.user)))
            }
            Binding::Sent(to, sent) => Some(Needs::Code {
                masked: to.masked(),
                resend_after_s: self.settings.codes.resend_s.get(),
                tries_left: sent.tries_left(&self.settings.codes),
            }),
            Binding::Passkey(_) => None,
        }
    }

    fn needs_of_app(&self, secret: &[u8], name: &str) -> Needs {
        let uri = totp::uri(secret, self.settings.issuer.as_str(), name);
        let qr_svg = totp::qr_svg(&uri);
        Needs::App { secret: totp::written(secret), uri, qr_svg }
    }
}

impl UserRecord {
    /// Whether there is a backup code left.
    #[must_use]
    pub fn has_backup_codes(&self) -> bool {
        self.backup_codes.as_ref().is_some_and(|codes| !codes.unused.is_empty())
    }

    /// Keeps an enrolment: in place of one of the same login and factor.
    pub(super) fn begin(&mut self, enrolment: Enrolment, needs: Needs, expires: Timestamp, now: Timestamp) -> Begun {
        self.forget_ended(now);
        let (of, kind, factor) = (enrolment.of, enrolment.kind, enrolment.factor());
        self.enrolments.retain(|other| (other.of, other.kind, other.factor()) != (of, kind, factor));
        if self.enrolments.len() >= ENROLMENTS_MAX {
            self.enrolments.remove(0);
        }
        let begun = Begun { id: enrolment.id, factor, expires, needs };
        self.enrolments.push(enrolment);
        begun
    }
}

pub(super) fn enrolment(id: ChallengeId, token: &MfaToken, wish: Wish<'_>, binding: Binding) -> Enrolment {
    Enrolment {
        id,
        of: token.decision,
        kind: token.kind,
        label: wish.label.map(str::to_owned),
        until: token.expires(),
        binding,
    }
}
