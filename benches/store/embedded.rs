//! The embedded store in this process.

use crate::process::resident_bytes;
use crate::service::cpu_seconds;
use crate::support::SplitMix;
use crate::{Failure, Plan};
use askance::clock::{Clock, Timestamp};
use askance::history::{Lesson, Login, Proof};
use askance::keyed_hash::{DeviceTag, HashKey, NetworkTag, Secrets, UserKey};
use askance::memory::embedded::{Embedded, StateDirectory};
use askance::memory::{Memory, Settings};
use askance::telemetry::Meters;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a release must sustain (performance targets).
const USERS_PER_SECOND: u32 = 5_000;
/// Callers that wait for the disk at a time.
const WAITING: usize = 64;
const NOW_S: u32 = 1_790_000_000;
const SELF: &str = "/proc/self/stat";
const STORE_FILE: &str = "askance.redb";
/// Starts of each kind.
const ROUNDS: u32 = 5;

/// A store, and what it takes to open it again.
pub(crate) struct Bench {
    pub(crate) meters: Meters,
    pub(crate) secrets: Secrets,
    pub(crate) settings: Settings,
}

impl Bench {
    pub(crate) fn open(&self, directory: &Path) -> Result<(Embedded, HashKey), Failure> {
        let taken = StateDirectory::take(directory, false)?;
        Ok(Embedded::start(taken, &self.settings, &self.secrets, self.meters.store.clone(), (Clock, 3), &|_, _| {})?)
    }

    /// A gauge, after memory was asked to look at itself.
    fn gauge(&self, memory: &Embedded, name: &str) -> Result<f64, Failure> {
        memory.sweep(Clock.now());
        let text = self.meters.render(&[]);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("no metric {name}"))?.parse()?)
    }

    /// Until everything is on the disk.
    pub(crate) fn settle_down(&self, memory: &Embedded) -> Result<Duration, Failure> {
        let started = Instant::now();
        while self.gauge(memory, "askance_memory_unwritten")? > 0.0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(started.elapsed())
    }
}

pub(crate) fn measure(plan: &Plan) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state");
    let settings = Settings { path: path.clone(), ..Settings::default() };
    let bench = Bench { meters: Meters::new(), secrets: Secrets::random()?, settings };
    let (memory, key) = bench.open(&path)?;
    let memory = Arc::new(memory);
    fill(&bench, &memory, &key, plan)?;
    sustain(&bench, &memory, &key, plan)?;
    // Else the first of them waits for all that was left, which is half of the time of those that come one at a time.
    bench.settle_down(&memory)?;
    durable(&memory, &key, plan)?;
    // What a crash would leave: everything is on the disk, and nothing in order.
    let crashed = directory.path().join("crashed");
    std::fs::create_dir(&crashed)?;
    std::fs::copy(path.join(STORE_FILE), crashed.join(STORE_FILE))?;
    std::fs::copy(path.join(STORE_FILE), directory.path().join("kept"))?;
    let started = Instant::now();
    memory.close()?;
    drop(memory);
    println!("a clean stop: {:.2} s; the file has {} MiB", started.elapsed().as_secs_f64(), size(&path)? >> 20);
    let sync = || std::fs::File::open(crashed.join(STORE_FILE))?.sync_all();
    sync()?;
    for round in 1..=ROUNDS {
        for (what, path) in [("a stop", &path), ("a crash", &crashed)] {
            start(&bench, path, (what, round))?;
            if what == "a crash" {
                // The start put it in order.
                std::fs::copy(directory.path().join("kept"), crashed.join(STORE_FILE))?;
                sync()?;
            }
        }
    }
    back_up(&bench, &path)
}

/// In turn, so that whatever else the machine does is the same for both.
fn start(bench: &Bench, path: &Path, (what, round): (&str, u32)) -> Result<(), Failure> {
    let (started, cpu_s) = (Instant::now(), cpu_seconds(SELF)?);
    let (memory, _) = bench.open(path)?;
    let (took_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_seconds(SELF)? - cpu_s);
    println!(
        "start {round} after {what}, {} users: {took_s:.2} s (must 3), {cpu_s:.2} s of CPU",
        memory.counts().users
    );
    Ok(())
}

/// A backup beside the service, and one put back.
fn back_up(bench: &Bench, path: &Path) -> Result<(), Failure> {
    let (memory, _) = bench.open(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let backup = runtime.block_on(memory.back_up())?;
    println!(
        "a backup of {} users: {:.2} s, {} MiB",
        backup.users,
        started.elapsed().as_secs_f64(),
        backup.bytes >> 20
    );
    Ok(())
}

fn size(directory: &Path) -> Result<u64, Failure> {
    let files: Result<Vec<_>, _> = std::fs::read_dir(directory)?.collect();
    Ok(files?.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum())
}

/// All users, two devices and networks each.
fn fill(bench: &Bench, memory: &Embedded, key: &HashKey, plan: &Plan) -> Result<(), Failure> {
    let (before, started) = (resident_bytes()?, Instant::now());
    for user in 0..plan.users {
        for day in 0..2 {
            learn(memory, name(key, user), day)?;
        }
    }
    let learnt = started.elapsed();
    let wait = bench.settle_down(memory)?;
    let rows_per_s = f64::from(plan.users) / (learnt + wait).as_secs_f64();
    let bytes = resident_bytes()?.saturating_sub(before) as f64 / f64::from(plan.users);
    println!(
        "{} users: {:.1} s to learn them, {:.1} s more to the disk; {rows_per_s:.0} rows/s",
        plan.users,
        learnt.as_secs_f64(),
        wait.as_secs_f64()
    );
    println!(
        "resident: {bytes:.0} B a user (2 devices, 2 networks; must 256 with a place), the writer's pages among them"
    );
    Ok(())
}

/// Distinct users at an even pace; how far the disk is behind.
fn sustain(bench: &Bench, memory: &Embedded, key: &HashKey, plan: &Plan) -> Result<(), Failure> {
    let (started, mut lags) = (Instant::now(), Vec::new());
    let mut random = SplitMix(7);
    for second in 0..plan.sustained_s {
        for tenth in 0..10 {
            for _ in 0..USERS_PER_SECOND / 10 {
                let user = u32::try_from(random.below(plan.users.into()))?;
                learn(memory, name(key, user), 3)?;
            }
            lags.push(bench.gauge(memory, "askance_memory_flush_lag_seconds")?);
            let due = Duration::from_millis(u64::from(second) * 1_000 + (tenth + 1) * 100);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    }
    lags.sort_by(f64::total_cmp);
    let (median, worst) = (lags[lags.len() / 2], lags[lags.len() - 1]);
    println!(
        "{USERS_PER_SECOND} users/s for {} s: flush lag {median:.2} s by median, {worst:.2} s at worst (window 1 s)",
        plan.sustained_s
    );
    Ok(())
}

/// Changes that are answered when they are on the disk, one caller and many.
fn durable(memory: &Arc<Embedded>, key: &HashKey, plan: &Plan) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (waiting, count) in [(1, plan.durable / 16), (WAITING, plan.durable)] {
        let started = Instant::now();
        for first in (0..count).step_by(waiting) {
            runtime.block_on(async {
                let mut group = JoinSet::new();
                for number in first..first + waiting {
                    let (memory, user) = (Arc::clone(memory), name(key, u32::try_from(number).unwrap_or(0)));
                    group.spawn(async move { memory.forget_device(user, DeviceTag(1)).await });
                }
                group.join_all().await.into_iter().collect::<Result<(), _>>()
            })?;
        }
        let per_s = count as f64 / started.elapsed().as_secs_f64();
        println!("durable changes, {waiting} at a time: {per_s:.0}/s");
    }
    Ok(())
}

fn name(key: &HashKey, user: u32) -> UserKey {
    key.user("default", &user.to_string())
}

fn learn(memory: &Embedded, user: UserKey, day: u32) -> Result<(), Failure> {
    memory.visit(user, |_| ((), Some(Lesson::Completed(login(day))))).map_err(|unvisited| format!("{unvisited:?}"))?;
    Ok(())
}

/// A login of so many days on, with a device and a network of its own.
pub(crate) fn login(day: u32) -> Login {
    Login {
        time: Timestamp::from_unix_s(NOW_S + day * 86_400),
        device: Some(DeviceTag(u64::from(day) + 1)),
        token: None,
        agent: None,
        address: None,
        network: Some(NetworkTag(day + 1)),
        asn: Some(64_500),
        country: None,
        place: None,
        is_anonymous: false,
        proof: Proof::FirstFactor,
    }
}
