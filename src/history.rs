//! One user's share of memory: devices, agents, networks, countries and places of completed logins; what was labelled
//! fraud; and when a demand was left unmet.
//!
//! Pure data. What is learnt is merged: maxima of times and unions of days, so that neither the order of logins nor
//! telling one twice changes the outcome, and two replicas that learnt apart can be joined. Bounded whatever happens.

mod eviction;
mod habit;
mod lesson;
mod merge;
mod reports;
mod retention;
mod rounding;
mod row;
mod stamp;
mod token;
mod view;

pub use habit::{Habit, Whence};
pub use lesson::{Lesson, Login, Proof};
pub use reports::{Subject, Traces};
pub use retention::Cutoffs;
pub use row::RowError;
pub use stamp::Stamp;
pub use token::TokenStanding;
pub use view::{Held, HeldDevice, HeldNetwork, HeldToken, Used};

use crate::clock::{DAY_MS, Timestamp};
use crate::context::Place;
use crate::context::agent::{Agent, AgentFamily};
use crate::geodesy::great_circle;
use crate::keyed_hash::{DeviceTag, NetworkTag};
use crate::units::{Coordinates, CountryCode};
use arrayvec::ArrayVec;
use eviction::{insert, spare};
use reports::{MARKS_MAX, Mark};
use token::Accepted;

/// Devices kept per user.
pub const DEVICES_MAX: usize = 10;
/// Agent families kept per user.
pub const AGENTS_MAX: usize = 12;
/// Networks kept per user.
pub const NETWORKS_MAX: usize = 24;
/// Countries kept per user.
pub const COUNTRIES_MAX: usize = 16;
/// Valid places kept per user.
pub const PLACES_MAX: usize = 3;
/// Logins within this distance, in km, are at one place (signals.md).
const ONE_PLACE_KM: f64 = 20.0;
/// First uses are kept to 256 s, which takes three bytes of a row.
const FIRST_STEP_S: u32 = 256;
/// A version may go back by one major, for staged roll-outs and roll-backs, and is still the same agent (signals.md).
const MAJORS_BACK_MAX: u16 = 1;

/// A device that came back for so long is one that stays.
const DEVICE_KEPT_S: u32 = 21 * Usage::DAY_S;
/// So many devices, none of which came back on another day, are one whose browser forgets.
const DEVICES_LOST: usize = 3;

/// What a user's devices are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceHabit {
    /// One of them came back for weeks.
    Keeps,
    /// None of several ever came back: the browser clears its cookies.
    Loses,
}

/// What is remembered of one user. About 1.3 kB on the stack; in memory it is a row of some 150 bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UserHistory {
    last_login_s: u32,
    place_confirmed_s: u32,
    factor_passed_s: u32,
    unfinished_s: u32,
    fraud_labelled_s: u32,
    /// Days on which the user came through an anonymiser.
    hidden: Option<Usage>,
    devices: ArrayVec<KnownDevice, DEVICES_MAX>,
    agents: ArrayVec<KnownAgent, AGENTS_MAX>,
    networks: ArrayVec<KnownNetwork, NETWORKS_MAX>,
    countries: ArrayVec<KnownCountry, COUNTRIES_MAX>,
    places: ArrayVec<ValidPlace, PLACES_MAX>,
    marks: ArrayVec<Mark, MARKS_MAX>,
}

/// When something was used: last second, and on which of the 16 days up to then, bit 0 being the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    last_s: u32,
    days: u16,
}

#[derive(Debug, Clone, PartialEq)]
struct KnownDevice {
    tag: DeviceTag,
    usage: Usage,
    /// To [`FIRST_STEP_S`]: it is told to people only.
    first_s: u32,
    /// That of its last use; `None` once no agent of that family is kept.
    family: Option<AgentFamily>,
    /// The last token accepted of it; generation 0 where it has none.
    accepted: Accepted,
}

/// One line of versions of one family: a user with an old and a new browser of one family has two.
#[derive(Debug, Clone, PartialEq)]
struct KnownAgent {
    agent: Agent,
    usage: Usage,
}

#[derive(Debug, Clone, PartialEq)]
struct KnownNetwork {
    tag: NetworkTag,
    asn: Option<u32>,
    /// To the day: nothing asks for more.
    usage: Usage,
}

#[derive(Debug, Clone, PartialEq)]
struct KnownCountry {
    code: CountryCode,
    usage: Usage,
}

/// A place where the user was for certain, with what ties a later login to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidPlace {
    /// When the user was last there, whole seconds since 1970.
    pub time_s: u32,
    /// Where.
    pub place: Place,
    /// From which network.
    pub network: Option<NetworkTag>,
    /// In which autonomous system.
    pub asn: Option<u32>,
    /// On which device.
    pub device: Option<DeviceTag>,
}

impl ValidPlace {
    /// When the user was last there.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_unix_s(self.time_s)
    }

    /// Later is higher. Two visits within one second are told apart by where they were, so that it does not matter
    /// which one is told first.
    fn rank(&self) -> impl Ord + use<> {
        let Place { at, .. } = self.place;
        let tags = (self.network.map(|tag| tag.0), self.asn, self.device.map(|tag| tag.0));
        (self.time_s, at.latitude().to_bits(), at.longitude().to_bits(), tags)
    }
}

impl UserHistory {
    /// When the user last completed a login; `None` when they never did, and only a label is kept of them.
    #[must_use]
    pub fn last_login(&self) -> Option<Timestamp> {
        (self.last_login_s != 0).then(|| Timestamp::from_unix_s(self.last_login_s))
    }

    /// Whether this device was used at most `window_days` before `now`.
    #[must_use]
    pub fn knows_device(&self, tag: DeviceTag, now: Timestamp, window_days: u32) -> bool {
        self.devices.iter().any(|known| known.tag == tag && known.usage.is_within(now, window_days))
    }

    /// Whether this device was ever used, as far as is remembered.
    #[must_use]
    pub fn has_device(&self, tag: DeviceTag) -> bool {
        self.devices.iter().any(|known| known.tag == tag)
    }

    /// Whether any device or agent of the user is remembered, however old.
    #[must_use]
    pub fn has_devices(&self) -> bool {
        !self.devices.is_empty() || !self.agents.is_empty()
    }

    /// Whether this family was used at most `window_days` before `now`, in a version that does not go back too far.
    #[must_use]
    pub fn knows_agent(&self, agent: Agent, now: Timestamp, window_days: u32) -> bool {
        self.agents.iter().any(|known| known.is_succeeded_by(agent) && known.usage.is_within(now, window_days))
    }

    /// Whether any device or agent was used at most `window_days` before `now`.
    #[must_use]
    pub fn remembers_devices(&self, now: Timestamp, window_days: u32) -> bool {
        self.devices.iter().map(|known| known.usage).any(|usage| usage.is_within(now, window_days))
            || self.agents.iter().map(|known| known.usage).any(|usage| usage.is_within(now, window_days))
    }

    /// Whether the user's networks are known to lie in other autonomous systems than this one. A system that is not
    /// known equals no other and is not a new one either.
    #[must_use]
    pub fn is_new_asn(&self, asn: u32) -> bool {
        !self.networks.iter().any(|known| known.asn == Some(asn))
    }

    /// Whether the user's networks are known to lie in other systems than this one; `None` where no system of theirs is
    /// known.
    #[must_use]
    pub fn novelty_of_asn(&self, asn: u32) -> Option<bool> {
        self.networks.iter().any(|known| known.asn.is_some()).then(|| self.is_new_asn(asn))
    }

    /// Whether the user completed a login from this network; `None` where no network of theirs is known.
    #[must_use]
    pub fn knows_network(&self, tag: NetworkTag) -> Option<bool> {
        (!self.networks.is_empty()).then(|| self.networks.iter().any(|known| known.tag == tag))
    }

    /// What the user's devices with this family of browsers tell of how long they keep one, or all of them where none has it; `None` while
    /// that is open. It is browsers that clear their cookies: who has one that does may have another that does not.
    #[must_use]
    pub fn device_habit(&self, family: Option<AgentFamily>) -> Option<DeviceHabit> {
        let is_of_family = |known: &KnownDevice| family.is_some() && known.family == family;
        let has_family = self.devices.iter().any(is_of_family);
        let devices = || self.devices.iter().filter(|known| !has_family || is_of_family(known));
        let span_s = |known: &KnownDevice| known.usage.last_s.saturating_sub(known.first_s);
        if devices().any(|known| span_s(known) >= DEVICE_KEPT_S) {
            return Some(DeviceHabit::Keeps);
        }
        let is_lost = |known: &KnownDevice| span_s(known) < Usage::DAY_S;
        (devices().count() >= DEVICES_LOST && devices().all(is_lost)).then_some(DeviceHabit::Loses)
    }

    /// Whether the user completed a login through an anonymiser at most `window_days` before `now`.
    #[must_use]
    pub fn hides(&self, now: Timestamp, window_days: u32) -> bool {
        self.hidden.is_some_and(|usage| usage.is_within(now, window_days))
    }

    /// Whether the user completed a login from this country at most `window_days` before `now`.
    #[must_use]
    pub fn knows_country(&self, code: CountryCode, now: Timestamp, window_days: u32) -> bool {
        self.countries.iter().any(|known| known.code == code && known.usage.is_within(now, window_days))
    }

    /// Whether any country of the user is known.
    #[must_use]
    pub fn knows_countries(&self) -> bool {
        !self.countries.is_empty()
    }

    /// The places that a login at `now` is compared with: at most `location_days` old, and none older than the last
    /// one that a factor confirmed, since that login proved where the user was.
    pub fn places(&self, now: Timestamp, location_days: u32) -> impl Iterator<Item = &ValidPlace> {
        let age_ms_max = i64::from(location_days) * DAY_MS;
        self.places
            .iter()
            .filter(move |place| place.time_s >= self.place_confirmed_s && now.ms_since(place.time()) <= age_ms_max)
    }

    /// Learns from a completed login.
    fn record(&mut self, login: &Login) {
        let now_s = login.time.unix_s();
        self.last_login_s = self.last_login_s.max(now_s);
        if login.proof.is_factor() {
            self.factor_passed_s = self.factor_passed_s.max(now_s);
        }
        let family = login.agent.map(|agent| agent.family);
        let mut evicts = false;
        for tag in login.device.into_iter().chain(login.token.map(|token| token.device)) {
            match self.devices.iter_mut().find(|known| known.tag == tag) {
                Some(known) => known.add(now_s, family),
                None => evicts |= insert(&mut self.devices, KnownDevice::new(tag, now_s, family)),
            }
        }
        if let Some(token) = login.token {
            self.accept(token, now_s);
        }
        if let Some(agent) = login.agent {
            evicts |= self.record_agent(agent, now_s);
        }
        if let Some(tag) = login.network {
            // A network that changes hands is known in either system.
            let day_s = now_s - now_s % Usage::DAY_S;
            match self.networks.iter_mut().find(|known| known.tag == tag && known.asn == login.asn) {
                Some(known) => known.usage.add(day_s),
                None => {
                    insert(&mut self.networks, KnownNetwork { tag, asn: login.asn, usage: Usage::at(day_s) });
                }
            }
        }
        if login.is_anonymous {
            let day_s = now_s - now_s % Usage::DAY_S;
            self.hidden.get_or_insert(Usage::at(day_s)).add(day_s);
        }
        // An anonymiser's country is its user's only when a factor told who that is.
        if let Some(code) = login.country.filter(|_| !login.is_anonymous || login.proof.is_factor()) {
            match self.countries.iter_mut().find(|known| known.code == code) {
                Some(known) => known.usage.add(now_s),
                None => {
                    insert(&mut self.countries, KnownCountry { code, usage: Usage::at(now_s) });
                }
            }
        }
        if let Some(place) = login.place {
            self.record_place(ValidPlace {
                time_s: now_s,
                place,
                network: login.network,
                asn: login.asn,
                device: login.token.map(|token| token.device).or(login.device),
            });
            if login.proof.is_factor() {
                self.place_confirmed_s = self.place_confirmed_s.max(now_s);
            }
        }
        self.fit();
        if evicts {
            self.untie();
        }
    }

    /// A row has hardly more than a thousand bytes: days with an anonymiser stand in the place of a network.
    fn fit(&mut self) {
        if self.hidden.is_some() {
            spare(&mut self.networks);
        }
    }

    /// What is forgotten is named by nothing that stays: a row names devices and agents by where they stand in it.
    fn untie(&mut self) {
        let Self { devices, agents, places, .. } = self;
        for device in devices.iter_mut() {
            device.family = device.family.filter(|family| agents.iter().any(|known| known.agent.family == *family));
        }
        for place in places {
            place.device = place.device.filter(|tag| devices.iter().any(|known| known.tag == *tag));
        }
    }

    /// An update moves its line of versions on; a version that goes back too far begins a line of its own. What is told
    /// late, an older version before a newer one, changes no line. Gives whether another had to go.
    fn record_agent(&mut self, agent: Agent, now_s: u32) -> bool {
        match self.line_of(agent, now_s) {
            Some(line) => {
                let known = &mut self.agents[line];
                known.agent.major = known.agent.major.max(agent.major);
                known.usage.add(now_s);
                false
            }
            None => insert(&mut self.agents, KnownAgent { agent, usage: Usage::at(now_s) }),
        }
    }

    /// Where the line of versions stands to which this agent belongs, if it was used at this time.
    fn line_of(&self, agent: Agent, time_s: u32) -> Option<usize> {
        let of_family = || self.agents.iter().enumerate().filter(|(_, known)| known.is_of_line(agent));
        let passed = of_family()
            .filter(|(_, known)| known.agent.major >= agent.major && known.usage.last_s > time_s)
            .min_by_key(|(_, known)| known.agent.major);
        let succeeded =
            || of_family().filter(|(_, known)| known.is_succeeded_by(agent)).max_by_key(|(_, known)| known.agent.major);
        passed.or_else(succeeded).map(|(line, _)| line)
    }

    /// Keeps the last places, and the last visit to each.
    fn record_place(&mut self, visit: ValidPlace) {
        if let Some(known) = self.places.iter_mut().find(|known| is_one_place(known.place.at, visit.place.at)) {
            if visit.rank() > known.rank() {
                *known = visit;
            }
        } else if let Err(full) = self.places.try_push(visit) {
            let visit = full.element();
            if let Some(oldest) = self.places.iter_mut().min_by_key(|known| known.rank())
                && oldest.rank() < visit.rank()
            {
                *oldest = visit;
            }
        }
    }
}

/// Whether two points are one place.
fn is_one_place(a: Coordinates, b: Coordinates) -> bool {
    great_circle(a, b).value() <= ONE_PLACE_KM
}

impl KnownDevice {
    fn new(tag: DeviceTag, now_s: u32, family: Option<AgentFamily>) -> Self {
        Self { tag, usage: Usage::at(now_s), first_s: Self::first_s(now_s), family, accepted: Accepted::default() }
    }

    /// Adds a use, in whatever order uses arrive. Of two in one second, one with a family counts, then the one whose
    /// family is the higher number.
    fn add(&mut self, now_s: u32, family: Option<AgentFamily>) {
        let bits = |family: Option<AgentFamily>| family.map(AgentFamily::to_bits);
        if (now_s, bits(family)) > (self.usage.last_s, bits(self.family)) {
            self.family = family;
        }
        self.first_s = self.first_s.min(Self::first_s(now_s));
        self.usage.add(now_s);
    }

    fn first_s(now_s: u32) -> u32 {
        now_s - now_s % FIRST_STEP_S
    }
}

impl KnownAgent {
    /// A browser that hides its version (0) is another one than a browser that tells: it is neither older nor newer.
    fn is_of_line(&self, agent: Agent) -> bool {
        self.agent.family == agent.family && (self.agent.major == 0) == (agent.major == 0)
    }

    fn is_succeeded_by(&self, agent: Agent) -> bool {
        self.is_of_line(agent) && agent.major >= self.agent.major.saturating_sub(MAJORS_BACK_MAX)
    }
}

impl Usage {
    const DAY_S: u32 = 86_400;

    fn at(now_s: u32) -> Self {
        Self { last_s: now_s, days: 1 }
    }

    /// Adds a use, in whatever order uses arrive; one day counts once.
    fn add(&mut self, now_s: u32) {
        let (last_day, day) = (self.last_s / Self::DAY_S, now_s / Self::DAY_S);
        if day > last_day {
            self.days = self.days.checked_shl(day - last_day).unwrap_or(0) | 1;
        } else {
            self.days |= 1_u16.checked_shl(last_day - day).unwrap_or(0);
        }
        self.last_s = self.last_s.max(now_s);
    }

    /// Whether every use counted was on the day of `time_s`.
    fn is_of_one_day(self, time_s: u32) -> bool {
        self.days == 1 && self.last_s / Self::DAY_S == time_s / Self::DAY_S
    }

    /// At most `days` before `now`, inclusive; a use after `now` counts.
    fn is_within(self, now: Timestamp, days: u32) -> bool {
        now.ms_since(Timestamp::from_unix_s(self.last_s)) <= i64::from(days) * DAY_MS
    }
}

#[cfg(test)]
mod tests;
