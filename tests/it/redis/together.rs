//! Two replicas and one Redis: what one learns, the other knows.

use super::replica::{Replica, run};
use crate::support::redis::RedisServer;
use crate::support::{PATIENCE, POLL_INTERVAL};
use std::time::{Duration, Instant};

/// Lets others run until `attempt` gives a value.
pub(super) async fn eventually<T>(what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, attempt).await
}

/// The same for what takes its time even where nothing is slow.
pub(super) async fn within<T>(patience: Duration, what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up waiting for: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[test]
fn a_device_learnt_by_one_is_known_to_the_other_at_its_next_login() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for device in 1..=8 {
            let (first, second) = if device % 2 == 0 { (&one, &other) } else { (&other, &one) };
            let judged = first.log_in("alice", device).await;
            assert!(judged.is_shared);
            assert_eq!(judged.known.map(|known| known as u64), Some(device - 1), "each sees all of before");
            let repeated = second.log_in("alice", device).await;
            assert_eq!(repeated.known.map(|known| known as u64), Some(device), "{repeated:?}");
        }
    });
}

#[test]
fn what_replicas_learn_of_one_user_at_once_is_all_kept() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for round in 0..50 {
            let user = format!("user-{round}");
            let logins = |replica: &'static str| {
                let (replica, first) = if replica == "one" { (&one, 1) } else { (&other, 5) };
                let user = user.clone();
                async move {
                    tokio::join!(
                        replica.log_in(&user, first),
                        replica.log_in(&user, first + 1),
                        replica.log_in(&user, first + 2),
                        replica.log_in(&user, first + 3),
                    )
                }
            };
            tokio::join!(logins("one"), logins("other"));
        }
        let third = Replica::of(&server);
        for round in 0..50 {
            assert_eq!(third.near(&format!("user-{round}")).await, Some(8), "round {round}");
        }
    });
}

#[test]
fn a_login_is_judged_on_what_the_other_stored_a_moment_ago() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("alice", 1).await;
        // Both have the user near, and neither has asked Redis since the other's login.
        for device in 2..=9 {
            let judged = if device % 2 == 0 { &other } else { &one }.log_in("alice", device).await;
            assert_eq!(judged.known.map(|known| known as u64), Some(device - 1), "{judged:?}");
        }
    });
}

#[test]
fn the_server_tells_of_what_others_change() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("alice", 1).await;
        for device in 2..=9_usize {
            other.log_in("alice", device as u64).await;
            // To look asks nobody, unless what is near is known to be of before.
            eventually("the change is told", async || (one.near("alice").await == Some(device)).then_some(())).await;
        }
        // And goes on doing so to a replica that changes the user itself.
        one.log_in("alice", 10).await;
        other.log_in("alice", 10).await;
        other.log_in("bob", 1).await;
        eventually("bob is known", async || (one.near("bob").await == Some(1)).then_some(())).await;
    });
}

#[test]
fn what_was_not_told_while_the_connection_was_lost_is_looked_at_again() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("alice", 1).await;
        for device in 2..=5_usize {
            server.ask::<usize>("CLIENT KILL TYPE normal");
            let known = eventually("somebody serves", async || {
                let judged = other.log_in("alice", device as u64).await;
                judged.is_shared.then_some(judged)
            })
            .await;
            assert!(known.known.is_some());
            eventually("the change is seen", async || (one.near("alice").await == Some(device)).then_some(())).await;
        }
    });
}
