//! What sharing costs: printed for docs/SCALE.md, and the counts held to what is said there.

use super::replica::{Replica, run};
use crate::support::redis::RedisServer;
use std::time::Instant;

const LOGINS: u32 = 2_000;

/// A number of `INFO`.
fn info(server: &RedisServer, name: &str) -> u64 {
    let all: String = server.ask("INFO everything");
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

fn calls(server: &RedisServer, command: &str) -> u64 {
    let all: String = server.ask("INFO commandstats");
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|rest| rest.split(',').next()).map_or(0, |count| count.parse().expect("a count"))
}

#[test]
fn a_login_is_one_script_call_and_nothing_else() {
    let server = RedisServer::start();
    let replica = Replica::of(&server);
    run(async {
        for user in 0..20 {
            replica.log_in(&format!("user-{user}"), 1).await;
        }
        let count = || ["evalsha", "get"].map(|command| calls(&server, command));
        // A script's own commands are counted, too: it looks at the row once.
        let (before, bytes) = (count(), ["in", "out"].map(|way| info(&server, &format!("total_net_{way}put_bytes"))));
        let mut took = Vec::new();
        for login in 0..LOGINS {
            let started = Instant::now();
            let judged = replica.log_in(&format!("user-{}", login % 20), 1).await;
            took.push(started.elapsed());
            assert_eq!((judged.looks, judged.is_shared, judged.error), (1, true, None));
        }
        let after = count();
        let [bytes_in, bytes_out] = [("in", bytes[0]), ("out", bytes[1])]
            .map(|(way, before)| info(&server, &format!("total_net_{way}put_bytes")) - before);
        let per_login = |count: u64| count / u64::from(LOGINS);
        assert_eq!([after[0] - before[0], after[1] - before[1]], [u64::from(LOGINS); 2]);
        took.sort_unstable();
        let of = |share: usize| took[took.len() * share / 100].as_micros();
        let row: u64 = redis::cmd("EVAL")
            .arg("return redis.call('MEMORY', 'USAGE', redis.call('KEYS', ARGV[1])[1])")
            .arg(0)
            .arg("askance:{*}:u:*")
            .query(&mut server.connect())
            .unwrap();
        let decision: u64 = redis::cmd("EVAL")
            .arg("return redis.call('MEMORY', 'USAGE', redis.call('KEYS', ARGV[1])[1])")
            .arg(0)
            .arg("askance:{*}:d:*")
            .query(&mut server.connect())
            .unwrap();
        println!(
            "per login: 1 script call, {} bytes to Redis, {} bytes back; p50 {} us, p99 {} us (unoptimised build); in Redis: a row {row} bytes, a decision {decision} bytes",
            per_login(bytes_in),
            per_login(bytes_out),
            of(50),
            of(99),
        );
    });
}
