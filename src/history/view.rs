//! What a history holds, for those who may read it: in the user's account, or to take it elsewhere. Nothing is judged.

use super::{Subject, Usage, UserHistory, ValidPlace};
use crate::clock::Timestamp;
use crate::context::agent::{Agent, AgentFamily};
use crate::keyed_hash::{DeviceTag, NetworkTag};
use crate::units::CountryCode;

/// When something was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Last; of networks, the day.
    pub last: Timestamp,
    days: u16,
}

impl Used {
    /// The days (UTC) of use among the 16 up to the last one, latest first; each by its midnight.
    pub fn days(self) -> impl Iterator<Item = Timestamp> {
        let last_day = self.last.unix_s() / Usage::DAY_S;
        let ago = (0..u16::BITS).filter(move |ago| self.days >> ago & 1 == 1);
        ago.filter_map(move |ago| last_day.checked_sub(ago)).map(|day| Timestamp::from_unix_s(day * Usage::DAY_S))
    }
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        Self { last: Timestamp::from_unix_s(usage.last_s), days: usage.days }
    }
}

/// An agent or a country, and when it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<T> {
    /// This.
    pub what: T,
    /// When.
    pub used: Used,
}

/// A device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldDevice {
    /// Its tag.
    pub tag: DeviceTag,
    /// What was last seen on it; `None` where that was nothing readable, or is no longer kept.
    pub family: Option<AgentFamily>,
    /// When it was first used, at most 256 s early.
    pub first: Timestamp,
    /// When it was used.
    pub used: Used,
    /// The last token accepted of it.
    pub token: Option<HeldToken>,
}

/// The last token accepted of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldToken {
    /// The how-manieth.
    pub generation: u32,
    /// Since when.
    pub since: Timestamp,
    /// A hash of network and browser.
    pub origin: u16,
}

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldNetwork {
    /// Its tag.
    pub tag: NetworkTag,
    /// Its autonomous system.
    pub asn: Option<u32>,
    /// When it was used.
    pub used: Used,
}

impl UserHistory {
    /// Devices, in no order.
    pub fn devices(&self) -> impl Iterator<Item = HeldDevice> {
        self.devices.iter().map(|known| {
            let used = Used::from(known.usage);
            let token = (known.accepted.generation != 0).then(|| HeldToken {
                generation: known.accepted.generation,
                since: Timestamp::from_unix_s(known.accepted.since_s),
                origin: known.accepted.origin,
            });
            // Where all uses may have been the last one, they were not before it.
            let is_last = known.first_s.abs_diff(known.usage.last_s) < super::FIRST_STEP_S;
            let first = if is_last { used.last } else { Timestamp::from_unix_s(known.first_s) };
            HeldDevice { tag: known.tag, family: known.family, first, used, token }
        })
    }

    /// Agents, in no order.
    pub fn agents(&self) -> impl Iterator<Item = Held<Agent>> {
        self.agents.iter().map(|known| Held { what: known.agent, used: known.usage.into() })
    }

    /// Networks, in no order.
    pub fn networks(&self) -> impl Iterator<Item = HeldNetwork> {
        self.networks.iter().map(|known| HeldNetwork { tag: known.tag, asn: known.asn, used: known.usage.into() })
    }

    /// When the user came through an anonymiser, to the day; `None` where they never did, as far as is kept.
    #[must_use]
    pub fn hidden(&self) -> Option<Used> {
        self.hidden.map(Used::from)
    }

    /// Countries, in no order.
    pub fn countries(&self) -> impl Iterator<Item = Held<CountryCode>> {
        self.countries.iter().map(|known| Held { what: known.code, used: known.usage.into() })
    }

    /// All places that are kept, those that no login is compared with any more, too; in no order.
    pub fn places_kept(&self) -> impl Iterator<Item = &ValidPlace> {
        self.places.iter()
    }

    /// What was labelled fraud, and when the login was.
    pub fn marks(&self) -> impl Iterator<Item = (Subject, Timestamp)> {
        self.marks.iter().map(|mark| (mark.subject, Timestamp::from_unix_s(mark.marked_s)))
    }

    /// When a factor last confirmed where the user was.
    #[must_use]
    pub fn place_confirmed(&self) -> Option<Timestamp> {
        time(self.place_confirmed_s)
    }

    /// When the user last passed a factor.
    #[must_use]
    pub fn factor_passed(&self) -> Option<Timestamp> {
        time(self.factor_passed_s)
    }

    /// When a demand was last left unmet.
    #[must_use]
    pub fn unfinished(&self) -> Option<Timestamp> {
        time(self.unfinished_s)
    }

    /// When a login was last labelled fraud.
    #[must_use]
    pub fn fraud_labelled(&self) -> Option<Timestamp> {
        time(self.fraud_labelled_s)
    }
}

/// 0 is never.
fn time(seconds: u32) -> Option<Timestamp> {
    (seconds != 0).then(|| Timestamp::from_unix_s(seconds))
}
