//! `/v1/mfa/enroll`, `/v1/mfa/enroll/verify` and `/v1/mfa/skip`: binding factors, and putting it off.

use super::Service;
use super::mfa::given;
use super::users::private;
use crate::event::Factor;
use crate::memory::Memory;
use crate::mfa::MfaError;
use crate::mfa::challenge::ChallengeId;
use crate::mfa::enroll::Wish;
use crate::server::Answer;
use crate::server::auth::Caller;
use crate::server::error::Failure;
use crate::server::wire::mfa::{BindBody, BoundAnswer, EnrollAnswer, EnrollBody, NextAnswer, TokenBody};
use crate::server::wire::{self, Object};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use serde_json::Value;

impl<M: Memory> Service<M> {
    /// Begins to bind a factor. Backup codes need nothing that the user would have to show: they are made at once.
    pub(super) async fn mfa_enroll(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(body): Object<EnrollBody<'_>> = wire::parse(&body)?;
        let token = self.token(mfa, caller, &body.mfa_token.0)?;
        let factor = body.factor.0;
        let members = [
            ("phone_number", body.phone_number.is_some(), factor == Factor::Sms),
            ("email", body.email.is_some(), factor == Factor::Email),
            ("secret", body.secret.is_some(), factor == Factor::Totp),
        ];
        if let Some((field, ..)) = members.into_iter().find(|(_, is_given, is_its_own)| *is_given && !is_its_own) {
            return Err(Failure::invalid(field, format!("is none of factor {}", factor.as_str())));
        }
        let now = self.clock.now();
        if factor == Factor::BackupCode {
            let (id, codes) = mfa.new_backup_codes(&token, now).await?;
            return Ok(private(&BoundAnswer { id: id.to_string(), backup_codes: Some(codes) }));
        }
        let wish = Wish {
            factor,
            phone_number: body.phone_number.as_ref().map(|text| &*text.0),
            email: body.email.as_ref().map(|text| &*text.0),
            secret: body.secret.as_ref().map(|text| &*text.0),
            label: body.label.as_ref().map(|text| &*text.0),
            locale: body.locale.as_ref().map(|text| &*text.0),
        };
        Ok(private(&EnrollAnswer::from(mfa.enroll(&token, wish, now).await?)))
    }

    /// Ends an enrolment.
    pub(super) async fn mfa_bind(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(body): Object<BindBody<'_>> = wire::parse(&body)?;
        let token = self.token(mfa, caller, &body.mfa_token.0)?;
        let id = ChallengeId::parse(&body.enrolment_id.0).ok_or(MfaError::CodeNotFound)?;
        let credential = body.credential.map(Value::Object);
        let given = given(body.code.as_ref().map(|code| &*code.0), credential.as_ref())?;
        let bound = mfa.bind(&token, id, given, self.clock.now()).await?;
        Ok(private(&BoundAnswer { id: bound.id.to_string(), backup_codes: bound.backup_codes }))
    }

    /// Puts off what the user is prompted for.
    pub(super) async fn mfa_skip(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(body): Object<TokenBody<'_>> = wire::parse(&body)?;
        let token = self.token(mfa, caller, &body.mfa_token.0)?;
        Ok(private(&NextAnswer::from(mfa.skip(&token, self.clock.now()).await?)))
    }
}
