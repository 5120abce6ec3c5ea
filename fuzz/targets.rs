//! What is fuzzed, and what must hold whatever the bytes: one function a target.
//!
//! libFuzzer calls these through `fuzz_targets/`, and the replay in `tests/it/fuzz.rs` on every change. They speak to
//! the library as any other user of it does.

#[path = "targets/bodies.rs"]
mod bodies;
#[path = "targets/files.rs"]
mod files;
#[path = "targets/rules.rs"]
mod rules;
#[path = "targets/texts.rs"]
mod texts;
#[path = "targets/velocity.rs"]
mod velocity;

use askance::clock::Timestamp;
use askance::context::agent::{Agent, AgentFamily, Agents};
use askance::context::{Grain, Location, Place};
use askance::event::ClientHints;
use askance::history::{Lesson, Login, PLACES_MAX, Proof, Traces, UserHistory};
use askance::keyed_hash::{AddressTag, DeviceTag, NetworkTag};
use askance::server::client_ip::{Cause, Client, Settings, resolve};
use askance::units::{Coordinates, CountryCode, Kilometres};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

pub use bodies::{feedback_body, login_body, outcome_body, past_login};
pub use files::{config_file, database_file, list_file};
pub use rules::rule_source;
pub use texts::{client_hints, device_cookie, phone_number, time};
pub use velocity::velocity_row;

/// A function that holds for any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its directory in `seeds/` and its file in `fuzz_targets/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_hints", client_hints),
    ("client_ip", client_ip),
    ("config_file", config_file),
    ("database_file", database_file),
    ("device_cookie", device_cookie),
    ("feedback_body", feedback_body),
    ("history_row", history_row),
    ("list_file", list_file),
    ("login_body", login_body),
    ("outcome_body", outcome_body),
    ("past_login", past_login),
    ("phone_number", phone_number),
    ("rule_source", rule_source),
    ("time", time),
    ("user_agent", user_agent),
    ("velocity_row", velocity_row),
];

/// Lines: a peer (else the trusted 127.0.0.1), a header name (else `x-forwarded-for`), then values of that header, or,
/// behind a `!`, other lines as `name:value`.
///
/// Who is not trusted is the client. What stands left of an answer does not change it, and a trusted proxy is the answer
/// only where a stranger to the left of everything would be found.
pub fn client_ip(bytes: &[u8]) {
    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split('\n');
    let peer: IpAddr = words.next().and_then(|word| word.parse().ok()).unwrap_or(Ipv4Addr::LOCALHOST.into());
    let client_ip_header = words.next().and_then(|word| word.to_owned().try_into().ok()).unwrap_or_default();
    let settings = Settings { client_ip_header, ..Settings::default() };
    let name = String::from(settings.client_ip_header.clone());
    let mut lines: Vec<(&str, Vec<u8>)> = words
        .map(|word| word.strip_prefix('!').and_then(|line| line.split_once(':')).unwrap_or((&name, word)))
        // One byte a character, so that lines can hold what is not UTF-8.
        .map(|(name, value)| (name, value.chars().map(|character| character as u8).collect()))
        .collect();
    let client = |lines: &[(&str, Vec<u8>)]| {
        resolve(peer, lines.iter().map(|(name, value)| (*name, value.as_slice())), &settings)
    };

    let found = client(&lines);
    if !settings.trusted_proxies.contains(peer) {
        return assert_eq!(found, Client::Known(peer.to_canonical()), "the lines of a stranger matter");
    }
    let is_stranger = matches!(found, Client::Known(address) if !settings.trusted_proxies.contains(address));
    if is_stranger && let Some((_, value)) = lines.iter_mut().find(|(other, _)| name.eq_ignore_ascii_case(other)) {
        value.splice(..0, *b"for=\"\\\", ,\",");
        assert_eq!(client(&lines), found, "what a proxy added is read differently behind a client's own text");
    }
    let stranger = if name == "forwarded" { format!("for={STRANGER}") } else { STRANGER.to_string() };
    lines.insert(0, (&name, stranger.into_bytes()));
    match (found, client(&lines)) {
        (Client::Known(address), further) if !is_stranger => {
            assert_eq!(address, address.to_canonical());
            assert!(matches!(further, Client::Known(STRANGER) | Client::Unknown(Cause::TooLong)), "{further:?}");
        }
        (Client::Known(_) | Client::Unknown(_), further) => assert_eq!(further, found, "a line on the left matters"),
        (Client::Error(_), further) => assert_eq!(further, Client::Known(STRANGER), "nothing else is there"),
    }
}

/// A row of a history.
///
/// It is refused, or reads as a history that its own row gives back, before and after a further login.
pub fn history_row(bytes: &[u8]) {
    let Ok(mut history) = UserHistory::read_row(bytes) else { return };
    let last_login_s = history.last_login().map_or(0, Timestamp::unix_s);
    assert_eq!(UserHistory::last_login_of_row(bytes), last_login_s);
    assert_reads_back(&history);
    let now = Timestamp::from_unix_s(1_790_000_000);
    let at = Coordinates::new(51.5, -0.1).zip(Kilometres::new(7.25));
    let login = Login {
        time: now,
        device: Some(DeviceTag(1)),
        token: None,
        agent: Some(Agent { family: AgentFamily::from_bits(0x0102_0304), major: 131 }),
        address: Some(AddressTag(1)),
        network: Some(NetworkTag(1)),
        asn: Some(64_500),
        country: CountryCode::new("GB"),
        place: at.map(|(at, radius)| Place { at, radius, grain: Grain::City, country: None }),
        is_anonymous: false,
        proof: Proof::Factor,
    };
    history.learn(&Lesson::Completed(login));
    assert_reads_back(&history);
    assert!(history.last_login() >= Some(now) && history.remembers_devices(now, 30));
    assert!(history.places(now, 90).count() <= PLACES_MAX);
    history.learn(&Lesson::Fraud { login, labelled: now });
    assert_reads_back(&history);
    let traces = Traces { devices: [login.device, None], address: None, location: Location::Missing };
    assert!(history.is_reported(&traces) && !history.knows_device(DeviceTag(1), now, 30));
}

fn assert_reads_back(history: &UserHistory) {
    let mut row = Vec::new();
    history.write_row(&mut row);
    assert_eq!(UserHistory::read_row(&row).as_ref(), Ok(history), "a history is not what it was written as");
}

/// Lines: a user agent, then the three client hints, each where there is a line for it.
///
/// What is found is the same from the cache, and as it is stored; hints without brands change nothing.
pub fn user_agent(bytes: &[u8]) {
    static AGENTS: LazyLock<Agents> = LazyLock::new(Agents::new);
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let user_agent = lines.next();
    let [brands, platform, mobile] = [lines.next(), lines.next(), lines.next()].map(|line| line.map(Into::into));
    let mut hints = ClientHints { brands, platform, mobile };
    let found = AGENTS.look_up(user_agent, Some(&hints));
    assert_eq!(AGENTS.look_up(user_agent, Some(&hints)), found);
    if let Some(agent) = found {
        assert_eq!(AgentFamily::from_bits(agent.family.to_bits()), agent.family);
        assert!(!agent.family.to_string().is_empty());
    }
    hints.brands = None;
    assert_eq!(AGENTS.look_up(user_agent, Some(&hints)), AGENTS.look_up(user_agent, None));
}
