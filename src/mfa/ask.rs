//! Beginning a challenge.

use super::challenge::{Challenge, ChallengeId, Waiting};
use super::counted::Fate;
use super::token::MfaToken;
use super::user::{FactorId, UserRecord};
use super::webauthn::CEREMONY_S;
use super::{Mfa, MfaError};
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::Memory;
use serde_json::Value;

/// What the caller wants to be asked for; of nothing, what is offered first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// A factor of this kind.
    pub factor: Option<Factor>,
    /// This one.
    pub id: Option<FactorId>,
    /// The language that the user reads.
    pub locale: Option<&'a str>,
}

/// A challenge that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Names it.
    pub id: ChallengeId,
    /// What is asked for.
    pub factor: Factor,
    /// What may be shown of number or address.
    pub masked: Option<String>,
    /// When it is too late for an answer.
    pub expires: Timestamp,
    /// Seconds until another message may be sent.
    pub resend_after_s: u32,
    /// How often the answer may be wrong.
    pub tries_left: u32,
    /// For the browser, of a passkey.
    pub public_key: Option<Value>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) factor: Factor,
    /// Which of the user's; none of passkeys, backup codes, and an address that the login told.
    pub(super) id: Option<FactorId>,
}

impl<M: Memory> Mfa<M> {
    /// Begins a challenge.
    ///
    /// # Errors
    ///
    /// The factor is not offered here, sleeps, or its message cannot be sent.
    pub async fn begin(&self, token: &MfaToken, wanted: Wanted<'_>, now: Timestamp) -> Result<Begun, MfaError> {
        let record = self.read_user(token.user(), now).await?;
        let factor = self.choose(&record, token, wanted)?.factor;
        let begun = if matches!(factor, Factor::Sms | Factor::Email) {
            Box::pin(self.ask_by_message(token, wanted, now)).await
        } else {
            self.ask_for_what_is_there(token, wanted, now).await
        };
        match &begun {
            Ok(begun) => self.counts.challenge(begun.factor, Fate::Begun),
            Err(MfaError::Locked { .. }) => self.counts.challenge(factor, Fate::Locked),
            Err(_) => {}
        }
        begun
    }

    /// By what the user has: nothing is sent.
    async fn ask_for_what_is_there(
        &self,
        token: &MfaToken,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        self.update_user(token.user(), now, |record| {
            let chosen = self.choose(record, token, wanted)?;
            let settings = &self.settings.failures;
            if let Some(wait_s) = record.failures.locked_s(chosen.factor, token.side(), now, settings) {
                return Err(MfaError::Locked { wait_s });
            }
            match chosen.factor {
                Factor::Totp | Factor::BackupCode => self.ask_for_code(record, token, chosen, now),
                Factor::Webauthn => self.ask_for_passkey(record, token, chosen, now),
                // It was another one a moment ago.
                Factor::Sms | Factor::Email => Err(MfaError::FactorNotEnabled(self.on())),
            }
        })
        .await
    }

    pub(super) fn choose(&self, record: &UserRecord, token: &MfaToken, wanted: Wanted<'_>) -> Result<Chosen, MfaError> {
        let usable = record.usable(token, self.on());
        let refused = || MfaError::FactorNotEnabled(usable.iter().copied().collect());
        if let Some(id) = wanted.id {
            let bound = usable.iter().flat_map(|factor| record.bound(*factor, token)).find(|bound| bound.id == id);
            let codes =
                record.backup_codes.as_ref().filter(|codes| codes.id == id && usable.contains(&Factor::BackupCode));
            let factor = bound.map(|bound| bound.means.factor()).or(codes.map(|_| Factor::BackupCode));
            let factor = factor.filter(|factor| wanted.factor.is_none_or(|wanted| wanted == *factor));
            return factor.map(|factor| Chosen { factor, id: bound.map(|bound| bound.id) }).ok_or_else(refused);
        }
        let told = || self.may_prove_email(token).then_some(Factor::Email);
        let factor = match wanted.factor {
            None => usable.first().copied().or_else(told).ok_or(MfaError::FactorMissing)?,
            Some(factor) if usable.contains(&factor) => factor,
            Some(Factor::Email) => told().ok_or_else(refused)?,
            Some(_) => return Err(refused()),
        };
        let last_used = record.bound(factor, token).max_by_key(|bound| bound.last_used).map(|bound| bound.id);
        Ok(Chosen { factor, id: last_used.filter(|_| factor != Factor::Webauthn) })
    }

    fn ask_for_code(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        chosen: Chosen,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        let challenge = challenge(token, chosen, Waiting::Code)?;
        let begun = self.begun(record, token, &challenge, now);
        record.ask(challenge, now);
        Ok(begun)
    }

    fn ask_for_passkey(
        &self,
        record: &mut UserRecord,
        token: &MfaToken,
        chosen: Chosen,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        let relying = self.relying.as_ref().ok_or(MfaError::WebauthnFailed)?;
        let usable = record.bound(Factor::Webauthn, token);
        let credentials: Vec<&str> = usable.filter_map(|bound| bound.means.credential()).collect();
        let begun = relying.begin_authentication(&credentials, now);
        let (public_key, waiting) = begun.map_err(|_| MfaError::WebauthnFailed)?;
        let challenge = challenge(token, Chosen { id: None, ..chosen }, Waiting::Passkey(waiting))?;
        let expires = Timestamp::from_unix_ms(now.unix_ms() + i64::from(CEREMONY_S) * 1000).unwrap_or(now);
        let expires = expires.min(token.expires());
        let begun = Begun { public_key: Some(public_key), expires, ..self.begun(record, token, &challenge, now) };
        record.ask(challenge, now);
        Ok(begun)
    }

    fn begun(&self, record: &UserRecord, token: &MfaToken, challenge: &Challenge, now: Timestamp) -> Begun {
        let tries_left = record.failures.left(challenge.factor, token.side(), now, &self.settings.failures);
        Begun {
            id: challenge.id,
            factor: challenge.factor,
            masked: None,
            expires: token.expires(),
            resend_after_s: 0,
            tries_left,
            public_key: None,
        }
    }
}

fn challenge(token: &MfaToken, chosen: Chosen, waiting: Waiting) -> Result<Challenge, MfaError> {
    Ok(Challenge {
        id: ChallengeId::random()?,
        of: token.decision,
        kind: token.kind,
        side: token.side(),
        factor: chosen.factor,
        factor_id: chosen.id,
        until: token.expires(),
        waiting,
    })
}
