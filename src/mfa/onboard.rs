//! What a user is to be shown of second factors at sign-up and at sign-in.
//!
//! A phone number or address that the caller verified is bound by itself where `mfa.bind_verified` has it: at sign-up with backup codes, at
//! sign-in in silence, and only for who has no factor yet and whose contact did not change of late. Whoever signs in without a factor, and is
//! prompted for one, proves their address first ([`Mfa::may_enroll`]); whoever signs up has just done so at the caller's.

use super::login::contact;
use super::recipient::Recipient;
use super::settings::PromptPolicy;
use super::token::{MfaToken, TokenKind};
use super::user::{BoundFactor, FactorId, Means, UserRecord};
use super::{Mfa, MfaError, Next, Shown};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;
use crate::memory::decisions::{ClientTag, DecisionId};
use crate::pipeline::UserName;
use crate::webhooks::EventKind;
use std::net::IpAddr;

/// Who is to be shown something.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// Who asks.
    pub client: ClientTag,
    /// Who arrives.
    pub user: UserName<'a>,
    /// How.
    pub event: Event,
    /// A number that the caller verified, and when it last changed.
    pub phone: Option<(Recipient, Option<Timestamp>)>,
    /// An address that the caller verified, and when it last changed.
    pub email: Option<(Recipient, Option<Timestamp>)>,
    /// The session, where one was named.
    pub session: Option<&'a str>,
    /// From where, as far as is known.
    pub ip: Option<IpAddr>,
    /// A page of ours shows what is next; codes of a new account are made there.
    pub is_hosted: bool,
}

/// How somebody arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// With a new account.
    SignUp,
    /// With an old one, in the login of this decision, if one was made.
    SignIn(Option<DecisionId>),
}

/// What is to be shown.
#[derive(Debug)]
pub struct Onboarded {
    /// For the calls that follow, where there are some, and when it is good for the last time.
    pub token: Option<(String, Timestamp)>,
    /// What comes first.
    pub next: Next,
    /// The factors to choose from, in the order in which to offer them.
    pub factors: Vec<Factor>,
    /// What was bound by itself just now.
    pub bound: Vec<Shown>,
    /// Whether the user may put it off.
    pub is_skippable: bool,
    /// Shown once, behind all else.
    pub backup_codes: Option<Vec<String>>,
}

/// What a record leaves to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shows {
    next: Next,
    factors: Vec<Factor>,
    is_skippable: bool,
    makes_codes: bool,
}

impl<M: Memory> Mfa<M> {
    /// Binds what is bound by itself, and says what comes next.
    ///
    /// # Errors
    ///
    /// The record cannot be had or put, or there is no randomness.
    pub async fn onboard(&self, arrival: &Arrival<'_>, now: Timestamp) -> Result<Onboarded, MfaError> {
        let (kind, decision) = match arrival.event {
            Event::SignUp => (TokenKind::SignUp, None),
            Event::SignIn(decision) => (TokenKind::SignIn, decision),
        };
        let email = arrival.email.as_ref();
        let token = MfaToken {
            kind,
            made: now,
            client: arrival.client,
            decision: decision.unwrap_or_else(|| self.pipeline.ids().decision(now)),
            tenant: arrival.user.tenant.to_owned(),
            user: arrival.user.id.to_owned(),
            offered: FactorSet::EMPTY,
            is_device_known: false,
            ip: arrival.ip,
            email: email.and_then(|(to, changed)| contact(Some(to.address()), Some(true), *changed, now)),
            session: arrival.session.map(str::to_owned),
            action: None,
        };
        let (bound, shows) = self
            .update_user(arrival.user, now, |record| {
                let bound = self.bind_verified(record, arrival, &token, now)?;
                Ok((bound, self.shows(record, &token, arrival.event)))
            })
            .await?;
        for shown in &bound {
            self.tell(EventKind::FactorBound, &token, shown.factor, now);
        }
        let Shows { next, factors, is_skippable, makes_codes } = shows;
        let is_shown = arrival.is_hosted && arrival.event == Event::SignUp;
        let makes_codes = makes_codes && !is_shown;
        let backup_codes = if makes_codes { Some(self.replace_backup_codes(arrival.user, now).await?.1) } else { None };
        let has_more = matches!(next, Next::Enroll | Next::VerifyEmail | Next::SuggestAdditional)
            || is_shown && next == Next::BackupCodes;
        let token = if has_more { Some((token.mint(&self.keys)?, token.expires())) } else { None };
        Ok(Onboarded { token, next, factors, bound, is_skippable, backup_codes })
    }

    /// Binds what the caller verified, of a user who has nothing.
    fn bind_verified(
        &self,
        record: &mut UserRecord,
        arrival: &Arrival<'_>,
        token: &MfaToken,
        now: Timestamp,
    ) -> Result<Vec<Shown>, MfaError> {
        if !record.factors.is_empty() {
            return Ok(Vec::new());
        }
        let binds = |factor| {
            let is_set = self.settings.bind_verified.iter().any(|known| known.factor() == factor);
            is_set && self.on().has(factor)
        };
        for (to, changed) in [&arrival.phone, &arrival.email].into_iter().flatten() {
            let factor = to.channel().factor();
            // What changed of late may be the work of whoever has the password; of a new account, everything is of late.
            let is_settled = arrival.event == Event::SignUp
                || contact(Some(to.address()), Some(true), *changed, now).is_some_and(|contact| contact.is_settled);
            if binds(factor) && is_settled {
                let (id, means) = (FactorId::random()?, Means::of(to.clone()));
                let bound_in = token.decision;
                record.factors.push(BoundFactor { id, means, label: None, bound: now, bound_in, last_used: None });
            }
        }
        Ok(record.shown(&[Factor::Sms, Factor::Email]))
    }

    /// Pure.
    fn shows(&self, record: &UserRecord, token: &MfaToken, event: Event) -> Shows {
        let on = self.on();
        let lacks_codes = on.has(Factor::BackupCode) && !record.has_backup_codes();
        let nothing = Shows { next: Next::Done, factors: Vec::new(), is_skippable: false, makes_codes: false };
        let is_prompted = match (self.settings.policy, event) {
            (PromptPolicy::Mandatory, _) => true,
            (PromptPolicy::NoPrompt, _) | (PromptPolicy::PromptAtSignIn, Event::SignUp) => false,
            (PromptPolicy::PromptAtSignInAndSignUp, _) | (PromptPolicy::PromptAtSignIn, Event::SignIn(_)) => {
                record.skipped.is_none()
            }
        };
        let others: Vec<Factor> = on
            .iter()
            .filter(|factor| *factor != Factor::BackupCode)
            .filter(|factor| !record.factors.iter().any(|bound| bound.means.factor() == *factor))
            .collect();
        if !record.has_primary(on) {
            let is_skippable = self.settings.policy != PromptPolicy::Mandatory;
            let next = match event {
                Event::SignUp => Next::Enroll,
                Event::SignIn(_) => self.next(record, token),
            };
            return if is_prompted { Shows { next, factors: others, is_skippable, ..nothing } } else { nothing };
        }
        let makes_codes = lacks_codes && may_see_codes(record, token, event);
        if event == Event::SignUp && is_prompted && !others.is_empty() {
            return Shows { next: Next::SuggestAdditional, factors: others, is_skippable: true, makes_codes };
        }
        if makes_codes { Shows { next: Next::BackupCodes, makes_codes, ..nothing } } else { nothing }
    }
}

/// Backup codes are shown to who just signed up, or proved a factor in this very login: not to who has the password only.
fn may_see_codes(record: &UserRecord, token: &MfaToken, event: Event) -> bool {
    let is_proved = |decision: DecisionId| {
        record.proofs.iter().any(|proof| proof.of == decision && proof.client == token.client && !proof.is_of_contact)
    };
    match event {
        Event::SignUp => record.factors.iter().all(|bound| bound.bound_in == token.decision),
        Event::SignIn(decision) => decision.is_some_and(is_proved),
    }
}

#[cfg(test)]
mod tests;
