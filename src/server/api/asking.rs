//! `POST /v1/score` where askance asks for factors by itself: it knows who has which, and gives a token for each demand.

use super::Service;
use crate::clock::Timestamp;
use crate::event::{FactorSet, LoginEvent};
use crate::memory::Memory;
use crate::memory::decisions::ClientTag;
use crate::mfa::login::{Demand, Known, contact};
use crate::mfa::{Mfa, Next};
use crate::pipeline::{Scored, UserName};
use crate::server::auth::Caller;
use crate::server::error::Failure;
use crate::server::wire::answer::Asked;
use crate::server::wire::login::{Aside, LoginBody};
use crate::server::wire::{self, Object};
use crate::verdict;

impl<M: Memory> Service<M> {
    /// The user's factors, which judging a login waits for. The login is parsed twice: what is parsed holds on to the body, and would have
    /// to outlive the wait.
    pub(super) async fn known_factors(
        &self,
        mfa: &Mfa<M>,
        caller: Caller<'_>,
        body: &[u8],
    ) -> Result<Box<Known>, Failure> {
        let (tenant, id) = {
            let Object(login): Object<LoginBody<'_>> = wire::parse(body)?;
            caller.may_act_for(login.tenant())?;
            (login.tenant().to_owned(), login.user_id().to_owned())
        };
        let known = mfa.known(UserName { tenant: &tenant, id: &id }, self.clock.now()).await;
        Ok(Box::new(known))
    }
}

/// A login whose factors askance knows.
pub(super) struct Asking<'a, M> {
    mfa: &'a Mfa<M>,
    known: &'a Known,
    aside: Aside,
}

impl<'a, M: Memory> Asking<'a, M> {
    pub(super) fn new(mfa: &'a Mfa<M>, known: &'a Known, login: &LoginBody<'_>) -> Self {
        Self { mfa, known, aside: login.aside() }
    }

    /// The factors by which the login is judged. The caller is not believed about them.
    pub(super) fn enrolled(&self) -> Result<FactorSet, Failure> {
        if self.aside.names_factors {
            let why = "is refused with mfa.enabled: askance knows which factors the user has";
            return Err(Failure::invalid("user.enrolled_factors", why));
        }
        Ok(self.known.enrolled())
    }

    /// What the answer says of asking, in what order, and for which token.
    pub(super) fn ask(
        self,
        scored: &mut Scored<'_>,
        client: ClientTag,
        event: &LoginEvent<'_>,
        now: Timestamp,
    ) -> Result<Asked, Failure> {
        scored.degraded |= self.known.is_guessed;
        let order = self.known.order.clone();
        if !scored.verdict.action.demands_mfa() {
            return Ok(Asked { order, ..Asked::default() });
        }
        let user = &event.user;
        let email = contact(self.aside.email.as_deref(), user.email_verified, user.email_changed_at, now);
        // Whoever has no factor is asked for the address first, whatever the confidence: a first factor is bound with a proof only.
        let is_to_enroll = scored.verdict.next == Some(verdict::Next::Enroll) && email.is_some();
        let next = is_to_enroll.then_some(Next::VerifyEmail.as_str());
        let token = self.mfa.demand(Demand {
            client,
            decision: scored.id,
            user: UserName { tenant: &event.tenant, id: &user.id },
            offered: scored.verdict.offered,
            is_device_known: scored.assessments.new_device.knows_device(),
            ip: event.ip.ip(),
            email: email.filter(|_| self.known.order.is_empty()),
            session: self.aside.session.as_deref(),
            now,
        })?;
        Ok(Asked { order, token, next })
    }
}
