//! Users who are known, and how they log in.

use crate::Failure;
use crate::inputs::Inputs;
use crate::support::{SplitMix, USER_AGENTS};
use askance::clock::{Clock, DAY_MS, Timestamp};
use askance::context::Location;
use askance::context::geoip::{self, GeoIp};
use askance::context::ip_lists::{Category, Format, IpLists, ListFinding, ListSettings};
use askance::device_token::TokenKeys;
use askance::event::{ClientIp, Edge, Factor, FactorSet, FirstFactor, Flow, GivenLocation, LoginEvent, User};
use askance::keyed_hash::HashKey;
use askance::memory::decisions::IdSource;
use askance::memory::store::Store;
use askance::memory::volatile::Volatile;
use askance::memory::{Record, Settings};
use askance::pipeline::{Loaded, Pipeline};
use askance::privacy::RetentionDays;
use askance::telemetry::Meters;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// When all logins happen that are scored.
pub(crate) const NOW_S: u32 = 1_790_000_000;

/// Everybody at this deployment.
pub(crate) struct People {
    /// Over what the program has, too.
    pub(crate) pipeline: Pipeline<Store>,
    pub(crate) meters: Arc<Meters>,
    users_count: u64,
}

impl People {
    /// A pipeline on the defaults with these files, which knows nobody yet.
    pub(crate) fn strangers(loaded: (GeoIp, IpLists), memory: &Settings, users_count: u64) -> Result<Self, Failure> {
        let (geoip, lists) = loaded;
        let loaded = Loaded {
            signals: askance::signals::Settings::default(),
            verdict: askance::verdict::Settings::default(),
            rule_counts: Arc::default(),
            record: Record::OnAllow,
            pending_ttl_s: memory.pending_ttl_s,
            retention_days: RetentionDays::default(),
            geoip,
            lists: lists.into(),
            tokens: TokenKeys::new(&[[3; 32]]).ok_or("a key")?,
        };
        let memory = (Store::Volatile(Volatile::new(memory)), HashKey::fixed([1; 16]));
        Ok(Self::over(memory, loaded, Arc::new(Meters::new()), users_count))
    }

    /// The same over a memory with its key.
    pub(crate) fn over((memory, key): (Store, HashKey), loaded: Loaded, meters: Arc<Meters>, users_count: u64) -> Self {
        let ids = IdSource::new(HashKey::fixed([2; 16]));
        let pipeline = Pipeline::new(memory, key, ids, loaded, Arc::clone(&meters), Clock);
        Self { pipeline, meters, users_count }
    }

    /// Everybody logs in from both of their networks, each time on another device.
    pub(crate) fn become_known(&self) -> Result<(), Failure> {
        for user in 0..self.users_count {
            let homes = self.homes(user);
            for (device, days_ago) in [(0, 5), (1, 2)] {
                let event = login(user, device, homes[usize::from(device)], days_before_now(days_ago));
                self.pipeline.import(&event, true, event.time).map_err(|unvisited| format!("{unvisited:?}"))?;
            }
        }
        Ok(())
    }

    /// Logins of random users on a device of theirs, from a network of theirs.
    pub(crate) fn usual(&self, count: usize, random: &mut SplitMix) -> Vec<LoginEvent<'static>> {
        let mut event = || {
            let user = random.below(self.users_count);
            let home = self.homes(user)[usize::from(random.below(2) == 1)];
            login(user, u8::from(random.below(2) == 1), home, days_before_now(0))
        };
        std::iter::repeat_with(&mut event).take(count).collect()
    }

    /// The same from any address, one in eight of IPv6.
    pub(crate) fn anywhere(&self, count: usize, random: &mut SplitMix) -> Vec<LoginEvent<'static>> {
        let mut event = || {
            let user = random.below(self.users_count);
            login(user, u8::from(random.below(2) == 1), any_address(random), days_before_now(0))
        };
        std::iter::repeat_with(&mut event).take(count).collect()
    }

    /// Two neighbouring networks (/24) of one row, hence at one place, of which nothing bad is known.
    fn homes(&self, user: u64) -> [IpAddr; 2] {
        let loaded = self.pipeline.loaded();
        let mut random = SplitMix(user);
        loop {
            let address = random.address();
            let homes = [address, Ipv4Addr::from(u32::from(address) ^ 0x100)].map(IpAddr::from);
            let (found, network) = loaded.geoip.describe(homes[0]);
            let clean = |ip| loaded.lists.look_up(ip, None, days_before_now(0)).0 == ListFinding::Clean;
            if network.is_some_and(|network| network.contains(&homes[1]))
                && matches!(found.location, Location::Known(_))
                && found.kinds.is_empty()
                && homes.into_iter().all(clean)
            {
                return homes;
            }
        }
    }
}

/// Reads databases.
pub(crate) fn open_databases(inputs: &Inputs) -> Result<GeoIp, Failure> {
    let path = |path: &std::path::Path| path.to_str().map(geoip::Paths::from).ok_or("a path is not UTF-8");
    let settings = geoip::Settings { city: path(&inputs.city)?, asn: path(&inputs.asn)?, ..geoip::Settings::default() };
    Ok(GeoIp::open(&settings)?)
}

/// Reads the list, however long ago it was made.
pub(crate) fn open_list(inputs: &Inputs) -> Result<IpLists, Failure> {
    let settings = ListSettings {
        name: "bench".to_owned(),
        path: inputs.list.clone(),
        format: Format::Netset,
        category: Category::Abuse,
        max_age_h: u32::MAX,
        hard: None,
    };
    Ok(IpLists::load(&[settings], &[], Clock)?)
}

/// Any address that is routed.
pub(crate) fn any_address(random: &mut SplitMix) -> IpAddr {
    if random.below(8) > 0 {
        return random.address().into();
    }
    let low = u128::from(random.next()) << 64 | u128::from(random.next());
    Ipv6Addr::from(0x2a00 << 112 | low >> 12).into()
}

fn days_before_now(days: i64) -> Timestamp {
    let now = Timestamp::from_unix_s(NOW_S);
    Timestamp::from_unix_ms(now.unix_ms() - days * DAY_MS).unwrap_or(now)
}

/// Every third user has a phone number.
fn login(user: u64, device: u8, ip: IpAddr, time: Timestamp) -> LoginEvent<'static> {
    let agent = usize::try_from(user).unwrap_or(0) + usize::from(device);
    LoginEvent {
        tenant: "default".into(),
        user: User {
            id: format!("user-{user:07}").into(),
            has_email: true,
            email_verified: Some(true),
            phone_number: user.is_multiple_of(3).then(|| format!("+8190{:08}", user % 5000).into()),
            phone_region: None,
            enrolled: FactorSet::EMPTY.with(Factor::Totp),
            groups: Vec::new(),
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
        },
        ip: ClientIp::parse(ip.to_string().into()),
        user_agent: Some(USER_AGENTS[agent % USER_AGENTS.len()].into()),
        client_hints: None,
        device_token: None,
        device_id: Some(format!("device-{device}-of-{user:07}").into()),
        client_id: None,
        attributes: Vec::new(),
        location: GivenLocation::Absent,
        edge: Edge::default(),
        edge_ignored: false,
        flow: Flow::default(),
        first_factor: FirstFactor::default(),
        remembered_browser: false,
        time,
    }
}
