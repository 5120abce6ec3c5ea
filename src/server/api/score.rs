//! `POST /v1/score`.

use super::asking::Asking;
use super::retry::{First, Turn};
use super::{Service, TIME_OFF_MS_MAX, answer_of, reception};
use crate::memory::decisions::DecisionId;
use crate::memory::{Fetch, Memory, MemoryError, Share, Sharing, Unshared};
use crate::mfa::login::Known;
use crate::pipeline::{Look, Tidings};
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
        let mut looking = Looking::default();
        if let Some(mfa) = &self.mfa {
            looking.known = Some(Box::pin(self.known_factors(mfa, caller, &body)).await?);
        }
        loop {
            match self.attempt(caller, minimal, &body, &mut looking)? {
                Attempt::Answered(json) => return Ok(answer_of(json)),
                Attempt::UnderWay(over) => over.await,
                Attempt::Elsewhere(fetch) => {
                    let fetched = fetch.await;
                    self.look_again(&mut looking, fetched.as_ref().err());
                }
                Attempt::Judged(mut judged) => match (&mut judged.share).await {
                    Ok(()) => {
                        self.pipeline.tell(judged.tidings);
                        return Ok(answer_of(looking.answered(judged.answer)));
                    }
                    Err(unshared) => {
                        looking.again = Some(judged.id.to_bytes());
                        let failed = match &unshared {
                            Unshared::Changed => None,
                            Unshared::Failed(error) => Some(error),
                        };
                        self.look_again(&mut looking, failed);
                    }
                },
            }
        }
    }

    /// The next look is alone where the store failed, or where looks do not come to an end.
    fn look_again(&self, looking: &mut Looking<'_>, failed: Option<&MemoryError>) {
        looking.looks += 1;
        if let Some(error) = failed {
            self.pipeline.failed(error);
        }
        looking.is_alone |= failed.is_some() || looking.looks >= LOOKS_MAX;
    }

    /// All that is done for a login, in one go: what it works with is large, and would be moved and kept from the caches
    /// if it had to outlive a wait.
    fn attempt<'a>(
        &'a self,
        caller: Caller<'_>,
        minimal: bool,
        body: &Bytes,
        looking: &mut Looking<'a>,
    ) -> Result<Attempt, Failure> {
        let Object(login): Object<LoginBody<'_>> = wire::parse(body)?;
        caller.may_act_for(login.tenant())?;
        let retry = login.retry_parts(body).filter(|_| looking.turn.is_none());
        let now = self.clock.now();
        let asking =
            self.mfa.as_ref().zip(looking.known.as_deref()).map(|(mfa, known)| Asking::new(mfa, known, &login));
        let mut event = login.of_the_present()?.into_event(reception(caller, now))?;
        if let Some(asking) = &asking {
            event.user.enrolled = asking.enrolled()?;
        }
        if event.time.ms_since(now).abs() > TIME_OFF_MS_MAX {
            return Err(Failure::TimeOutOfRange);
        }
        match retry.map(|parts| self.retries.turn(caller.share, minimal, parts)) {
            None => {}
            Some(Turn::First(first)) => looking.turn = Some(first),
            Some(Turn::Again(answer)) => return Ok(Attempt::Answered(answer)),
            Some(Turn::Wait(over)) => return Ok(Attempt::UnderWay(Box::pin(over))),
        }
        let mut scored = match self.pipeline.score(caller.tag(), &event, now, looking.look()) {
            Ok(scored) => scored,
            Err(fetch) => return Ok(Attempt::Elsewhere(fetch)),
        };
        let asked = asking.map(|asking| asking.ask(&mut scored, caller.tag(), &event, now)).transpose()?;
        let answer = if minimal { answer::minimal(&scored) } else { answer::full(&scored, asked.as_ref()) };
        let tidings = self.pipeline.tidings(&event, &scored);
        Ok(match self.pipeline.memory().share(scored.id, scored.context.user, looking.sharing()) {
            None => {
                self.pipeline.tell(tidings);
                Attempt::Answered(looking.answered(answer))
            }
            Some(share) => Attempt::Judged(Box::new(Judged { id: scored.id, answer, tidings, share })),
        })
    }
}

/// After so many looks at a login whose user others change all the time, what it teaches is merged into whatever they stored.
const COMPARED_MAX: u8 = 3;
/// No login is looked at more often.
const LOOKS_MAX: u8 = 8;

/// What a login keeps from one look to the next.
#[derive(Debug, Default)]
struct Looking<'a> {
    /// The decision of an earlier look, told to nobody: by its bytes, which need no alignment in a future that is kept.
    again: Option<[u8; 16]>,
    is_alone: bool,
    looks: u8,
    /// Whoever repeats the login waits meanwhile.
    turn: Option<First<'a>>,
    /// The user's factors, where askance keeps them.
    known: Option<Box<Known>>,
}

impl Looking<'_> {
    fn look(&self) -> Look {
        Look { again: self.again.map(DecisionId::from_bytes), is_alone: self.is_alone }
    }

    fn sharing(&self) -> Sharing {
        match self.looks {
            _ if self.is_alone => Sharing::Later,
            0..COMPARED_MAX => Sharing::Compared,
            COMPARED_MAX.. => Sharing::Merged,
        }
    }

    /// The answer, kept for all who ask again.
    fn answered(&mut self, answer: Vec<u8>) -> Bytes {
        match self.turn.take() {
            Some(turn) => turn.answered(answer),
            None => answer.into(),
        }
    }
}

/// What came of looking at a login.
enum Attempt {
    Answered(Bytes),
    /// The same login is being judged: to be looked at again when that is over.
    UnderWay(Pin<Box<OwnedNotified>>),
    /// The user's history is to be fetched first.
    Elsewhere(Fetch),
    /// Answered, once other replicas know. Apart, so that the future of a request stays small for those who share with nobody.
    Judged(Box<Judged>),
}

/// An answer that is yet to be told.
struct Judged {
    id: DecisionId,
    answer: Vec<u8>,
    tidings: Option<Box<Tidings>>,
    share: Share,
}

/// RFC 7240.
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|preference| {
        let preference = preference.split(';').next().unwrap_or_default().trim();
        preference.eq_ignore_ascii_case("return=minimal")
    })
}
