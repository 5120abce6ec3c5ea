//! `POST /v1/failures`.

use super::{Service, no_content};
use crate::memory::Memory;
use crate::server::Answer;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::failures::FailureBody;
use crate::server::wire::{self, Object};
use hyper::body::Incoming;
use hyper::header::HeaderMap;

impl<M: Memory> Service<M> {
    pub(super) async fn failures(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let body = self.json_body(headers, body).await?;
        let Object(failure): Object<FailureBody<'_>> = wire::parse(&body)?;
        caller.may_act_for(failure.tenant())?;
        self.pipeline.fail(&failure.into_event()?, self.clock.now());
        Ok(no_content())
    }
}
