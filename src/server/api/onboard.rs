//! `POST /v1/mfa/onboard`: what a user is to be shown of second factors.

use super::Service;
use super::users::private;
use crate::memory::Memory;
use crate::mfa::visitor::Hosted;
use crate::mfa::{MfaToken, Next};
use crate::server::Answer;
use crate::server::auth::Caller;
use crate::server::error::Failure;
use crate::server::wire::onboard::{OnboardBody, OnboardedBody};
use crate::server::wire::{self, Object};
use hyper::body::Incoming;
use hyper::header::HeaderMap;

impl<M: Memory> Service<M> {
    pub(super) async fn onboard(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(arrival): Object<OnboardBody<'_>> = wire::parse(&body)?;
        caller.may_act_for(arrival.tenant())?;
        let return_to = arrival.return_to().map(|url| self.return_address(url)).transpose()?;
        let arrival = arrival.read(caller.tag(), self.pipeline.phones())?;
        let now = self.clock.now();
        let onboarded = mfa.onboard(&arrival, now).await?;
        let more_than = (onboarded.next == Next::SuggestAdditional).then_some(onboarded.bound.len());
        let page = onboarded.token.as_ref().zip(return_to).map(|((token, _), return_to)| {
            let token = MfaToken::open(&mfa.keys, token, caller.tag(), now)?;
            let audience = caller.name().to_owned();
            self.page_of(mfa, &Hosted { token, audience, return_to, text: None, more_than })
        });
        Ok(private(&OnboardedBody::new(onboarded, page.transpose()?)))
    }
}
