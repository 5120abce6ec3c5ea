//! The hooks: reverse proxies ask of every request whether it may pass.
//!
//! A door reads what its proxy sends (`door`, `request`), `subject` finds out who asks, the pipeline judges unless that was done a
//! moment ago (`verdicts`), `ruling` decides, and `answer` says it as the door does. Who is asked goes to a page, and comes back with a
//! ticket (`address`, `passed`, `back`) for a cookie that says so (`assurance`).

mod address;
mod answer;
mod assurance;
mod authzen;
mod back;
mod door;
mod dovecot;
mod jwt;
mod passed;
pub mod rehearsal;
mod request;
mod ruling;
mod settings;
mod step_up;
mod subject;
mod verdicts;

pub use jwt::{Algorithm, JwtSettings};
pub use settings::{ChallengeUrl, Learn, OnError, ReturnHost, Settings, Tenant, UserHeader};
pub use step_up::{MethodName, PathPrefix, StepUp};

use super::Answer;
use super::api::{Service, request_id};
use super::auth::{Caller, Scope};
use super::body;
use super::error::Failure;
use super::limits::InFlight;
use super::listen::Listen;
use super::tls::Certified;
use crate::clock::{Clock, Timestamp};
use crate::memory::{Memory, Unvisited};
use crate::pipeline::request::{Circumstances, Judged, Request as Unjudged};
use crate::telemetry::Route;
use crate::verdict::Action;
use assurance::{Assurance, Facts};
use bytes::Bytes;
use door::Door;
use dovecot::Sessions;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderName;
use hyper::http::request::Parts;
use jwt::Tokens;
use request::{HookRequest, Original};
use ruling::{Demand, Ruling};
use settings::Learn as Learning;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use step_up::Wanted;
use subject::{Fault, Subject};
use verdicts::{Known, Verdicts};

/// What the hooks have of their own. One for the process.
#[derive(Debug)]
pub struct Hooks {
    settings: Settings,
    /// What names users, where a header does not.
    tokens: Option<Tokens>,
    doors: Doors,
    verdicts: Verdicts,
    /// What asks for a proof of late where nothing else does.
    step_ups: Verdicts,
    sessions: Sessions,
    in_flight: InFlight,
}

/// What a door needs of the settings, as it needs it.
#[derive(Debug)]
struct Doors {
    client_ip: super::client_ip::Settings,
    client_ip_header: HeaderName,
}

impl Doors {
    fn new(settings: &Settings) -> Self {
        let name = String::from(settings.client_ip_header.clone());
        // Its type admits names of headers only.
        let client_ip_header =
            HeaderName::try_from(name).unwrap_or_else(|_| HeaderName::from_static("x-forwarded-for"));
        Self { client_ip: settings.client_ip(), client_ip_header }
    }

    fn read<'r>(&self, door: Door, head: &'r Parts, peer: IpAddr) -> HookRequest<'r> {
        let original = door.original(head, self.client_ip.trusted_proxies.contains(peer));
        HookRequest::new(head, peer, &self.client_ip, &self.client_ip_header, original)
    }

    /// A request that is for us, and comes through a proxy all the same.
    fn read_plain<'r>(&self, head: &'r Parts, peer: IpAddr) -> HookRequest<'r> {
        HookRequest::new(head, peer, &self.client_ip, &self.client_ip_header, Original::default())
    }
}

/// What is found out of a request on the way to its verdict.
#[derive(Debug, Default)]
struct Asked {
    circumstances: Option<Circumstances>,
    address: Option<IpAddr>,
    assurance: Option<Assurance>,
    wanted: Option<Wanted>,
    is_named: bool,
}

impl Asked {
    /// Whether nothing is wanted beside the verdict, or the proof is there.
    fn is_met(&self, now: Timestamp) -> bool {
        self.wanted.is_none_or(|wanted| {
            self.assurance.as_ref().is_some_and(|proof| wanted.is_met(proof.proved, proof.factor, now))
        })
    }

    /// What a proof would be good for; `None` where user or address are not known, and nothing can be bound to them.
    fn facts(&self, device: u64) -> Option<Facts> {
        if !self.is_named {
            return None;
        }
        let Circumstances { user, family, .. } = self.circumstances?;
        Some(Facts { user, device, address: self.address?, family })
    }
}

impl Hooks {
    /// Loads what the settings name.
    ///
    /// # Errors
    ///
    /// A file does not load; the error names setting, file and cause.
    pub fn load(settings: &Settings, in_flight_max: usize, clock: Clock) -> Result<Self, String> {
        let tokens = settings.jwt.as_ref().map(|jwt| Tokens::load(jwt, clock)).transpose();
        Ok(Self {
            tokens: tokens.map_err(|why| format!("hooks.jwt.jwks_file: {why}"))?,
            doors: Doors::new(settings),
            verdicts: Verdicts::new(settings.verdicts_max.as_usize(), settings.verdict_ttl_s, clock),
            step_ups: Verdicts::new(settings.verdicts_max.as_usize(), settings.verdict_ttl_s, clock),
            sessions: Sessions::new(clock),
            in_flight: InFlight::new(in_flight_max, 1),
            settings: settings.clone(),
        })
    }

    /// Where to listen.
    pub(super) fn listen(&self) -> impl Iterator<Item = &Listen> {
        self.settings.listen.iter().flat_map(|listen| &listen.0)
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.settings.deadline_ms.get().into())
    }
}

/// What a request of a hooks listener is for.
#[derive(Debug, Clone, Copy)]
enum Way {
    Door(Door),
    Passed,
    Back,
    Dovecot,
    Evaluation,
    Configuration,
}

impl Way {
    fn find(path: &str) -> Option<Self> {
        match path {
            "/v1/hook/passed" => Some(Self::Passed),
            back::PATH => Some(Self::Back),
            dovecot::PATH => Some(Self::Dovecot),
            authzen::EVALUATION => Some(Self::Evaluation),
            authzen::CONFIGURATION => Some(Self::Configuration),
            _ => Door::find(path).map(Self::Door),
        }
    }

    fn methods(self) -> Option<&'static str> {
        match self {
            Self::Door(_) => None,
            Self::Passed | Self::Dovecot | Self::Evaluation => Some("POST"),
            Self::Back | Self::Configuration => Some("GET"),
        }
    }
}

/// Where a request came from, beside what it says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) peer: IpAddr,
    /// Whose certificate came with its connection.
    pub(super) certified: Option<Certified>,
    /// It came through a socket of this machine, which is never TLS.
    pub(super) is_unix: bool,
}

impl<M: Memory> Service<M> {
    /// Answers one request of a hooks listener.
    pub(super) fn handle_hook(
        self: Arc<Self>,
        request: Request<Incoming>,
        origin: Origin,
    ) -> Pin<Box<impl Future<Output = Answer>>> {
        let (head, mut body) = request.into_parts();
        Box::pin(async move {
            let answer = self.answer_hook(&head, &mut body, origin).await;
            let mut answer = answer.unwrap_or_else(|failure| failure.answer());
            answer.headers_mut().insert("x-request-id", request_id(&head.headers, self.pipeline.ids()));
            self.meters.requested(Route::Hook, answer.status().as_u16());
            self.read_on(body).await;
            answer
        })
    }

    async fn answer_hook(&self, head: &Parts, body: &mut Incoming, origin: Origin) -> Result<Answer, Failure> {
        let way = Way::find(head.uri.path()).ok_or(Failure::NotFound)?;
        if let Some(allow) = way.methods().filter(|methods| *methods != head.method.as_str()) {
            return Err(Failure::MethodNotAllowed { allow });
        }
        match way {
            Way::Door(door) => Ok(self.pass(door, head, origin.peer).await),
            Way::Back => {
                let request = self.hooks.doors.read_plain(head, origin.peer);
                self.send_back(&request, head.uri.query()).await
            }
            Way::Configuration => {
                let is_tls = self.certificates.is_some() && !origin.is_unix;
                self.configuration(&head.headers, is_tls)
            }
            Way::Passed => {
                let (_, body) = self.of_program(head, body, origin).await?;
                self.passed(&body, self.clock.now())
            }
            Way::Dovecot => {
                let (caller, body) = self.of_program(head, body, origin).await?;
                self.dovecot(caller, head.uri.query(), &body).await
            }
            Way::Evaluation => {
                let (caller, body) = self.of_program(head, body, origin).await?;
                self.evaluate(caller, &body).await
            }
        }
    }

    /// Who calls with a key, and with what. Without clients, only who is on this machine may.
    async fn of_program(
        &self,
        head: &Parts,
        body: &mut Incoming,
        Origin { peer, certified, .. }: Origin,
    ) -> Result<(Caller<'_>, Bytes), Failure> {
        if !self.access.has_clients() && !peer.to_canonical().is_loopback() {
            return Err(Failure::NotLocal { why: "the caller is on another machine" });
        }
        let caller = self.access.authenticate_program(&head.headers, head.uri.authority(), certified)?;
        caller.needs(Scope::Score)?;
        caller.may_act_for(self.hooks.settings.tenant())?;
        Ok((caller, self.json_body(&head.headers, body).await?))
    }

    async fn pass(&self, door: Door, head: &Parts, peer: IpAddr) -> Answer {
        let hooks = &self.hooks;
        let request = hooks.doors.read(door, head, peer);
        let now = self.clock.now();
        let subject = self.subject(&request, now).await;
        let wanted = Wanted::of(&request.original, &hooks.settings.step_up);
        let mut asked = Asked { wanted, ..Asked::default() };
        let (user, judged) = match subject {
            Ok(subject) => {
                let judged = self.judge_within(&subject, &request, &mut asked).await;
                (subject.event.user.id.into_owned(), judged)
            }
            Err(fault) => (String::new(), Err(fault)),
        };
        if let Err(fault) = judged {
            tracing::warn!(%fault, %peer, "a request could not be judged");
        }
        let ruling = ruling::conclude(judged, (asked.assurance.as_ref(), wanted), &hooks.settings);
        let location = match &ruling {
            Ruling::Allow(_) | Ruling::Deny => None,
            Ruling::Challenge(demand) => {
                let facts = |demand: Demand| Some((demand, asked.facts(demand.device.number)?));
                let loaded = self.pipeline.loaded();
                let keys = loaded.tokens.signing();
                address::of_page(&hooks.settings, &request.original, demand.and_then(facts), keys, now)
            }
        };
        answer::answer(door, &request, (&ruling, &user), location)
    }

    /// Who asks; a token may be signed by a key that is new.
    async fn subject<'r>(&'r self, request: &HookRequest<'r>, now: Timestamp) -> Result<Subject<'r>, Fault> {
        let (settings, tokens) = (&self.hooks.settings, self.hooks.tokens.as_ref());
        if let Some(tokens) = tokens {
            tokens.keep_fresh(false).await;
        }
        match (Subject::of(request, (settings, tokens), now), tokens) {
            (Err(Fault::TokenKeyUnknown), Some(tokens)) => {
                tokens.keep_fresh(true).await;
                Subject::of(request, (settings, Some(tokens)), now)
            }
            (subject, _) => subject,
        }
    }

    async fn judge_within(
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
    async fn in_time<T>(&self, judge: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
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
        let learns = self.hooks.settings.learn == Learning::FirstSeen;
        let Subject { event, is_named } = subject;
        let judged = self.judge_anew(Unjudged { is_named: *is_named, learns, before, ..Unjudged::of(event) }).await?;
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
        let Subject { event, is_named } = subject;
        let asked = Unjudged { is_named: *is_named, demands: true, before, ..Unjudged::of(event) };
        let judged = self.judge_anew(asked).await?;
        self.hooks.step_ups.keep(circumstances, judged.clone());
        Ok(judged)
    }

    async fn judge_anew(&self, asked: Unjudged<'_, '_>) -> Result<Judged, Fault> {
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

    /// Bodies come along where a proxy hands them on. Nobody looks at them, and what is left of one ends the connection.
    async fn read_on(&self, mut body: Incoming) {
        if !body.is_end_stream() {
            let read = body::read(&mut body, self.body_bytes_max, self.hooks.deadline()).await;
            read.map(drop).unwrap_or_default();
        }
    }
}
