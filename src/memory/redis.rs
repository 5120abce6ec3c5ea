//! Memory that several replicas share: Redis or Valkey, one server or a cluster.
//!
//! A login is judged on what is near (`near`), under the version that Redis had; one script then compares that version and stores row and
//! decision. Where another replica was faster, the login is judged again on what that replica stored. So no answer goes out on an
//! outdated history while Redis serves, whether or not the server told of the change in time (client-side tracking).
//!
//! While Redis is away, scoring goes on from what is near, what is learnt waits in a bounded queue (`queue`), and is
//! learnt again on top of what others stored meanwhile. What must not be lost is refused.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the client crate may get more variants")]

mod adopt;
mod age;
mod connect;
mod exchange;
mod fence;
mod list;
mod names;
mod near;
mod node;
mod nodes;
mod outcome;
mod queue;
mod scripts;
mod settings;
mod share;
mod vault;

pub use connect::StartError;
pub use settings::{RedisUrl, Settings, Setup};

use super::decisions::{Decision, DecisionId, Feedback, Page, Query, Report, Settlement};
use super::record::RecordCipher;
use super::vault::{self as records, Kept, Place, Put, Version};
use super::{Backend, Condition, Counts, Memory, MemoryError, Share, Sharing, Unvisited};
use crate::clock::{Clock, Timestamp};
use crate::history::{Lesson, UserHistory};
use crate::keyed_hash::{DeviceTag, HashKey, Secrets, UserKey};
use crate::privacy::RetentionDays;
use crate::telemetry::StoreMeters;
use crate::velocity::Velocity;
use arc_swap::ArcSwapOption;
use connect::{Connector, Told};
use dashmap::DashMap;
use exchange::Exchange;
use names::{List, TAGS, Tag, Tagger};
use near::{Near, Visited};
use nodes::Nodes;
use queue::Queue;
use scripts::Scripts;
use share::Record;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// The store that replicas share. One for the process; its connections are driven by a thread of their own.
#[derive(Debug)]
pub struct Redis {
    inner: Arc<Inner>,
    /// Of the thread that drives the connections.
    driver: Handle,
    /// Of what is counted of sources, once it is to be shared.
    exchange: OnceLock<Arc<Exchange>>,
    /// That thread ends when this goes.
    _stop: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    near: Arc<Near>,
    nodes: Arc<Nodes>,
    scripts: Arc<Scripts>,
    tagger: Tagger,
    /// Of users, under the key in use and the one before.
    key: HashKey,
    cipher: RecordCipher,
    coordinate_decimals: u32,
    /// Decisions between the judgement and the script call that stores them.
    outbox: DashMap<DecisionId, Record>,
    queue: Queue,
    /// One login of a user is shared at a time, so that none of a process is in the way of the others.
    turns: Box<[tokio::sync::Mutex<()>]>,
    versions: AtomicU64,
    clock: Clock,
    users_ttl_s: u32,
    decisions_ttl_s: u32,
    pending_max: usize,
    decisions_max: usize,
    meters: StoreMeters,
}

/// More than logins that are under way at a time, so that two users seldom wait for each other.
const TURNS: usize = 1_024;
const DAY_S: u32 = 86_400;

impl Redis {
    /// Connects, and starts what looks after the connections. Gives the key of the store, too, by which its users are found.
    ///
    /// # Errors
    ///
    /// No Redis is there, or it is not to be used.
    pub fn open(setup: &Setup, secrets: &Secrets, clock: Clock) -> Result<(Self, HashKey), StartError> {
        StartError::of_address(&setup.url, setup.password.is_some(), setup.settings.danger_weak_durability)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(StartError::new)?;
        let (near, scripts) = (Arc::new(Near::new(setup.users_max)), Arc::new(Scripts::new()));
        let connector = connector(setup, secrets, &near, &scripts);
        let nodes = Arc::new(Nodes::new(connector, clock));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::new)?;
        let driver = runtime.handle().clone();
        let ((stop, stopped), (hand_over, handed_over)) = (oneshot::channel::<()>(), oneshot::channel());
        let (tell, told) = sync_channel(1);
        let (driven, cached) = (Arc::clone(&nodes), Arc::clone(&near));
        let drive = async move {
            let hear = move |is_up| if is_up { cached.forget_stale() } else { cached.distrust_all() };
            let started = driven.start(hear).await;
            // Nobody listens where the process gave up.
            tell.send(started).unwrap_or_default();
            let Ok(inner) = handed_over.await else { return };
            tokio::select! {
                () = queue::keep_empty(&inner) => {}
                _ = stopped => {}
            }
        };
        std::thread::Builder::new()
            .name("askance-redis".to_owned())
            .spawn(move || runtime.block_on(drive))
            .map_err(StartError::new)?;
        let key = told.recv().map_err(StartError::new)??;
        let inner = Arc::new(Inner {
            near,
            nodes,
            scripts,
            tagger: Tagger::new(HashKey::fixed(key.unforeseeable(b"tags in ids of decisions").to_le_bytes())),
            key: key.clone(),
            cipher: RecordCipher::of(secrets).rounding_to(setup.coordinate_decimals),
            coordinate_decimals: setup.coordinate_decimals,
            outbox: DashMap::new(),
            queue: Queue::new(setup.settings.queue_max.as_usize()),
            turns: std::iter::repeat_with(tokio::sync::Mutex::default).take(TURNS).collect(),
            versions: AtomicU64::new(u64::from_le_bytes(random)),
            clock,
            users_ttl_s: setup.settings.users_days.get() * DAY_S,
            decisions_ttl_s: setup.decisions_days.saturating_mul(DAY_S),
            pending_max: setup.pending_max,
            decisions_max: setup.decisions_max,
            meters: setup.meters.clone(),
        });
        // It waits for this, or is gone, which calls will tell.
        drop(hand_over.send(Arc::clone(&inner)));
        Ok((Self { inner, driver, exchange: OnceLock::new(), _stop: stop }, key))
    }
}

/// At the end, for what waits.
const CLOSE: Duration = Duration::from_secs(5);

impl Redis {
    /// Tells Redis what waits, as far as it can be told in a few seconds.
    ///
    /// # Errors
    ///
    /// Something is lost: Redis is away.
    pub fn close(&self) -> Result<(), MemoryError> {
        let tell = async {
            queue::empty(&self.inner).await;
            if let Some(exchange) = self.exchange.get() {
                exchange.tell_all(&self.inner).await;
            }
        };
        let told = self.driver.block_on(async { tokio::time::timeout(CLOSE, tell).await });
        match (told, self.inner.queue.len()) {
            (Ok(()), 0) => Ok(()),
            (_, left) => Err(MemoryError::Unavailable(format!("{left} lessons and decisions are lost"))),
        }
    }
}

fn connector(setup: &Setup, secrets: &Secrets, near: &Arc<Near>, scripts: &Arc<Scripts>) -> Connector {
    let mut redis = setup.url.info().redis_settings().clone();
    if let Some(password) = &setup.password {
        redis = redis.set_password(password);
    }
    let near = Arc::clone(near);
    let meta_changed = Arc::new(Notify::new());
    let (changed, (_, meta)) = (Arc::clone(&meta_changed), Tag::meta());
    Connector {
        info: setup.url.info().clone().set_redis_settings(redis),
        certificates: ::redis::TlsCertificates { client_tls: None, root_cert: setup.authorities.clone() },
        deadline: setup.deadline,
        durable: Duration::from_millis(setup.settings.durable_ms.get().into()),
        takes_weak: setup.settings.danger_weak_durability,
        must_exist: setup.must_exist,
        secrets: secrets.clone(),
        opened: OnceLock::new(),
        shut: ArcSwapOption::empty(),
        meta_changed,
        scripts: Arc::clone(scripts),
        pushed: Arc::new(move |told| match told {
            Told::Changed(keys) => {
                if keys.contains(&meta) {
                    changed.notify_one();
                }
                keys.iter().filter_map(|key| names::user_of(key)).for_each(|user| near.tell(user));
            }
            Told::Everything => {
                changed.notify_one();
                near.distrust_all();
            }
            Told::Erased(user) => near.forget(user),
        }),
    }
}

impl Inner {
    /// Never the same twice, and never that of another replica but by a chance of 2^-64.
    fn version(&self) -> u64 {
        self.versions.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).max(1)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now().unix_ms()).unwrap_or(0)
    }

    /// How many decisions a list of one tag may hold.
    fn room(&self, list: List) -> usize {
        let in_all = match list {
            List::WaitingKnown | List::WaitingStrangers => self.pending_max,
            List::SettledKnown => self.decisions_max - self.decisions_max / 4,
            List::SettledStrangers => self.decisions_max / 4,
        };
        in_all.div_ceil(TAGS.into()).max(1)
    }

    /// A visit, for the login whose decision will be `by`, or for what is learnt without one, which goes through the queue. Alone,
    /// what is near has to do, however old it is.
    fn visit<T>(
        self: &Arc<Self>,
        by: Option<DecisionId>,
        is_alone: bool,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        let serves = self.nodes.serves(Tag::of_user(user)) && !is_alone;
        let by = by.filter(|_| serves);
        if by.is_none() && serves && self.queue.is_crowded() {
            let inner = Arc::clone(self);
            return Err(Unvisited::Elsewhere(Box::pin(async move {
                inner.queue.thinned().await;
                inner.fetch(user).await
            })));
        }
        match self.near.visit(user, (by, self.now_ms(), !serves), judge)? {
            Visited::Here(answer) => {
                if by.is_none() && self.near.is_unshared(user) {
                    self.queue.add_user(user);
                }
                Ok(answer)
            }
            Visited::Elsewhere if serves => {
                let inner = Arc::clone(self);
                Err(Unvisited::Elsewhere(Box::pin(async move { inner.fetch(user).await })))
            }
            Visited::Elsewhere => Err(Unvisited::Failed(node::Trouble::Away.into())),
        }
    }

    async fn fetch(&self, user: UserKey) -> Result<(), MemoryError> {
        let told = self.near.told(user);
        let found = self.value(user).await?;
        self.near.take(user, &found, None)?;
        self.near.distrust_if_told_since(user, told);
        Ok(())
    }

    /// What Redis has of a user; nothing is an empty one.
    async fn value(&self, user: UserKey) -> Result<Vec<u8>, MemoryError> {
        let mut command = ::redis::cmd("GET");
        command.arg(names::user_row(user));
        self.bytes(Tag::of_user(user), command).await
    }

    async fn bytes(&self, tag: Tag, command: ::redis::Cmd) -> Result<Vec<u8>, MemoryError> {
        match self.nodes.command(tag, command).await? {
            ::redis::Value::BulkString(bytes) => Ok(bytes),
            ::redis::Value::Nil => Ok(Vec::new()),
            _ => Err(node::Trouble::Odd.into()),
        }
    }
}

impl Memory for Redis {
    /// What is near is in a map whose places only a search tells.
    fn prefetch_place(&self, _user: UserKey) {}

    fn prefetch_row(&self, _user: UserKey) {}

    fn prefetch_decision(&self, _id: DecisionId) {}

    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.inner.visit(None, false, user, judge)
    }

    fn visit_at_login<T>(
        &self,
        id: DecisionId,
        how: Sharing,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        let is_alone = how == Sharing::Later;
        self.inner.visit(Some(id).filter(|_| !is_alone), is_alone, user, judge)
    }

    fn name(&self, id: DecisionId, user: UserKey) -> DecisionId {
        self.inner.tagger.mark(id, user)
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        let record = self.inner.record(id, &decision, has_history)?;
        self.inner.outbox.insert(id, record);
        Ok(())
    }

    fn share(&self, id: DecisionId, user: UserKey, how: Sharing) -> Option<Share> {
        share::begin(&self.inner, id, user, how)
    }

    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        self.inner.begin_to_adopt(from, to)
    }

    /// What cannot be had from Redis in a few seconds is taken over later.
    fn keep_velocity(&self, velocity: &Arc<Velocity>) {
        let exchange = self.exchange.get_or_init(|| Arc::new(Exchange::new(velocity, &self.inner)));
        let first = async { tokio::time::timeout(CLOSE, exchange.round(&self.inner)).await };
        drop(self.driver.block_on(first));
        self.driver.spawn(Arc::clone(exchange).run(Arc::clone(&self.inner)));
    }

    async fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        self.inner.kept(place, now).await
    }

    async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<records::Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        self.inner.put(place, over, record, now).await
    }

    fn is_degraded(&self) -> bool {
        !self.inner.nodes.all_serve()
    }

    fn condition(&self) -> Condition {
        let trouble = self.is_degraded().then(|| "Redis is away; what is learnt waits for it".to_owned());
        Condition { backend: Backend::Redis, trouble }
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        self.inner.settle(id, now, report).await
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        self.inner.label(id, now, feedback).await
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        self.inner.list(query).await
    }

    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        self.inner.erase(user).await
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        self.inner.forget_device(user, device).await
    }

    /// What has expired is looked for by the thread of the connections, which can wait.
    fn sweep(&self, _: Timestamp) {
        let Inner { meters, queue, .. } = &*self.inner;
        meters.degraded.set(if self.is_degraded() { 1.0 } else { 0.0 });
        #[expect(clippy::cast_precision_loss, reason = "the queue is far below 2^53")]
        meters.unwritten.set(queue.len() as f64);
        let lost = self.inner.near.take_lost() + self.inner.queue.take_lost();
        if lost > 0 {
            tracing::error!(lost, "what was learnt while Redis is away has no room any more (memory.redis.queue_max)");
        }
    }

    fn age(&self, now: Timestamp, days: &RetentionDays) {
        self.driver.block_on(self.inner.age(now, days));
    }

    /// Users that are near, and decisions of this replica that wait.
    fn counts(&self) -> Counts {
        Counts { users: self.inner.near.len(), pending: self.inner.queue.waiting() }
    }
}
