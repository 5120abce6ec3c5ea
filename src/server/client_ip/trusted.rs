//! The proxies whose word is believed.

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of proxies, loopback by default. Without any, no header is ever believed.
///
/// v4-mapped networks (`::ffff:10.0.0.0/104`) are the v4 networks that they mean, as addresses are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct TrustedProxies {
    /// Disjoint and in order, for a binary search.
    networks: Vec<IpNet>,
}

impl TrustedProxies {
    /// Trusts `networks`.
    ///
    /// # Errors
    ///
    /// Says why when they hold every address of v4 or v6, be it in several parts: then any client could name its own.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Result<Self, String> {
        let networks: Vec<IpNet> = networks.into_iter().map(|network| plain(network.trunc())).collect();
        let networks = IpNet::aggregate(&networks);
        match networks.iter().find(|network| network.prefix_len() == 0) {
            Some(all) => Err(format!("{all} trusts everybody: any client could choose its address; name the proxies")),
            None => Ok(Self { networks }),
        }
    }

    /// Whether `address` is one of theirs.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.networks.partition_point(|network| network.network() <= address);
        after.checked_sub(1).is_some_and(|at| self.networks[at].contains(&address))
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        let loopback = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let networks = loopback.into_iter().zip([8, 128]);
        Self { networks: networks.map(|(address, length)| IpNet::new_assert(address, length)).collect() }
    }
}

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = String;

    /// Accepts networks and single addresses.
    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        Self::new(texts.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?)
    }
}

impl From<TrustedProxies> for Vec<String> {
    fn from(trusted: TrustedProxies) -> Self {
        trusted.networks.iter().map(ToString::to_string).collect()
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| format!("{text:?} is no network such as 10.0.0.0/8 or ::1"))?,
    };
    // `10.1.2.3/8` may be meant as one proxy, and would trust sixteen million.
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("{text:?} is within {}; name one", network.trunc()))
    }
}

/// The v4 network that a v4-mapped one means.
fn plain(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let v4 = || match (network.network().to_canonical(), network.prefix_len().checked_sub(MAPPED_BITS)?) {
        (IpAddr::V4(address), length) => Ipv4Net::new(address, length).ok(),
        (IpAddr::V6(_), _) => None,
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => v4().map_or(network, IpNet::V4),
    }
}
