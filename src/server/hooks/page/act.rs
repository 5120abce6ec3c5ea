//! What a form asks for, done. What is refused stands above the same form again, or above what is next.

use super::Page;
use super::form::Form;
use super::visit::{Purpose, Refused, Task};
use crate::event::Factor;
use crate::memory::Memory;
use crate::mfa::ask::Wanted;
use crate::mfa::challenge::ChallengeId;
use crate::mfa::enroll::Wish;
use crate::mfa::recipient::Recipient;
use crate::mfa::token::TokenKind;
use crate::mfa::user::FactorId;
use crate::mfa::verify::Answer as Given;
use crate::mfa::{MfaError, MfaToken, Next, UserRecord};
use crate::pages::{Dead, EnterCode, Notice, Screen};
use crate::server::Answer;
use serde_json::Value;

/// What the user has, and what is asked of them.
struct Asked {
    record: UserRecord,
    token: MfaToken,
    purpose: Purpose,
}

impl<M: Memory> Page<'_, M> {
    /// Does what a form asks for.
    pub(super) async fn act(&self, form: &Form) -> Result<Answer, Refused> {
        let asked = self.asked().await?;
        match form.verb.as_str() {
            "ask" => self.ask(&asked, form).await,
            "answer" => self.answer(&asked, form).await,
            "enroll" => self.enroll(&asked, form).await,
            "bind" => self.bind(&asked, form).await,
            "codes" => self.codes(&asked).await,
            "skip" => self.skip(&asked).await,
            "leave" => self.leave(&asked.record, (&asked.token, asked.purpose)).await,
            _ => Err(Dead::FormRefused.into()),
        }
    }

    async fn asked(&self) -> Result<Asked, MfaError> {
        let record = self.mfa.read_user(self.visit.user(), self.now).await?;
        let (token, purpose) = self.visit.token(self.mfa, &record);
        Ok(Asked { record, token, purpose })
    }

    /// Begins a challenge.
    async fn ask(&self, asked: &Asked, form: &Form) -> Result<Answer, Refused> {
        match self.mfa.begin(&asked.token, self.wanted(form), self.now).await {
            Ok(begun) => {
                let is_sent = matches!(begun.factor, Factor::Sms | Factor::Email);
                let others = (form.id.as_str(), self.has_others(asked));
                Ok(self.challenge(&begun, others, is_sent.then_some(Notice::Sent)))
            }
            // What was sent before may be good still.
            Err(error) => self.asked_again(asked, (form, &form.challenge), notice_of(&error).ok_or(error)?).await,
        }
    }

    /// Takes the answer to a challenge; what an app or a set of codes gives is asked for and answered at once.
    async fn answer(&self, asked: &Asked, form: &Form) -> Result<Answer, Refused> {
        let begun = match form.challenge.as_str() {
            "" => self.mfa.begin(&asked.token, self.wanted(form), self.now).await.map(|begun| begun.id),
            text => ChallengeId::parse(text).ok_or(MfaError::CodeNotFound),
        };
        let (id, proved) = match begun {
            Ok(id) => (id.to_string(), self.proved(asked, id, form).await),
            Err(error) => (String::new(), Err(error)),
        };
        match proved {
            // A step-up is over with its proof, which the server is waiting for.
            Ok(Some(assertion)) => Ok(self.with_assertion(&assertion)),
            Ok(None) => self.go_on().await,
            Err(error) => self.asked_again(asked, (form, &id), notice_of(&error).ok_or(error)?).await,
        }
    }

    /// Takes an answer, and gives the assertion that a server is to be told.
    async fn proved(&self, asked: &Asked, id: ChallengeId, form: &Form) -> Result<Option<String>, MfaError> {
        let credential = credential(form)?;
        let code = form.code.to_ascii_lowercase();
        let given = given(credential.as_ref(), &code);
        match &self.visit.task {
            Task::Hosted(hosted) if hosted.token.kind == TokenKind::StepUp => {
                let verified = self.mfa.verify(&asked.token, &hosted.audience, id, given, self.now).await?;
                Ok(Some(verified.assertion))
            }
            Task::Hosted(_) | Task::Demand(_) => {
                self.mfa.prove(&asked.token, id, given, self.now).await?;
                Ok(None)
            }
        }
    }

    /// The same form again, where its challenge is there still; else what is next.
    async fn asked_again(
        &self,
        asked: &Asked,
        (form, challenge): (&Form, &str),
        notice: Notice,
    ) -> Result<Answer, Refused> {
        let Asked { record, token, .. } = &self.asked().await?;
        let id = ChallengeId::parse(challenge);
        let known =
            id.and_then(|id| record.challenges.iter().find(|known| known.id == id && known.of == token.decision));
        let Some(known) = known.filter(|known| known.factor != Factor::Webauthn) else {
            return self.first(Some(notice)).await.map_err(Refused::from);
        };
        let bound = record.factors.iter().find(|bound| Some(bound.id) == known.factor_id);
        let masked = match bound {
            Some(bound) => bound.means.recipient().map(Recipient::masked),
            None => super::show::masked_email(token).filter(|_| known.factor == Factor::Email),
        };
        let code = EnterCode {
            factor: known.factor,
            challenge: Some(challenge),
            masked: masked.as_deref(),
            id: &form.id,
            resend_after_s: 0,
            has_others: self.has_others(asked),
        };
        Ok(self.show(&Screen::EnterCode(code), Some(notice)))
    }

    /// Begins to bind a factor.
    async fn enroll(&self, asked: &Asked, form: &Form) -> Result<Answer, Refused> {
        let Some(factor) = form.factor else { return Err(Dead::FormRefused.into()) };
        let given = if factor == Factor::Sms { form.phone_number.trim() } else { form.email.trim() };
        let is_told = factor == Factor::Email && asked.token.email.is_some();
        if matches!(factor, Factor::Sms | Factor::Email) && given.is_empty() && !is_told {
            return Ok(self.show(&Screen::EnrollRecipient { factor, given: None }, None));
        }
        let named = Some(given).filter(|given| !given.is_empty());
        let wish = Wish {
            factor,
            phone_number: named.filter(|_| factor == Factor::Sms),
            email: named.filter(|_| factor == Factor::Email),
            secret: None,
            label: None,
            locale: Some(self.locale()),
        };
        match self.mfa.enroll(&asked.token, wish, self.now).await {
            Ok(begun) => Ok(self.enrolling(&begun, given)),
            Err(error) => {
                let notice = notice_of(&error).ok_or(error)?;
                match factor {
                    Factor::Sms | Factor::Email => {
                        Ok(self.show(&Screen::EnrollRecipient { factor, given: named }, Some(notice)))
                    }
                    Factor::Webauthn | Factor::Totp | Factor::BackupCode => {
                        self.first(Some(notice)).await.map_err(Refused::from)
                    }
                }
            }
        }
    }

    /// Ends an enrolment.
    async fn bind(&self, asked: &Asked, form: &Form) -> Result<Answer, Refused> {
        let bound = match (ChallengeId::parse(&form.enrolment), credential(form)) {
            (Some(id), Ok(credential)) => {
                self.mfa.bind(&asked.token, id, given(credential.as_ref(), &form.code), self.now).await
            }
            (None, _) => Err(MfaError::CodeNotFound),
            (_, Err(error)) => Err(error),
        };
        match bound {
            Ok(bound) => {
                self.changed();
                match bound.backup_codes {
                    Some(codes) => Ok(self.show(&Screen::Codes(&codes), None)),
                    None => self.go_on().await,
                }
            }
            Err(error) => self.bound_again(form, notice_of(&error).ok_or(error)?).await,
        }
    }

    async fn bound_again(&self, form: &Form, notice: Notice) -> Result<Answer, Refused> {
        let Asked { record, token, .. } = &self.asked().await?;
        let id = ChallengeId::parse(&form.enrolment);
        let needs = id.and_then(|id| self.mfa.needs_again(record, token, id));
        let factor = id.and_then(|id| record.enrolments.iter().find(|known| known.id == id));
        let Some((needs, enrolment)) = needs.zip(factor) else {
            return self.first(Some(notice)).await.map_err(Refused::from);
        };
        let given = if form.phone_number.is_empty() { &form.email } else { &form.phone_number };
        Ok(self.enrolment((&form.enrolment, enrolment.factor(), &needs), given, Some(notice)))
    }

    /// Makes a set of backup codes.
    async fn codes(&self, asked: &Asked) -> Result<Answer, Refused> {
        match self.mfa.new_backup_codes(&asked.token, self.now).await {
            Ok((_, codes)) => {
                self.changed();
                Ok(self.show(&Screen::Codes(&codes), None))
            }
            Err(error) => {
                let notice = notice_of(&error).ok_or(error)?;
                self.first(Some(notice)).await.map_err(Refused::from)
            }
        }
    }

    /// Puts off what may be put off.
    async fn skip(&self, asked: &Asked) -> Result<Answer, Refused> {
        // Nobody has to have codes, whatever the policy says of factors.
        let are_codes =
            !self.visit.suggests(&asked.record) && self.mfa.next(&asked.record, &asked.token) == Next::BackupCodes;
        match self.mfa.skip(&asked.token, self.now).await {
            _ if are_codes => self.leave(&asked.record, (&asked.token, asked.purpose)).await,
            Ok(_) => self.go_on().await,
            Err(error) => {
                let notice = notice_of(&error).ok_or(error)?;
                self.first(Some(notice)).await.map_err(Refused::from)
            }
        }
    }

    /// Back to the site, where nothing else is to be done.
    async fn go_on(&self) -> Result<Answer, Refused> {
        let Asked { record, token, purpose } = &self.asked().await?;
        if self.is_done(record, (token, *purpose)) {
            return self.leave(record, (token, *purpose)).await;
        }
        Ok(self.next(record, (token, *purpose), None))
    }

    fn is_done(&self, record: &UserRecord, (token, purpose): (&MfaToken, Purpose)) -> bool {
        if self.visit.suggests(record) {
            return false;
        }
        match (self.mfa.next(record, token), purpose) {
            (Next::Challenge | Next::VerifyEmail, _) => false,
            (_, Purpose::SetUp(wanted)) => record.factors.iter().any(|bound| wanted.has(bound.means.factor())),
            (Next::Done, Purpose::Prove) => true,
            (Next::BackupCodes, Purpose::Prove) => !self.visit.offers_codes(record),
            (Next::Enroll | Next::SuggestAdditional, Purpose::Prove) => false,
        }
    }

    fn has_others(&self, asked: &Asked) -> bool {
        super::show::offered(&asked.record, &asked.token, &asked.record.usable(&asked.token, self.mfa.on())).len() > 1
    }

    fn locale(&self) -> &str {
        self.service.hooks.pages.tag(self.language).as_str()
    }

    fn wanted(&self, form: &Form) -> Wanted<'_> {
        Wanted { factor: form.factor, id: FactorId::parse(&form.id), locale: Some(self.locale()) }
    }

    /// What the hooks said of the user rests on what they had.
    fn changed(&self) {
        let Task::Demand(demand) = &self.visit.task else { return };
        let user = demand.facts.user;
        self.service.hooks.verdicts.end(user);
        self.service.hooks.step_ups.end(user);
    }
}

fn given<'a>(credential: Option<&'a Value>, code: &'a str) -> Given<'a> {
    credential.map_or(Given::Code(code), Given::Credential)
}

/// What the browser gave of a passkey, if it did.
fn credential(form: &Form) -> Result<Option<Value>, MfaError> {
    if form.credential.is_empty() {
        return Ok(None);
    }
    let credential: Value = serde_json::from_str(&form.credential).map_err(|_| MfaError::WebauthnFailed)?;
    if credential.is_object() { Ok(Some(credential)) } else { Err(MfaError::WebauthnFailed) }
}

/// What is said above a form; `None` where no form helps.
fn notice_of(error: &MfaError) -> Option<Notice> {
    match error {
        MfaError::InvalidTotpCode | MfaError::InvalidBackupCode | MfaError::CodeMismatch => Some(Notice::WrongCode),
        MfaError::CodeExpired | MfaError::CodeNotFound => Some(Notice::CodeGone),
        MfaError::CodeTriedTooOften => Some(Notice::TriedTooOften),
        MfaError::WebauthnFailed => Some(Notice::PasskeyFailed),
        MfaError::Locked { wait_s } => Some(Notice::Asleep(*wait_s)),
        MfaError::MessagesRateLimited { wait_s } | MfaError::ConnectorRateLimited { wait_s } => {
            Some(Notice::TooManyMessages(*wait_s))
        }
        MfaError::ConnectorFailed | MfaError::ConnectorMissing => Some(Notice::NotSent),
        MfaError::TotpInUse => Some(Notice::AppInUse),
        MfaError::Invalid { field: "phone_number", .. } => Some(Notice::WrongNumber),
        MfaError::Invalid { field: "email", .. } => Some(Notice::WrongAddress),
        MfaError::FactorNotEnabled(_)
        | MfaError::FactorMissing
        | MfaError::NoSuchFactor
        | MfaError::VerificationRequired(_)
        | MfaError::BackupCodesAlone
        | MfaError::NotUserControlled
        | MfaError::Invalid { .. } => Some(Notice::NotOffered),
        MfaError::Overloaded | MfaError::Unavailable => Some(Notice::TryAgain),
        MfaError::Off
        | MfaError::TokenExpired
        | MfaError::TokenInvalid
        | MfaError::TokenOfOtherClient
        | MfaError::StepUpUsed
        | MfaError::StepUpOfOtherSession
        | MfaError::StepUpOfOtherAction
        | MfaError::DecisionNotFound
        | MfaError::DecisionSettled => None,
    }
}
