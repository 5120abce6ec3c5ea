//! `POST /v1/mfa/onboard`: what a user is to be shown of second factors.

use super::Service;
use super::users::private;
use crate::memory::Memory;
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
        let arrival = arrival.read(caller.tag(), self.pipeline.phones())?;
        let onboarded = mfa.onboard(&arrival, self.clock.now()).await?;
        Ok(private(&OnboardedBody::from(onboarded)))
    }
}
