//! Stopping: what was accepted is answered, what comes later is told so.

use super::limits::Held;
use crate::support::{
    Askance, Client, Connection, Request, Settings, assert_problem, eventually, json_of, plain_login,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn an_accepted_request_is_answered_and_the_process_exits_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Askance::start(&Settings::new());
        let mut held = Held::open(&server.main(), "drain", None);
        held.send_half();
        let mut idle = server.main().connect();
        idle.write(&Request::score(&plain_login("drain-idle")).bytes(&server.main().endpoint)).unwrap();
        json_of(&idle.read_response().unwrap());

        server.signal(signal);
        eventually("/readyz to say that the server is draining", || {
            server.admin().try_send(Request::new("GET", "/readyz")).ok().filter(|answer| answer.status == 503)
        });
        // A new request is refused with a word, or its connection is: nothing is accepted and then lost.
        if let Ok(answer) = server.main().try_send(Request::score(&plain_login("drain-late"))) {
            assert_problem(&answer, 503, "server.draining");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        if idle.write(&Request::score(&plain_login("drain-idle")).bytes(&server.main().endpoint)).is_ok()
            && let Ok(answer) = idle.read_response()
        {
            assert_problem(&answer, 503, "server.draining");
        }

        json_of(&held.finish().expect("a request that was accepted is answered"));
        let status = server.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{signal}: {}", server.log());
    }
}

#[test]
fn a_request_that_never_ends_does_not_hold_up_the_exit() {
    let mut server = Askance::start(&Settings::new().set("server.drain_s", 1).set("server.request_timeout_ms", 60_000));
    let mut held = Held::open(&server.main(), "drain-forever", None);
    held.send_half();
    server.signal("TERM");
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn an_idle_server_stops_at_once_and_frees_its_port() {
    let mut server = Askance::start(&Settings::new());
    json_of(&server.main().score(&plain_login("drain-nothing")));
    let endpoint = server.main().endpoint;
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0), "{}", server.log());
    assert!(Connection::open(&endpoint).is_err());
}

#[test]
fn under_load_no_answer_is_lost_half_way() {
    let mut server = Askance::start(&Settings::new());
    let answered = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (client, answered) = (server.main(), Arc::clone(&answered));
            std::thread::spawn(move || score_until_refused(&client, &format!("drain-load-{worker}"), &answered))
        })
        .collect();
    eventually("a hundred answers", || (answered.load(Ordering::Relaxed) >= 100).then_some(()));
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0), "{}", server.log());
    for worker in workers {
        worker.join().expect("every answer was whole");
    }
}

/// Opens one connection after another, until one is refused.
fn score_until_refused(client: &Client, user: &str, answered: &AtomicU32) {
    let bytes = Request::score(&plain_login(user)).bytes(&client.endpoint);
    while let Ok(mut connection) = Connection::open(&client.endpoint)
        && connection.write(&bytes).is_ok()
    {
        // Before the first byte of an answer the request may not have been accepted; after it, it was.
        let Ok(mut answer) = connection.read_head() else { return };
        answer.body = connection.read_body(&answer).expect("an answer that was begun is finished");
        if answer.status != 200 {
            assert_problem(&answer, 503, "server.draining");
            return;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_connection_that_never_spoke_does_not_hold_up_the_exit() {
    // Longer than anything here waits: were the connection waited for, this test would give up first.
    let settings = Settings::new().set("server.request_timeout_ms", 60_000).set("server.drain_s", 60);
    let mut server = Askance::start(&settings);
    let silent = server.main().connect();
    assert_eq!(server.main().get("/v1/score").status, 405, "the server has accepted what came before");
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    drop(silent);
}
