//! What is next, as a page: from what the user has and has proved.

use super::visit::{Purpose, Refused};
use super::{Page, to};
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;
use crate::mfa::ask::Begun;
use crate::mfa::enroll::{Begun as Enrolling, Needs};
use crate::mfa::recipient::Recipient;
use crate::mfa::settings::PromptPolicy;
use crate::mfa::user::BoundFactor;
use crate::mfa::{MfaError, MfaToken, Next, UserRecord};
use crate::pages::{Choice, Dead, EnterCode, Notice, Passkey, Screen, View};
use crate::server::Answer;
use crate::server::hooks::passed::origin;
use hyper::StatusCode;

/// A factor that may be chosen.
pub(super) struct Offered {
    factor: Factor,
    id: String,
    label: Option<String>,
    masked: Option<String>,
}

impl<M: Memory> Page<'_, M> {
    /// The page as it begins, or goes on.
    pub(super) async fn first(&self, notice: Option<Notice>) -> Result<Answer, MfaError> {
        let record = self.mfa.read_user(self.visit.user(), self.now).await?;
        let (token, purpose) = self.visit.token(self.mfa, &record);
        Ok(self.next(&record, (&token, purpose), notice))
    }

    pub(super) fn next(
        &self,
        record: &UserRecord,
        (token, purpose): (&MfaToken, Purpose),
        notice: Option<Notice>,
    ) -> Answer {
        if matches!(purpose, Purpose::SetUp(wanted) if wanted.without(Factor::BackupCode).is_empty()) {
            return self.end(Dead::NoWay);
        }
        if self.visit.suggests(record) {
            return self.enrolments(record, token, (self.mfa.on(), true), notice);
        }
        match (self.mfa.next(record, token), purpose) {
            (Next::Challenge, _) => self.choices(record, token, notice),
            (Next::VerifyEmail, _) => {
                let masked = masked_email(token).unwrap_or_default();
                self.show(&Screen::ProveEmail { masked: &masked }, notice)
            }
            (Next::BackupCodes | Next::Done | Next::Enroll | Next::SuggestAdditional, Purpose::SetUp(wanted)) => {
                if record.factors.iter().any(|bound| wanted.has(bound.means.factor())) {
                    return self.show(&Screen::Done, notice);
                }
                self.enrolments(record, token, (wanted, false), notice)
            }
            (Next::Enroll | Next::SuggestAdditional, Purpose::Prove) => {
                let is_skippable = self.mfa.settings.policy != PromptPolicy::Mandatory;
                self.enrolments(record, token, (self.mfa.on(), is_skippable), notice)
            }
            (Next::BackupCodes, Purpose::Prove) if self.visit.offers_codes(record) => {
                self.show(&Screen::MakeCodes { is_skippable: true }, notice)
            }
            (Next::BackupCodes | Next::Done, Purpose::Prove) => self.show(&Screen::Done, notice),
        }
    }

    /// What the user may prove with.
    fn choices(&self, record: &UserRecord, token: &MfaToken, notice: Option<Notice>) -> Answer {
        let usable = record.usable(token, self.mfa.on());
        let asleep =
            |factor: &Factor| record.failures.locked_s(*factor, token.side(), self.now, &self.mfa.settings.failures);
        if let Some(wait_s) = usable.iter().map(asleep).min().flatten() {
            return self.end(Dead::Asleep(wait_s));
        }
        let offered = offered(record, token, &usable);
        if let [Offered { factor: factor @ (Factor::Totp | Factor::BackupCode), id, .. }] = &offered[..] {
            let code =
                EnterCode { factor: *factor, challenge: None, masked: None, id, resend_after_s: 0, has_others: false };
            return self.show(&Screen::EnterCode(code), notice);
        }
        let choices: Vec<Choice<'_>> = offered.iter().map(Offered::as_choice).collect();
        self.show(&Screen::Choose(&choices), notice)
    }

    /// What the user may set up.
    fn enrolments(
        &self,
        record: &UserRecord,
        token: &MfaToken,
        (kinds, is_skippable): (FactorSet, bool),
        notice: Option<Notice>,
    ) -> Answer {
        let has = |factor: Factor| record.factors.iter().any(|bound| bound.means.factor() == factor);
        let is_open = |factor: &Factor| match factor {
            Factor::BackupCode => false,
            Factor::Totp => !has(Factor::Totp),
            Factor::Webauthn | Factor::Sms | Factor::Email => true,
        };
        let factors: Vec<Factor> = kinds.both(self.mfa.on()).iter().filter(is_open).collect();
        if factors.is_empty() || self.mfa.may_enroll(record, token).is_err() {
            return self.end(Dead::NoWay);
        }
        let is_another = record.has_primary(self.mfa.on());
        self.show(&Screen::Enroll { factors: &factors, is_skippable, is_another }, notice)
    }

    /// A challenge that was begun.
    pub(super) fn challenge(&self, begun: &Begun, (id, has_others): (&str, bool), notice: Option<Notice>) -> Answer {
        let challenge = begun.id.to_string();
        if let Some(options) = &begun.public_key {
            let options = options.to_string();
            let passkey = Passkey { challenge: &challenge, options: &options, has_others };
            return self.show(&Screen::Passkey(passkey), notice);
        }
        let code = EnterCode {
            factor: begun.factor,
            challenge: Some(&challenge),
            masked: begun.masked.as_deref(),
            id,
            resend_after_s: begun.resend_after_s,
            has_others,
        };
        self.show(&Screen::EnterCode(code), notice)
    }

    /// An enrolment that was begun, or what of it is told again; `given` is what was typed for it.
    pub(super) fn enrolment(
        &self,
        (id, factor, needs): (&str, Factor, &Needs),
        given: &str,
        notice: Option<Notice>,
    ) -> Answer {
        match needs {
            Needs::App { secret, uri, qr_svg } => {
                let app = Screen::EnrollApp { enrolment: id, secret, uri, qr_svg: qr_svg.as_deref() };
                self.show(&app, notice)
            }
            Needs::Code { masked, resend_after_s, .. } => {
                let resend_after_s = *resend_after_s;
                let code = Screen::EnrollCode { enrolment: id, factor, masked, given, resend_after_s };
                self.show(&code, notice)
            }
            Needs::Passkey(options) => {
                let options = options.to_string();
                self.show(&Screen::EnrollPasskey { enrolment: id, options: &options }, notice)
            }
        }
    }

    pub(super) fn enrolling(&self, begun: &Enrolling, given: &str) -> Answer {
        let notice = matches!(begun.needs, Needs::Code { .. }).then_some(Notice::Sent);
        self.enrolment((&begun.id.to_string(), begun.factor, &begun.needs), given, notice)
    }

    /// One page.
    pub(super) fn show(&self, screen: &Screen<'_>, notice: Option<Notice>) -> Answer {
        let view = View {
            screen: screen.clone(),
            notice,
            user: Some(self.visit.user().id),
            action: self.visit.action(),
            form_token: self.visit.form_token(),
            leave: self.visit.url(),
        };
        let origin = self.visit.url().and_then(origin);
        let mut answer = self.service.html(&view, notice.map_or(StatusCode::OK, status_of), origin, self.language);
        if let Some(Notice::TooManyMessages(wait_s) | Notice::Asleep(wait_s)) = notice {
            answer.headers_mut().insert(hyper::header::RETRY_AFTER, wait_s.into());
        }
        answer
    }

    pub(super) fn end(&self, dead: Dead) -> Answer {
        self.service.dead(&Refused { dead, leave: self.visit.url().map(str::to_owned) }, self.language)
    }

    /// Back to the site, with nothing to show for it.
    pub(super) fn back(&self) -> Answer {
        self.visit.url().map_or_else(|| self.show(&Screen::Done, None), to)
    }
}

/// What may be shown of the address of the account.
pub(super) fn masked_email(token: &MfaToken) -> Option<String> {
    Recipient::email(&token.email.as_ref()?.address).map(|to| to.masked())
}

impl Offered {
    fn as_choice(&self) -> Choice<'_> {
        let Self { factor, id, label, masked } = self;
        Choice { factor: *factor, id, label: label.as_deref(), masked: masked.as_deref() }
    }
}

/// In the order in which they are offered; of passkeys, any will do.
pub(super) fn offered(record: &UserRecord, token: &MfaToken, usable: &[Factor]) -> Vec<Offered> {
    let mut all = Vec::new();
    for factor in usable {
        match factor {
            Factor::Webauthn | Factor::BackupCode => {
                all.push(Offered { factor: *factor, id: String::new(), label: None, masked: None });
            }
            Factor::Totp | Factor::Sms | Factor::Email => all.extend(record.bound(*factor, token).map(Offered::of)),
        }
    }
    all
}

impl Offered {
    fn of(bound: &BoundFactor) -> Self {
        Self {
            factor: bound.means.factor(),
            id: bound.id.to_string(),
            label: bound.label.clone(),
            masked: bound.means.recipient().map(Recipient::masked),
        }
    }
}

fn status_of(notice: Notice) -> StatusCode {
    match notice {
        Notice::Sent => StatusCode::OK,
        Notice::TooManyMessages(_) | Notice::Asleep(_) => StatusCode::TOO_MANY_REQUESTS,
        Notice::NotSent => StatusCode::BAD_GATEWAY,
        Notice::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
        Notice::WrongCode
        | Notice::CodeGone
        | Notice::TriedTooOften
        | Notice::PasskeyFailed
        | Notice::WrongNumber
        | Notice::WrongAddress
        | Notice::AppInUse
        | Notice::NotOffered => StatusCode::BAD_REQUEST,
    }
}
