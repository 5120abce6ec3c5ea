//! How often a user was somewhere, in days: a day counts once, so that a flood of logins is as good as one.

use super::{Usage, UserHistory};
use crate::context::agent::AgentFamily;
use crate::keyed_hash::NetworkTag;
use crate::units::CountryCode;

/// What a login has in common with those before.
#[derive(Debug, Clone, Copy)]
pub struct Whence {
    /// Its /24 or /48.
    pub network: Option<NetworkTag>,
    /// Its autonomous system.
    pub asn: Option<u32>,
    /// Its country.
    pub country: Option<CountryCode>,
    /// The family of its browser.
    pub family: Option<AgentFamily>,
}

/// Shares of the user's days, 0 to 1; 0 where nothing is known of the kind, or the login does not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habit {
    /// Days that are counted: those of each network within the 16 days up to its last use.
    pub days: u32,
    /// From the same network.
    pub network: f64,
    /// From the same autonomous system.
    pub system: f64,
    /// From the same country.
    pub country: f64,
    /// With the same family of browsers.
    pub family: f64,
}

impl UserHistory {
    /// How usual this is for the user.
    #[must_use]
    pub fn habit(&self, whence: Whence) -> Habit {
        let networks = || self.networks.iter();
        let days = sum(networks().map(|known| known.usage));
        let of_network = sum(networks().filter(|known| Some(known.tag) == whence.network).map(|known| known.usage));
        let of_system =
            sum(networks().filter(|known| known.asn.is_some() && known.asn == whence.asn).map(|known| known.usage));
        let of_country =
            sum(self.countries.iter().filter(|known| Some(known.code) == whence.country).map(|known| known.usage));
        let of_family =
            sum(self.agents.iter().filter(|known| Some(known.agent.family) == whence.family).map(|known| known.usage));
        Habit {
            days,
            network: share(of_network, days),
            system: share(of_system, days),
            country: share(of_country, sum(self.countries.iter().map(|known| known.usage))),
            family: share(of_family, sum(self.agents.iter().map(|known| known.usage))),
        }
    }
}

fn sum(usages: impl Iterator<Item = Usage>) -> u32 {
    usages.map(|usage| usage.days.count_ones()).sum()
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}
