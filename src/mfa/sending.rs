//! Challenges and enrolments by a code that is sent.
//!
//! In this order: whether it may be asked for at all, and is not asked for again too soon; the budgets, which are taken before anything
//! is written; the record that permits it, durably, which ends an older code; and then the message. What nobody carried is taken
//! back, from budgets and record, so that it can be asked for again at once.

use super::ask::{Begun, Chosen, Wanted};
use super::budgets::{Admitted, Purpose, Sending};
use super::challenge::{Challenge, ChallengeId, Waiting};
use super::codes::{Code, SentCode};
use super::enroll::{self, Needs, Wish, enrolment};
use super::enrolment::{Binding, Enrolment};
use super::message::{Message, Usage};
use super::recipient::{Channel, Recipient};
use super::token::MfaToken;
use super::user::UserRecord;
use super::{Mfa, MfaError};
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::memory::Memory;
use crate::webhooks::EventKind;

impl<M: Memory> Mfa<M> {
    pub(super) async fn ask_by_message(
        &self,
        token: &MfaToken,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        let record = self.read_user(token.user(), now).await?;
        let chosen = self.choose(&record, token, wanted)?;
        let to = self.recipient(&record, token, chosen)?;
        self.refuse_asking(&record, token, chosen.factor, now)?;
        let admitted = self.admit(&to, Purpose::Verification, token, now).await?;
        let code = Code::random().ok_or(MfaError::Unavailable)?;
        let kept = self.update_user(token.user(), now, |record| {
            // As it was a moment ago, or as whoever was faster left it.
            let chosen = self.choose(record, token, wanted)?;
            if self.recipient(record, token, chosen)? != to {
                return Err(MfaError::CodeNotFound);
            }
            self.refuse_asking(record, token, chosen.factor, now)?;
            let id = ChallengeId::random()?;
            let sent = self.sent(id, &to, &code, now);
            let expires = sent.expires_at().unwrap_or(now).min(token.expires());
            let begun = Begun {
                id,
                factor: chosen.factor,
                masked: Some(to.masked()),
                expires,
                resend_after_s: self.settings.codes.resend_s.get(),
                tries_left: sent.tries_left(&self.settings.codes),
                public_key: None,
            };
            let challenge = Challenge {
                id,
                of: token.decision,
                kind: token.kind,
                side: token.side(),
                factor: chosen.factor,
                factor_id: chosen.id,
                until: token.expires(),
                waiting: Waiting::Sent(sent),
            };
            record.ask(challenge, now);
            Ok(begun)
        });
        let (begun, admitted) = self.or_give_back(kept.await, admitted, now).await?;
        let sent = self.carry(admitted, &to, (Usage::MfaVerification, wanted.locale), &code, token, now).await;
        if let Err(error) = sent {
            let id = begun.id;
            self.update_user(token.user(), now, |record| {
                record.challenges.retain(|challenge| challenge.id != id);
                Ok(())
            })
            .await?;
            return Err(error);
        }
        Ok(begun)
    }

    pub(super) async fn enroll_recipient(
        &self,
        token: &MfaToken,
        wish: Wish<'_>,
        now: Timestamp,
    ) -> Result<enroll::Begun, MfaError> {
        let record = self.read_user(token.user(), now).await?;
        self.admit_enrolment(&record, token, wish.factor)?;
        let to = self.wished(token, wish)?;
        self.refuse_binding(&record, token, &to, now)?;
        let admitted = self.admit(&to, Purpose::Binding, token, now).await?;
        let code = Code::random().ok_or(MfaError::Unavailable)?;
        let kept = self.update_user(token.user(), now, |record| {
            self.admit_enrolment(record, token, wish.factor)?;
            self.refuse_binding(record, token, &to, now)?;
            let id = ChallengeId::random()?;
            let sent = self.sent(id, &to, &code, now);
            let expires = sent.expires_at().unwrap_or(now).min(token.expires());
            let needs = Needs::Code {
                masked: to.masked(),
                resend_after_s: self.settings.codes.resend_s.get(),
                tries_left: sent.tries_left(&self.settings.codes),
            };
            let enrolment = enrolment(id, token, wish, Binding::Sent(to.clone(), sent));
            Ok(record.begin(enrolment, needs, expires, now))
        });
        let (begun, admitted) = self.or_give_back(kept.await, admitted, now).await?;
        let sent = self.carry(admitted, &to, (Usage::BindMfa, wish.locale), &code, token, now).await;
        if let Err(error) = sent {
            let id = begun.id;
            self.update_user(token.user(), now, |record| {
                record.enrolments.retain(|enrolment| enrolment.id != id);
                Ok(())
            })
            .await?;
            return Err(error);
        }
        Ok(begun)
    }

    /// To whom: what is bound, or what the login told, and never what is told now.
    fn recipient(&self, record: &UserRecord, token: &MfaToken, chosen: Chosen) -> Result<Recipient, MfaError> {
        let found = match chosen.id {
            Some(id) => {
                let bound = record.factors.iter().find(|bound| bound.id == id);
                bound.and_then(|bound| bound.means.recipient().cloned())
            }
            None => token.email.as_ref().and_then(|email| Recipient::email(&email.address)),
        };
        found.ok_or_else(|| MfaError::FactorNotEnabled(self.on().without(chosen.factor)))
    }

    /// What is to be bound, as the caller tells it; without an address, that of the login.
    fn wished(&self, token: &MfaToken, wish: Wish<'_>) -> Result<Recipient, MfaError> {
        if wish.factor == Factor::Sms {
            let why = "must be a number in E.164, such as +819012345678, of a line that text messages reach at the usual price";
            let wrong = MfaError::Invalid { field: "phone_number", why };
            let number = wish.phone_number.ok_or_else(|| wrong.clone())?;
            return Recipient::phone(self.pipeline.phones(), number, None).ok_or(wrong);
        }
        let told = || token.email.as_ref().map(|email| email.address.as_str());
        let wrong = MfaError::Invalid { field: "email", why: "must be an email address" };
        wish.email.or_else(told).and_then(Recipient::email).ok_or(wrong)
    }

    /// A factor that sleeps, and a code that was asked for a moment ago.
    fn refuse_asking(
        &self,
        record: &UserRecord,
        token: &MfaToken,
        factor: Factor,
        now: Timestamp,
    ) -> Result<(), MfaError> {
        if let Some(wait_s) = record.failures.locked_s(factor, token.side(), now, &self.settings.failures) {
            return Err(MfaError::Locked { wait_s });
        }
        let of_it = |challenge: &&Challenge| {
            (challenge.of, challenge.kind, challenge.factor) == (token.decision, token.kind, factor)
        };
        let waits = record.challenges.iter().filter(of_it).filter_map(|challenge| match &challenge.waiting {
            Waiting::Sent(sent) => sent.resend_wait_s(now, &self.settings.codes),
            Waiting::Code | Waiting::Passkey(_) | Waiting::Passed(_) => None,
        });
        waits.max().map_or(Ok(()), |wait_s| Err(MfaError::MessagesRateLimited { wait_s }))
    }

    /// What is bound already, and a code that was asked for a moment ago.
    fn refuse_binding(
        &self,
        record: &UserRecord,
        token: &MfaToken,
        to: &Recipient,
        now: Timestamp,
    ) -> Result<(), MfaError> {
        let factor = to.channel().factor();
        let is_same = |other: &Recipient| (other.channel(), other.normalised()) == (to.channel(), to.normalised());
        if record.factors.iter().filter_map(|bound| bound.means.recipient()).any(is_same) {
            let field = match to.channel() {
                Channel::Sms => "phone_number",
                Channel::Email => "email",
            };
            return Err(MfaError::Invalid { field, why: "is a factor of the user already" });
        }
        if let Some(wait_s) = record.failures.locked_s(factor, token.side(), now, &self.settings.failures) {
            return Err(MfaError::Locked { wait_s });
        }
        let of_it = |enrolment: &&Enrolment| {
            (enrolment.of, enrolment.kind, enrolment.factor()) == (token.decision, token.kind, factor)
        };
        let waits = record.enrolments.iter().filter(of_it).filter_map(|enrolment| match &enrolment.binding {
            Binding::Sent(_, sent) => sent.resend_wait_s(now, &self.settings.codes),
            Binding::Totp(_) | Binding::Passkey(_) => None,
        });
        waits.max().map_or(Ok(()), |wait_s| Err(MfaError::MessagesRateLimited { wait_s }))
    }

    async fn admit(
        &self,
        to: &Recipient,
        purpose: Purpose,
        token: &MfaToken,
        now: Timestamp,
    ) -> Result<Admitted, MfaError> {
        let sending = Sending { recipient: to, purpose, source: token.ip };
        let admitted = self.delivery.admit(self.pipeline.memory(), &sending, now).await;
        if let Err(MfaError::MessagesRateLimited { .. }) = admitted {
            self.counts.message_limited();
            self.tell_once(EventKind::MessageRateLimited, token, to.channel().factor(), now);
        }
        admitted
    }

    /// Where the record was not written, nothing is sent.
    async fn or_give_back<T>(
        &self,
        kept: Result<T, MfaError>,
        admitted: Admitted,
        now: Timestamp,
    ) -> Result<(T, Admitted), MfaError> {
        match kept {
            Ok(begun) => Ok((begun, admitted)),
            Err(error) => {
                self.delivery.budgets.give_back(self.pipeline.memory(), admitted, now).await;
                Err(error)
            }
        }
    }

    async fn carry(
        &self,
        admitted: Admitted,
        to: &Recipient,
        (usage, locale): (Usage, Option<&str>),
        code: &Code,
        token: &MfaToken,
        now: Timestamp,
    ) -> Result<(), MfaError> {
        // No more is promised than is kept; a life has a minute or more.
        let minutes = self.settings.code_ttl_s.get() / 60;
        let message = Message { to, usage, locale, code, minutes, ip: token.ip };
        self.delivery.send(self.pipeline.memory(), admitted, &message, now).await
    }

    fn sent(&self, id: ChallengeId, to: &Recipient, code: &Code, now: Timestamp) -> SentCode {
        SentCode::new(&self.code_keys, id.as_bytes(), to, code, now, self.settings.code_ttl_s)
    }
}
