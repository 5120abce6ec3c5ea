//! Attacks that spread over replicas, and what each of them knows of it.

use super::between::Between;
use super::replica::{Replica, Setup, open, setup};
use crate::support::redis::RedisServer;
use crate::support::{PATIENCE, POLL_INTERVAL, eventually};
use askance::clock::Clock;
use askance::memory::Memory;
use askance::velocity::{Failed, Finding, Settings, Velocity};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const ATTACKER: [u8; 4] = [198, 51, 100, 7];

/// A replica that counts.
struct Counting {
    replica: Replica,
    velocity: Arc<Velocity>,
}

impl Counting {
    fn of(server: &RedisServer) -> Self {
        Self::with(&setup(&server.url()))
    }

    fn with(setup: &Setup) -> Self {
        let (replica, velocity) = (open(setup).expect("a server"), Arc::new(Velocity::new(Settings::default())));
        replica.memory.keep_velocity(&velocity);
        Self { replica, velocity }
    }

    fn fail(&self, ip: impl Into<Ipv4Addr>, user: u32) {
        let (user, sources) = (self.replica.user(&user.to_string()), self.replica.sources(IpAddr::V4(ip.into())));
        let failed = Failed { user: Some(user), is_unknown: false, sources };
        self.velocity.failed(&failed, Clock.now(), &Settings::default());
    }

    fn found(&self, ip: impl Into<Ipv4Addr>) -> Option<Finding> {
        let sources = self.replica.sources(IpAddr::V4(ip.into()));
        self.velocity.look_up(&sources, Clock.now(), &Settings::default())
    }

    /// Failures from the attacker's address, once there are enough to be found.
    fn failures(&self) -> u32 {
        self.found(ATTACKER).map_or(0, |found| found.failures)
    }
}

/// Waits until all replicas know of so many failures, no more and no fewer.
fn all_know(replicas: &[&Counting], failures: u32, what: &str) {
    eventually(what, || {
        let known: Vec<u32> = replicas.iter().map(|replica| replica.failures()).collect();
        assert!(known.iter().all(|known| *known <= failures), "{what}: counted twice: {known:?} of {failures}");
        known.iter().all(|known| *known == failures).then_some(())
    });
}

#[test]
fn an_attack_that_spreads_over_replicas_is_seen_by_all_and_counted_once() {
    let server = RedisServer::start();
    let replicas = [Counting::of(&server), Counting::of(&server), Counting::of(&server)];
    let [one, other, third] = &replicas;
    for (number, replica) in (0..).zip(&replicas) {
        (0..4).for_each(|user| replica.fail(ATTACKER, 10 * number + user));
    }
    all_know(&[one, other, third], 12, "all replicas see the whole of it");
    let users = replicas.each_ref().map(|replica| replica.found(ATTACKER).map_or(0, |found| found.users));
    assert!(users.iter().all(|count| count.abs_diff(12) <= 4 && *count == users[0]), "{users:?}");
    // Whatever was told before is not told again with what comes now.
    for failures in 13..=15 {
        other.fail(ATTACKER, failures);
        all_know(&[one, other, third], failures, "one more");
    }
    assert_eq!(one.found([203, 0, 113, 7]), None);
}

#[test]
fn what_was_counted_while_redis_is_away_is_told_when_it_is_back() {
    let mut server = RedisServer::start();
    let hasty = Setup { deadline: Duration::from_millis(500), ..setup(&server.url()) };
    let (one, other) = (Counting::with(&hasty), Counting::with(&hasty));
    (0..6).for_each(|user| one.fail(ATTACKER, user));
    all_know(&[&one, &other], 6, "both know before");
    server.kill();
    for user in 10..13 {
        one.fail(ATTACKER, user);
        other.fail(ATTACKER, 10 + user);
    }
    assert_eq!([one.failures(), other.failures()], [9, 9], "each goes on alone");
    server.restart();
    all_know(&[&one, &other], 12, "both know of both");
}

#[test]
fn a_batch_whose_answer_was_lost_is_sent_again_and_counted_once() {
    let server = RedisServer::start();
    let delay = Between::new(&server, |asked| asked);
    let slow = Counting::with(&Setup { deadline: Duration::from_millis(500), ..setup(&delay.url()) });
    let other = Counting::of(&server);
    (0..6).for_each(|user| slow.fail(ATTACKER, user));
    // A server that comes too late has taken the batch nevertheless.
    delay.delay_ms.store(1_500, Ordering::Relaxed);
    all_know(&[&other], 6, "it was appended");
    (6..9).for_each(|user| slow.fail(ATTACKER, user));
    delay.delay_ms.store(0, Ordering::Relaxed);
    all_know(&[&slow, &other], 9, "the rest");
    other.fail(ATTACKER, 20);
    all_know(&[&slow, &other], 10, "and what comes behind it");
}

#[test]
fn who_begins_knows_what_was_told_before_whether_or_not_the_stream_still_has_it() {
    let server = RedisServer::start();
    let one = Counting::of(&server);
    (0..12).for_each(|user| one.fail(ATTACKER, user));
    // It tells what it has not told yet.
    one.replica.memory.close().expect("Redis serves");
    drop(one);
    let second = Counting::of(&server);
    assert_eq!(second.failures(), 12, "known from the first login on");
    // Some ten seconds until one of them puts together what was told.
    let deadline = Instant::now() + 3 * PATIENCE;
    while server.ask::<usize>("EXISTS askance:{000}:v:at") == 0 {
        assert!(Instant::now() < deadline, "nobody puts together what was told");
        std::thread::sleep(POLL_INTERVAL);
    }
    assert_eq!(server.ask::<usize>("DEL askance:{000}:v"), 1);
    let third = Counting::of(&server);
    assert_eq!(third.failures(), 12);
    third.fail(ATTACKER, 20);
    all_know(&[&second, &third], 13, "and it goes on");
}

#[test]
fn a_flood_of_addresses_is_told_in_batches_of_bounded_size_and_the_worst_first() {
    let server = RedisServer::start();
    let (one, other) = (Counting::of(&server), Counting::of(&server));
    for number in 0..3_000_u32 {
        let [_, _, a, b] = number.to_be_bytes();
        one.fail([10, a, b, 1], number);
    }
    (0..40).for_each(|user| one.fail(ATTACKER, user));
    // Of 6,000 sources beside it, an address and a prefix each.
    all_know(&[&other], 40, "the attacker is told");
    eventually("all are told", || (other.velocity.held() == one.velocity.held()).then_some(()));
    let entries: Vec<(String, Vec<Vec<u8>>)> = server.ask("XRANGE askance:{000}:v - +");
    let batches: Vec<usize> = entries.iter().map(|(_, fields)| fields[3].len()).collect();
    assert!(batches.len() >= 6 && batches.iter().all(|bytes| *bytes <= 50_000), "{batches:?}");
    println!("bytes a batch of sources with one failure each: {batches:?}");
}

#[test]
fn what_is_no_batch_is_passed_over() {
    let server = RedisServer::start();
    let (one, other) = (Counting::of(&server), Counting::of(&server));
    for batch in ["", "what", "\u{1}\u{0}"] {
        let mut add = redis::cmd("XADD");
        add.arg("askance:{000}:v").arg("*").arg("r").arg("somebody").arg("b").arg(batch);
        add.exec(&mut server.connect()).unwrap();
    }
    (0..12).for_each(|user| one.fail(ATTACKER, user));
    all_know(&[&one, &other, &Counting::of(&server)], 12, "what follows is counted");
}

#[test]
fn a_replica_whose_clock_is_an_hour_ahead_disturbs_nobody() {
    let server = RedisServer::start();
    let (one, ahead) = (Counting::of(&server), Counting::of(&server));
    let now = Clock.now().unix_s();
    let later = askance::clock::Timestamp::from_unix_s(now + 3_600);
    let sources = ahead.replica.sources(IpAddr::from(ATTACKER));
    let user = Some(ahead.replica.user("x"));
    let failed = Failed { user, is_unknown: false, sources };
    (0..50).for_each(|_| ahead.velocity.failed(&failed, later, &Settings::default()));
    ahead.fail([203, 0, 113, 7], 1);
    (0..12).for_each(|user| one.fail(ATTACKER, user));
    let both = [&one, &Counting::of(&server)];
    eventually("the batch of the clock ahead is read", || (one.velocity.held() >= 4).then_some(()));
    all_know(&both, 12, "what was counted in the present is not lost");
}
