//! The flow: context → signals → verdict → memory → answer. The only sequencer; every step is somebody else's.

use crate::bounded::Bounded;
use crate::clock::{Clock, Timestamp};
use crate::context::agent::Agents;
use crate::context::geoip::{self, Found, GeoIp};
use crate::context::ip_lists::{Category, Entry, Hit, IpLists, ListFinding};
use crate::context::network::{NetworkKind, NetworkKinds};
use crate::context::phone::Phones;
use crate::context::{Account, Address, Location, LoginContext, Organization, Place};
use crate::event::{ClientIp, GivenLocation, LoginEvent};
use crate::history::{Lesson, Login, Proof};
use crate::keyed_hash::{AddressTag, HashKey};
use crate::memory::decisions::{
    ClientTag, Decision, DecisionId, Feedback, IdSource, LoginResult, Pending, Refusal, Report, Settled, Settlement,
    Teaches,
};
use crate::memory::{Memory, MemoryError, Record};
use crate::signals::{self, Assessments, Recall};
use crate::telemetry::Meters;
use crate::units::{Confidence, CountryCode};
use crate::verdict::{self, Action, Strength, Verdict};
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that judges and remembers. One for the process; all cores share it through an `Arc`.
#[derive(Debug)]
pub struct Pipeline<M> {
    memory: M,
    key: HashKey,
    ids: IdSource,
    agents: Agents,
    phones: Phones,
    meters: Arc<Meters>,
    clock: Clock,
    loaded: ArcSwap<Loaded>,
}

/// What configuration and files say; replaced as a whole when they are read again. A clone shares databases and lists.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Of the signals.
    pub signals: signals::Settings,
    /// Of the verdict.
    pub verdict: verdict::Settings,
    /// When an allowed login teaches.
    pub record: Record,
    /// Seconds for which a decision waits.
    pub pending_ttl_s: Bounded<1, 86_400>,
    /// The GeoIP databases.
    pub geoip: GeoIp,
    /// The address lists.
    pub lists: Arc<IpLists>,
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
}

/// What became of the device token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// There was none.
    Absent,
    /// It is none that was issued here.
    Bad,
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
        Self { memory, key, ids, agents, phones, meters, clock, loaded: ArcSwap::from_pointee(loaded) }
    }

    /// Judges a login at `now` by the server's clock, and learns from it what may be learnt at once.
    pub async fn score<'a>(&self, client: ClientTag, event: &'a LoginEvent<'_>, now: Timestamp) -> Scored<'a> {
        let started = self.clock.start();
        let loaded = self.loaded.load();
        let context = self.gather(&loaded, event, now);
        let judge = |recall: Recall<'_>| verdict::assess(&context, recall, &loaded.signals, &loaded.verdict);
        let visited = self.memory.visit(context.user, |history| {
            let (assessments, verdict) = judge(history.into());
            let lesson = teaches_at_once(&loaded, &verdict).then(|| Lesson::Completed(login(&context)));
            ((assessments, verdict, history.is_some()), lesson)
        });
        let (assessments, verdict, has_history) = visited.await.unwrap_or_else(|error| {
            self.failed(&error);
            let (assessments, verdict) = judge(Recall::Failed);
            (assessments, verdict, false)
        });
        let id = self.ids.decision(now);
        let decision = decision(&loaded, client, &context, &verdict, now);
        if let Err(error) = self.memory.keep(id, decision, has_history).await {
            self.failed(&error);
        }
        self.meters.scored(&assessments, &verdict, started.elapsed());
        // Tokens are not issued yet, so none that is presented can be ours.
        let presented = if event.device_token.is_some() { Presented::Bad } else { Presented::Absent };
        Scored { id, context, assessments, verdict, presented }
    }

    /// Takes the outcome of a decision, and learns what it teaches.
    ///
    /// # Errors
    ///
    /// See [`SettleError`]; nothing was learnt then.
    pub async fn settle(&self, id: DecisionId, report: Report) -> Result<(), SettleError> {
        let settled = self.memory.settle(id, self.clock.now(), report).await;
        self.settlement(settled)
    }

    /// Takes what somebody says of a decision afterwards, and learns from it.
    ///
    /// # Errors
    ///
    /// See [`SettleError`]; nothing was learnt then.
    pub async fn label(&self, id: DecisionId, feedback: Feedback) -> Result<(), SettleError> {
        let labelled = self.memory.label(id, self.clock.now(), feedback).await;
        self.settlement(labelled)
    }

    /// Learns from a completed login of the past.
    ///
    /// # Errors
    ///
    /// Memory failed; nothing was learnt then.
    pub async fn import(&self, event: &LoginEvent<'_>, factor_passed: bool, now: Timestamp) -> Result<(), MemoryError> {
        let context = self.gather(&self.loaded.load(), event, now);
        let past = login(&context);
        let proof = if factor_passed { past.proof.max(Proof::Factor) } else { past.proof };
        let lesson = Lesson::Completed(Login { proof, ..past });
        self.memory.visit(context.user, |_| ((), Some(lesson))).await
    }

    /// Replaces what configuration and files say; logins under way keep what they began with.
    pub fn replace(&self, loaded: Loaded) {
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

    /// The source of ids.
    pub fn ids(&self) -> &IdSource {
        &self.ids
    }

    /// Every lookup of one login, none of which waits.
    fn gather<'a>(&self, loaded: &Loaded, event: &'a LoginEvent<'_>, now: Timestamp) -> LoginContext<'a> {
        let user = self.key.user(&event.tenant, &event.user.id);
        let ip = event.ip.ip();
        let network = ip.map(|ip| self.key.network(user, ip));
        let found = ip.map_or(Found::NOTHING, |ip| loaded.geoip.look_up(ip));
        let (asn, as_organization) = system(event, &found);
        let (lists, listed_kinds) = lists(loaded, ip, asn, &found, now);
        let given_kinds = event.edge.asn.map_or(NetworkKinds::NONE, |asn| loaded.geoip.kinds_of_asn(asn));
        let location = locate(&found, event.location);
        LoginContext {
            user,
            time: event.time,
            device: event.device_id.as_deref().map(|id| self.key.device(user, id)),
            agent: self.agents.look_up(event.user_agent.as_deref(), event.client_hints.as_ref()),
            address: Address {
                text: ClientIp::text(&event.ip),
                ip,
                tag: network.zip(ip).map(|(network, ip)| AddressTag::new(network, ip)),
                network,
                asn,
                as_organization,
                lists,
                database: database_hit(&found),
                kinds: found.kinds.union(listed_kinds).union(given_kinds),
                bot_score: event.edge.bot_score,
                verified_bot: event.edge.verified_bot,
                edge_ignored: event.edge_ignored,
            },
            location,
            country: country(&found, event.location),
            phone: self.phones.look_up(event.user.phone_number.as_deref(), event.user.phone_region),
            account: Account {
                enrolled: event.user.enrolled,
                has_email: event.user.has_email,
                email_verified: event.user.email_verified,
                created_at: event.user.created_at,
                phone_changed_at: event.user.phone_changed_at,
                email_changed_at: event.user.email_changed_at,
            },
            flow: event.flow,
            first_factor: event.first_factor,
            remembered_browser: event.remembered_browser,
        }
    }

    fn settlement(&self, settlement: Result<Settlement, MemoryError>) -> Result<(), SettleError> {
        match settlement {
            Ok(Settlement::Taken) => Ok(()),
            Ok(Settlement::Unknown) => Err(SettleError::NotFound),
            Ok(Settlement::Refused(refusal)) => Err(SettleError::Refused(refusal)),
            Err(error) => {
                self.failed(&error);
                Err(SettleError::Memory(error))
            }
        }
    }

    fn failed(&self, error: &MemoryError) {
        self.meters.memory_errors.increment(1);
        tracing::error!(%error, "memory failed");
    }
}

/// A login that is let in at more than low confidence is complete; every other one waits for its outcome.
fn teaches_at_once(loaded: &Loaded, verdict: &Verdict) -> bool {
    verdict.action == Action::Allow && verdict.confidence != Confidence::Low && loaded.record == Record::OnAllow
}

/// What is kept of a verdict: for its outcome, or only that it was given.
fn decision(
    loaded: &Loaded,
    client: ClientTag,
    context: &LoginContext<'_>,
    verdict: &Verdict,
    now: Timestamp,
) -> Decision {
    let (user, login) = (context.user, login(context));
    let settled = |result| Decision::Settled(Settled { user, client, result, login });
    match verdict.action {
        Action::Deny => return settled(LoginResult::Failure),
        Action::Allow if teaches_at_once(loaded, verdict) => return settled(LoginResult::Success),
        Action::Allow | Action::Challenge | Action::VerifyEmail => {}
    }
    let ttl_ms = i64::from(loaded.pending_ttl_s.get()) * 1000;
    let demanded = verdict.action.demands_mfa();
    Decision::Pending(Box::new(Pending {
        user,
        client,
        login,
        first_factor: context.first_factor,
        offered: verdict.offered,
        demanded,
        teaches: match (verdict.strength, verdict.confidence) {
            (Strength::PhishingResistant, _) if demanded => Teaches::WithPhishingResistantFactor,
            (_, Confidence::Low) => Teaches::WithFactor,
            (_, Confidence::Medium | Confidence::High | Confidence::Neutral) => Teaches::Always,
        },
        expires: Timestamp::from_unix_ms(now.unix_ms() + ttl_ms).unwrap_or(now),
    }))
}

/// What the login would teach, were it completed as it is.
fn login(context: &LoginContext<'_>) -> Login {
    Login {
        time: context.time,
        device: context.device,
        agent: context.agent,
        address: context.address.tag,
        network: context.address.network,
        asn: context.address.asn,
        country: context.country,
        place: valid_place(context),
        is_anonymous: context.address.kinds.is_anonymizer(),
        proof: Proof::of(context.first_factor, None),
    }
}

/// A relay, a VPN, a data centre or a ground station is no place where a user is.
fn valid_place(context: &LoginContext<'_>) -> Option<Place> {
    let kinds = context.address.kinds;
    let elsewhere = kinds.is_anonymizer() || kinds.has(NetworkKind::Hosting) || kinds.has(NetworkKind::Satellite);
    match context.location {
        Location::Known(place) if !elsewhere => Some(place),
        Location::Known(_) | Location::Missing | Location::Unusable | Location::Failed => None,
    }
}

/// The autonomous system as an edge gives it, else as the databases have it.
fn system<'a>(event: &'a LoginEvent<'_>, found: &Found) -> (Option<u32>, Option<Organization<'a>>) {
    let given = event.edge.as_organization.as_deref().map(Organization::Given);
    match event.edge.asn {
        Some(asn) => (Some(asn), given),
        None => (found.asn, given.or_else(|| found.as_organization.clone().map(Organization::Known))),
    }
}

/// What the lists say; a system that the operator vouches for lifts what databases say, too.
fn lists(
    loaded: &Loaded,
    ip: Option<IpAddr>,
    asn: Option<u32>,
    found: &Found,
    now: Timestamp,
) -> (ListFinding, NetworkKinds) {
    let Some(ip) = ip else { return (ListFinding::Clean, NetworkKinds::NONE) };
    let (finding, kinds) = loaded.lists.look_up(ip, asn, now);
    match finding {
        ListFinding::Clean | ListFinding::Stale(_) if found.kinds_from.is_some() => {
            (asn.and_then(|asn| loaded.lists.vouched_for(asn)).unwrap_or(finding), kinds)
        }
        finding => (finding, kinds),
    }
}

/// What a database tells of an address that amounts to being on a list. Never evidence that stands by itself.
fn database_hit(found: &Found) -> Option<Hit> {
    let category = if found.kinds.is_anonymizer() {
        Category::Anonymizer
    } else if found.kinds.has(NetworkKind::Hosting) {
        Category::Datacenter
    } else {
        return None;
    };
    let from = found.kinds_from.as_ref()?;
    Some(Hit { matches: Entry::Network(from.matches), source: Arc::clone(&from.source), category, hard: false })
}

/// As an edge gives it together with a usable place, else as the databases have it.
fn country(found: &Found, given: GivenLocation) -> Option<CountryCode> {
    match given {
        GivenLocation::Valid { country: Some(country), .. } => Some(country),
        GivenLocation::Valid { country: None, .. } | GivenLocation::Invalid | GivenLocation::Absent => found.country,
    }
}

/// What an edge saw wins where it is usable; else the databases are asked.
fn locate(found: &Found, given: GivenLocation) -> Location {
    let given = match given {
        GivenLocation::Absent => return found.location,
        GivenLocation::Invalid => None,
        GivenLocation::Valid { at, radius, country } => geoip::given_place(at, radius, country),
    };
    match given.map_or(found.location, Location::Known) {
        Location::Missing => Location::Unusable,
        location @ (Location::Known(_) | Location::Unusable | Location::Failed) => location,
    }
}

#[cfg(test)]
mod tests;
