//! A clock that is set an hour forward or back: what is over stays over, and what was used stays used.

use super::replica::{Replica, run};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::clock::{Clock, Timestamp};
use askance::memory::decisions::{DecisionId, LoginResult, Settlement};
use askance::memory::vault::{Place, Put, Record};
use askance::memory::{Memory, MemoryError};

const HOUR_MS: i64 = 3_600_000;

fn from_now(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(Clock.now().unix_ms() + ms).expect("a time of this century")
}

/// An outcome, told to a replica whose clock is so many ms off.
async fn succeed(replica: &Replica, id: DecisionId, off_ms: i64) -> Result<Settlement, MemoryError> {
    replica.tell_at(id, LoginResult::Success, from_now(off_ms)).await
}

/// The time of a demand is measured, not read off a clock: whoever sets theirs back finds it over.
#[test]
fn a_demand_whose_time_is_over_takes_no_outcome_whatever_the_clock_says() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("alice", 1).await;
        let over = one.challenge_until("alice", 2, Clock.now().unix_ms() + 50).await.id;
        eventually("it is over", async || {
            one.near("alice").await;
            let seen = one.memory.visit(one.user("alice"), |it| (it.is_some_and(|it| it.unfinished().is_some()), None));
            seen.is_ok_and(|is_unmet| is_unmet).then_some(())
        })
        .await;
        for (replica, off_ms) in [(&one, 0), (&one, -HOUR_MS), (&other, -HOUR_MS), (&other, -24 * HOUR_MS)] {
            let told = succeed(replica, over, off_ms).await.expect("Redis serves");
            assert!(!matches!(told, Settlement::Counted(_)), "{off_ms} ms: {told:?}");
        }
        assert_eq!(other.near("alice").await, Some(1), "its device is not learnt");
        let waits = one.challenge("bob", 1).await.id;
        assert_eq!(succeed(&other, waits, HOUR_MS).await.ok(), Some(Settlement::Unknown), "an hour ahead it is over");
        assert!(
            matches!(succeed(&one, waits, -HOUR_MS).await, Ok(Settlement::Counted(_))),
            "who comes in time is in time"
        );
        assert_eq!(succeed(&other, waits, -HOUR_MS).await.ok(), Some(Settlement::Taken), "once");
    });
}

#[test]
fn a_record_that_was_used_or_replaced_is_not_good_again_by_a_clock_that_goes_back() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    let record = |content: &[u8]| Some(Record { content: content.into(), until: Some(from_now(300_000)) });
    let version_at = async |replica: &Replica, place, off_ms| {
        let kept = replica.memory.kept(place, from_now(off_ms)).await.expect("Redis serves");
        kept.map(|kept| kept.version)
    };
    run(async {
        let [used, replaced] = [Place::Other([1; 16]), Place::Other([2; 16])];
        for place in [used, replaced] {
            assert_eq!(one.memory.put(place, None, record(b"sent"), Clock.now()).await.ok(), Some(Put::Done));
        }
        let [first, sent] = [version_at(&one, used, 0).await, version_at(&one, replaced, 0).await];
        assert!(first.is_some() && sent.is_some());
        assert_eq!(other.memory.put(used, first, None, Clock.now()).await.ok(), Some(Put::Done));
        // To a clock that is ahead it has ended, so that another one takes its place.
        assert_eq!(version_at(&other, replaced, HOUR_MS).await, None);
        let anew = Some(Record { content: b"anew".as_slice().into(), until: Some(from_now(2 * HOUR_MS)) });
        assert_eq!(other.memory.put(replaced, None, anew, from_now(HOUR_MS)).await.ok(), Some(Put::Done));
        for off_ms in [0, -HOUR_MS, -24 * HOUR_MS] {
            assert_eq!(version_at(&one, used, off_ms).await, None, "{off_ms} ms");
            let again = [(used, first), (replaced, sent)];
            for (place, version) in again {
                let put = one.memory.put(place, version, record(b"again"), from_now(off_ms)).await;
                assert_eq!(put.ok(), Some(Put::Changed), "{off_ms} ms: {place:?}");
            }
        }
        // And nobody is shut out by it.
        assert_eq!(one.memory.put(used, None, record(b"next"), from_now(-HOUR_MS)).await.ok(), Some(Put::Done));
        assert!(version_at(&other, used, -HOUR_MS).await.is_some());
    });
}
