//! `GET /askance/return?ticket=…`, on the host of the site itself: a ticket is exchanged for the assurance cookie, once, in the browser
//! that was asked.

use super::assurance::{Assurance, COOKIE, Ticket};
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
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, SET_COOKIE};

pub(super) const PATH: &str = "/askance/return";

/// The same for whatever is wrong with it: nothing is told to whoever found it.
const REFUSED: &str = "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"code\":\"hook.ticket\",\
    \"detail\":\"this link is used up, too old, or of another browser: open the site again\"}";

impl<M: Memory> Service<M> {
    pub(super) async fn send_back(&self, request: &HookRequest<'_>, query: Option<&str>) -> Result<Answer, Failure> {
        let refused = || Ok(answer::problem(StatusCode::FORBIDDEN, REFUSED));
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
        let met = self.pipeline.meet((tenant, user), id, (ticket.factor, ticket.errand.device), now).await;
        let Met { user_id, witness } = match met {
            Ok(met) => met,
            Err(SettleError::NotFound | SettleError::Refused(_)) => return refused(),
            Err(SettleError::Memory(_)) => return Err(Failure::MemoryUnavailable),
        };
        let Some(witness) = witness else { return refused() };
        let mut answer = to(&ticket.errand.url);
        if ticket.errand.is_fresh {
            let before = request.cookie(COOKIE_NAME).and_then(|text| loaded.tokens.read(text));
            let first = DeviceToken::first(ticket.errand.device);
            let cookie = loaded.tokens.write(before.as_ref(), tenant, &user_id, first);
            set_cookie(&mut answer, COOKIE_NAME, cookie.as_str(), answer::DEVICE_AGE_S);
        }
        let assurance = Assurance { proved: seconds(now), factor: ticket.factor, hard: ticket.errand.hard, witness };
        let ttl_s = self.hooks.settings.assurance_ttl_s.get();
        let cookie = assurance.sign(keys, ticket.facts(address, family), ttl_s);
        set_cookie(&mut answer, COOKIE, &cookie, ttl_s);
        Ok(answer)
    }
}

/// Times of proofs are whole seconds.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_unix_s(now.unix_s())
}

fn to(url: &str) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let headers = answer.headers_mut();
    let url = HeaderValue::try_from(url).unwrap_or_else(|_| HeaderValue::from_static("/"));
    headers.insert(LOCATION, url);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The ticket is used up, and still nobody else's business.
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    answer
}

fn set_cookie(answer: &mut Answer, name: &str, value: &str, age_s: u32) {
    if let Ok(value) = HeaderValue::try_from(answer::cookie(name, value, age_s)) {
        answer.headers_mut().append(SET_COOKIE, value);
    }
}
