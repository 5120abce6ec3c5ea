//! Clients that mean harm: whatever they send is refused or ended, takes memory within a bound that follows from the
//! configuration, and leaves nothing behind. One file a theme.

mod bodies;
mod heads;
mod http2;
mod mutations;
mod slow;
mod smuggling;
mod torn;

use crate::support::{Askance, Client, Connection, Request, Response, Settings, eventually, json_of, plain_login};

const CONNECTIONS_MAX: u32 = 256;
const IN_FLIGHT_MAX: u32 = 64;
const BODY_BYTES_MAX: u32 = 65_536;
const HEAD_BYTES_MAX: u32 = 16_384;
/// What the allocator keeps, and caches fill up with, whatever is sent.
const SLACK_KIB: u64 = 48 * 1024;
/// What else a connection takes at most: buffers for reading and writing, and the windows of HTTP/2.
const CONNECTION_BYTES: u32 = 128 * 1024;

/// Small bounds; and connections end soon where nothing is asked of them.
fn settings() -> Settings {
    Settings::new()
        .set("server.connections_max", CONNECTIONS_MAX)
        .set("server.in_flight_max", IN_FLIGHT_MAX)
        .set("server.body_bytes_max", BODY_BYTES_MAX)
        .set("server.head_bytes_max", HEAD_BYTES_MAX)
        .set("server.request_timeout_ms", 2_000)
        .set("server.idle_timeout_s", 1)
}

/// A server that is attacked, and what it was before.
struct Besieged {
    server: Askance,
    before: Gauges,
    resident_kib: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gauges {
    users: usize,
    pending: usize,
    connections: usize,
}

impl Besieged {
    fn new() -> Self {
        Self::start(&settings())
    }

    fn start(settings: &Settings) -> Self {
        let server = Askance::start(settings);
        json_of(&server.main().score(&plain_login("before")));
        let before = eventually("the first user to be counted", || Some(gauges(&server)).filter(|now| now.users == 1));
        let resident_kib = server.resident_kib();
        Self { server, before, resident_kib }
    }

    fn client(&self) -> Client {
        self.server.main()
    }

    fn connect(&self) -> Connection {
        self.server.main().connect()
    }

    /// Sends these bytes and nothing more: the status of each answer until the server ends the connection.
    fn answers_to(&self, bytes: &[u8]) -> Vec<u16> {
        self.answers_to_each(&[bytes.to_vec()]).remove(0)
    }

    /// As above, each on a connection of its own, all at once, since the server may wait for more.
    fn answers_to_each(&self, all: &[Vec<u8>]) -> Vec<Vec<u16>> {
        let connections: Vec<Connection> = all.iter().map(|bytes| self.send(bytes)).collect();
        let statuses = |connection| answers(connection).iter().map(|answer| answer.status).collect();
        connections.into_iter().map(statuses).collect()
    }

    fn send(&self, bytes: &[u8]) -> Connection {
        let mut connection = self.connect();
        // The server may answer and close before it has read all of it.
        connection.write(bytes).ok();
        connection
    }

    /// Waits until the server has no connection, whatever its clients still hold.
    fn await_no_connections(&mut self) {
        json_of(&self.server.main().score(&plain_login("meanwhile")));
        // The gauges are set once a second: those that count a further user are of after the connections were made.
        eventually("every connection to be ended", || {
            let now = gauges(&self.server);
            (now.connections == 0 && now.users > self.before.users).then_some(())
        });
        self.before.users += 1;
    }

    /// Nothing is left behind but what was accepted: users with a history, and decisions that wait.
    fn assert_unharmed_but_for(mut self, users: usize, pending: usize) {
        self.server.assert_alive();
        let mut expected =
            Gauges { users: self.before.users + users, pending: self.before.pending + pending, connections: 0 };
        // The gauges are set once a second; from when they count the second of these users they are of after the attack.
        for user in ["after", "after that"] {
            let answer = json_of(&self.server.main().score(&plain_login(user)));
            assert_eq!(answer["risk_assessment"]["assessments"]["NewDevice"]["code"], "initial_login", "{answer}");
            expected.users += 1;
            let mut last = None;
            eventually(&format!("what was accepted, and nothing else: {expected:?}"), || {
                let now = gauges(&self.server);
                if last.replace(now) != Some(now) {
                    eprintln!("{now:?}");
                }
                (now == expected).then_some(())
            });
        }
        let metrics = self.server.admin().get("/metrics").text();
        let failed = metrics
            .lines()
            .find(|line| line.contains("status=\"5") && !line.contains("status=\"503\"") && !line.ends_with(" 0"));
        assert_eq!(failed, None, "an answer that is not documented");
        let log = self.server.log();
        assert!(!log.contains("panicked") && !log.contains("\"ERROR\""), "{log}");
        self.assert_memory_is_bounded();
    }

    fn assert_unharmed(self) {
        self.assert_unharmed_but_for(0, 0);
    }

    fn assert_memory_is_bounded(&self) {
        let connections = u64::from(CONNECTIONS_MAX) * u64::from(HEAD_BYTES_MAX + CONNECTION_BYTES);
        let requests = u64::from(IN_FLIGHT_MAX) * u64::from(BODY_BYTES_MAX);
        let (now_kib, bound_kib) =
            (self.server.resident_kib(), self.resident_kib + SLACK_KIB + (connections + requests) / 1024);
        assert!(now_kib <= bound_kib, "{now_kib} KiB are resident; {} before, {bound_kib} allowed", self.resident_kib);
    }
}

fn gauges(server: &Askance) -> Gauges {
    let metrics = server.admin().get("/metrics").text();
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Gauges {
        users: value("askance_users"),
        pending: value("askance_decisions_pending"),
        connections: value("askance_connections"),
    }
}

/// Every answer until the server ends the connection.
fn answers(mut connection: Connection) -> Vec<Response> {
    std::iter::from_fn(|| connection.read_response().ok()).collect()
}

/// A good request of this user's, as it goes over the wire.
fn good(client: &Client, user: &str) -> Vec<u8> {
    Request::score(&plain_login(user)).bytes(&client.endpoint)
}
