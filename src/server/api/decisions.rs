//! `GET /v1/decisions`, and `POST /v1/decisions/{id}/outcome` and `/feedback`.

use super::users::{private, tenant};
use super::{Service, no_content};
use crate::event::FactorSet;
use crate::memory::Memory;
use crate::memory::decisions::{DecisionId, Feedback, Refusal, Report};
use crate::pipeline::{Search, SettleError};
use crate::server::Answer;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::decisions::{ListBody, ListQuery};
use crate::server::wire::outcome::{FeedbackBody, OutcomeBody};
use crate::server::wire::{self, Object};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;

impl<M: Memory> Service<M> {
    pub(super) async fn decisions(&self, caller: Caller<'_>, head: &Parts) -> Result<Answer, Failure> {
        caller.needs(Scope::History)?;
        let tenant = tenant(caller, &head.headers)?;
        let ListQuery { user, action, since, limit, before } = ListQuery::parse(head.uri.query())?;
        let search = Search { tenant, user_id: user.as_deref(), action, since, before, limit };
        let page = self.pipeline.decisions(search).await.map_err(|_| Failure::MemoryUnavailable)?;
        Ok(private(&ListBody::new(&page)))
    }

    pub(super) async fn outcome(
        &self,
        caller: Caller<'_>,
        id: &str,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let body = self.json_body(headers, body).await?;
        let Object(outcome): Object<OutcomeBody> = wire::parse(&body)?;
        let id = DecisionId::parse(id).ok_or(Failure::DecisionNotFound)?;
        let factor = outcome.factor.map(|factor| factor.0);
        let verified_here = self.mfa.as_ref().map_or(FactorSet::EMPTY, |mfa| mfa.on());
        let report = Report { client: caller.tag(), result: outcome.result.0, factor, verified_here };
        let settled = self.pipeline.settle(id, report, self.clock.now()).await;
        settled.map(|()| no_content()).map_err(|error| settle_failure(&error))
    }

    /// An operator is who has the scope `admin`.
    pub(super) async fn feedback(
        &self,
        caller: Caller<'_>,
        id: &str,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let by_operator = caller.needs(Scope::Admin).is_ok();
        if !by_operator {
            caller.needs(Scope::Score)?;
        }
        let body = self.json_body(headers, body).await?;
        let Object(feedback): Object<FeedbackBody> = wire::parse(&body)?;
        let id = DecisionId::parse(id).ok_or(Failure::DecisionNotFound)?;
        let feedback = Feedback { client: caller.tag(), by_operator, label: feedback.label.0 };
        let labelled = self.pipeline.label(id, feedback, self.clock.now()).await;
        labelled.map(|()| no_content()).map_err(|error| settle_failure(&error))
    }
}

fn settle_failure(error: &SettleError) -> Failure {
    match error {
        SettleError::NotFound => Failure::DecisionNotFound,
        SettleError::Memory(_) => Failure::MemoryUnavailable,
        SettleError::Refused(Refusal::OtherClient) => Failure::OtherClient,
        SettleError::Refused(Refusal::AlreadySettled) => Failure::AlreadySettled,
        SettleError::Refused(Refusal::NotCompleted) => Failure::NotCompleted,
        SettleError::Refused(Refusal::FactorMissing) => {
            Failure::invalid("factor", "success of a challenge needs the factor that was passed")
        }
        SettleError::Refused(Refusal::NotVerified) => Failure::NotVerified,
        SettleError::Refused(Refusal::FactorNotOffered) => Failure::invalid("factor", "this factor was not offered"),
    }
}
