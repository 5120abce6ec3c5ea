//! `GET /askance/return?ticket=…`, on the host of the site itself: a ticket is exchanged for the assurance cookie, once, in the browser
//! that was asked.

use super::assurance::{Assurance, COOKIE, Errand, Ticket};
use super::page::{set_cookie, to};
use super::request::HookRequest;
use super::{answer, subject};
use crate::clock::Timestamp;
use crate::device_token::{COOKIE_NAME, DeviceToken};
use crate::memory::Memory;
use crate::pipeline::SettleError;
use crate::pipeline::assurance::Met;
use crate::server::Answer;
use crate::server::api::Service;
use crate::server::client_ip::Client;
use crate::server::error::Failure;
use crate::server::uri;
use hyper::StatusCode;

pub(super) const PATH: &str = "/askance/return";

/// The same for whatever is wrong with it: nothing is told to whoever found it.
const REFUSED: &str = "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"code\":\"hook.ticket\",\
    \"detail\":\"this link is used up, too old, or of another browser: open the site again\"}";

impl<M: Memory> Service<M> {
    pub(super) async fn send_back(&self, request: &HookRequest<'_>, query: Option<&str>) -> Result<Answer, Failure> {
        // Who went back in the history of a browser reads it in words.
        let refused = || {
            let problem = || answer::problem(StatusCode::FORBIDDEN, REFUSED);
            Ok(if request.is_navigation() { self.way_back_gone(request) } else { problem() })
        };
        let now = self.clock.now();
        let [Some(text)] = uri::parameters(query, ["ticket"])? else { return refused() };
        let loaded = self.pipeline.loaded();
        let keys = loaded.tokens.signing();
        let Some(ticket) = Ticket::open(keys, &text, now) else { return refused() };
        let Client::Known(address) = request.client else { return refused() };
        let family = self.pipeline.family(
            subject::readable(request.headers, "user-agent").as_deref(),
            subject::hints(request.headers).as_ref(),
        );
        if !ticket.is_of(keys, address, family) {
            return refused();
        }
        let tenant = self.hooks.settings.tenant();
        let (user, id) = (ticket.errand.user, ticket.errand.decision);
        let met = self.pipeline.meet((tenant, user), id, (ticket.factor, ticket.errand.device.number), now).await;
        let Met { user_id, witness } = match met {
            Ok(met) => met,
            Err(SettleError::NotFound | SettleError::Refused(_)) => return refused(),
            Err(SettleError::Memory(_)) => return Err(Failure::MemoryUnavailable),
        };
        let Some(witness) = witness else { return refused() };
        let mut answer = to(&ticket.errand.url);
        hand_over(self, &mut answer, (&ticket.errand, request.cookie(COOKIE_NAME)), &user_id);
        let assurance = Assurance { proved: seconds(now), factor: ticket.factor, hard: ticket.errand.hard, witness };
        let ttl_s = self.hooks.settings.assurance_ttl_s.get();
        let cookie = assurance.sign(keys, ticket.errand.facts(address, family), ttl_s);
        set_cookie(&mut answer, COOKIE, &cookie, ttl_s);
        Ok(answer)
    }
}

/// Gives a browser the cookie of the device that it is now, where it has none yet; `before` is the one that it has.
pub(super) fn hand_over<M: Memory>(
    service: &Service<M>,
    answer: &mut Answer,
    (errand, before): (&Errand, Option<&str>),
    user_id: &str,
) {
    if !errand.device.is_fresh {
        return;
    }
    let loaded = service.pipeline.loaded();
    let before = before.and_then(|text| loaded.tokens.read(text));
    let first = DeviceToken::first(errand.device.number);
    let cookie = loaded.tokens.write(before.as_ref(), service.hooks.settings.tenant(), user_id, first);
    set_cookie(answer, COOKIE_NAME, cookie.as_str(), answer::DEVICE_AGE_S);
}

/// Times of proofs are whole seconds.
pub(super) fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_unix_s(now.unix_s())
}
