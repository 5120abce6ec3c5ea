//! The flow: context → signals → verdict → memory → answer. The only sequencer; every step is somebody else's.

mod adoption;
pub mod assurance;
mod familiar;
mod gather;
pub mod request;
mod rules;
mod teach;
mod tidings;
mod users;
mod velocity;

pub use tidings::Tidings;
pub use users::{Extent, Remembered, Search, UserName};

use crate::bounded::Bounded;
use crate::clock::{Clock, Timestamp};
use crate::context::LoginContext;
use crate::context::agent::Agents;
use crate::context::geoip::GeoIp;
use crate::context::ip_lists::IpLists;
use crate::context::phone::Phones;
use crate::device_token::{CookieText, DeviceToken, TokenKeys};
use crate::event::LoginEvent;
use crate::familiar::Familiar;
use crate::history::{Lesson, Login, Proof};
use crate::keyed_hash::HashKey;
use crate::memory::decisions::{
    ClientTag, DecisionId, Feedback, Given, IdSource, Label, Name, Refusal, Report, Settlement,
};
use crate::memory::{Fetch, Memory, MemoryError, Record, Sharing, Unvisited};
use crate::privacy::RetentionDays;
use crate::signals::{self, Assessments, Recall};
use crate::telemetry::{Meters, RuleCounts};
use crate::velocity::Velocity;
use crate::verdict::{self, Verdict};
use crate::webhooks::{EventKind, Events};
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;
use teach::{decision, is_copied, lesson, login, teaches_at_once, visit};

/// Everything that judges and remembers. One for the process; all cores share it through an `Arc`.
#[derive(Debug)]
pub struct Pipeline<M> {
    memory: M,
    key: HashKey,
    ids: IdSource,
    agents: Agents,
    phones: Phones,
    velocity: Arc<Velocity>,
    failed_here: velocity::FailedHere,
    familiar: Familiar,
    meters: Arc<Meters>,
    clock: Clock,
    events: Events,
    loaded: ArcSwap<Loaded>,
}

/// What configuration and files say; replaced as a whole when they are read again. A clone shares databases and lists.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Of the signals.
    pub signals: signals::Settings,
    /// Of the verdict.
    pub verdict: verdict::Settings,
    /// What its rules did.
    pub rule_counts: Arc<RuleCounts>,
    /// When an allowed login teaches.
    pub record: Record,
    /// Seconds for which a decision waits.
    pub pending_ttl_s: Bounded<1, 86_400>,
    /// Days for which what is not used any more is kept.
    pub retention_days: RetentionDays,
    /// The keys of device cookies.
    pub tokens: TokenKeys,
    /// The GeoIP databases.
    pub geoip: GeoIp,
    /// The address lists.
    pub lists: Arc<IpLists>,
}

impl Loaded {
    /// An address is about to be looked up: has come what the searches begin with.
    fn prefetch_indexes(&self, ip: Option<IpAddr>) {
        if let Some(ip) = ip {
            self.geoip.prefetch_index(ip);
            self.lists.prefetch_index(ip);
        }
    }

    /// The same of what they search, when that has come.
    fn prefetch_networks(&self, ip: Option<IpAddr>) {
        if let Some(ip) = ip {
            self.geoip.prefetch_networks(ip);
            self.lists.prefetch_ranges(ip);
        }
    }
}

/// Which look at a login it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// The decision that was made at an earlier look and told to nobody: it is made again, and counted once.
    pub again: Option<DecisionId>,
    /// The store did not answer: the login is judged on what is here.
    pub is_alone: bool,
}

/// A judged login.
#[derive(Debug)]
pub struct Scored<'a> {
    /// Names the decision in its outcome.
    pub id: DecisionId,
    /// The facts it was judged by.
    pub context: LoginContext<'a>,
    /// The assessments.
    pub assessments: Assessments,
    /// The decision.
    pub verdict: Verdict,
    /// What became of the device token.
    pub presented: Presented,
    /// The device cookie that the browser is to keep from now on.
    pub cookie: CookieText,
    /// What it teaches is in memory only, since nothing becomes durable just now.
    pub degraded: bool,
}

/// What became of the device token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// There was none of this user.
    Absent,
    /// It is this user's, and as far as is known in use by nobody else.
    Good,
    /// It is none that was issued here.
    Bad,
    /// It is one copy of two.
    Copied,
}

/// Why an outcome was not taken.
#[derive(Debug)]
pub enum SettleError {
    /// No such decision, or its time has passed.
    NotFound,
    /// The decision does not admit it.
    Refused(Refusal),
    /// Memory failed.
    Memory(MemoryError),
}

impl<M: Memory> Pipeline<M> {
    /// A pipeline over `memory`, whose keys are hashes under `key`.
    pub fn new(memory: M, key: HashKey, ids: IdSource, loaded: Loaded, meters: Arc<Meters>, clock: Clock) -> Self {
        let (agents, phones) = (Agents::new(), Phones::new());
        let velocity = Arc::new(Velocity::new(loaded.signals.untrusted_ip.velocity));
        memory.keep_velocity(&velocity);
        let familiar = Familiar::new(loaded.signals.untrusted_ip.office_users.as_usize());
        let (events, loaded) = (Events::default(), ArcSwap::from_pointee(loaded));
        let failed_here = velocity::FailedHere::default();
        Self { memory, key, ids, agents, phones, velocity, failed_here, familiar, meters, clock, events, loaded }
    }

    /// Judges a login at `now` by the server's clock, and learns from it what may be learnt at once. What is to be told to others
    /// is told by [`Memory::share`].
    ///
    /// # Errors
    ///
    /// The user's history is elsewhere: fetch it first. Nothing was learnt or kept.
    pub fn score<'a>(
        &self,
        client: ClientTag,
        event: &'a LoginEvent<'_>,
        now: Timestamp,
        look: Look,
    ) -> Result<Scored<'a>, Fetch> {
        let started = self.clock.start();
        let loaded = self.loaded.load();
        let (context, browser) = self.gather(&loaded, event, now);
        let judge = |recall: Recall<'_>| verdict::assess(&context, recall, &loaded.signals, &loaded.verdict);
        // For a browser without a token of this user, and for one whose token was copied.
        let fresh = DeviceToken::first(self.ids.device());
        let issued = self.token_use(&context, fresh);
        let id = look.again.unwrap_or_else(|| self.memory.name(self.ids.decision(now), context.user));
        self.memory.prefetch_decision(id);
        if let Some(sources) = &context.address.sources {
            self.velocity.prefetch_counts(sources, now);
        }
        let (mut judged, mut has_history) = (None, false);
        let how = if look.is_alone { Sharing::Later } else { Sharing::Compared };
        let visited = self.adopt(context.anchor, context.user).and_then(|()| {
            self.memory.visit_at_login(id, how, context.user, |history| {
                let (assessments, verdict) = judged.insert(judge(history.into()));
                has_history = history.is_some();
                ((), lesson(&loaded, &context, issued, assessments, verdict, history))
            })
        });
        match visited {
            Ok(()) => {}
            Err(Unvisited::Elsewhere(fetch)) if !look.is_alone => return Err(fetch),
            Err(unvisited) => {
                if let Unvisited::Failed(error) = unvisited {
                    self.failed(&error);
                }
                (judged, has_history) = (None, false);
            }
        }
        let judged = judged.unwrap_or_else(|| judge(Recall::Failed));
        // They are large: moved once, into the answer.
        let (assessments, verdict) = (&judged.0, &judged.1);
        let is_copied = is_copied(assessments);
        let at_once = teaches_at_once(&loaded, assessments, verdict);
        let who = (context.user, Name::new(&event.tenant, &event.user.id));
        let what = (login(&context, issued, is_copied), context.address.ip);
        let given = Given::new(who, client, what, assessments, verdict);
        let is_first = look.again.is_none();
        if at_once && is_first {
            self.count_success(visit(&context, assessments), now);
            self.count_familiar(&context, assessments, now);
        }
        let decision = decision(&loaded, &context, given, assessments, verdict, now);
        if let Err(error) = self.memory.keep(id, decision, has_history) {
            self.failed(&error);
        }
        if is_first {
            self.meters.scored(assessments, verdict, started.elapsed());
            rules::audit(&loaded, id, &verdict.rules);
        }
        let next = browser.token.filter(|_| !is_copied).map_or(fresh, DeviceToken::successor);
        let cookie = loaded.tokens.write(browser.cookie.as_ref(), &event.tenant, &event.user.id, next);
        let presented = if is_copied { Presented::Copied } else { browser.presented };
        let degraded = look.is_alone || self.memory.is_degraded();
        let (assessments, verdict) = judged;
        Ok(Scored { id, context, assessments, verdict, presented, cookie, degraded })
    }

    /// Takes the outcome of a decision at `now`, and learns what it teaches.
    ///
    /// # Errors
    ///
    /// See [`SettleError`]; nothing was learnt then.
    pub async fn settle(&self, id: DecisionId, report: Report, now: Timestamp) -> Result<(), SettleError> {
        let settled = self.memory.settle(id, now, report).await;
        if let Ok(Settlement::Counted(ended)) = &settled
            && !self.failed_here.is_told_by(id, report)
        {
            self.count_outcome(ended, report, now);
        }
        self.settlement(settled)
    }

    /// Takes what somebody says of a decision afterwards, at `now`, and learns from it.
    ///
    /// # Errors
    ///
    /// See [`SettleError`]; nothing was learnt then.
    pub async fn label(&self, id: DecisionId, feedback: Feedback, now: Timestamp) -> Result<(), SettleError> {
        let labelled = self.memory.label(id, now, feedback).await;
        if let (Ok(Settlement::Labelled(name)), Label::Fraud) = (&labelled, feedback.label) {
            self.tell_of(EventKind::FeedbackFraud, name, id, now);
        }
        self.settlement(labelled)
    }

    /// Learns from a completed login of the past.
    ///
    /// # Errors
    ///
    /// The user's history is elsewhere, or cannot be had; nothing was learnt then.
    pub fn import(&self, event: &LoginEvent<'_>, factor_passed: bool, now: Timestamp) -> Result<(), Unvisited> {
        let loaded = self.loaded.load();
        let (context, _) = self.gather(&loaded, event, now);
        let past = login(&context, None, false);
        let proof = if factor_passed { past.proof.max(Proof::Factor) } else { past.proof };
        let lesson = Lesson::Completed(Login { proof, ..past });
        self.adopt(context.anchor, context.user)?;
        self.memory.visit(context.user, |_| ((), Some(lesson)))
    }

    /// Forgets what is older than it may be; called on a thread of its own.
    pub fn age(&self) {
        self.memory.age(self.clock.now(), &self.loaded.load().retention_days);
    }

    /// Replaces what configuration and files say; logins under way keep what they began with.
    pub fn replace(&self, loaded: Loaded) {
        self.velocity.set(loaded.signals.untrusted_ip.velocity);
        self.familiar.set(loaded.signals.untrusted_ip.office_users.as_usize(), self.clock.now());
        self.loaded.store(Arc::new(loaded));
    }

    /// What configuration and files say now.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// The store.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// What is counted of addresses and networks.
    pub fn velocity(&self) -> &Velocity {
        &self.velocity
    }

    /// What reads phone numbers.
    pub fn phones(&self) -> &Phones {
        &self.phones
    }

    /// The source of ids.
    pub fn ids(&self) -> &IdSource {
        &self.ids
    }

    fn settlement(&self, settlement: Result<Settlement, MemoryError>) -> Result<(), SettleError> {
        match settlement {
            Ok(Settlement::Taken | Settlement::Counted(_) | Settlement::Labelled(_)) => Ok(()),
            Ok(Settlement::Unknown) => Err(SettleError::NotFound),
            Ok(Settlement::Refused(refusal)) => Err(SettleError::Refused(refusal)),
            Err(error) => {
                self.failed(&error);
                Err(SettleError::Memory(error))
            }
        }
    }

    /// Logs and counts what fails.
    pub fn failed(&self, error: &MemoryError) {
        self.meters.memory_errors.increment(1);
        tracing::error!(%error, "memory failed");
    }
}

#[cfg(test)]
pub(crate) mod tests;
