//! `POST /v1/score`.

use super::retry::Turn;
use super::{Service, TIME_OFF_MS_MAX, answer_of, reception};
use crate::memory::{Fetch, Memory};
use crate::server::Answer;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::login::LoginBody;
use crate::server::wire::{self, Object, answer};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use std::pin::Pin;
use tokio::sync::futures::OwnedNotified;

impl<M: Memory> Service<M> {
    pub(super) async fn score(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &mut Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let minimal = prefers_minimal(headers);
        let body = self.json_body(headers, body).await?;
        let mut unfetched = false;
        loop {
            match self.attempt(caller, minimal, &body, unfetched)? {
                Attempt::Answered(json) => return Ok(answer_of(json)),
                Attempt::UnderWay(over) => over.await,
                Attempt::Elsewhere(fetch) => {
                    if let Err(error) = fetch.await {
                        self.pipeline.failed(&error);
                        unfetched = true;
                    }
                }
            }
        }
    }

    /// All that is done for a login, in one go: what it works with is large, and would be moved and kept from the caches
    /// if it had to outlive a wait.
    fn attempt(&self, caller: Caller<'_>, minimal: bool, body: &Bytes, unfetched: bool) -> Result<Attempt, Failure> {
        let Object(login): Object<LoginBody<'_>> = wire::parse(body)?;
        caller.may_act_for(login.tenant())?;
        let retry = login.retry_parts(body);
        let now = self.clock.now();
        let event = login.of_the_present()?.into_event(reception(caller, now))?;
        if event.time.ms_since(now).abs() > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        let turn = retry.map(|parts| self.retries.turn(caller.share, minimal, parts));
        let first = match turn {
            None => None,
            Some(Turn::First(first)) => Some(first),
            Some(Turn::Again(answer)) => return Ok(Attempt::Answered(answer)),
            Some(Turn::Wait(over)) => return Ok(Attempt::UnderWay(Box::pin(over))),
        };
        let scored = match self.pipeline.score(caller.tag(), &event, now, unfetched) {
            Ok(scored) => scored,
            Err(fetch) => return Ok(Attempt::Elsewhere(fetch)),
        };
        let answer = if minimal { answer::minimal(&scored) } else { answer::full(&scored) };
        Ok(Attempt::Answered(match first {
            Some(first) => first.answered(answer),
            None => answer.into(),
        }))
    }
}

/// What came of looking at a login.
enum Attempt {
    Answered(Bytes),
    /// The same login is being judged: to be looked at again when that is over.
    UnderWay(Pin<Box<OwnedNotified>>),
    /// The user's history is to be fetched first.
    Elsewhere(Fetch),
}

/// RFC 7240.
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        preference.eq_ignore_ascii_case("return=minimal")
    })
}
