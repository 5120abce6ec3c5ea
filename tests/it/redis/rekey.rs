//! The pseudonymisation key is replaced while replicas serve.

use super::cluster::Cluster;
use super::outcomes::all;
use super::replica::{CLIENT, Judged, Replica, SECRET, open_under, run, setup};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::clock::Clock;
use askance::keyed_hash::{DeviceTag, Secrets};
use askance::memory::Memory;
use askance::memory::decisions::{DecisionId, Feedback, Label, Settlement};

const NEW: [u8; 32] = [9; 32];

fn replica(url: &str, current: [u8; 32], replaced: Option<[u8; 32]>) -> Replica {
    open_under(&setup(url), &Secrets::new(current, replaced)).expect("a store of this key")
}

fn refusal(url: &str, current: [u8; 32]) -> String {
    let refused = open_under(&setup(url), &Secrets::new(current, None)).map(drop);
    refused.expect_err("the store is of another key").to_string()
}

/// What is known before, what becomes of it while both keys are named, and what is left when the old one is taken away.
fn a_user_goes_on_under_the_new_key(url: &str) {
    run(async {
        let (known, waits, unmet, forgone) = {
            let old = replica(url, SECRET, None);
            let known = old.log_in("alice", 1).await.id;
            let waits = old.challenge("alice", 2).await.id;
            // Of somebody whom nobody knows yet.
            let unmet = old.challenge("bob", 1).await.id;
            let forgone = old.challenge("user-30", 2).await.id;
            for user in 0..40 {
                old.log_in(&format!("user-{user}"), 1).await;
            }
            (known, waits, unmet, forgone)
        };
        let both = replica(url, NEW, Some(SECRET));
        let judged = both.log_in("alice", 3).await;
        assert_eq!((judged.known, judged.is_shared), (Some(1), true), "{judged:?}");
        assert!(matches!(both.succeed(waits).await, Ok(Settlement::Counted(_))));
        assert_eq!(both.succeed(waits).await.ok(), Some(Settlement::Taken), "told again");
        assert!(matches!(both.succeed(unmet).await, Ok(Settlement::Counted(_))));
        assert_eq!((both.near("alice").await, both.near("bob").await), (Some(3), Some(1)));
        let mut expected = vec![known, waits, judged.id];
        expected.sort_by(|a, b| b.cmp(a));
        for limit in [1, 2, 10] {
            assert_eq!(both.listed(both.query(Some("alice"), limit)).await, expected, "{limit} a page");
        }
        assert!(expected.iter().all(|id| both.listed_in_all().contains(id)));
        for user in 0..20 {
            assert_eq!(both.near(&format!("user-{user}")).await, Some(1));
        }
        // The same once more by a replica that has nothing near.
        assert_eq!(replica(url, NEW, Some(SECRET)).near("alice").await, Some(3));
        let after = replica(url, NEW, None);
        let seen = [after.near("alice").await, after.near("bob").await, after.near("user-3").await];
        assert_eq!(seen, [Some(3), Some(1), Some(1)]);
        assert_eq!(after.near("user-30").await, Some(0), "who did not come meanwhile is not found any more");
        assert_eq!(after.listed(after.query(Some("alice"), 10)).await, [judged.id], "the others are sealed for good");
        assert!(after.listed_in_all().contains(&judged.id));
        // Not that it is to be tried again: it never opens.
        assert_eq!(after.succeed(forgone).await.ok(), Some(Settlement::Unknown));
        assert!(
            matches!(both.succeed(forgone).await, Ok(Settlement::Counted(_))),
            "who has the old key still takes it"
        );
    });
}

impl Replica {
    /// Asked on a thread of its own, so that it can stand within an assertion.
    fn listed_in_all(&self) -> Vec<DecisionId> {
        std::thread::scope(|scope| {
            let list = scope.spawn(|| run(self.listed(self.query(None, 1_000))));
            list.join().expect("Redis serves")
        })
    }
}

#[test]
fn who_was_known_under_the_old_key_is_known_under_the_new_one() {
    let server = RedisServer::start();
    a_user_goes_on_under_the_new_key(&server.url());
    assert!(refusal(&server.url(), SECRET).contains("another pseudonymisation key"));
}

#[test]
fn the_same_where_the_two_keys_of_a_user_are_on_two_nodes() {
    let cluster = Cluster::start();
    a_user_goes_on_under_the_new_key(&cluster.nodes[1].url());
}

#[test]
fn labels_and_forgotten_devices_reach_decisions_of_before() {
    let server = RedisServer::start();
    run(async {
        let (labelled, waits) = {
            let old = replica(&server.url(), SECRET, None);
            let labelled = old.log_in("alice", 1).await.id;
            old.log_in("alice", 2).await;
            (labelled, old.challenge("alice", 3).await.id)
        };
        let both = replica(&server.url(), NEW, Some(SECRET));
        let feedback = Feedback { client: CLIENT, by_operator: false, label: Label::Fraud };
        assert!(matches!(both.memory.label(labelled, Clock.now(), feedback).await, Ok(Settlement::Labelled(_))));
        assert_eq!(both.near("alice").await, Some(1), "the device of the fraud is known no more");
        for key in both.user_before("alice").into_iter().chain([both.user("alice")]) {
            both.memory.forget_device(key, DeviceTag(3)).await.expect("Redis serves");
        }
        assert!(matches!(both.succeed(waits).await, Ok(Settlement::Counted(_))));
        assert_eq!(both.near("alice").await, Some(1), "the outcome makes no device known that was forgotten");
    });
}

#[test]
fn an_erasure_reaches_what_is_known_under_either_key() {
    let server = RedisServer::start();
    run(async {
        let waits = {
            let old = replica(&server.url(), SECRET, None);
            old.log_in("alice", 1).await;
            old.log_in("bob", 1).await;
            old.challenge("alice", 2).await.id
        };
        let both = replica(&server.url(), NEW, Some(SECRET));
        // The one of them moved, the other one did not.
        let after = both.log_in("alice", 3).await.id;
        both.erase("alice").await.expect("Redis serves");
        both.erase("bob").await.expect("Redis serves");
        for name in ["alice", "bob"] {
            assert_eq!(both.near(name).await, Some(0), "{name}");
            assert_eq!(both.listed(both.query(Some(name), 10)).await, [], "{name}");
        }
        for id in [waits, after] {
            assert_eq!(both.succeed(id).await.ok(), Some(Settlement::Unknown));
        }
        let records: Vec<Vec<u8>> = server.ask("KEYS askance:{*}:d:*");
        assert_eq!(records, Vec::<Vec<u8>>::new());
        assert_eq!(both.log_in("alice", 4).await.known, Some(0), "as a first login");
        assert_eq!(replica(&server.url(), NEW, Some(SECRET)).near("alice").await, Some(1));
    });
}

/// Nobody would find what it writes from now on.
#[test]
fn a_replica_that_has_only_the_old_key_is_shut_out_and_what_it_wrote_is_found() {
    let server = RedisServer::start();
    let cluster = Cluster::start();
    for (url, elsewhere) in [(server.url(), server.url()), (cluster.nodes[0].url(), cluster.nodes[2].url())] {
        run(async {
            let old = replica(&url, SECRET, None);
            let waits = old.challenge("alice", 2).await.id;
            let mut last = 0;
            for user in 0..20 {
                last = user;
                assert!(old.log_in(&format!("user-{user}"), 1).await.is_shared);
            }
            let both = replica(&elsewhere, NEW, Some(SECRET));
            eventually("it is shut out", async || old.memory.is_degraded().then_some(())).await;
            eventually("of every node", async || {
                let mut are_alone = true;
                for user in 0..20 {
                    let Judged { known, is_shared, .. } = old.log_in(&format!("user-{user}"), 2).await;
                    assert!(known.is_some(), "it goes on judging on what is near");
                    are_alone &= !is_shared;
                }
                are_alone.then_some(())
            })
            .await;
            assert!(old.succeed(waits).await.is_err(), "an outcome is refused");
            assert!(old.memory.erase(old.user("alice")).await.is_err(), "an erasure, too");
            assert!(matches!(both.succeed(waits).await, Ok(Settlement::Counted(_))));
            assert!(both.near(&format!("user-{last}")).await >= Some(1), "what it wrote before is there");
            assert!(refusal(&url, SECRET).contains("another pseudonymisation key"));
        });
    }
}

/// How keys are replaced without a replica being shut out: first all get both, then one after the other puts the new one first.
#[test]
fn replicas_that_have_both_keys_in_another_order_understand_each_other() {
    let server = RedisServer::start();
    let one = replica(&server.url(), SECRET, Some(NEW));
    let other = replica(&server.url(), NEW, Some(SECRET));
    run(async {
        for round in 0..5 {
            all((0..20).map(|user| {
                let (one, other, user) = (&one, &other, format!("user-{user}"));
                async move {
                    let (a, b) = tokio::join!(one.log_in(&user, 2 * round + 1), other.log_in(&user, 2 * round + 2));
                    assert_eq!((a.error, b.error), (None, None), "{user}");
                }
            }))
            .await;
        }
        let waits = one.challenge("user-3", 11).await.id;
        assert!(matches!(other.succeed(waits).await, Ok(Settlement::Counted(_))));
        let after = replica(&server.url(), NEW, Some(SECRET));
        for user in 0..20 {
            let devices = 10 + usize::from(user == 3);
            assert_eq!(after.near(&format!("user-{user}")).await, Some(devices.min(10)), "user-{user}");
        }
        assert!(!one.memory.is_degraded() && !other.memory.is_degraded());
        let third = replica(&server.url(), SECRET, Some(NEW));
        assert_eq!(third.near("user-4").await, Some(10));
    });
}
