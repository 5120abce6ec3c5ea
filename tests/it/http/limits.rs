//! Limits on requests in flight and on connections.

use crate::support::client::Connection;
use crate::support::{
    ApiClient, Askance, Client, Request, Response, Settings, assert_problem, eventually, json_of, plain_login,
};
use std::time::Duration;

/// A request whose head the server has accepted, and whose body it waits for.
pub(crate) struct Held {
    connection: Connection,
    body: Vec<u8>,
}

impl Held {
    /// Sends the head, and waits for `100 Continue`: it comes when the server begins to read the body.
    pub(crate) fn open(client: &Client, user: &str, key: Option<&str>) -> Self {
        let body = plain_login(user).to_string().into_bytes();
        let request =
            Request::post("/v1/score").content("application/json", body.clone()).header("expect", "100-continue");
        let request = match key {
            Some(key) => request.header("authorization", &format!("Bearer {key}")),
            None => request,
        };
        let mut connection = client.connect();
        connection.write(&request.head(&client.endpoint)).unwrap();
        let interim = connection.read_head().unwrap();
        assert_eq!(interim.status, 100, "{interim:?}");
        Self { connection, body }
    }

    pub(crate) fn send_half(&mut self) {
        let half = self.body.len() / 2;
        self.connection.write(&self.body[..half]).unwrap();
        self.body.drain(..half);
    }

    pub(crate) fn finish(mut self) -> std::io::Result<Response> {
        self.connection.write(&self.body)?;
        self.connection.read_response()
    }
}

#[test]
fn requests_over_the_limit_are_told_to_come_back() {
    let server = Askance::start(&Settings::new().set("server.in_flight_max", 2));
    let held = [Held::open(&server.main(), "in-flight-1", None), Held::open(&server.main(), "in-flight-2", None)];

    let answer = server.main().score(&plain_login("in-flight-3"));
    assert_problem(&answer, 503, "server.overloaded");
    let retry_after = answer.header("retry-after").expect("a 503 says when to come back");
    assert!(retry_after.parse::<u32>().is_ok(), "Retry-After: {retry_after}");
    assert_eq!(server.admin().get("/healthz").status, 200, "health is not counted");

    for held in held {
        json_of(&held.finish().unwrap());
    }
    eventually("room for another request", || {
        (server.main().score(&plain_login("in-flight-4")).status == 200).then_some(())
    });
}

#[test]
fn one_client_cannot_starve_another() {
    let greedy = ApiClient::new("greedy", &["score"]);
    let modest = ApiClient::new("modest", &["score"]);
    let server = Askance::start(&Settings::new().set("server.in_flight_max", 4).client(&greedy).client(&modest));
    let mut held = Vec::new();
    let refused = loop {
        let client = server.main().with_key(&greedy.key);
        let answer = client.score(&plain_login("greedy-probe"));
        if answer.status != 200 {
            break answer;
        }
        held.push(Held::open(&server.main(), &format!("greedy-{}", held.len()), Some(&greedy.key)));
        assert!(held.len() <= 4, "the limit was passed");
    };
    assert_problem(&refused, 503, "server.overloaded");
    json_of(&server.main().with_key(&modest.key).score(&plain_login("modest")));
    for held in held {
        json_of(&held.finish().unwrap());
    }
}

/// The key is ours: the contract names the limit, not the key.
const CONNECTIONS_MAX: &str = "server.connections_max";

#[test]
fn connections_over_the_limit_wait_or_are_closed_and_recover() {
    let limit = 8;
    let server = Askance::start(&Settings::new().set(CONNECTIONS_MAX, limit));
    let mut open = Vec::new();
    while let Some(connection) = served_connection(&server.main()) {
        open.push(connection);
        assert!(open.len() <= usize::try_from(limit).unwrap(), "{} connections are served at once", open.len());
    }
    assert!(!open.is_empty());
    drop(open);
    eventually("room for another connection", || served_connection(&server.main()));
}

/// A connection that was answered once and is kept open; none when the answer does not come soon, or is a refusal. "Soon"
/// errs on the safe side: on a slow machine fewer connections count as served than were.
fn served_connection(client: &Client) -> Option<Connection> {
    let mut connection = Connection::open(&client.endpoint).ok()?;
    connection.set_patience(Duration::from_millis(500)).ok()?;
    connection.write(&Request::score(&plain_login("connections")).bytes(&client.endpoint)).ok()?;
    let answer = connection.read_response().ok()?;
    if answer.status != 200 {
        assert_problem(&answer, 503, "server.overloaded");
        return None;
    }
    Some(connection)
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let server = Askance::start(&Settings::new().set("server.idle_timeout_s", 1));
    let mut idle = served_connection(&server.main()).expect("the first connection is served");
    idle.set_patience(crate::support::PATIENCE).unwrap();
    assert!(idle.is_at_end());
}

/// What a client may take for its next head is no limit on how long it may be silent before.
#[test]
fn an_idle_connection_outlives_the_time_for_a_head() {
    let server = Askance::start(&Settings::new().set("server.request_timeout_ms", 300));
    let mut idle = served_connection(&server.main()).expect("the first connection is served");
    let mut slow = server.main().connect();
    slow.write(b"POST /v1/score HTTP/1.1\r\nhost:").unwrap();
    assert!(slow.is_at_end(), "a head that does not end is cut off, which takes as long as the time for one");
    idle.write(&Request::score(&plain_login("idle")).bytes(&server.main().endpoint)).unwrap();
    assert_eq!(idle.read_response().unwrap().status, 200);
}
