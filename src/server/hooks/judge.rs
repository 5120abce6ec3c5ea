//! From a subject to a verdict: from what was said a moment ago, or from the pipeline; and the proof that may stand against it.

use super::assurance::{self, Assurance, Facts};
use super::request::HookRequest;
use super::ruling;
use super::settings::Learn;
use super::step_up::Wanted;
use super::subject::{Fault, Subject};
use super::verdicts::Known;
use crate::clock::Timestamp;
use crate::event::{LoginEvent, User};
use crate::memory::{Memory, Unvisited};
use crate::pipeline::UserName;
use crate::pipeline::request::{Circumstances, Judged, Request as Unjudged};
use crate::server::api::Service;
use crate::verdict::Action;
use std::net::IpAddr;

/// What is found out of a request on the way to its verdict.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) circumstances: Option<Circumstances>,
    pub(super) address: Option<IpAddr>,
    pub(super) assurance: Option<Assurance>,
    pub(super) wanted: Option<Wanted>,
    pub(super) is_named: bool,
}

impl Asked {
    /// Whether nothing is wanted beside the verdict, or the proof is there.
    fn is_met(&self, now: Timestamp) -> bool {
        self.wanted.is_none_or(|wanted| {
            self.assurance.as_ref().is_some_and(|proof| wanted.is_met(proof.proved, proof.factor, now))
        })
    }

    /// What a proof would be good for; `None` where user or address are not known, and nothing can be bound to them.
    pub(super) fn facts(&self, device: u64) -> Option<Facts> {
        if !self.is_named {
            return None;
        }
        let Circumstances { user, family, .. } = self.circumstances?;
        Some(Facts { user, device, address: self.address?, family })
    }
}

impl<M: Memory> Service<M> {
    /// The verdict, as far as it can be given in time; `asked` is filled on the way.
    pub(super) async fn judge_within(
        &self,
        subject: &Subject<'_>,
        request: &HookRequest<'_>,
        asked: &mut Asked,
    ) -> Result<Judged, Fault> {
        self.in_time(async {
            let circumstances = self.pipeline.circumstances(&subject.event);
            (asked.circumstances, asked.address) = (Some(circumstances), subject.event.ip.ip());
            asked.is_named = subject.is_named;
            let judged = self.judge(subject, circumstances).await?;
            if asked.wanted.is_none() && !judged.action.demands_mfa() {
                return Ok(judged);
            }
            asked.assurance = self.assurance(subject, request, asked).await?;
            if judged.action == Action::Deny || asked.is_met(self.clock.now()) {
                return Ok(judged);
            }
            let passes = judged.action == Action::Allow || ruling::is_lifted(&judged, asked.assurance.as_ref());
            if !passes {
                return Ok(judged);
            }
            asked.assurance = None;
            self.step_up(subject, circumstances).await
        })
        .await
    }

    /// Within the deadline, and among the requests in flight.
    pub(super) async fn in_time<T>(&self, judge: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let _permit = self.hooks.in_flight.enter(0).map_err(|_| Fault::Overloaded)?;
        tokio::time::timeout(self.hooks.deadline(), judge).await.map_err(|_| Fault::Late)?
    }

    /// The factor that was passed in this browser, as far as the history vouches for it.
    async fn assurance(
        &self,
        subject: &Subject<'_>,
        request: &HookRequest<'_>,
        asked: &Asked,
    ) -> Result<Option<Assurance>, Fault> {
        let device = asked.circumstances.and_then(|circumstances| circumstances.device);
        let Some((text, (device, _))) = request.cookie(assurance::COOKIE).zip(device) else { return Ok(None) };
        let Some(facts) = asked.facts(device) else { return Ok(None) };
        let loaded = self.pipeline.loaded();
        let opened = Assurance::open(loaded.tokens.signing(), text, facts, self.clock.now());
        let Some(assurance) = opened else { return Ok(None) };
        let vouches = || self.pipeline.vouches(&subject.event, assurance.witness, assurance.proved);
        Ok(self.once_here(vouches).await?.then_some(assurance))
    }

    async fn judge(&self, subject: &Subject<'_>, circumstances: Circumstances) -> Result<Judged, Fault> {
        let stamp = self.once_here(|| self.pipeline.stamp(&subject.event)).await?;
        let before = match self.hooks.verdicts.find(&circumstances, stamp) {
            Known::Judged(judged) => return Ok(*judged),
            Known::Unjudged(before) => before,
        };
        let learns = self.hooks.settings.learn == Learn::FirstSeen;
        let Subject { event, is_named, email } = subject;
        let asked = Unjudged { is_named: *is_named, learns, before, ..Unjudged::of(event) };
        let judged = self.judge_anew(asked, email.as_deref()).await?;
        self.hooks.verdicts.keep(circumstances, judged.clone());
        Ok(judged)
    }

    /// A demand where none was: a proof of late is wanted.
    async fn step_up(&self, subject: &Subject<'_>, circumstances: Circumstances) -> Result<Judged, Fault> {
        let stamp = self.once_here(|| self.pipeline.stamp(&subject.event)).await?;
        let before = match self.hooks.step_ups.find(&circumstances, stamp) {
            Known::Judged(judged) => return Ok(*judged),
            Known::Unjudged(before) => before,
        };
        let Subject { event, is_named, email } = subject;
        let asked = Unjudged { is_named: *is_named, demands: true, before, ..Unjudged::of(event) };
        let judged = self.judge_anew(asked, email.as_deref()).await?;
        self.hooks.step_ups.keep(circumstances, judged.clone());
        Ok(judged)
    }

    /// Judges, by the factors that the user has where askance knows them.
    pub(super) async fn judge_anew(&self, asked: Unjudged<'_, '_>, email: Option<&str>) -> Result<Judged, Fault> {
        let Some(mfa) = self.mfa.as_ref().filter(|_| asked.is_named) else { return self.judge_shared(asked).await };
        let user = &asked.event.user;
        let known = mfa.known(UserName { tenant: &asked.event.tenant, id: &user.id }, self.clock.now()).await;
        let user = User { enrolled: known.enrolled(), has_email: email.is_some(), ..user.clone() };
        let event = &LoginEvent { user, ..asked.event.clone() };
        self.judge_shared(Unjudged { event, knows_factors: true, ..asked }).await
    }

    async fn judge_shared(&self, asked: Unjudged<'_, '_>) -> Result<Judged, Fault> {
        let (judged, share) = self.once_here(|| self.pipeline.judge(asked, self.clock.now())).await?;
        if let Some(share) = share
            && share.await.is_err()
        {
            // The verdict stands; other replicas will not know its decision.
            tracing::warn!(decision = %judged.id, "a decision was not shared");
        }
        Ok(judged)
    }

    /// Asks until the history is here.
    async fn once_here<T>(&self, ask: impl Fn() -> Result<T, Unvisited>) -> Result<T, Fault> {
        loop {
            let failed = match ask() {
                Ok(told) => return Ok(told),
                Err(unvisited) => unvisited.fetched().await,
            };
            if let Err(error) = failed {
                self.pipeline.failed(&error);
                return Err(Fault::Memory);
            }
        }
    }
}
