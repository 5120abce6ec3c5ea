//! What a fleet of replicas asks of the store that they share; `docs/SCALE.md` has the figures and what follows from them.
//!
//! `cargo bench --bench scale`: some seconds. The simulation is seeded, so that it prints the same on every machine.

mod near_cache;
#[path = "../support/random.rs"]
mod random;

use near_cache::{Outcome, World};

const SEED: u64 = 0x5ca1_e000;
const USERS: u32 = 200_000;
/// Between two machines of one data centre, with some load on both.
const INVALIDATION_S: f64 = 0.002;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let users = if is_bench { USERS } else { 2_000 };
    println!("near caches, {users} users, a change is known elsewhere after {INVALIDATION_S} s");
    println!(
        "{:>8} {:>6} {:>8} {:>8} {:>14} {:>10}",
        "replicas", "sticky", "capacity", "hits", "invalidations", "stale"
    );
    for replicas in [1, 2, 10, 100, 1_000] {
        for (sticky, capacity) in [(0.0, 4.0), (0.9, 2.0), (1.0, 1.1), (1.0, 0.5)] {
            let world = World { users, replicas, sticky, capacity, invalidation_s: INVALIDATION_S };
            let outcome = world.run(SEED);
            println!("{}", line(&world, &outcome));
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
