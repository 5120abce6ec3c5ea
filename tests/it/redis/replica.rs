//! A replica within the test's process: the store, without the server before it.

use crate::support::redis::RedisServer;
use askance::bounded::Bounded;
use askance::clock::{Clock, Timestamp};
use askance::event::{Factor, FactorSet, FirstFactor};
use askance::history::{Lesson, Login, Proof, UserHistory};
use askance::keyed_hash::{DeviceTag, HashKey, Secrets, UserKey};
use askance::memory::decisions::{
    ClientTag, Decision, DecisionId, Given, IdSource, LoginResult, Name, Pending, Query, Report, Settled, Teaches,
};
pub(crate) use askance::memory::redis::Setup;
use askance::memory::redis::{Redis, RedisUrl, Settings, StartError};
use askance::memory::{Memory, MemoryError, Sharing, Unshared, Unvisited};
use askance::signals::{Code, Signal};
use askance::telemetry::StoreMeters;
use askance::units::Confidence;
use askance::velocity::Visit;
use askance::verdict::aggregate::Aggregator;
use askance::verdict::{Action, DecidedBy, Mode};
use std::time::Duration;

pub(crate) const CLIENT: ClientTag = ClientTag(1);
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// One of several processes, as far as the store is concerned.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) memory: Redis,
    key: HashKey,
    ids: IdSource,
}

/// What came of a login.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) id: DecisionId,
    /// The devices that were known when it was judged; `None` where the history could not be had.
    pub(crate) known: Option<usize>,
    /// How often it was looked at.
    pub(crate) looks: u32,
    /// What the store failed with.
    pub(crate) error: Option<String>,
    /// Whether other replicas were told before the answer.
    pub(crate) is_shared: bool,
}

pub(crate) fn setup(url: &str) -> Setup {
    Setup {
        coordinate_decimals: 3,
        url: RedisUrl::parse(url).expect("the URL of the test's own server"),
        settings: Settings { queue_max: Bounded::of::<10_000>(), ..Settings::default() },
        password: None,
        authorities: None,
        // A bound against hanging where nothing is slow on purpose.
        deadline: Duration::from_secs(10),
        must_exist: false,
        users_max: 100_000,
        decisions_days: 30,
        pending_max: 100_000,
        decisions_max: 100_000,
        meters: StoreMeters {
            rows_written: metrics::Counter::noop(),
            flush_failures: metrics::Counter::noop(),
            unwritten: metrics::Gauge::noop(),
            flush_lag_s: metrics::Gauge::noop(),
            degraded: metrics::Gauge::noop(),
            backup_time_s: metrics::Gauge::noop(),
        },
    }
}

pub(crate) fn open(setup: &Setup) -> Result<Replica, StartError> {
    open_under(setup, &Secrets::new(SECRET, None))
}

pub(crate) fn open_under(setup: &Setup, secrets: &Secrets) -> Result<Replica, StartError> {
    let (memory, key) = Redis::open(setup, secrets, Clock)?;
    let ids = IdSource::new(HashKey::random().expect("the system has randomness"));
    Ok(Replica { memory, key, ids })
}

impl Replica {
    pub(crate) fn of(server: &RedisServer) -> Self {
        open(&setup(&server.url())).expect("the server is as it should be")
    }

    /// One that does not wait for long.
    pub(crate) fn hasty(url: &str) -> Self {
        open(&Setup { deadline: Duration::from_millis(50), ..setup(url) }).expect("the server is as it should be")
    }

    pub(crate) fn user(&self, name: &str) -> UserKey {
        self.key.user("default", name)
    }

    /// Under the key that is being replaced.
    pub(crate) fn user_before(&self, name: &str) -> Option<UserKey> {
        self.key.replaced_user_of(self.key.anchor("default", name))
    }

    /// What the pipeline does before it looks at a user.
    async fn adopt(&self, name: &str) -> Result<(), MemoryError> {
        let Some(before) = self.user_before(name) else { return Ok(()) };
        while let Err(unvisited) = self.memory.adopt(before, self.user(name)) {
            unvisited.fetched().await?;
        }
        Ok(())
    }

    /// What the pipeline does to forget a user.
    pub(crate) async fn erase(&self, name: &str) -> Result<(), MemoryError> {
        for key in self.user_before(name).into_iter().chain([self.user(name)]) {
            self.memory.erase(key).await?;
        }
        Ok(())
    }

    pub(crate) fn sources(&self, ip: std::net::IpAddr) -> askance::keyed_hash::Sources {
        self.key.sources("default", ip, None)
    }

    fn given(&self, name: &str, device: u64, action: Action) -> Given {
        Given {
            user: self.user(name),
            name: Name::new("default", name),
            client: CLIENT,
            login: login(device),
            ip: None,
            codes: [Code::InitialLogin; Signal::ALL.len()],
            action,
            would_be: action,
            mode: Mode::Enforce,
            confidence: Confidence::Low,
            decided_by: DecidedBy::Aggregator(Aggregator::Strict),
        }
    }

    /// A completed login on a device, as the server does it.
    pub(crate) async fn log_in(&self, name: &str, device: u64) -> Judged {
        let settled = |given| Decision::Settled(Settled { given, result: Some(LoginResult::Success), factor: None });
        let decision = settled(self.given(name, device, Action::Allow));
        self.judge(name, &decision, Some(Lesson::Completed(login(device)))).await
    }

    /// A login that has to show a factor.
    pub(crate) async fn challenge(&self, name: &str, device: u64) -> Judged {
        self.challenge_until(name, device, Clock.now().unix_ms() + 900_000).await
    }

    pub(crate) async fn challenge_until(&self, name: &str, device: u64, expires_ms: i64) -> Judged {
        let given = self.given(name, device, Action::Challenge);
        let sources = self.key.sources("default", std::net::Ipv4Addr::LOCALHOST.into(), None);
        let decision = Decision::Pending(Box::new(Pending {
            visit: Some(Visit { user: given.user, sources, device_known: false }),
            given,
            first_factor: FirstFactor::Pwd,
            offered: FactorSet::EMPTY.with(Factor::Totp),
            demanded: true,
            teaches: Teaches::WithFactor,
            expires: Timestamp::from_unix_ms(expires_ms).expect("a time of this century"),
            forgets_device: false,
        }));
        self.judge(name, &decision, None).await
    }

    async fn judge(&self, name: &str, decision: &Decision, lesson: Option<Lesson>) -> Judged {
        let user = self.user(name);
        let id = self.memory.name(self.ids.decision(Clock.now()), user);
        let (mut looks, mut is_alone, mut error) = (0, false, None);
        loop {
            looks += 1;
            let how = match looks {
                _ if is_alone => Sharing::Later,
                0..4 => Sharing::Compared,
                4.. => Sharing::Merged,
            };
            let mut known = None;
            let look = |history: Option<&UserHistory>| {
                known = Some(history.map_or(0, devices));
                ((), lesson)
            };
            let adopted = if is_alone { Ok(()) } else { self.adopt(name).await };
            if let Err(failed) = adopted {
                (is_alone, error) = (true, Some(failed.to_string()));
                continue;
            }
            let visited = self.memory.visit_at_login(id, how, user, look);
            if let Err(Unvisited::Elsewhere(fetch)) = visited
                && !is_alone
            {
                let failed = fetch.await.err();
                is_alone = failed.is_some();
                error = failed.map(|failed| failed.to_string());
                continue;
            }
            self.memory.keep(id, decision.clone(), known.is_some_and(|known| known > 0)).expect("it can be sealed");
            let Some(share) = self.memory.share(id, user, how) else {
                return Judged { id, known, looks, error, is_shared: false };
            };
            match share.await {
                Ok(()) => return Judged { id, known, looks, error, is_shared: true },
                Err(Unshared::Changed) => {}
                Err(Unshared::Failed(failed)) => {
                    is_alone = true;
                    error = Some(failed.to_string());
                }
            }
        }
    }

    /// The devices that are known here, without asking Redis unless nothing is known.
    pub(crate) async fn near(&self, name: &str) -> Option<usize> {
        self.adopt(name).await.ok()?;
        loop {
            match self.memory.visit(self.user(name), |history| (history.map_or(0, devices), None)) {
                Ok(known) => return Some(known),
                Err(Unvisited::Elsewhere(fetch)) => fetch.await.ok()?,
                Err(Unvisited::Failed(_)) => return None,
            }
        }
    }

    /// What a success with a code is taken as.
    pub(crate) async fn succeed(&self, id: DecisionId) -> Result<askance::memory::decisions::Settlement, MemoryError> {
        self.tell(id, LoginResult::Success).await
    }

    pub(crate) async fn tell(
        &self,
        id: DecisionId,
        result: LoginResult,
    ) -> Result<askance::memory::decisions::Settlement, MemoryError> {
        self.tell_at(id, result, Clock.now()).await
    }

    /// The same by a clock of its own.
    pub(crate) async fn tell_at(
        &self,
        id: DecisionId,
        result: LoginResult,
        now: Timestamp,
    ) -> Result<askance::memory::decisions::Settlement, MemoryError> {
        self.memory
            .settle(
                id,
                now,
                Report { client: CLIENT, result, factor: Some(Factor::Totp), verified_here: FactorSet::EMPTY },
            )
            .await
    }

    pub(crate) fn query(&self, name: Option<&str>, limit: usize) -> Query {
        Query {
            tenant: "default".to_owned(),
            user: name.map(|name| self.user(name)),
            user_before: name.and_then(|name| self.user_before(name)),
            action: None,
            since: None,
            before: None,
            only_open: false,
            limit,
            now: Clock.now(),
        }
    }

    /// All decisions, page by page.
    pub(crate) async fn listed(&self, mut query: Query) -> Vec<DecisionId> {
        let mut ids = Vec::new();
        loop {
            let page = self.memory.decisions(&query).await.expect("Redis serves");
            ids.extend(page.decisions.iter().map(|listed| listed.id));
            query.before = page.next;
            if query.before.is_none() {
                return ids;
            }
        }
    }
}

pub(crate) fn devices(history: &UserHistory) -> usize {
    (1..=20).filter(|device| history.knows_device(DeviceTag(*device), Clock.now(), 30)).count()
}

/// A login of now, of which only its device is known.
pub(crate) fn login(device: u64) -> Login {
    Login {
        time: Clock.now(),
        device: Some(DeviceTag(device)),
        token: None,
        agent: None,
        address: None,
        network: None,
        asn: None,
        country: None,
        place: None,
        is_anonymous: false,
        proof: Proof::FirstFactor,
    }
}

/// Runs a test's futures on threads of its own, as workers do.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had").block_on(test)
}
