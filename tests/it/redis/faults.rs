//! Redis gone, stopped, slow, read-only, forgetful of its scripts; and back.

use super::replica::{Replica, run};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::memory::Memory;
use askance::memory::decisions::Settlement;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What takes a server away, and what brings it back.
type Fault = (&'static str, fn(&mut RedisServer), fn(&mut RedisServer));

const FAULTS: &[Fault] = &[
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

/// Stands before a server and hands on what it says so much later.
struct Delay {
    port: u16,
    ms: Arc<AtomicU64>,
}

impl Delay {
    fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, to, ms) = (listener.local_addr().unwrap().port(), server.port, Arc::new(AtomicU64::new(0)));
        let delay = Arc::clone(&ms);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", to))) else { return };
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                let delay = Arc::clone(&delay);
                std::thread::spawn(move || hand_on(from_client, to_server, &AtomicU64::new(0)));
                std::thread::spawn(move || hand_on(from_server, to_client, &delay));
            }
        });
        Self { port, ms }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        // The fault itself.
        std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed)));
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

#[test]
fn a_slow_server_is_not_waited_for_and_serves_again_once_it_is_fast() {
    let server = RedisServer::start();
    let delay = Delay::before(&server);
    let (slow, other) = (Replica::hasty(&delay.url()), Replica::of(&server));
    run(async {
        while !slow.log_in("alice", 1).await.is_shared {}
        delay.ms.store(200, Ordering::Relaxed);
        for _ in 0..5 {
            let judged = slow.log_in("alice", 2).await;
            assert!(!judged.is_shared && judged.known.is_some(), "{judged:?}");
        }
        assert!(slow.memory.is_degraded(), "it does not try each time");
        other.log_in("alice", 3).await;
        delay.ms.store(0, Ordering::Relaxed);
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
