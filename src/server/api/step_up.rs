//! `POST /v1/step-up` and `/v1/step-up/consume`: a proof within a session, asked for and spent.

use super::Service;
use super::users::private;
use crate::memory::Memory;
use crate::mfa::MfaToken;
use crate::mfa::step_up::{Answered, Spending, StepUp};
use crate::mfa::visitor::Hosted;
use crate::server::Answer;
use crate::server::auth::Caller;
use crate::server::error::Failure;
use crate::server::wire::step_up::{AnswerBody, ConsumeBody, ConsumedBody, Shown, StepUpBody};
use crate::server::wire::{self, Object};
use hyper::body::Incoming;
use hyper::header::HeaderMap;

impl<M: Memory> Service<M> {
    pub(super) async fn begin_step_up(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(asked): Object<StepUpBody<'_>> = wire::parse(&body)?;
        caller.may_act_for(asked.tenant())?;
        let action = asked.action()?;
        let shown = action.as_ref().map(|action| Shown::of(action, &mfa.step_up.actions, asked.locale()));
        let shown = shown.transpose()?;
        let return_to = asked.return_to().map(|url| self.return_address(url)).transpose()?;
        let now = self.clock.now();
        let event = asked.event(now);
        let step_up = StepUp {
            client: (caller.tag(), caller.name()),
            event: &event,
            session: asked.session(),
            action: action.as_ref(),
            max_age_s: asked.max_age_s(),
            is_phishing_resistant: asked.is_phishing_resistant()?,
        };
        let answered = mfa.step_up(step_up, now).await?;
        let page = match (&answered, return_to) {
            (Answered::Asked { mfa_token, .. }, Some(return_to)) => {
                let token = MfaToken::open(&mfa.keys, mfa_token, caller.tag(), now)?;
                let (audience, text) = (caller.name().to_owned(), shown.as_ref().map(|shown| shown.text().to_owned()));
                Some(self.page_of(mfa, &Hosted { token, audience, return_to, text, more_than: None })?)
            }
            (Answered::Asked { .. } | Answered::Proved { .. } | Answered::Denied { .. }, _) => None,
        };
        Ok(private(&AnswerBody::new(&answered, shown, page)))
    }

    pub(super) async fn consume(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        let mfa = self.asking(caller)?;
        let body = self.json_body(headers, body).await?;
        let Object(consumed): Object<ConsumeBody<'_>> = wire::parse(&body)?;
        let action = consumed.action()?;
        let spending = Spending {
            assertion: consumed.assertion(),
            audience: caller.name(),
            session: consumed.session(),
            action: &action,
        };
        let claims = mfa.spend(spending, self.clock.now()).await?;
        Ok(private(&ConsumedBody::new(&claims)))
    }
}
