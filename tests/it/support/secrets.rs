//! What tests send and are sent that nobody else may read: codes, secrets, tokens, keys, numbers and addresses of messages.
//!
//! [`Client`](super::Client) notes them from all that passes through it, and the fakes of providers from what they take. Whenever a server
//! of any test ends, its log and its store are searched for everything that was noted until then, and so is a Redis. `scripts/test` sums
//! up how much was searched for, by the file that `ASKANCE_SECRETS_SEARCHED` names.

use super::{Request, Response};
use askance::mfa::totp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of a kind, more than these are of the same making, and only cost time.
const OF_A_KIND_MAX: usize = 256;

/// By what it is, and then by itself. One test a process has it for itself.
static NOTED: Mutex<BTreeMap<Kind, BTreeMap<Vec<u8>, How>>> = Mutex::new(BTreeMap::new());

/// What a secret is, for whoever reads that it was found.
type Kind = &'static str;

/// How a secret is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Long enough that nothing else is like it.
    Anywhere,
    /// Six digits are a part of many numbers: they count where no letter, no digit, and no `.` or `:` is beside them, so that neither a time nor a
    /// number of JSON is taken for a code. In ten megabytes of noise, the chance is one in a hundred million.
    Alone,
}

/// A secret that was found, and what stands around it.
#[derive(Debug)]
pub(crate) struct Found {
    kind: Kind,
    at: usize,
    around: String,
}

/// How much was searched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Searched {
    pub(crate) secrets: usize,
    pub(crate) log_bytes: usize,
    pub(crate) store_bytes: usize,
}

/// Members of requests and answers that hold secrets, and what they are.
const MEMBERS: [(&str, Kind); 12] = [
    ("mfa_token", "an mfa token"),
    ("secret", "the secret of an app"),
    ("assertion", "an assertion"),
    ("code", "a code"),
    ("backup_codes", "a backup code"),
    ("phone_number", "a number"),
    ("phone", "a number"),
    ("email", "an address"),
    ("device_token", "a device cookie"),
    ("token", "a device cookie"),
    ("ticket", "a ticket"),
    ("to", "a recipient"),
];

/// A text of this kind, if it is one: tests send much else in its place.
pub(crate) fn note(kind: Kind, text: &str) {
    match kind {
        "a code" | "a backup code" => note_code(text),
        "a number" => note_number(text),
        "an address" => note_address(text),
        "a recipient" if text.contains('@') => note_address(text),
        "a recipient" => note_number(text),
        "the secret of an app" => {
            if let Some(raw) = totp::import(text) {
                [text.as_bytes(), &raw].iter().for_each(|part| add(kind, part, How::Anywhere));
            }
        }
        "an assertion" if text.len() >= 64 => {
            let signature = text.rsplit('.').next().unwrap_or_default();
            [text, signature].iter().for_each(|part| add(kind, part.as_bytes(), How::Anywhere));
        }
        "an assertion" => {}
        // Tokens and keys are longer than what tests send in their place.
        _ if text.len() >= 16 => add(kind, text.as_bytes(), How::Anywhere),
        _ => {}
    }
}

fn note_code(text: &str) {
    let is_sent = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_backup = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sent {
        add("a code", text.as_bytes(), How::Alone);
    } else if is_backup {
        add("a backup code", text.as_bytes(), How::Anywhere);
    }
}

/// Its last nine digits stand in it however it is written: with the code of a country, or without.
fn note_number(text: &str) {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-() ".contains(&byte));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if is_number && let Some(from) = digits.len().checked_sub(9) {
        add("a number", &digits.as_bytes()[from..], How::Anywhere);
    }
}

fn note_address(text: &str) {
    if text.contains('@') {
        [text, &text.to_lowercase()].iter().for_each(|text| add("an address", text.as_bytes(), How::Anywhere));
    }
}

fn add(kind: Kind, bytes: &[u8], how: How) {
    if bytes.len() < 6 {
        return;
    }
    let mut noted = noted();
    let of_kind = noted.entry(kind).or_default();
    if of_kind.len() < OF_A_KIND_MAX {
        of_kind.insert(bytes.to_owned(), how);
    }
}

/// How many of a kind were noted.
pub(crate) fn count(kind: Kind) -> usize {
    noted().get(kind).map_or(0, BTreeMap::len)
}

/// A test that failed while it held this has said why; others are searched for all the same.
fn noted() -> MutexGuard<'static, BTreeMap<Kind, BTreeMap<Vec<u8>, How>>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands in both; whoever shows a key is no secret, the key is.
pub(crate) fn note_exchange(request: &Request, response: &Response) {
    for body in [request.plain_body().unwrap_or_default(), &response.body] {
        if let Ok(body) = serde_json::from_slice(body) {
            note_members(&body);
        }
    }
    // A page shows a set of codes once, each by itself.
    let page = String::from_utf8_lossy(&response.body);
    for shown in page.split("<code>").skip(1).filter_map(|rest| rest.split_once("</code>")) {
        note("a backup code", shown.0);
    }
    request.values("x-askance-mfa-token").for_each(|token| note("an mfa token", token));
    for key in request.values("authorization").filter_map(|value| value.strip_prefix("Bearer ")) {
        note("a key of a client", key);
    }
    let cookies = response.headers.iter().filter(|(name, _)| name == "set-cookie");
    for (_, cookie) in cookies {
        let value = cookie.split(';').next().and_then(|pair| pair.split_once('=')).map_or("", |(_, value)| value);
        note("a cookie", value);
    }
    if let Some((_, ticket)) = request.path().split_once("ticket=") {
        note("a ticket", ticket.split('&').next().unwrap_or_default());
    }
}

/// Of a whole JSON value.
pub(crate) fn note_members(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let kind = MEMBERS.iter().find(|(member, _)| member == name).map(|(_, kind)| *kind);
                match (kind, value) {
                    (Some(kind), Value::String(text)) => note(kind, text),
                    (Some(kind), Value::Array(texts)) => {
                        texts.iter().filter_map(Value::as_str).for_each(|text| note(kind, text));
                    }
                    _ => note_members(value),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(note_members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Searches what a server leaves behind; `whose` is for whoever reads that something was found.
pub(crate) fn assert_unseen(whose: &str, log: &str, store: &[u8]) -> Searched {
    let noted = noted().clone();
    let all: Vec<Secret<'_>> = noted
        .iter()
        .flat_map(|(kind, of_kind)| of_kind.iter().map(|(bytes, how)| Secret { kind, bytes, how: *how }))
        .collect();
    let searched = Searched { secrets: all.len(), log_bytes: log.len(), store_bytes: store.len() };
    report(searched);
    let places = [("log", shown_on_purpose(log).into_bytes()), ("store", store.to_owned())];
    for (place, bytes) in places {
        if let Some(found) = find(&all, &bytes) {
            panic!("{} lies in the {place} of {whose}, at byte {}: {}", found.kind, found.at, found.around);
        }
    }
    searched
}

/// The log without what the connector `log` writes there, which is codes: it is for trying things out, and does not start unless
/// `danger_log_codes` says that this is understood.
fn shown_on_purpose(log: &str) -> String {
    let is_of_connector = |line: &str| line.contains("\"message\":\"a message\"");
    log.lines().filter(|line| !is_of_connector(line)).fold(String::new(), |log, line| log + line + "\n")
}

/// A line for the sum of a whole run; one write, so that lines of many processes do not mix.
fn report(searched: Searched) {
    let Some(path) = std::env::var_os("ASKANCE_SECRETS_SEARCHED") else { return };
    let line = format!("{} {} {}\n", searched.secrets, searched.log_bytes, searched.store_bytes);
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of the run can be written");
}

#[derive(Debug, Clone, Copy)]
struct Secret<'s> {
    kind: Kind,
    bytes: &'s [u8],
    how: How,
}

/// One pass, whatever the number of secrets, and none over pages of zeros: most of a store are such. Tests are not optimised, and a call for each
/// byte would make minutes of it.
fn find(secrets: &[Secret<'_>], bytes: &[u8]) -> Option<Found> {
    const PAGE: usize = 4096;
    let mut begins = vec![false; 1 << 16];
    for secret in secrets {
        begins[usize::from(u16::from_be_bytes([secret.bytes[0], secret.bytes[1]]))] = true;
    }
    let (mut last_two, mut seen) = (0_u16, 0);
    for page in bytes.chunks(PAGE) {
        if *page == [0; PAGE][..page.len()] {
            (last_two, seen) = (0, seen + page.len());
            continue;
        }
        for byte in page {
            last_two = last_two << 8 | u16::from(*byte);
            seen += 1;
            if begins[usize::from(last_two)] && seen >= 2 {
                let here = secrets.iter().find(|secret| secret.is_at(bytes, seen - 2));
                if let Some(secret) = here {
                    return Some(secret.found(bytes, seen - 2));
                }
            }
        }
    }
    None
}

impl Secret<'_> {
    fn found(&self, bytes: &[u8], at: usize) -> Found {
        let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 200)];
        Found { kind: self.kind, at, around: String::from_utf8_lossy(around).into_owned() }
    }

    fn is_at(&self, bytes: &[u8], at: usize) -> bool {
        let is_apart =
            |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b".:".contains(byte));
        let end = at + self.bytes.len();
        bytes[at..].starts_with(self.bytes)
            && (self.how == How::Anywhere
                || is_apart(at.checked_sub(1).and_then(|before| bytes.get(before))) && is_apart(bytes.get(end)))
    }
}

/// All bytes of files below a directory, if it is there.
pub(crate) fn bytes_below(directory: &Path) -> Vec<u8> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    // A socket is no file, and what went away meanwhile holds nothing.
    paths
        .flat_map(|path| if path.is_dir() { bytes_below(&path) } else { std::fs::read(&path).unwrap_or_default() })
        .collect()
}

#[test]
fn a_secret_is_found_wherever_it_lies_and_a_part_of_a_number_is_none() {
    let of = |kind: Kind, bytes: &'static str, how| Secret { kind, bytes: bytes.as_bytes(), how };
    let secrets = [of("a code", "042117", How::Alone), of("a number", "819012345678", How::Anywhere)];
    let mut pages = vec![0; 8190];
    pages.extend(b"\x06042117\0");
    for (text, expected) in [
        (&b"{\"message\":\"sent 042117\"}"[..], Some("a code")),
        (b"\"code\":\"042117\"", Some("a code")),
        (b"042117", Some("a code")),
        (&pages, Some("a code")),
        (b"to +819012345678.", Some("a number")),
        (b"819012345678901", Some("a number")),
        (b"\"timestamp\":\"2026-11-22T15:02:15.042117Z\",\"took_us\":042117,", None),
        (b"1042117 0421170 a042117 /tmp/.tmp042117/x 81901234567", None),
        (b"", None),
    ] {
        let found = find(&secrets, text).map(|found| found.kind);
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
    }
}
