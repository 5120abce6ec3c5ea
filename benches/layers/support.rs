//! Seeded inputs and what every bench needs.

use askance::clock::{Clock, Timestamp};
use askance::context::geoip::{self, GeoIp};
use askance::context::ip_lists::IpLists;
use askance::device_token::TokenKeys;
use askance::event::{ClientIp, Edge, Factor, FactorSet, FirstFactor, Flow, GivenLocation, LoginEvent, User};
use askance::keyed_hash::HashKey;
use askance::memory::decisions::IdSource;
use askance::memory::volatile::Volatile;
use askance::memory::{Record, Settings};
use askance::pipeline::{Loaded, Pipeline};
use askance::telemetry::Meters;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(crate) const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
];

/// **Source:** Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Any address between 1.0.0.0 and 223.255.255.255.
    pub(crate) fn address(&mut self) -> Ipv4Addr {
        let [b, c, d, ..] = self.next().to_le_bytes();
        Ipv4Addr::new(u8::try_from(1 + self.below(223)).unwrap_or(1), b, c, d)
    }
}

/// Runs a future that never waits.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("memory in this process answers at once"),
    }
}

/// The `number`th user's usual login; every third has a phone number.
pub(crate) fn login<'a>(number: u64, ip: Ipv4Addr, time: Timestamp) -> LoginEvent<'a> {
    let place = usize::try_from(number).unwrap_or(0);
    LoginEvent {
        tenant: "default".into(),
        user: User {
            id: format!("user-{number:07}").into(),
            has_email: true,
            email_verified: Some(true),
            phone_number: number.is_multiple_of(3).then(|| format!("+8190{:08}", number % 5000).into()),
            phone_region: None,
            enrolled: FactorSet::EMPTY.with(Factor::Totp),
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
        },
        ip: ClientIp::parse(ip.to_string().into()),
        user_agent: Some(USER_AGENTS[place % USER_AGENTS.len()].into()),
        client_hints: None,
        device_token: None,
        device_id: Some(format!("device-of-{number:07}").into()),
        location: GivenLocation::Absent,
        edge: Edge::default(),
        edge_ignored: false,
        flow: Flow::default(),
        first_factor: FirstFactor::default(),
        remembered_browser: false,
        time,
    }
}

/// A pipeline on the defaults: embedded country data, no lists.
pub(crate) fn pipeline() -> Result<Pipeline<Volatile>, Box<dyn std::error::Error>> {
    let settings = Settings::default();
    let loaded = Loaded {
        signals: askance::signals::Settings::default(),
        verdict: askance::verdict::Settings::default(),
        record: Record::OnAllow,
        pending_ttl_s: settings.pending_ttl_s,
        tokens: TokenKeys::new(&[[3; 32]]).ok_or("no key")?,
        geoip: GeoIp::open(&geoip::Settings::default())?,
        lists: Arc::new(IpLists::default()),
    };
    let ids = IdSource::new(HashKey::fixed([2; 16]));
    let meters = Arc::new(Meters::new()?);
    Ok(Pipeline::new(Volatile::new(&settings), HashKey::fixed([1; 16]), ids, loaded, meters, Clock))
}
