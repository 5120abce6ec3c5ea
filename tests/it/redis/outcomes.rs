//! What must not be lost, and happens once: outcomes, labels, erasures, forgotten devices; and lists of decisions.

use super::replica::{CLIENT, Judged, Replica, run};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::clock::Clock;
use askance::history::Lesson;
use askance::keyed_hash::DeviceTag;
use askance::memory::decisions::{DecisionId, Feedback, Label, LoginResult, Refusal, Settlement};
use askance::memory::{Memory, Sharing, Unvisited};

/// What a race is about.
const RACES: usize = 10_000;
const AT_ONCE: usize = 50;

#[test]
fn of_replicas_that_race_for_one_outcome_exactly_one_is_first() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for round in 0..RACES / AT_ONCE {
            let races = (0..AT_ONCE).map(|race| {
                let (one, other, user) = (&one, &other, format!("user-{round}-{race}"));
                async move {
                    let Judged { id, .. } = one.challenge(&user, 1).await;
                    let (a, b, c) = tokio::join!(one.succeed(id), other.succeed(id), other.succeed(id));
                    let answers = [a, b, c].map(|answer| answer.expect("Redis serves"));
                    let first = answers.iter().filter(|answer| matches!(answer, Settlement::Counted(_))).count();
                    let again = answers.iter().filter(|answer| **answer == Settlement::Taken).count();
                    assert_eq!((first, again), (1, 2), "{user}");
                }
            });
            all(races).await;
        }
        let third = Replica::of(&server);
        for race in 0..AT_ONCE {
            assert_eq!(third.near(&format!("user-0-{race}")).await, Some(1), "the outcome was learnt");
        }
    });
}

/// Runs all of these, in turns.
pub(super) async fn all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        running.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[test]
fn a_decision_of_one_is_settled_through_the_other_and_only_as_it_admits() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        let Judged { id, .. } = one.challenge("alice", 3).await;
        assert!(matches!(other.succeed(id).await, Ok(Settlement::Counted(_))));
        assert_eq!(one.tell(id, LoginResult::Failure).await.ok(), Some(Settlement::Refused(Refusal::AlreadySettled)));
        assert_eq!(one.succeed(id).await.ok(), Some(Settlement::Taken), "told again");
        assert_eq!(one.log_in("alice", 3).await.known, Some(1), "the outcome was learnt");
        let unknown =
            one.memory.name(DecisionId::parse("0190aaaa-0000-7000-8000-000000000001").unwrap(), one.user("alice"));
        assert_eq!(one.succeed(unknown).await.ok(), Some(Settlement::Unknown));
        let late = one.challenge_until("alice", 4, Clock.now().unix_ms() - 1).await;
        assert_eq!(other.succeed(late.id).await.ok(), Some(Settlement::Unknown), "its time has passed");
    });
}

#[test]
fn an_outcome_and_logins_at_the_same_time_lose_nothing_of_each_other() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for round in 0..50 {
            let user = format!("user-{round}");
            let Judged { id, .. } = one.challenge(&user, 1).await;
            let (_, _, settled) = tokio::join!(one.log_in(&user, 2), other.log_in(&user, 3), other.succeed(id));
            assert!(matches!(settled, Ok(Settlement::Counted(_))));
            assert_eq!(Replica::near(&other, &user).await.map(|_| ()), Some(()));
            let seen = one.log_in(&user, 2).await.known;
            assert_eq!(seen, Some(3), "{user}");
        }
    });
}

#[test]
fn a_label_is_learnt_by_all() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    let reports = |replica: &Replica| {
        let reported =
            |history: Option<&askance::history::UserHistory>| history.is_some_and(|it| it.fraud_labelled().is_some());
        replica.memory.visit(replica.user("alice"), |history| (reported(history), None)).ok()
    };
    run(async {
        let Judged { id, .. } = one.log_in("alice", 1).await;
        let feedback = Feedback { client: CLIENT, by_operator: false, label: Label::Fraud };
        assert!(matches!(other.memory.label(id, Clock.now(), feedback).await, Ok(Settlement::Labelled(_))));
        eventually("the label is told", async || {
            one.near("alice").await;
            (reports(&one) == Some(true)).then_some(())
        })
        .await;
    });
}

#[test]
fn an_erasure_reaches_everything_and_nothing_of_before_comes_back() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("bob", 1).await;
        let waits = one.challenge("alice", 1).await;
        one.log_in("alice", 2).await;
        other.log_in("alice", 3).await;
        // A login that is under way while the user is erased.
        let under_way = one.memory.name(waits.id, one.user("alice"));
        let lesson = Lesson::Completed(super::replica::login(4));
        let visited =
            one.memory.visit_at_login(under_way, Sharing::Compared, one.user("alice"), |_| ((), Some(lesson)));
        assert!(matches!(visited, Ok(()) | Err(Unvisited::Elsewhere(_))));
        other.memory.erase(other.user("alice")).await.expect("Redis serves");

        assert_eq!(other.near("alice").await, Some(0));
        assert_eq!(one.succeed(waits.id).await.ok(), Some(Settlement::Unknown));
        for replica in [&one, &other] {
            assert_eq!(replica.listed(replica.query(Some("alice"), 10)).await, []);
            assert_eq!(replica.listed(replica.query(None, 10)).await.len(), 1, "bob's");
        }
        let judged = one.log_in("alice", 5).await;
        assert_eq!(judged.known, Some(0), "as a first login: {judged:?}");
        assert_eq!(Replica::of(&server).near("alice").await, Some(1));
    });
}

#[test]
fn a_device_that_is_forgotten_is_not_made_known_by_an_outcome_that_was_awaited() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        one.log_in("alice", 1).await;
        let Judged { id, .. } = one.challenge("alice", 2).await;
        other.memory.forget_device(other.user("alice"), DeviceTag(2)).await.expect("Redis serves");
        other.memory.forget_device(other.user("alice"), DeviceTag(1)).await.expect("Redis serves");
        assert!(matches!(one.succeed(id).await, Ok(Settlement::Counted(_))));
        assert_eq!(one.log_in("alice", 9).await.known, Some(0));
    });
}

#[test]
fn a_demand_that_nobody_met_is_learnt_once_its_time_is_over() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    let unfinished = |replica: &Replica| {
        let seen = replica.memory.visit(replica.user("alice"), |history| {
            (history.is_some_and(|history| history.unfinished().is_some()), None)
        });
        seen.unwrap_or(false)
    };
    run(async {
        one.log_in("alice", 1).await;
        one.challenge_until("alice", 2, Clock.now().unix_ms() + 50).await;
        eventually("the other replica hears of it", async || {
            other.near("alice").await;
            unfinished(&other).then_some(())
        })
        .await;
        let open = askance::memory::decisions::Query { only_open: true, ..one.query(Some("alice"), 10) };
        assert_eq!(other.listed(open).await, []);
        assert_eq!(other.listed(other.query(Some("alice"), 10)).await.len(), 2, "it is kept for a label");
    });
}

#[test]
fn lists_hold_the_decisions_of_all_replicas_in_order_and_page_by_page() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        let mut made = Vec::new();
        for number in 0..60 {
            let replica = if number % 2 == 0 { &one } else { &other };
            let user = format!("user-{}", number % 7);
            made.push((user.clone(), replica.log_in(&user, 1).await.id));
        }
        for replica in [&one, &other] {
            let mut expected: Vec<DecisionId> = made.iter().map(|(_, id)| *id).collect();
            expected.sort_by(|a, b| b.cmp(a));
            for limit in [7, 60, 100] {
                assert_eq!(replica.listed(replica.query(None, limit)).await, expected, "{limit} a page");
            }
            expected.retain(|id| made.iter().any(|(user, made)| made == id && user == "user-3"));
            assert_eq!(replica.listed(replica.query(Some("user-3"), 2)).await, expected);
        }
    });
}

#[test]
fn decisions_are_bounded_and_the_oldest_make_room_in_every_list() {
    let server = RedisServer::start();
    let few = super::replica::Setup { decisions_max: 16, ..super::replica::setup(&server.url()) };
    let replica = super::replica::open(&few).expect("the server is as it should be");
    run(async {
        let mut made = Vec::new();
        for _ in 0..20 {
            made.push(replica.log_in("alice", 1).await.id);
        }
        // One a tag for users with a history, and one for those without, which the first login was. Of two decisions
        // within a millisecond the one with the greater number counts as the younger.
        let youngest = made[1..].iter().max().copied().expect("20 were made");
        assert_eq!(replica.listed(replica.query(Some("alice"), 100)).await, [youngest, made[0]]);
        assert_eq!(replica.listed(replica.query(None, 100)).await, [youngest, made[0]]);
        let mut keys: Vec<Vec<u8>> = server.ask("KEYS askance:*");
        keys.retain(|key| !key.ends_with(b":probe"));
        assert_eq!(keys.len(), 7, "meta, row, list of the user, two lists of the tag, two decisions");
    });
}

#[test]
fn what_is_too_old_is_forgotten_by_one_replica_for_all() {
    let server = RedisServer::start();
    let replica = Replica::of(&server);
    run(async {
        replica.log_in("alice", 1).await;
    });
    let days = askance::privacy::RetentionDays::default();
    let in_a_year = askance::clock::Timestamp::from_unix_ms(Clock.now().unix_ms() + 365 * 86_400_000).unwrap();
    replica.memory.age(in_a_year, &days);
    run(async {
        assert_eq!(replica.near("alice").await, Some(0), "the device is gone");
        let last =
            replica.memory.visit(replica.user("alice"), |it| (it.is_some_and(|it| it.last_login().is_some()), None));
        assert_eq!(last.ok(), Some(true), "that there was a login is not");
    });
}
