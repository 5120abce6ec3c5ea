//! What a network is used for, as far as databases know, and what the number of an autonomous system says by itself.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A use that makes an address say little about its user, or about where the user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// An anonymiser of a kind that is not told.
    Anonymizer,
    /// A commercial or private VPN.
    Vpn,
    /// An open proxy.
    PublicProxy,
    /// A proxy through somebody's home line.
    ResidentialProxy,
    /// A Tor exit.
    Tor,
    /// A relay of a browser or system vendor.
    Relay,
    /// Hosting: servers, not people.
    Hosting,
    /// A satellite link, whose address is where its ground station is.
    Satellite,
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NetworkKinds(u8);

impl NetworkKinds {
    /// Nothing is known.
    pub const NONE: Self = Self(0);

    /// Every kind.
    pub const ALL: [NetworkKind; 8] = [
        NetworkKind::Anonymizer,
        NetworkKind::Vpn,
        NetworkKind::PublicProxy,
        NetworkKind::ResidentialProxy,
        NetworkKind::Tor,
        NetworkKind::Relay,
        NetworkKind::Hosting,
        NetworkKind::Satellite,
    ];

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: NetworkKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `kind` is in it.
    #[must_use]
    pub const fn has(self, kind: NetworkKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether who uses the address hides where they are: VPN, proxy, relay or Tor.
    #[must_use]
    pub const fn is_anonymizer(self) -> bool {
        self.0 & Self::ANONYMIZERS.0 != 0
    }

    const ANONYMIZERS: Self = Self::NONE
        .with(NetworkKind::Anonymizer)
        .with(NetworkKind::Vpn)
        .with(NetworkKind::PublicProxy)
        .with(NetworkKind::ResidentialProxy)
        .with(NetworkKind::Tor)
        .with(NetworkKind::Relay);
}

impl NetworkKind {
    /// The word that stands in the output of `askance geo`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymizer => "anonymizer",
            Self::Vpn => "vpn",
            Self::PublicProxy => "public_proxy",
            Self::ResidentialProxy => "residential_proxy",
            Self::Tor => "tor",
            Self::Relay => "relay",
            Self::Hosting => "hosting",
            Self::Satellite => "satellite",
        }
    }
}

impl fmt::Debug for NetworkKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::ALL.into_iter().filter(|kind| self.has(*kind))).finish()
    }
}

/// The number of an autonomous system, written `AS64500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Asn(pub u32);

impl TryFrom<String> for Asn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_prefix("AS").and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| format!("{text:?} is no autonomous system such as AS64500"))
    }
}

impl From<Asn> for String {
    fn from(asn: Asn) -> Self {
        format!("AS{}", asn.0)
    }
}

/// What is known of everybody in this autonomous system, without any database. Far from complete: well-known ones only.
#[must_use]
pub fn of_asn(asn: u32) -> NetworkKinds {
    let kinds = |list: &[u32], kind| {
        if list.binary_search(&asn).is_ok() { NetworkKinds::NONE.with(kind) } else { NetworkKinds::NONE }
    };
    kinds(&SATELLITE, NetworkKind::Satellite)
        .union(kinds(&RELAY, NetworkKind::Relay))
        .union(kinds(&HOSTING, NetworkKind::Hosting))
}

/// Operators whose users, in the air, at sea or far from any cable, appear at a ground station on some other continent:
/// Speedcast, Marlink, Hughes, Viasat, Telesat, Avanti, Intelsat, KVH, Eutelsat Skylogic, Satcom Direct, Inmarsat, Anuvu
/// (MTN), Gogo, NSSLGlobal, Thuraya, O3b, Panasonic Avionics, Kacific, Yahsat.
///
/// Not Starlink (AS14593): its addresses follow the country of the user, by a feed of its own.
///
/// **Source:** names of the systems in the registries' data, as quoted by public lists of satellite operators, read in
/// November 2026.
const SATELLITE: [u32; 30] = [
    4913, 5377, 5666, 6621, 7155, 9229, 11919, 19036, 22351, 25687, 26243, 29286, 30252, 31515, 32806, 33023, 38456,
    39356, 40306, 42106, 44703, 54095, 55784, 60725, 63062, 64294, 135_409, 198_381, 206_283, 394_603,
];

/// Egress of relays that browsers and phones use: Cloudflare (also WARP), Akamai's system for iCloud Private Relay, and
/// Fastly.
///
/// **Source:** Sattler et al., Towards a Tectonic Traffic Shift? Investigating Apple's New Relay Network, IMC 2022.
const RELAY: [u32; 3] = [13_335, 36_183, 54_113];

/// Where servers live: Microsoft, SAKURA (2), IONOS, Scaleway, DigitalOcean, Amazon (2), OVH, Vultr, Hetzner, Oracle, IBM
/// SoftLayer, ColoCrossing, Tencent (2), Alibaba (2), Contabo, Leaseweb (NL), M247, Linode, netcup, Hetzner (2), Google Cloud.
///
/// Not AS15169 (Google), through which employees and phones come, too.
///
/// **Source:** names of the systems in the registries' data, as quoted by public lists of hosting systems, read in
/// November 2026.
const HOSTING: [u32; 25] = [
    7684, 8075, 8560, 9009, 9370, 12_876, 14_061, 14_618, 16_276, 16_509, 20_473, 24_940, 31_898, 36_351, 36_352,
    37_963, 45_090, 45_102, 51_167, 60_781, 63_949, 132_203, 197_540, 213_230, 396_982,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_known_by_number() {
        for list in [&SATELLITE[..], &RELAY, &HOSTING] {
            assert!(list.is_sorted_by(|a, b| a < b), "the search needs them sorted: {list:?}");
        }
        for (asn, kind) in [
            (22_351, Some(NetworkKind::Satellite)),
            (394_603, Some(NetworkKind::Satellite)),
            (36_183, Some(NetworkKind::Relay)),
            (16_509, Some(NetworkKind::Hosting)),
            (14_593, None),
            (64_500, None),
            (0, None),
        ] {
            let expected = kind.map_or(NetworkKinds::NONE, |kind| NetworkKinds::NONE.with(kind));
            assert_eq!(of_asn(asn), expected, "AS{asn}");
        }
    }

    #[test]
    fn a_system_is_written_with_its_prefix() {
        assert_eq!(Asn::try_from("AS64500".to_owned()), Ok(Asn(64_500)));
        for bad in ["64500", "AS", "AS0", "AS-1", "AS4294967296", "as64500"] {
            assert!(Asn::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
