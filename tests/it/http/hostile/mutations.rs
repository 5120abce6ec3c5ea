//! Twenty thousand damages to good requests, the same on every run.

use super::{Besieged, answers, settings};
use crate::support::{Connection, Request, Response, plain_login, risky_login, with};
use serde_json::{Value, json};
use std::collections::HashSet;

const THREADS: usize = 4;
/// Of a thread: to the body, whose length is then told right, on connections that are kept; and to whole requests, each on
/// a connection of its own, since the server may wait for more.
const BODIES: usize = 3_800;
const REQUESTS: usize = 1_200;
/// Connections that a thread waits for at a time.
const BATCH: usize = 80;
/// Bytes and words with a meaning in JSON or HTTP.
const TOKENS: &[&[u8]] = &[
    b"null",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"-1e308",
    b"\\u0000",
    b"\\ud800",
    b"\xf0\x9f\x92\xa9",
    b"\xff",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"0",
    b"99999999999999999999",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 1\r\n",
    b"expect: 100-continue\r\n",
    b"connection: upgrade\r\nupgrade: h2c\r\n",
    b"HTTP/1.0",
    b"PRI * HTTP/2.0",
];

/// What was accepted: whose history may be there, and how many decisions may wait.
#[derive(Default)]
struct Accepted {
    users: HashSet<(String, String)>,
    pending: usize,
}

impl Accepted {
    /// Counts a login that was judged.
    fn note(&mut self, body: &[u8], answer: &Response) {
        let Ok(answer) = serde_json::from_slice::<Value>(&answer.body) else { return };
        if answer["demand_mfa"] == true {
            self.pending += 1;
        } else if answer["action"] == "allow"
            && let Ok(login) = serde_json::from_slice::<Value>(body)
        {
            let tenant = login["tenant"].as_str().unwrap_or("default");
            self.users.insert((tenant.to_owned(), login["user"]["id"].as_str().unwrap_or_default().to_owned()));
        }
    }
}

fn originals() -> Vec<(&'static str, &'static str, String)> {
    let full = with(
        plain_login("mutated"),
        json!({
            "device_id": "d1", "location": {"latitude": 1.5, "longitude": 2.5, "accuracy_radius_km": 3, "country": "GB"},
            "edge": {"bot_score": 50, "asn": 64500}, "attributes": {"a": 1, "b": "c"}, "user": {"phone_number": "+819012345678"},
            "client_hints": {"sec-ch-ua": "\"Chromium\";v=\"131\"", "sec-ch-ua-platform": "\"Windows\""}, "device_token": "01ab",
        }),
    );
    let decision = "/v1/decisions/0192f0c1-0000-7000-8000-000000000000";
    let outcome: &'static str = Box::leak(format!("{decision}/outcome").into_boxed_str());
    let feedback: &'static str = Box::leak(format!("{decision}/feedback").into_boxed_str());
    let json = "application/json";
    vec![
        ("/v1/score", json, full.to_string()),
        ("/v1/score", json, plain_login("mutated").to_string()),
        ("/v1/score", json, risky_login("mutated-risky").to_string()),
        (outcome, json, json!({"result": "success", "factor": "totp"}).to_string()),
        (feedback, json, json!({"label": "fraud"}).to_string()),
        (
            "/v1/import",
            "application/x-ndjson",
            with(full, json!({"result": "failure", "time": "2026-01-01T00:00:00Z"})).to_string(),
        ),
    ]
}

#[test]
fn damaged_requests_are_answered_below_500_and_leave_nothing_behind() {
    let connections_max = i64::try_from(2 * THREADS * BATCH).expect("a small number");
    let settings = settings()
        .set("server.connections_max", connections_max)
        .set("server.in_flight_max", connections_max)
        .set("server.request_timeout_ms", 1_000);
    let besieged = Besieged::start(&settings);
    let accepted: Vec<Accepted> = std::thread::scope(|scope| {
        let attack = |seed: usize| {
            scope.spawn({
                let besieged = &besieged;
                move || attack(besieged, seed)
            })
        };
        let threads: Vec<_> = (1..=THREADS).map(attack).collect();
        threads.into_iter().map(|thread| thread.join().expect("every answer is as it should be")).collect()
    });
    let users: HashSet<_> = accepted.iter().flat_map(|accepted| &accepted.users).collect();
    let pending = accepted.iter().map(|accepted| accepted.pending).sum();
    besieged.assert_unharmed_but_for(users.len(), pending);
}

fn attack(besieged: &Besieged, seed: usize) -> Accepted {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15 ^ seed as u64);
    let originals = originals();
    let endpoint = besieged.client().endpoint;
    let mut accepted = Accepted::default();
    let mut connection = besieged.connect();
    for round in 0..BODIES {
        let (path, media_type, body) = &originals[random.below(originals.len())];
        let body = random.damage(body.as_bytes());
        let request = Request::post(path).content(media_type, body.clone());
        connection.write(&request.bytes(&endpoint)).unwrap();
        let answer =
            connection.read_response().unwrap_or_else(|error| panic!("{round}: {error}: {}", body.escape_ascii()));
        assert!(answer.status < 500, "{round}: {answer:?}: {}", body.escape_ascii());
        if answer.status == 200 && *path == "/v1/score" {
            accepted.note(&body, &answer);
        }
        if answer.header("connection") == Some("close") {
            connection = besieged.connect();
        }
    }
    drop(connection);
    for _ in 0..REQUESTS / BATCH {
        let request = |_| {
            let (path, media_type, body) = &originals[random.below(originals.len())];
            random.damage(&Request::post(path).content(media_type, body.clone()).bytes(&endpoint))
        };
        let requests: Vec<Vec<u8>> = (0..BATCH).map(request).collect();
        let connections: Vec<Connection> = requests.iter().map(|request| besieged.send(request)).collect();
        for (request, connection) in requests.iter().zip(connections) {
            for answer in answers(connection) {
                assert!(answer.status < 500, "{answer:?}: {}", request.escape_ascii());
                if answer.status == 200 {
                    accepted.note(body_of(request), &answer);
                }
            }
        }
    }
    accepted
}

/// What may be the body of a request that was accepted: what begins with a brace behind the head.
fn body_of(request: &[u8]) -> &[u8] {
    request.windows(5).position(|window| window == b"\r\n\r\n{").map_or(&[], |at| &request[at + 4..])
}

/// Marsaglia's generator; the sequence is the same in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn damage(&mut self, original: &[u8]) -> Vec<u8> {
        let mut damaged = original.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(damaged.len().max(1));
            let end = (at + self.below(20)).min(damaged.len());
            match self.below(6) {
                0 => damaged.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.below(256).to_le_bytes()[0]),
                1 => damaged.truncate(at + 1),
                2 => drop(damaged.splice(at..at, TOKENS[self.below(TOKENS.len())].iter().copied())),
                3 => drop(damaged.drain(at..end)),
                4 => damaged.extend_from_within(at..end),
                _ => {
                    let again = damaged[at..end].repeat(1 + self.below(4));
                    drop(damaged.splice(at..at, again));
                }
            }
        }
        damaged
    }
}
