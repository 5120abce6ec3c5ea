//! The pipeline over a memory that can be made to fail, and properties of the whole judgement.

mod browsers;
mod evidence;
mod familiar;
mod poisoning;
mod walks;

use super::*;
use crate::context::geoip;
use crate::event::{ClientIp, Edge, Factor, FactorSet, FirstFactor, Flow, GivenLocation, User};
use crate::history::UserHistory;
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::memory::decisions::{Decision, LoginResult, Page, Query};
use crate::memory::vault::{Kept, Place, Put, Record, Version};
use crate::memory::volatile::Volatile;
use crate::memory::{Condition, Counts, Settings};
use crate::signals::{Code, Signal};
use crate::units::{Confidence, Coordinates};
use crate::verdict::Action;
use proptest::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Faulty {
    memory: Volatile,
    pub(crate) broken: AtomicBool,
}

/// Scores where every history is at hand.
pub(crate) fn score<'a, M: Memory>(pipeline: &Pipeline<M>, event: &'a LoginEvent<'_>, now: Timestamp) -> Scored<'a> {
    let scored = pipeline.score(ClientTag(0), event, now, Look::default());
    scored.unwrap_or_else(|_| unreachable!("nothing is to be fetched"))
}

impl Faulty {
    fn check(&self) -> Result<(), MemoryError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(MemoryError::Unavailable("on purpose".to_owned()));
        }
        Ok(())
    }
}

impl Memory for Faulty {
    fn prefetch_place(&self, user: UserKey) {
        self.memory.prefetch_place(user);
    }

    fn prefetch_row(&self, user: UserKey) {
        self.memory.prefetch_row(user);
    }

    fn prefetch_decision(&self, id: DecisionId) {
        self.memory.prefetch_decision(id);
    }

    fn visit<T>(
        &self,
        user: UserKey,
        judge: impl FnOnce(Option<&UserHistory>) -> (T, Option<Lesson>),
    ) -> Result<T, Unvisited> {
        self.check()?;
        self.memory.visit(user, judge)
    }

    fn adopt(&self, from: UserKey, to: UserKey) -> Result<(), Unvisited> {
        self.check()?;
        self.memory.adopt(from, to)
    }

    fn keep(&self, id: DecisionId, decision: Decision, has_history: bool) -> Result<(), MemoryError> {
        self.check()?;
        self.memory.keep(id, decision, has_history)
    }

    async fn settle(&self, id: DecisionId, now: Timestamp, report: Report) -> Result<Settlement, MemoryError> {
        self.check()?;
        self.memory.settle(id, now, report).await
    }

    async fn label(&self, id: DecisionId, now: Timestamp, feedback: Feedback) -> Result<Settlement, MemoryError> {
        self.check()?;
        self.memory.label(id, now, feedback).await
    }

    async fn decisions(&self, query: &Query) -> Result<Page, MemoryError> {
        self.check()?;
        self.memory.decisions(query).await
    }

    async fn erase(&self, user: UserKey) -> Result<(), MemoryError> {
        self.check()?;
        self.memory.erase(user).await
    }

    async fn forget_device(&self, user: UserKey, device: DeviceTag) -> Result<(), MemoryError> {
        self.check()?;
        self.memory.forget_device(user, device).await
    }

    fn sweep(&self, now: Timestamp) {
        self.memory.sweep(now);
    }

    fn age(&self, now: Timestamp, days: &RetentionDays) {
        self.memory.age(now, days);
    }

    async fn kept(&self, place: Place, now: Timestamp) -> Result<Option<Kept>, MemoryError> {
        self.check()?;
        self.memory.kept(place, now).await
    }

    async fn put(
        &self,
        place: Place,
        over: Option<Version>,
        record: Option<Record>,
        now: Timestamp,
    ) -> Result<Put, MemoryError> {
        self.check()?;
        self.memory.put(place, over, record, now).await
    }

    fn is_degraded(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn condition(&self) -> Condition {
        self.memory.condition()
    }

    fn counts(&self) -> Counts {
        self.memory.counts()
    }
}

fn loaded() -> Option<Loaded> {
    let settings = Settings::default();
    Some(Loaded {
        signals: signals::Settings::default(),
        verdict: verdict::Settings::default(),
        rule_counts: Arc::default(),
        record: settings.record,
        pending_ttl_s: settings.pending_ttl_s,
        retention_days: RetentionDays::default(),
        tokens: TokenKeys::new(&[[3; 32]])?,
        geoip: GeoIp::open(&geoip::Settings { city: "data/test-city.mmdb".into(), ..Default::default() }).ok()?,
        lists: Arc::new(IpLists::default()),
    })
}

fn over<M: Memory>(memory: M, loaded: Loaded) -> Option<Pipeline<M>> {
    let (key, ids) = (HashKey::fixed([1; 16]), IdSource::new(HashKey::fixed([2; 16])));
    Some(Pipeline::new(memory, key, ids, loaded, Arc::new(Meters::new()), Clock))
}

pub(crate) fn pipeline() -> Option<Pipeline<Faulty>> {
    let memory = Faulty { memory: Volatile::new(&Settings::default()), broken: AtomicBool::new(false) };
    over(memory, loaded()?)
}

pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("this memory answers at once"),
    }
}

pub(crate) fn event(time: Timestamp) -> LoginEvent<'static> {
    LoginEvent {
        tenant: "default".into(),
        user: User {
            id: "alice".into(),
            has_email: false,
            email_verified: None,
            phone_number: None,
            phone_region: None,
            enrolled: FactorSet::EMPTY.with(Factor::Totp),
            groups: Vec::new(),
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
        },
        ip: ClientIp::parse("81.2.69.142".into()),
        user_agent: None,
        client_hints: None,
        device_token: None,
        device_id: Some("d1".into()),
        client_id: None,
        attributes: Vec::new(),
        location: GivenLocation::Absent,
        edge: Edge::default(),
        edge_ignored: false,
        flow: Flow::default(),
        first_factor: FirstFactor::default(),
        remembered_browser: true,
        time,
    }
}

#[test]
fn without_memory_a_login_is_challenged_and_its_remembered_browser_ignored() {
    let Some(pipeline) = pipeline() else { unreachable!("the fixture is in the repository") };
    let time = Timestamp::from_unix_s(1_790_000_000);
    let usual = event(time);
    assert!(pipeline.import(&usual, true, time).is_ok());
    pipeline.memory().broken.store(true, Ordering::Relaxed);

    let scored = score(&pipeline, &usual, time);
    assert_eq!(scored.verdict.action, Action::Challenge);
    assert_eq!(scored.verdict.remembered_browser, crate::verdict::RememberedBrowser::Ignored);
    for assessment in [&scored.assessments.new_device, &scored.assessments.impossible_travel] {
        assert_eq!((assessment.code, assessment.confidence), (Code::AssessmentNotAvailable, Confidence::Low));
    }
    let report = Report {
        client: ClientTag(0),
        result: LoginResult::Success,
        factor: Some(Factor::Totp),
        verified_here: FactorSet::EMPTY,
    };
    assert!(matches!(now(pipeline.settle(scored.id, report, pipeline.clock.now())), Err(SettleError::Memory(_))));
    assert!(pipeline.meters.render(&[]).contains("askance_memory_errors_total 3"), "visit, keep and settle");

    pipeline.memory().broken.store(false, Ordering::Relaxed);
    let again = score(&pipeline, &usual, time);
    assert_eq!((again.verdict.action, again.assessments.new_device.code), (Action::Allow, Code::PartialMatch));
}

#[test]
fn a_login_is_counted_once_by_signal_action_and_time() {
    let Some(pipeline) = pipeline() else { unreachable!("the fixture is in the repository") };
    let time = Timestamp::from_unix_s(1_790_000_000);
    let usual = event(time);
    let scored = score(&pipeline, &usual, time);
    let now = pipeline.meters.render(&[]);
    for signal in Signal::ALL {
        let code = scored.assessments.of(signal).code.as_str();
        let line = format!("askance_assessments_total{{signal=\"{}\",code=\"{code}\"}} 1\n", signal.as_str());
        assert!(now.contains(&line), "{line}{now}");
    }
    for line in [
        "askance_decisions_total{action=\"allow\"} 1\n",
        "askance_observed_total{action=\"allow\"} 0\n",
        "askance_score_duration_seconds_bucket{le=\"+Inf\"} 1\n",
        "askance_score_duration_seconds_count 1\n",
    ] {
        assert!(now.contains(line), "{line}{now}");
    }
    let buckets = |text: &str| -> Vec<u64> {
        let lines = text.lines().filter(|line| line.starts_with("askance_score_duration_seconds_bucket"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
    };
    pipeline.meters.scored(&scored.assessments, &scored.verdict, Duration::from_micros(251));
    let later = pipeline.meters.render(&[]);
    let more: Vec<u64> = buckets(&later).iter().zip(buckets(&now)).map(|(after, before)| after - before).collect();
    assert_eq!(more, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "from half a millisecond on");
}

#[test]
fn without_memory_nothing_is_told_of_users_and_nothing_forgotten() {
    let Some(pipeline) = pipeline() else { unreachable!("the fixture is in the repository") };
    let time = Timestamp::from_unix_s(1_790_000_000);
    assert!(pipeline.import(&event(time), true, time).is_ok());
    pipeline.memory().broken.store(true, Ordering::Relaxed);
    let alice = UserName { tenant: "default", id: "alice" };
    let all = Search { tenant: "default", user_id: None, action: None, since: None, before: None, limit: 1 };
    assert!(now(pipeline.remembered(alice, Extent::Open)).is_err());
    assert!(now(pipeline.decisions(all)).is_err());
    assert!(now(pipeline.erase(alice)).is_err());
    assert!(now(pipeline.forget_device(alice, DeviceTag(1))).is_err());
    assert!(pipeline.meters.render(&[]).contains("askance_memory_errors_total 4"));
    pipeline.memory().broken.store(false, Ordering::Relaxed);
    let key = pipeline.key.user(alice.tenant, alice.id);
    assert!(pipeline.memory().visit(key, |history| (history.is_some(), None)).is_ok_and(|known| known));
}

/// Between two pieces of the erasure, outcomes of the user's decisions arrive, which teach.
#[test]
fn logins_under_way_do_not_bring_an_erased_user_back() {
    let Some(pipeline) = pipeline() else { unreachable!("the fixture is in the repository") };
    let time = pipeline.clock.now();
    assert!(pipeline.import(&event(time), true, time).is_ok());
    let risky = LoginEvent { ip: ClientIp::parse("999.1.1.1".into()), ..event(time) };
    let waiting: Vec<DecisionId> = (0..200).map(|_| score(&pipeline, &risky, time).id).collect();
    let success = Report {
        client: ClientTag(0),
        result: LoginResult::Success,
        factor: Some(Factor::Totp),
        verified_here: FactorSet::EMPTY,
    };
    let mut erase = pin!(pipeline.erase(UserName { tenant: "default", id: "alice" }));
    let mut arriving = waiting.iter();
    let mut taken = 0;
    while erase.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        let settled = arriving.by_ref().take(3).map(|id| now(pipeline.settle(*id, success, time)));
        taken += settled.filter(Result::is_ok).count();
    }
    assert!(taken > 0, "some came before their piece");
    let key = pipeline.key.user("default", "alice");
    assert!(pipeline.memory().visit(key, |history| (history.is_none(), None)).is_ok_and(|unknown| unknown));
    for id in waiting {
        assert!(matches!(now(pipeline.settle(id, success, time)), Err(SettleError::NotFound)));
    }
}

fn rank(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 0,
        Confidence::Medium => 1,
        Confidence::High | Confidence::Neutral => 2,
    }
}

proptest! {
    /// The same trip with more time for it is never judged worse.
    #[test]
    fn more_elapsed_time_never_lowers_confidence_in_travel(
        from in (-90.0..=90.0_f64, -180.0..=180.0_f64), to in (-90.0..=90.0_f64, -180.0..=180.0_f64),
        radius_km in 0.0..499.0_f64, shorter_s in 0..200_000_u32, longer_s in 0..200_000_u32,
    ) {
        let Some(pipeline) = pipeline() else { return Ok(()) };
        let located = |at: (f64, f64), time: Timestamp, ip: &'static str| {
            let radius = crate::units::Kilometres::new(radius_km);
            let location = Coordinates::new(at.0, at.1)
                .map_or(GivenLocation::Invalid, |at| GivenLocation::Valid { at, radius, country: None });
            LoginEvent { location, ip: ClientIp::parse(ip.into()), device_id: None, ..event(time) }
        };
        let start = Timestamp::from_unix_s(1_790_000_000);
        prop_assert!(pipeline.import(&located(from, start, "192.0.2.1"), true, start).is_ok());
        let (shorter_s, longer_s) = (shorter_s.min(longer_s), shorter_s.max(longer_s));
        let travel = |seconds: u32| {
            let time = Timestamp::from_unix_s(1_790_000_000 + seconds);
            let login = located(to, time, "203.0.113.1");
            let (context, _) = pipeline.gather(&pipeline.loaded.load(), &login, time);
            let judged = pipeline.memory().visit(context.user, |history| {
                let recall = history.map_or(Recall::Stranger, Recall::History);
                (signals::assess(&context, recall, &signals::Settings::default()).impossible_travel, None)
            });
            judged.map(|assessment| rank(assessment.confidence)).unwrap_or(0)
        };
        prop_assert!(travel(longer_s) >= travel(shorter_s));
    }
}
