//! `POST /v1/score`.

use super::{Service, TIME_OFF_MS_MAX, answer_of, reception};
use crate::memory::Memory;
use crate::server::Answer;
use crate::server::auth::{Caller, Scope};
use crate::server::error::Failure;
use crate::server::wire::login::LoginBody;
use crate::server::wire::{self, Object, answer};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use std::pin::pin;

impl<M: Memory> Service<M> {
    pub(super) async fn score(
        &self,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Answer, Failure> {
        caller.needs(Scope::Score)?;
        let minimal = prefers_minimal(headers);
        let body = self.json_body(headers, body).await?;
        let Object(login): Object<LoginBody<'_>> = wire::parse(&body)?;
        caller.may_act_for(login.tenant())?;
        let retry = login.retry_parts(&body);
        let now = self.clock.now();
        let event = login.of_the_present()?.into_event(reception(caller, now))?;
        if event.time.ms_since(now).abs() > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        // Pinned here and lent: it is large, and every layer that took it would move it once more.
        let mut score = pin!(async {
            let scored = self.pipeline.score(caller.tag(), &event, now).await;
            if minimal { answer::minimal(&scored) } else { answer::full(&scored) }
        });
        Ok(answer_of(match retry {
            Some(parts) => self.retries.answer(caller.share, minimal, parts, score.as_mut()).await,
            None => score.as_mut().await.into(),
        }))
    }
}

/// RFC 7240.
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        preference.eq_ignore_ascii_case("return=minimal")
    })
}
