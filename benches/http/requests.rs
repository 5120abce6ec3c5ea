//! Makes the load: a seeded set of distinct `POST /v1/score` requests, as bytes ready to be written to a socket.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::Failure;

/// Distinct bodies in the set.
const BODIES_COUNT: usize = 20_000;
/// Known users that the bodies draw from, evenly.
const USERS_COUNT: u64 = 100_000;
/// One seed for every run, so that two runs send the same bodies in the same order.
const SEED: u64 = 0x0061_736b_616e_6365;
/// Length of the serial number, in hex digits, that each sending writes into its session id.
const SERIAL_LEN: usize = 16;
/// Stands in the session id until the sending replaces it: no random part can look like it, being hex.
const SERIAL_PLACEHOLDER: &str = "ssssssssssssssss";
/// 50 modern user agents, the commonest first: browsers, in-app views, native apps, scripts.
const USER_AGENTS: &str = include_str!("user_agents.txt");

/// Country code and first digits of a mobile number, and how many digits complete it.
const MOBILE_PREFIXES: [(&str, u32); 12] = [
    ("+1415555", 4),
    ("+447911", 6),
    ("+49151", 8),
    ("+336", 8),
    ("+346", 8),
    ("+39347", 7),
    ("+316", 8),
    ("+4670", 7),
    ("+48512", 6),
    ("+6141", 7),
    ("+8190", 8),
    ("+919876", 6),
];

/// The set of requests, and the count of those already sent.
///
/// No two sendings are equal, even of one body: each carries its own session id. The API answers a repeated session
/// with the first answer, so a set that is sent round and round would otherwise measure that cache and not an
/// assessment.
pub(crate) struct Requests {
    templates: Vec<Template>,
    sent_count: AtomicUsize,
}

/// One request, head and body, and where in it the serial number goes.
struct Template {
    bytes: Vec<u8>,
    serial_offset: usize,
}

impl Requests {
    /// Builds the whole set, with a client's key in each request where there is one. It takes about a tenth of a second
    /// and 13 MB.
    pub(crate) fn seeded(key: Option<&str>) -> Result<Self, Failure> {
        let authorization = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        let mut random = Random(SEED);
        let user_agents: Vec<&str> = USER_AGENTS.lines().collect();
        let popularity = popularity(user_agents.len());
        let templates =
            (0..BODIES_COUNT).map(|_| template(&authorization, &body(&mut random, &user_agents, &popularity)));
        Ok(Self { templates: templates.collect::<Result<_, _>>()?, sent_count: AtomicUsize::new(0) })
    }

    /// Replaces `buffer` by the next request of the set, with a session id of its own.
    pub(crate) fn write_next(&self, buffer: &mut Vec<u8>) {
        let mut serial = self.sent_count.fetch_add(1, Ordering::Relaxed);
        let template = &self.templates[serial % self.templates.len()];
        buffer.clear();
        buffer.extend_from_slice(&template.bytes);
        for digit in buffer[template.serial_offset..template.serial_offset + SERIAL_LEN].iter_mut().rev() {
            *digit = b"0123456789abcdef"[serial & 0xf];
            serial >>= 4;
        }
    }

    /// The mean length of a request's body, in bytes.
    pub(crate) fn body_bytes_mean(&self) -> f64 {
        let total: usize = self.templates.iter().map(Template::body_len).sum();
        total as f64 / self.templates.len() as f64
    }
}

/// Logins of the last year as an import takes them, one a line; the same in every run.
pub(crate) fn past_logins(count: usize) -> String {
    let mut random = Random(SEED);
    let user_agents: Vec<&str> = USER_AGENTS.lines().collect();
    let popularity = popularity(user_agents.len());
    let mut lines = String::new();
    for _ in 0..count {
        let mut line = body(&mut random, &user_agents, &popularity);
        let [month, day, hour, minute, second] =
            [(12, 1), (28, 1), (24, 0), (60, 0), (60, 0)].map(|(limit, first)| first + random.below(limit));
        line["time"] = json!(format!("2025-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"));
        line["result"] = json!("success");
        line["mfa_passed"] = json!(random.below(4) == 0);
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    lines
}

impl Template {
    fn body_len(&self) -> usize {
        let head_len =
            self.bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |position| position + 4);
        self.bytes.len() - head_len
    }
}

/// The host is a loopback address, since the API refuses a local caller that names another one.
fn template(authorization: &str, body: &Value) -> Result<Template, Failure> {
    let body = body.to_string();
    let body_len = body.len();
    let request = format!(
        "POST /v1/score HTTP/1.1\r\nhost: 127.0.0.1\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {body_len}\r\n\r\n{body}"
    );
    let serial_offset = request.find(SERIAL_PLACEHOLDER).ok_or("a body has no place for the serial number")?;
    Ok(Template { bytes: request.into_bytes(), serial_offset })
}

/// One login. A user has two devices, each with its own id and user agent, and is on the first of them in 85 of 100
/// logins; the address is anywhere on the public Internet, which is the worst case for a tree of networks.
fn body(random: &mut Random, user_agents: &[&str], popularity: &[f64]) -> Value {
    let user = random.below(USERS_COUNT);
    let device = u64::from(random.below(100) >= 85);
    let mut of_device = Random(SEED ^ (user * 2 + device + 1));
    let user_agent = user_agents[ranked(popularity, of_device.fraction())];
    let mut body = json!({
        "user": {
            "id": format!("user-{user:06}"),
            "email": format!("user-{user:06}@mail.example.com"),
            "email_verified": !user.is_multiple_of(10),
            "enrolled_factors": enrolled_factors(user),
        },
        "ip": public_address(random).to_string(),
        "user_agent": user_agent,
        "device_id": format!("{:016x}{:016x}", of_device.next(), of_device.next()),
        "flow": "authorization_code",
        "first_factor": if user.is_multiple_of(20) { "federated" } else { "pwd" },
        "remembered_browser": false,
        "client_id": format!("portal-client-{:02}", random.below(20)),
        "session_id": format!("{:016x}{SERIAL_PLACEHOLDER}", random.next()),
    });
    if user.is_multiple_of(3) {
        body["user"]["phone_number"] = json!(mobile_number(user));
    }
    body
}

fn enrolled_factors(user: u64) -> &'static [&'static str] {
    match user % 8 {
        0 => &[],
        1..=3 => &["totp"],
        4 | 5 => &["totp", "backup_code"],
        6 => &["webauthn", "totp"],
        _ => &["sms", "email"],
    }
}

/// A user keeps one number, so it follows from the user.
fn mobile_number(user: u64) -> String {
    let mut random = Random(SEED.rotate_left(17) ^ user);
    let [byte, ..] = random.next().to_be_bytes();
    let (prefix, digits_count) = MOBILE_PREFIXES[usize::from(byte) % MOBILE_PREFIXES.len()];
    let number = random.below(10_u64.pow(digits_count));
    format!("{prefix}{number:0width$}", width = digits_count as usize)
}

fn public_address(random: &mut Random) -> Ipv4Addr {
    loop {
        let [a, b, c, d, ..] = random.next().to_be_bytes();
        let address = Ipv4Addr::new(a, b, c, d);
        if is_public(address) {
            return address;
        }
    }
}

/// **Source:** the IANA IPv4 special-purpose address registry.
fn is_public(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 224.., ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        [192, 0, 0, _] | [192, 88, 99, _] => true,
        [198, 18 | 19, ..] => true,
        _ => false,
    };
    !(special || address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation())
}

/// Cumulative shares where the user agent of rank n is as common as 1 ÷ n (Zipf): of 50, the first has 22 % and the
/// last 0.4 %.
fn popularity(ranks_count: usize) -> Vec<f64> {
    let total: f64 = (1..=ranks_count).map(|rank| 1.0 / rank as f64).sum();
    let shares = (1..=ranks_count).map(|rank| 1.0 / rank as f64 / total);
    shares
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect()
}

fn ranked(popularity: &[f64], fraction: f64) -> usize {
    popularity.partition_point(|&cumulative| cumulative < fraction).min(popularity.len() - 1)
}

/// **Source:** splitmix64, <https://prng.di.unimi.it/splitmix64.c>; enough for load, not for secrets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uneven by at most `limit` in 2⁶⁴.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
