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
mod complaints;
mod door;
mod dovecot;
mod grpc;
mod judge;
mod jwt;
mod page;
mod passed;
pub mod probe;
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
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;
use crate::mfa;
use crate::mfa::step_up::EmailOnly;
use crate::mfa::visitor::Visitor;
use crate::pages::Pages;
use crate::telemetry::Route;
use bytes::Bytes;
use complaints::Complaints;
use door::Door;
use dovecot::Sessions;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use judge::Asked;
use jwt::Tokens;
use probe::{Probes, Seen};
use request::{HookRequest, Original};
use ruling::{Demand, Ruling};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use step_up::Wanted;
use subject::{Fault, Subject};
use verdicts::Verdicts;

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
    complaints: Complaints,
    probes: Probes,
    in_flight: InFlight,
    /// How pages look.
    pages: Pages,
    /// Those that are made just now: a crowd of them leaves the doors alone.
    of_pages: InFlight,
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

impl Hooks {
    /// Loads what the settings name.
    ///
    /// # Errors
    ///
    /// A file does not load; the error names setting, file and cause.
    pub fn load(settings: &Settings, pages: Pages, in_flight_max: usize, clock: Clock) -> Result<Self, String> {
        let tokens = settings.jwt.as_ref().map(|jwt| Tokens::load(jwt, clock)).transpose();
        Ok(Self {
            tokens: tokens?,
            doors: Doors::new(settings),
            verdicts: Verdicts::new(settings.verdicts_max.as_usize(), settings.verdict_ttl_s, clock),
            step_ups: Verdicts::new(settings.verdicts_max.as_usize(), settings.verdict_ttl_s, clock),
            sessions: Sessions::new(clock),
            complaints: Complaints::new(clock),
            probes: Probes::new(clock),
            in_flight: InFlight::new(in_flight_max, 1),
            of_pages: InFlight::new(in_flight_max, 1),
            pages,
            settings: settings.clone(),
        })
    }

    /// Where to listen.
    pub(super) fn listen(&self) -> impl Iterator<Item = &Listen> {
        self.settings.listen.iter().flat_map(|listen| &listen.0)
    }

    /// Where to listen for Envoy's gRPC.
    pub(super) fn listen_grpc(&self) -> impl Iterator<Item = &Listen> {
        self.settings.grpc_listen.iter().flat_map(|listen| &listen.0)
    }

    /// Begins to note the requests of a probe.
    pub(super) fn begin_probe(&self, nonce: String) {
        self.probes.begin(nonce);
    }

    /// What was seen of the probe.
    pub(super) fn probed(&self) -> Vec<Seen> {
        self.probes.seen()
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.settings.deadline_ms.get().into())
    }
}

/// What a request of a hooks listener is for.
#[derive(Debug, Clone, Copy)]
enum Way<'p> {
    Door(Door),
    Page,
    Asset(&'p str),
    Passed,
    Back,
    Dovecot,
    Evaluation,
    Configuration,
}

impl<'p> Way<'p> {
    fn find(path: &'p str) -> Option<Self> {
        match path {
            page::PATH => Some(Self::Page),
            "/v1/hook/passed" => Some(Self::Passed),
            back::PATH => Some(Self::Back),
            dovecot::PATH => Some(Self::Dovecot),
            authzen::EVALUATION => Some(Self::Evaluation),
            authzen::CONFIGURATION => Some(Self::Configuration),
            _ => path.strip_prefix(page::ASSETS).map(Self::Asset).or_else(|| Door::find(path).map(Self::Door)),
        }
    }

    fn methods(self) -> Option<&'static str> {
        match self {
            Self::Door(_) => None,
            Self::Passed | Self::Dovecot | Self::Evaluation => Some("POST"),
            Self::Back | Self::Configuration => Some("GET"),
            Self::Asset(_) => Some("GET, HEAD"),
            Self::Page => Some("GET, HEAD, POST"),
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
            // An allow is a proxy's to keep, and all else nobody's.
            if !answer.headers().contains_key("x-askance-action") && !answer.headers().contains_key(CACHE_CONTROL) {
                answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            answer.headers_mut().insert("x-request-id", request_id(&head.headers, self.pipeline.ids()));
            self.meters.requested(Route::Hook, answer.status().as_u16());
            self.read_on(body).await;
            answer
        })
    }

    async fn answer_hook(&self, head: &Parts, body: &mut Incoming, origin: Origin) -> Result<Answer, Failure> {
        let way = Way::find(head.uri.path()).ok_or(Failure::NotFound)?;
        if let Some(allow) =
            way.methods().filter(|methods| !methods.split(", ").any(|method| method == head.method.as_str()))
        {
            return Err(Failure::MethodNotAllowed { allow });
        }
        match way {
            Way::Door(door) => Ok(self.pass(door, &self.hooks.doors.read(door, head, origin.peer), origin.peer).await),
            Way::Page => Ok(Box::pin(self.page(head, body, origin)).await),
            Way::Asset(name) => Ok(self.asset(name, head)),
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

    async fn pass(&self, door: Door, request: &HookRequest<'_>, peer: IpAddr) -> Answer {
        let hooks = &self.hooks;
        let now = self.clock.now();
        let subject = self.subject(request, now).await;
        hooks.probes.note(door, (request, peer), || match &subject {
            Ok(subject) => subject.event.user.id.to_string(),
            Err(fault) => fault.to_string(),
        });
        let wanted = Wanted::of(&request.original, &hooks.settings.step_up).map(|wanted| self.without_mail(wanted));
        let mut asked = Asked { wanted, ..Asked::default() };
        let (visitor, judged) = match subject {
            Ok(subject) => {
                let judged = self.judge_within(&subject, request, &mut asked).await;
                let email = mfa::login::contact(subject.email.as_deref(), None, None, now);
                (Visitor { user: subject.event.user.id.into_owned(), email }, judged)
            }
            Err(fault) => (Visitor { user: String::new(), email: None }, Err(fault)),
        };
        if let Err(fault) = judged {
            hooks.complaints.tell(fault);
        }
        let ruling = ruling::conclude(judged, (asked.assurance.as_ref(), wanted), &hooks.settings);
        let location = match &ruling {
            Ruling::Allow(_) | Ruling::Deny => None,
            Ruling::Challenge(demand) => {
                let who = |demand: Demand| {
                    let mfa = self.mfa.as_ref()?;
                    mfa.seal_visitor(&visitor, demand.decision).ok()
                };
                let facts = |demand: Demand| {
                    Some((demand, asked.facts(demand.device.number)?, who(demand).unwrap_or_default()))
                };
                let loaded = self.pipeline.loaded();
                let keys = loaded.tokens.signing();
                address::of_page(&hooks.settings, &request.original, demand.and_then(facts), keys, now)
            }
        };
        answer::answer(door, request, (&ruling, &visitor.user), location)
    }

    /// Where no rule names factors, `step_up.email_only` says whether a code by email is one of them.
    fn without_mail(&self, wanted: Wanted) -> Wanted {
        let refuses = self.mfa.as_ref().is_some_and(|mfa| mfa.step_up.email_only == EmailOnly::Deny);
        let factors = wanted.factors;
        let factors = if refuses && factors == FactorSet::ALL { factors.without(Factor::Email) } else { factors };
        Wanted { factors, ..wanted }
    }

    /// Who asks; a token may be signed by a key that is new.
    async fn subject<'r>(&'r self, request: &HookRequest<'r>, now: Timestamp) -> Result<Subject<'r>, Fault> {
        let (settings, tokens) = (&self.hooks.settings, self.hooks.tokens.as_ref());
        // A disk that hangs costs the deadline, and no more: the keys that are there serve.
        let deadline = self.hooks.deadline();
        if let Some(tokens) = tokens {
            tokio::time::timeout(deadline, tokens.keep_fresh(false)).await.unwrap_or_default();
        }
        match (Subject::of(request, (settings, tokens), now), tokens) {
            (Err(Fault::TokenKeyUnknown), Some(tokens)) => {
                tokio::time::timeout(deadline, tokens.keep_fresh(true)).await.unwrap_or_default();
                Subject::of(request, (settings, Some(tokens)), now)
            }
            (subject, _) => subject,
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
