//! Back to the site: with the assurance cookie where it is the same host, with a ticket for it where it is another one.

use super::visit::{Demand, Purpose, Refused, Task};
use super::{Page, set_cookie, to};

use crate::event::Factor;
use crate::memory::Memory;
use crate::mfa::settings::PromptPolicy;
use crate::mfa::{MfaToken, Next, UserRecord};
use crate::pages::{Dead, Screen};
use crate::pipeline::SettleError;
use crate::pipeline::assurance::Met;
use crate::server::Answer;
use crate::server::hooks::assurance::{Assurance, COOKIE};
use crate::server::hooks::back;
use crate::server::hooks::passed::origin;

impl<M: Memory> Page<'_, M> {
    /// Sends the browser back with what was proved.
    pub(super) async fn leave(
        &self,
        record: &UserRecord,
        (token, purpose): (&MfaToken, Purpose),
    ) -> Result<Answer, Refused> {
        let demand = match &self.visit.task {
            Task::Demand(demand) => demand,
            Task::Hosted(_) => return Ok(self.back()),
        };
        let Some(proof) = record.proof_of(token).filter(|_| purpose == Purpose::Prove) else {
            return match purpose {
                // What was set up is proved when the site asks again.
                Purpose::SetUp(_) => Ok(self.back()),
                Purpose::Prove => self.first(None).await.map_err(Refused::from),
            };
        };
        let must_enroll = self.mfa.settings.policy == PromptPolicy::Mandatory;
        if must_enroll && self.mfa.next(record, token) == Next::Enroll {
            return Ok(self.next(record, (token, purpose), None));
        }
        let is_here =
            |url: &str| self.service.hooks.settings.challenge_url.as_ref().is_some_and(|page| page.is_host_of(url));
        match self.visit.url().filter(|url| !is_here(url)).and_then(origin) {
            Some(origin) => Ok(self.with_ticket(demand, origin, proof.factor)),
            None => self.with_cookie(demand, proof.factor).await,
        }
    }

    /// Sends the browser back to a server with a proof for it.
    pub(super) fn with_assertion(&self, assertion: &str) -> Answer {
        let url = self.visit.url().unwrap_or_default();
        let separator = if url.contains('?') { '&' } else { '?' };
        to(&format!("{url}{separator}assertion={assertion}"))
    }

    fn with_ticket(&self, demand: &Demand, origin: &str, factor: Factor) -> Answer {
        let loaded = self.service.pipeline.loaded();
        let (ticket, _) = demand.errand.errand.ticket(loaded.tokens.signing(), factor, self.now);
        to(&format!("{origin}{}?ticket={ticket}", back::PATH))
    }

    async fn with_cookie(&self, demand: &Demand, factor: Factor) -> Result<Answer, Refused> {
        let errand = &demand.errand.errand;
        let (service, tenant) = (self.service, self.service.hooks.settings.tenant());
        let met =
            service.pipeline.meet((tenant, errand.user), errand.decision, (factor, errand.device.number), self.now);
        let Met { user_id, witness } = match met.await {
            Ok(met) => met,
            // Left twice: the cookie went out the first time.
            Err(SettleError::NotFound) => return Ok(self.back()),
            Err(SettleError::Refused(_)) => return Ok(self.end(Dead::LinkGone)),
            Err(SettleError::Memory(_)) => return Ok(self.end(Dead::Unavailable)),
        };
        // The factor is too weak for where this comes from, and nothing else vouches for it.
        let Some(witness) = witness else { return Ok(self.end(Dead::NoWay)) };
        let mut answer = self.visit.url().map_or_else(|| self.show(&Screen::Done, None), to);
        back::hand_over(service, &mut answer, (errand, demand.device_cookie.as_deref()), &user_id);
        let assurance = Assurance { proved: back::seconds(self.now), factor, hard: errand.hard, witness };
        let ttl_s = service.hooks.settings.assurance_ttl_s.get();
        let cookie = assurance.sign(service.pipeline.loaded().tokens.signing(), demand.facts, ttl_s);
        set_cookie(&mut answer, COOKIE, &cookie, ttl_s);
        Ok(answer)
    }
}
