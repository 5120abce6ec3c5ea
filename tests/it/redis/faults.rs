//! Redis gone, stopped, slow, read-only, forgetful of its scripts; and back.

use super::between::Between;
use super::replica::{Replica, run};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::memory::Memory;
use askance::memory::decisions::Settlement;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What takes a server away, and what brings it back.
pub(super) type Fault = (&'static str, fn(&mut RedisServer), fn(&mut RedisServer));

pub(super) const FAULTS: &[Fault] = &[
    ("stopped", |server| server.signal("STOP"), |server| server.signal("CONT")),
    ("killed", RedisServer::kill, RedisServer::restart),
    (
        "read-only",
        |server| drop(server.ask::<String>("REPLICAOF 127.0.0.1 1")),
        |server| drop(server.ask::<String>("REPLICAOF NO ONE")),
    ),
    (
        "full",
        |server| drop(server.ask::<String>("CONFIG SET maxmemory 1")),
        |server| drop(server.ask::<String>("CONFIG SET maxmemory 0")),
    ),
];

#[test]
fn scoring_goes_on_without_redis_and_what_was_learnt_is_merged_when_it_is_back() {
    for (what, begin, end) in FAULTS {
        let mut server = RedisServer::start();
        let (one, other) = (Replica::hasty(&server.url()), Replica::hasty(&server.url()));
        run(async {
            while !one.log_in("alice", 1).await.is_shared {}
            while !other.log_in("alice", 2).await.is_shared {}
            while !one.log_in("alice", 1).await.is_shared {}
            let waits =
                eventually("it is kept", async || Some(one.challenge("alice", 8).await).filter(|it| it.is_shared))
                    .await;
            begin(&mut server);
            // Both learn of one user, apart. Nobody answers them, and they answer.
            for (replica, device) in [(&one, 3), (&other, 4), (&one, 5), (&other, 6)] {
                let judged = replica.log_in("alice", device).await;
                assert!(!judged.is_shared && judged.known.is_some_and(|known| known >= 1), "{what}: {judged:?}");
            }
            eventually("the breaker opens", async || {
                one.log_in("alice", 3).await;
                one.memory.is_degraded().then_some(())
            })
            .await;
            assert_eq!(one.log_in("carol", 1).await.known, None, "{what}: of whom nothing is near, nothing is said");
            assert!(one.succeed(waits.id).await.is_err(), "{what}: an outcome is refused, never guessed");
            assert!(one.memory.erase(one.user("alice")).await.is_err(), "{what}: an erasure, too");
            let alone = one.challenge("alice", 7).await;
            end(&mut server);
            eventually("they serve again", async || {
                (!one.memory.is_degraded() && !other.memory.is_degraded()).then_some(())
            })
            .await;
            let third = eventually("a third one starts", async || {
                super::replica::open(&super::replica::setup(&server.url())).ok()
            })
            .await;
            eventually("both lessons are there", async || {
                // What is near another replica is told of every change.
                (third.near("alice").await == Some(6)).then_some(())
            })
            .await;
            for (id, said) in [(waits.id, "a decision of before"), (alone.id, "one of meanwhile")] {
                eventually(said, async || {
                    let settled = other.succeed(id).await;
                    matches!(settled, Ok(Settlement::Counted(_) | Settlement::Taken)).then_some(())
                })
                .await;
            }
        });
    }
}

#[test]
fn a_server_that_forgets_its_scripts_under_load_is_told_again() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for round in 0..100 {
            let user = format!("user-{}", round % 10);
            server.ask::<String>("SCRIPT FLUSH");
            let (a, b) = tokio::join!(one.log_in(&user, 1), other.log_in(&user, 2));
            assert!(a.is_shared && b.is_shared, "{a:?} {b:?}");
            server.ask::<String>("SCRIPT FLUSH");
            let waits = one.challenge(&user, 3).await;
            server.ask::<String>("SCRIPT FLUSH");
            assert!(matches!(other.succeed(waits.id).await, Ok(Settlement::Counted(_))));
        }
        let third = Replica::of(&server);
        for user in 0..10 {
            assert_eq!(third.near(&format!("user-{user}")).await, Some(3));
        }
    });
}

#[test]
fn a_slow_server_is_not_waited_for_and_serves_again_once_it_is_fast() {
    let server = RedisServer::start();
    let delay = Between::new(&server, |asked| asked);
    let (slow, other) = (Replica::hasty(&delay.url()), Replica::of(&server));
    run(async {
        while !slow.log_in("alice", 1).await.is_shared {}
        delay.delay_ms.store(200, Ordering::Relaxed);
        for _ in 0..5 {
            let judged = slow.log_in("alice", 2).await;
            assert!(!judged.is_shared && judged.known.is_some(), "{judged:?}");
        }
        assert!(slow.memory.is_degraded(), "it does not try each time");
        other.log_in("alice", 3).await;
        delay.delay_ms.store(0, Ordering::Relaxed);
        eventually("it serves again", async || (!slow.memory.is_degraded()).then_some(())).await;
        eventually("all is merged", async || (other.near("alice").await == Some(3)).then_some(())).await;
        eventually("here, too", async || (slow.near("alice").await == Some(3)).then_some(())).await;
    });
}

#[test]
fn a_server_that_was_emptied_meanwhile_is_not_mixed_with_what_was_there() {
    let mut server = RedisServer::start();
    let replica = Replica::of(&server);
    run(async {
        replica.log_in("alice", 1).await;
        server.ask::<String>("FLUSHALL");
        server.kill();
        server.restart();
        eventually("it serves again", async || {
            let judged = replica.log_in("alice", 2).await;
            judged.is_shared.then_some(())
        })
        .await;
        let key: Vec<u8> = server.ask("GET askance:{000}:meta");
        assert!(key.starts_with(b"askance format=1\n"), "begun again under the same key");
    });
}

/// Debian's Redis is older than WAITAOF: here it is answered in its place.
#[test]
fn where_the_server_tells_what_is_on_its_disk_that_is_waited_for() {
    let server = RedisServer::start();
    let (is_durable, waits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (durable, waited) = (Arc::clone(&is_durable), Arc::clone(&waits));
    let between = Between::new(&server, move |asked| {
        let text = String::from_utf8_lossy(&asked).into_owned();
        if let Some(at) = text.find("*4\r\n$7\r\nWAITAOF\r\n") {
            waited.fetch_add(1, Ordering::Relaxed);
            let count = usize::from(durable.load(Ordering::Relaxed));
            let answer = format!("*3\r\n$4\r\nEVAL\r\n$12\r\nreturn {{{count},0}}\r\n$1\r\n0\r\n");
            return [&asked[..at], answer.as_bytes()].concat();
        }
        let known = text.replace("$4\r\nINFO\r\n$7\r\nWAITAOF\r\n", "$4\r\nINFO\r\n$3\r\nGET\r\n");
        if known == text { asked } else { known.into_bytes() }
    });
    let replica = super::replica::open(&super::replica::setup(&between.url())).expect("the server is as it should be");
    run(async {
        let id = replica.challenge("alice", 1).await.id;
        assert_eq!(waits.load(Ordering::Relaxed), 0, "a login waits for no disk");
        let refused = replica.succeed(id).await.expect_err("the disk did not say so").to_string();
        assert!(refused.contains("durable_ms"), "{refused}");
        assert!(replica.succeed(id).await.is_err(), "told again, it is still not on the disk");
        is_durable.store(true, Ordering::Relaxed);
        assert_eq!(replica.succeed(id).await.ok(), Some(Settlement::Taken), "taken the first time, and safe now");
        replica.memory.erase(replica.user("alice")).await.expect("the disk says so");
        assert!(waits.load(Ordering::Relaxed) >= 4);
    });
}
