//! `/v1/mfa/*`: the factors that a login asks for, challenges, and answers to them.

use super::Service;
use super::users::private;
use crate::memory::Memory;
use crate::mfa::ask::Wanted;
use crate::mfa::challenge::ChallengeId;
use crate::mfa::user::FactorId;
use crate::mfa::verify::Answer as Given;
use crate::mfa::{Mfa, MfaError, MfaToken};
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::mfa::{ChallengeAnswer, ChallengeBody, FactorsAnswer, VerifyAnswer, VerifyBody};
use crate::server::wire::{self, Object};
use crate::server::{Answer, uri};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use serde_json::Value;

pub(super) const TOKEN: HeaderName = HeaderName::from_static("x-askance-mfa-token");

impl<M: Memory> Service<M> {
    /// The factors that may be proved with, and what to do next.
    pub(super) async fn mfa_factors(&self, caller: Caller<'_>, head: &Parts) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let [] = uri::parameters(head.uri.query(), [])?;
        let token = self.token(mfa, caller, token_of(&head.headers)?)?;
        let record = mfa.read_user(token.user(), self.clock.now()).await?;
        let is_proved = record.is_proved(&token);
        let kinds = if is_proved { record.in_order() } else { record.usable(&token, mfa.on()) };
        let can_enroll = mfa.may_enroll(&record, &token).is_ok();
        Ok(private(&FactorsAnswer::new(record.shown(&kinds), is_proved, can_enroll, mfa.next(&record, &token))))
    }

    /// Begins a challenge.
    pub(super) async fn mfa_challenge(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(body): Object<ChallengeBody<'_>> = wire::parse(&body)?;
        let token = self.token(mfa, caller, &body.mfa_token.0)?;
        let id = body.id.map(|id| FactorId::parse(&id.0).ok_or(MfaError::NoSuchFactor)).transpose()?;
        let locale = body.locale.as_ref().map(|text| &*text.0);
        let wanted = Wanted { factor: body.factor.map(|factor| factor.0), id, locale };
        let begun = mfa.begin(&token, wanted, self.clock.now()).await?;
        Ok(private(&ChallengeAnswer::from(begun)))
    }

    /// Takes the answer to a challenge.
    pub(super) async fn mfa_verify(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(body): Object<VerifyBody<'_>> = wire::parse(&body)?;
        let token = self.token(mfa, caller, &body.mfa_token.0)?;
        let id = ChallengeId::parse(&body.challenge_id.0).ok_or(MfaError::CodeNotFound)?;
        let credential = body.credential.map(Value::Object);
        let given = given(body.code.as_ref().map(|code| &*code.0), credential.as_ref())?;
        let verified = mfa.verify(&token, caller.name(), id, given, self.clock.now()).await?;
        Ok(private(&VerifyAnswer::from(verified)))
    }

    /// The engine, for callers who may use it.
    pub(super) fn asking(&self, caller: Caller<'_>) -> Result<&Mfa<M>, Failure> {
        caller.needs(Scope::Mfa)?;
        self.mfa.as_deref().ok_or(Failure::Mfa(MfaError::Off))
    }

    /// What a token stands for, where this caller may show it.
    pub(super) fn token(&self, mfa: &Mfa<M>, caller: Caller<'_>, text: &str) -> Result<MfaToken, Failure> {
        let token = MfaToken::open(&mfa.keys, text, caller.tag(), self.clock.now())?;
        caller.may_act_for(&token.tenant)?;
        Ok(token)
    }
}

/// The token of a call without a body.
pub(super) fn token_of(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut given = headers.get_all(TOKEN).iter();
    match (given.next(), given.next()) {
        (Some(token), None) => token.to_str().map_err(|_| MfaError::TokenInvalid.into()),
        (None, _) => Err(MfaError::TokenInvalid.into()),
        (Some(_), Some(_)) => Err(Failure::invalid(TOKEN.as_str(), "stands there twice")),
    }
}

/// Exactly one of the two.
pub(super) fn given<'a>(code: Option<&'a str>, credential: Option<&'a Value>) -> Result<Given<'a>, Failure> {
    match (code, credential) {
        (Some(code), None) => Ok(Given::Code(code)),
        (None, Some(credential)) => Ok(Given::Credential(credential)),
        (None, None) => Err(Failure::invalid("code", "missing field `code`")),
        (Some(_), Some(_)) => Err(Failure::invalid("credential", "code and credential exclude each other")),
    }
}
