//! What a Redis must be so that it is taken, and what must be said of one that is not.

use super::replica::{Replica, SECRET, open, run, setup};
use crate::support::redis::RedisServer;
use askance::clock::Clock;
use askance::keyed_hash::Secrets;
use askance::memory::redis::{Redis, RedisUrl, Settings, Setup};

fn refusal(setup: &Setup) -> String {
    open(setup).map(drop).expect_err("this store is not to be used").to_string()
}

#[test]
fn a_server_that_may_lose_what_it_acknowledged_is_refused_unless_that_is_taken() {
    for (arguments, word) in [
        (&["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"][..], "maxmemory-policy"),
        (&["--appendonly", "no"][..], "append-only"),
    ] {
        let server = RedisServer::start_with(arguments);
        let setup = setup(&server.url());
        assert!(refusal(&setup).contains(word), "{arguments:?}");
        let settings = Settings { danger_weak_durability: true, ..Settings::default() };
        assert!(open(&Setup { settings, ..setup }).is_ok(), "{arguments:?}");
    }
}

#[test]
fn another_format_or_another_key_is_refused_and_stays_as_it_is() {
    let server = RedisServer::start();
    run(async { Replica::of(&server).log_in("alice", 1).await });
    let meta = || server.ask::<Vec<u8>>("GET askance:{000}:meta");
    let (ours, dump) = (meta(), || server.ask::<usize>("DBSIZE"));
    let before = dump();

    let foreign = Redis::open(&setup(&server.url()), &Secrets::new([8; 32], None), Clock);
    let foreign = foreign.map(drop).expect_err("made with another key").to_string();
    assert!(foreign.contains("another pseudonymisation key"), "{foreign}");
    assert_eq!((meta(), dump()), (ours.clone(), before));

    let newer = [b"askance format=2\n", &ours[b"askance format=1\n".len()..]].concat();
    redis::cmd("SET").arg("askance:{000}:meta").arg(&newer).exec(&mut server.connect()).unwrap();
    let refused = refusal(&setup(&server.url()));
    assert!(refused.contains("format 2") && refused.contains("format 1"), "{refused}");
    assert_eq!((meta(), dump()), (newer, before));
    redis::cmd("SET").arg("askance:{000}:meta").arg("what").exec(&mut server.connect()).unwrap();
    assert!(refusal(&setup(&server.url())).contains("not ours"));
}

#[test]
fn a_key_is_replaced_while_both_are_given() {
    let server = RedisServer::start();
    run(async { Replica::of(&server).log_in("alice", 1).await });
    let new = [9; 32];
    let opens = |secrets: Secrets| Redis::open(&setup(&server.url()), &secrets, Clock).is_ok();
    assert!(!opens(Secrets::new(new, None)));
    assert!(opens(Secrets::new(new, Some(SECRET))));
    assert!(opens(Secrets::new(new, None)) && !opens(Secrets::new(SECRET, None)), "sealed anew");
}

#[test]
fn an_empty_store_is_refused_where_there_must_be_one() {
    let server = RedisServer::start();
    let mut setup = setup(&server.url());
    setup.must_exist = true;
    assert!(refusal(&setup).contains("must_exist"));
    assert_eq!(server.ask::<usize>("DBSIZE"), 0, "nothing is written");
    setup.must_exist = false;
    assert!(open(&setup).is_ok());
    setup.must_exist = true;
    assert!(open(&setup).is_ok());
}

#[test]
fn of_replicas_that_begin_a_store_at_once_all_have_one_key() {
    let server = RedisServer::start();
    let replicas: Vec<Replica> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| Replica::of(&server))).collect();
        starts.into_iter().map(|start| start.join().expect("it starts")).collect()
    });
    assert!(replicas.iter().all(|replica| replica.user("alice") == replicas[0].user("alice")));
}

#[test]
fn far_away_only_with_tls_and_a_password() {
    for (url, password, word) in [
        ("redis://192.0.2.1:6379", Some("secret"), "rediss://"),
        ("rediss://192.0.2.1:6379", None, "memory.redis.password_file"),
    ] {
        let url = RedisUrl::parse(url).expect("a URL");
        let refused = refusal(&Setup { url, password: password.map(str::to_owned), ..setup("redis://localhost") });
        assert!(refused.contains(word), "{refused}");
    }
}

#[test]
fn nobody_there_is_said_at_the_start() {
    let mut server = RedisServer::start();
    server.kill();
    assert!(refusal(&setup(&server.url())).contains(&server.port.to_string()));
}
