//! What every test here needs: a configuration ([`Settings`]), a running server ([`Askance`]), a client ([`Client`]).

pub(crate) mod answers;
pub(crate) mod authenticator;
pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod h2;
pub(crate) mod mmdb;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod secrets;
pub(crate) mod settings;

pub(crate) use answers::{assert_problem, json_of};
pub(crate) use client::{Client, Connection, Request, Response};
pub(crate) use process::{Askance, Finished, run};
pub(crate) use settings::{ApiClient, Settings};

use askance::units::Confidence;
use askance::verdict::aggregate::{self, Aggregator, Opinion};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A desktop browser that every user-agent parser knows.
pub(crate) const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                                 Chrome/131.0.0.0 Safari/537.36";

/// How long anything here is waited for. A bound against hanging, not an expectation: nothing is asserted about time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a condition that nothing reports.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The overall confidence by an aggregator that reads nothing else.
pub(crate) fn overall(aggregator: Aggregator, counted: &[Opinion], others: &[Opinion]) -> Confidence {
    match aggregator {
        Aggregator::Evidence => panic!("evidence weighs facts, not confidences"),
        Aggregator::Strict => aggregate::strict(counted, others),
        Aggregator::Auth0Mean => aggregate::auth0_mean(counted),
        Aggregator::Any => aggregate::any(counted),
    }
}

/// Asks until `attempt` gives a value; fails, naming `what`, when [`PATIENCE`] runs out.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up waiting for: {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Imports a login of an hour ago, changed as told: with a factor, on device `d1`, from an address without a GeoIP record.
pub(crate) fn import(server: &Askance, user: &str, change: Value) {
    let past = json!({
        "user": {"id": user}, "ip": "192.0.2.1", "user_agent": CHROME, "device_id": "d1",
        "time": time_from_now(-3_600), "result": "success", "mfa_passed": true,
    });
    let report = json_of(&server.main().import(&[with(past, change)]));
    assert_eq!(report["recorded"], 1, "{report}");
}

/// Scores a login of now, changed as told: on device `d1`, from another address without a GeoIP record.
pub(crate) fn score(server: &Askance, user: &str, change: Value) -> Value {
    let login = json!({"device_id": "d1", "ip": "198.51.100.1"});
    json_of(&server.main().score(&with(with(plain_login(user), login), change)))
}

/// A login that nothing speaks against, and nothing is known about; `user` is enrolled in TOTP.
pub(crate) fn plain_login(user: &str) -> Value {
    json!({"user": {"id": user, "enrolled_factors": ["totp"]}, "ip": "81.2.69.142", "user_agent": CHROME})
}

/// A login that is low under every aggregator: the address is none, which is hard evidence.
pub(crate) fn risky_login(user: &str) -> Value {
    json!({"user": {"id": user, "enrolled_factors": ["totp", "sms"]}, "ip": "999.1.1.1", "user_agent": CHROME})
}

/// `base` with the members of `changes` in place of its own; `null` removes one, objects are merged.
pub(crate) fn with(mut base: Value, changes: Value) -> Value {
    merge(&mut base, changes);
    base
}

fn merge(base: &mut Value, changes: Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    base.remove(&name);
                } else {
                    merge(base.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (base, changes) => *base = changes,
    }
}

/// The wall clock, cut to a whole second, `offset_s` seconds later, as RFC 3339.
pub(crate) fn time_from_now(offset_s: i64) -> String {
    rfc3339(whole_second_now() + time::Duration::seconds(offset_s))
}

pub(crate) fn whole_second_now() -> time::OffsetDateTime {
    let now = time::OffsetDateTime::now_utc();
    time::OffsetDateTime::from_unix_timestamp(now.unix_timestamp()).expect("the present is a valid timestamp")
}

pub(crate) fn rfc3339(at: time::OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).expect("a UTC time has an RFC 3339 form")
}

/// The root of the checkout.
pub(crate) fn repository() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
}
