//! The management of factors: by an operator, or by the user within a step-up for it. Who may is the caller's to find out
//! ([`Mfa::may_manage`]).

use super::token::{MfaToken, TokenKind};
use super::user::{FactorId, UserRecord};
use super::{MANAGEMENT, Mfa, MfaError, Required, Shown};
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::Memory;
use crate::pipeline::UserName;
use crate::webhooks::EventKind;

impl<M: Memory> Mfa<M> {
    /// Whether the token is one of a step-up for the management of this user's factors, and was verified.
    ///
    /// # Errors
    ///
    /// It is not; or the record cannot be had.
    pub async fn may_manage(&self, token: &MfaToken, user: UserName<'_>, now: Timestamp) -> Result<(), MfaError> {
        let is_for_it = token.kind == TokenKind::StepUp
            && token.action.as_ref().is_some_and(|action| action.name == MANAGEMENT)
            && (token.tenant.as_str(), token.user.as_str()) == (user.tenant, user.id);
        if is_for_it && self.read_user(user, now).await?.is_proved(token) {
            Ok(())
        } else {
            Err(MfaError::VerificationRequired(Required::StepUp))
        }
    }

    /// All factors of a user.
    ///
    /// # Errors
    ///
    /// The record cannot be had.
    pub async fn factors_of(&self, user: UserName<'_>, now: Timestamp) -> Result<Vec<Shown>, MfaError> {
        Ok(self.read_user(user, now).await?.all_shown())
    }

    /// Removes a factor, or the set of backup codes.
    ///
    /// # Errors
    ///
    /// There is none of this id.
    pub async fn remove_factor(&self, user: UserName<'_>, id: FactorId, now: Timestamp) -> Result<Factor, MfaError> {
        let removed = self.update_user(user, now, |record| {
            if let Some(at) = record.factors.iter().position(|bound| bound.id == id) {
                return Ok(record.factors.remove(at).means.factor());
            }
            record
                .backup_codes
                .take_if(|codes| codes.id == id)
                .map(|_| Factor::BackupCode)
                .ok_or(MfaError::NoSuchFactor)
        });
        let factor = removed.await?;
        self.tell_of(EventKind::FactorRemoved, user, factor, now);
        Ok(factor)
    }

    /// Makes a set of backup codes with a token; the set of before is good no longer.
    ///
    /// # Errors
    ///
    /// Something has to be proved first, they are off, or the user has no other factor.
    pub async fn new_backup_codes(
        &self,
        token: &MfaToken,
        now: Timestamp,
    ) -> Result<(FactorId, Vec<String>), MfaError> {
        let record = self.read_user(token.user(), now).await?;
        self.may_enroll(&record, token)?;
        self.admit_backup_codes(&record)?;
        self.replace_backup_codes(token.user(), now).await
    }

    /// The same by who may manage.
    ///
    /// # Errors
    ///
    /// They are off, or the user has no other factor.
    pub async fn backup_codes_for(
        &self,
        user: UserName<'_>,
        now: Timestamp,
    ) -> Result<(FactorId, Vec<String>), MfaError> {
        let record = self.read_user(user, now).await?;
        self.admit_backup_codes(&record)?;
        self.replace_backup_codes(user, now).await
    }

    fn admit_backup_codes(&self, record: &UserRecord) -> Result<(), MfaError> {
        if !self.on().has(Factor::BackupCode) {
            return Err(MfaError::FactorNotEnabled(self.on()));
        }
        if record.has_primary(self.on()) { Ok(()) } else { Err(MfaError::BackupCodesAlone) }
    }

    /// Makes a set, which is that of the user from then on.
    pub(super) async fn replace_backup_codes(
        &self,
        user: UserName<'_>,
        now: Timestamp,
    ) -> Result<(FactorId, Vec<String>), MfaError> {
        let (set, codes) = self.slow_hashes.new_set(now).await?;
        self.update_user(user, now, |record| {
            // Whoever removed the last factor meanwhile has the last word.
            self.admit_backup_codes(record)?;
            record.backup_codes = Some(set.clone());
            Ok(())
        })
        .await?;
        Ok((set.id, codes))
    }
}

impl UserRecord {
    /// All factors, a set of codes that is used up among them, in the order in which they are offered.
    #[must_use]
    pub fn all_shown(&self) -> Vec<Shown> {
        let mut kinds = self.in_order();
        if !kinds.contains(&Factor::BackupCode) {
            kinds.push(Factor::BackupCode);
        }
        self.shown(&kinds)
    }
}
