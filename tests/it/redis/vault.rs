//! Records of the vault: what one replica used no other uses, whatever becomes of Redis meanwhile.

use super::cluster::Cluster;
use super::outcomes::all;
use super::replica::{Replica, SECRET, open_under, run, setup};
use super::together::eventually;
use crate::support::redis::RedisServer;
use askance::clock::{Clock, Timestamp};
use askance::keyed_hash::{Secrets, UserKey};
use askance::memory::vault::{Kept, Place, Put, Record, Version};
use askance::memory::{Memory, MemoryError};

/// Two for each place: who sends, and who uses.
const RACES: usize = 10_000;
const AT_ONCE: usize = 50;
const NEW: [u8; 32] = [9; 32];

fn record(content: &[u8]) -> Option<Record> {
    Some(Record { content: content.into(), until: None })
}

impl Replica {
    pub(super) async fn put(&self, place: Place, over: Option<Version>, content: &[u8]) -> Result<Put, MemoryError> {
        self.memory.put(place, over, record(content), Clock.now()).await
    }

    pub(super) async fn look(&self, place: Place) -> Option<Kept> {
        self.memory.kept(place, Clock.now()).await.expect("Redis serves")
    }

    /// What the record of a user says, after whatever goes before it. While it goes to and fro, that may not be known for a moment.
    async fn factors(&self, name: &str) -> Result<Option<Vec<u8>>, MemoryError> {
        self.adopted(name).await;
        let kept = self.memory.kept(Place::User(self.user(name)), Clock.now()).await?;
        Ok(kept.map(|kept| kept.content.into()))
    }

    /// The same, as soon as this replica was told that it is here; what it says is that, and nothing of before.
    async fn comes_to_know(&self, name: &str, content: &[u8]) {
        eventually("it was told", async || {
            let factors = self.factors(name).await.ok().flatten()?;
            assert_eq!(factors, content);
            Some(())
        })
        .await;
    }

    /// Puts the record of a user, whatever it was.
    async fn bind(&self, name: &str, content: &[u8]) {
        self.adopted(name).await;
        let place = Place::User(self.user(name));
        let over = self.look(place).await.map(|kept| kept.version);
        assert_eq!(self.put(place, over, content).await.ok(), Some(Put::Done), "{name}");
    }

    async fn adopted(&self, name: &str) {
        assert!(self.near(name).await.is_some(), "Redis serves");
    }
}

#[test]
fn of_replicas_that_race_for_one_record_exactly_one_is_done() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    run(async {
        for round in 0..RACES / 2 / AT_ONCE {
            let races = (0..AT_ONCE).map(|race| {
                let (one, other, number) = (&one, &other, (round * AT_ONCE + race) as u128);
                let place =
                    if race % 2 == 0 { Place::User(UserKey(number)) } else { Place::Other(number.to_be_bytes()) };
                async move {
                    let mut over = None;
                    for content in [b"sent", b"used"] {
                        let (a, b, c) = tokio::join!(
                            one.put(place, over, content),
                            other.put(place, over, content),
                            other.put(place, over, content),
                        );
                        let done = [a, b, c].map(|answer| answer.expect("Redis serves") == Put::Done);
                        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{place:?}");
                        let kept = other.look(place).await.expect("it was put");
                        assert_eq!(&*kept.content, content);
                        over = Some(kept.version);
                    }
                }
            });
            all(races).await;
        }
    });
}

#[test]
fn a_record_is_kept_until_its_end_and_one_without_for_good() {
    let server = RedisServer::start();
    let (one, other) = (Replica::of(&server), Replica::of(&server));
    let (user, spent) = (Place::User(UserKey(1)), Place::Other([7; 16]));
    run(async {
        assert_eq!(one.put(user, None, b"factors").await.ok(), Some(Put::Done));
        assert_eq!(server.ask::<Vec<Vec<u8>>>("KEYS askance:{001}:k:*").len(), 1, "in the slot of the user");
        let mut lasts = redis::cmd("PTTL");
        let key = [b"askance:{001}:k:".as_slice(), &1_u128.to_be_bytes()].concat();
        let left_ms: i64 = lasts.arg(&key).query(&mut server.connect()).expect("the server answers");
        assert_eq!(left_ms, -1, "never forgotten");
        let now = Clock.now();
        let after = |ms: i64| Timestamp::from_unix_ms(now.unix_ms() + ms).expect("a time of this century");
        let record = Some(Record { content: b"spent".as_slice().into(), until: Some(after(5_000)) });
        let put = one.memory.put(spent, None, record.clone(), now).await;
        assert_eq!(put.ok(), Some(Put::Done));
        let kept_at = async |ms| other.memory.kept(spent, after(ms)).await.expect("Redis serves");
        assert!(kept_at(5_000).await.is_some() && kept_at(5_001).await.is_none(), "good at exactly its last moment");
        let [key]: [Vec<u8>; 1] = server.ask::<Vec<Vec<u8>>>("KEYS askance:{*}:o:*").try_into().expect("one");
        let left_ms: i64 = redis::cmd("PTTL").arg(&key).query(&mut server.connect()).expect("the server answers");
        assert!((5_001..=605_000).contains(&left_ms), "it goes by itself, behind its end by any clock: {left_ms} ms");
        assert_eq!(other.memory.put(spent, None, record.clone(), after(5_000)).await.ok(), Some(Put::Changed));
        assert_eq!(other.memory.put(spent, None, record, after(5_001)).await.ok(), Some(Put::Done));
        let version = one.look(user).await.map(|kept| kept.version);
        assert_eq!(other.memory.put(user, version, None, now).await.ok(), Some(Put::Done));
        assert_eq!(one.look(user).await, None);
        assert_eq!(one.put(user, version, b"over what went").await.ok(), Some(Put::Changed));
        assert_eq!(one.put(user, None, b"anew").await.ok(), Some(Put::Done));
    });
}

#[test]
fn a_server_that_forgets_its_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let one = Replica::of(&server);
    run(async {
        for number in 0..20 {
            server.ask::<String>("SCRIPT FLUSH");
            one.bind(&format!("user-{number}"), b"factors").await;
        }
    });
}

#[test]
fn without_redis_nothing_is_said_to_be_done_and_what_was_is_there_when_it_is_back() {
    for (what, begin, end) in super::faults::FAULTS {
        let mut server = RedisServer::start();
        let (one, other) = (Replica::hasty(&server.url()), Replica::hasty(&server.url()));
        let place = Place::User(UserKey(5));
        run(async {
            let sent = eventually("it is put", async || one.put(place, None, b"sent").await.ok()).await;
            // A put that came too late was done all the same, if it is seen to be another one.
            assert!(matches!(sent, Put::Done | Put::Changed));
            let version = eventually("it is read", async || one.memory.kept(place, Clock.now()).await.ok()).await;
            let version = version.map(|kept| kept.version);
            assert!(version.is_some(), "{what}");
            begin(&mut server);
            let refused = eventually("it is refused", async || one.put(place, version, b"used").await.err()).await;
            assert!(matches!(refused, MemoryError::Unavailable(_)), "{what}: {refused}");
            eventually("the other is told, too", async || {
                let answer = other.put(place, version, b"used").await;
                assert!(!matches!(answer, Ok(Put::Done)), "{what}: done, and nobody has it");
                answer.err()
            })
            .await;
            end(&mut server);
            let found =
                eventually("they serve again", async || other.memory.kept(place, Clock.now()).await.ok().flatten())
                    .await;
            if &*found.content == b"sent" {
                // Nobody was told otherwise; now somebody is.
                eventually("it is used", async || {
                    let put = other.put(place, Some(found.version), b"used").await;
                    matches!(put, Ok(Put::Done | Put::Changed)).then_some(())
                })
                .await;
            }
            eventually("it is used, for both", async || {
                let kept = one.memory.kept(place, Clock.now()).await.ok().flatten()?;
                (&*kept.content == b"used").then_some(())
            })
            .await;
            let again = eventually("the server answers", async || one.put(place, version, b"again").await.ok()).await;
            assert_eq!(again, Put::Changed, "{what}");
        });
    }
}

fn both(url: &str, current: [u8; 32], replaced: Option<[u8; 32]>) -> Replica {
    open_under(&setup(url), &Secrets::new(current, replaced)).expect("a store of this key")
}

/// Replicas that have the two keys in another order, and one user who comes to either.
fn a_record_goes_where_its_user_goes(url: &str) {
    run(async {
        let (ours, theirs) = (both(url, SECRET, Some(NEW)), both(url, NEW, Some(SECRET)));
        ours.bind("alice", b"0").await;
        let mut before = 0;
        for turn in 1..=20_u8 {
            let (one, other) = if turn % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
            one.comes_to_know("alice", if turn == 1 { b"0" } else { std::slice::from_ref(&before) }).await;
            one.bind("alice", &[turn]).await;
            other.comes_to_know("alice", &[turn]).await;
            before = turn;
        }
        // Nothing is known of them but their record.
        for replica in [&ours, &theirs] {
            assert_eq!(replica.factors("nobody").await.ok(), Some(None));
        }
        theirs.erase("alice").await.expect("Redis serves");
        for replica in [&ours, &theirs, &ours] {
            assert_eq!(replica.factors("alice").await.ok(), Some(None), "erased under both");
        }
        theirs.bind("alice", b"again").await;
        ours.comes_to_know("alice", b"again").await;
    });
}

#[test]
fn a_record_goes_where_its_user_goes_on_one_server() {
    a_record_goes_where_its_user_goes(&RedisServer::start().url());
}

#[test]
fn a_record_goes_where_its_user_goes_in_a_cluster() {
    let cluster = Cluster::start();
    a_record_goes_where_its_user_goes(&cluster.nodes[0].url());
}

/// What a replica leaves that dies between two steps; and what arrives late.
#[test]
fn a_record_that_was_left_on_its_way_goes_on_and_nothing_stale_comes_back() {
    let server = RedisServer::start();
    let (ours, theirs) = (both(&server.url(), SECRET, Some(NEW)), both(&server.url(), NEW, Some(SECRET)));
    let key_of = |replica: &Replica| {
        let user = replica.user("alice");
        let tag = format!("askance:{{{:03x}}}:k:", user.0 & 0x3FF);
        [tag.as_bytes(), &user.0.to_be_bytes()].concat()
    };
    let (old, new) = (key_of(&ours), key_of(&theirs));
    let get = |key: &[u8]| redis::cmd("GET").arg(key).query::<Vec<u8>>(&mut server.connect()).expect("it is there");
    let set = |key: &[u8], value: &[u8]| {
        redis::cmd("SET").arg(key).arg(value).exec(&mut server.connect()).expect("the server takes it");
    };
    let in_state = |state: u8, value: &[u8]| [&[state], &value[1..]].concat();
    run(async {
        ours.bind("alice", b"sent").await;
        let sent = get(&old);
        // It died before the copy was made.
        set(&old, &in_state(b'M', &sent));
        let place = Place::User(ours.user("alice"));
        assert!(ours.memory.kept(place, Clock.now()).await.is_err(), "that there is none is not known");
        assert_eq!(ours.put(place, None, b"another").await.ok(), Some(Put::Changed));
        theirs.comes_to_know("alice", b"sent").await;
        assert_eq!(get(&old)[0], b'D', "it has left");
        theirs.bind("alice", b"used").await;
        // It died before it said that it had left; meanwhile it was used.
        set(&old, &in_state(b'M', &sent));
        for replica in [&theirs, &ours, &theirs] {
            replica.comes_to_know("alice", b"used").await;
        }
        assert_ne!(get(&new), get(&old));
    });
}
