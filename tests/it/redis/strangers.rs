//! Whoever never completes a login takes no place, however many there are.

use super::outcomes::all;
use super::replica::{Setup, open, run, setup};
use crate::support::redis::RedisServer;
use askance::memory::Memory;

/// More than Redis has tags, of each of which one decision may wait here.
const STRANGERS: usize = 4_000;
const TAGS: usize = 1_024;
/// At a time.
const CROWD: usize = 200;

#[test]
fn memory_and_redis_hold_no_more_of_strangers_than_their_bounds() {
    let server = RedisServer::start();
    let few = Setup { users_max: 64, pending_max: TAGS, decisions_max: TAGS, ..setup(&server.url()) };
    let replica = open(&few).expect("the server is as it should be");
    let hold = |_| {
        assert!(replica.memory.counts().users <= 64 + 64 / 8 + 1, "{:?}", replica.memory.counts());
        server.ask::<usize>("DBSIZE")
    };
    run(async {
        let mut held = Vec::new();
        for first in (0..STRANGERS).step_by(CROWD) {
            all((first..first + CROWD).map(|number| {
                let replica = &replica;
                async move {
                    let judged = replica.challenge(&format!("stranger-{number}"), 1).await;
                    assert!(judged.is_shared, "{judged:?}");
                }
            }))
            .await;
            held.push(hold(()));
        }
        let rows: Vec<Vec<u8>> = server.ask("KEYS askance:{*}:u:*");
        assert_eq!(rows, Vec::<Vec<u8>>::new(), "nobody is remembered");
        // Of each tag: a decision, its user's list, the tag's list. And what the store says of itself, and a probe.
        assert!(held.iter().all(|keys| *keys <= 3 * TAGS + 2), "{held:?}");
        assert!(held[0] >= CROWD, "they are kept while there is room: {held:?}");
    });
}
