//! What a fleet of replicas asks of the store that they share; `docs/SCALE.md` has the figures and what follows from them.
//!
//! `cargo bench --bench scale`, a minute: a simulation of near caches, seeded, so that it prints the same on every machine; what one
//! login costs a real `redis-server` of this machine, with one askance; and what follows from both for larger ones. Without
//! `--bench`, as under `cargo test`, it only sees that everything works.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and waits for real processes")]

mod near_cache;
#[path = "../support/random.rs"]
mod random;
#[expect(dead_code, reason = "how it starts and what it takes is of no interest here")]
#[path = "../support/service.rs"]
mod service;
mod shared;

use near_cache::{Outcome, World};
use std::process::ExitCode;

/// Errors of the bench are for its reader only.
type Failure = Box<dyn std::error::Error>;

/// What one login and one user cost, measured.
pub(crate) struct Measured {
    pub(crate) bytes_per_user: f64,
    pub(crate) bytes_per_decision: f64,
    pub(crate) scripts_per_login: f64,
    pub(crate) script_us: f64,
    pub(crate) reads_per_login: f64,
    pub(crate) bytes_in_per_login: f64,
    pub(crate) bytes_out_per_login: f64,
    pub(crate) redis_cpu_us: f64,
    pub(crate) login_us_p50: f64,
}

const SEED: u64 = 0x5ca1_e000;
const USERS: u32 = 200_000;
/// Between two machines of one data centre, with some load on both.
const INVALIDATION_S: f64 = 0.002;
const DAY_S: f64 = 86_400.0;
/// Logins of a user and day, and how much busier the busiest hour is than the mean: assumptions.
const LOGINS_PER_DAY: f64 = 1.5;
const PEAK: f64 = 3.0;
/// How busy one core of Redis is to be at the peak: room for what fails over to it.
const BUSY_MAX: f64 = 0.4;
const GIB: f64 = 1_073_741_824.0;

fn main() -> ExitCode {
    let has = |name: &str| std::env::args().any(|argument| argument == name);
    let is_bench = has("--bench") && !has("--test");
    simulate(if is_bench { USERS } else { 2_000 });
    let (users, logins) = if is_bench { (50_000, 20_000) } else { (100, 50) };
    match shared::measure(users, logins) {
        Ok(measured) => {
            print(&measured, users, logins);
            project(&measured);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(users: u32) {
    println!("near caches: {users} users, a change is known elsewhere after {INVALIDATION_S} s");
    println!(
        "{:>8} {:>6} {:>8} {:>8} {:>14} {:>10}",
        "replicas", "sticky", "capacity", "hits", "invalidations", "stale"
    );
    for replicas in [1, 2, 10, 100, 1_000] {
        for (sticky, capacity) in [(0.0, 4.0), (0.9, 2.0), (1.0, 1.1), (1.0, 0.5)] {
            // One replica is the replica of every user.
            if replicas > 1 || sticky >= 1.0 {
                let world = World { users, replicas, sticky, capacity, invalidation_s: INVALIDATION_S };
                println!("{}", line(&world, &world.run(SEED)));
            }
        }
    }
}

fn line(world: &World, outcome: &Outcome) -> String {
    let share = |count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = count as f64 / outcome.logins.max(1) as f64;
        share
    };
    format!(
        "{:>8} {:>6.2} {:>8.2} {:>7.1}% {:>14.2} {:>7.1}/M",
        world.replicas,
        world.sticky,
        world.capacity,
        share(outcome.hits) * 100.0,
        share(outcome.invalidations),
        share(outcome.stale) * 1e6
    )
}

fn print(measured: &Measured, users: usize, logins: usize) {
    println!("\none askance over one redis-server, {users} users, {logins} logins of theirs, one after the other:");
    println!("  a user                {:>9.0} B in Redis", measured.bytes_per_user);
    println!("  a decision            {:>9.0} B in Redis", measured.bytes_per_decision);
    println!("  a login, by median    {:>9.0} us from request to answer", measured.login_us_p50);
    println!("  scripts a login       {:>9.2}, {:.1} us in them", measured.scripts_per_login, measured.script_us);
    println!("  reads a login         {:>9.2}, those of scripts among them", measured.reads_per_login);
    println!("  CPU of Redis a login  {:>9.1} us", measured.redis_cpu_us);
    let (bytes_in, bytes_out) = (measured.bytes_in_per_login, measured.bytes_out_per_login);
    println!("  bytes a login         {bytes_in:>9.0} to Redis, {bytes_out:.0} from it");
}

fn project(measured: &Measured) {
    println!(
        "\nwhat follows, at {LOGINS_PER_DAY} logins a user and day, {PEAK} times the mean at the peak, a core of Redis busy for at most {BUSY_MAX} of it:"
    );
    println!("{:>13} {:>12} {:>12} {:>10} {:>12}", "users", "logins/s", "Redis cores", "GiB", "Mbit/s");
    for users in [1e6, 1e7, 1e8, 1e9] {
        let peak = users * LOGINS_PER_DAY / DAY_S * PEAK;
        let cores = (peak * measured.redis_cpu_us / 1e6 / BUSY_MAX).ceil();
        let gib = users * measured.bytes_per_user / GIB;
        let mbit = peak * (measured.bytes_in_per_login + measured.bytes_out_per_login) * 8.0 / 1e6;
        println!("{users:>13.0} {peak:>12.0} {cores:>12.0} {gib:>10.1} {mbit:>12.1}");
    }
}
