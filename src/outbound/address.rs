//! Which addresses may be called.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that may be called, though they are not public. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether this address may be called.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }
}

impl TryFrom<Vec<String>> for Networks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.0.iter().map(ToString::to_string).collect()
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(network) if network.prefix_len() == 0 => {
            Err(format!("{network} is every address: name those that are meant"))
        }
        Ok(network) => Ok(network.trunc()),
        Err(_) => Err(format!("{text:?} is no network: one such as \"10.1.2.3\" or \"10.1.0.0/16\"")),
    }
}

/// Whether anybody on the internet could have this address. **Source:** the IANA registries of special-purpose addresses (RFC 6890 and its
/// updates), those that are not globally reachable, and what carries an address of the other family in it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !match address.octets() {
        // "This" network, private use, and loopback.
        [0 | 10 | 127, ..] | [192, 168, ..] => true,
        // Shared by a provider's customers.
        [100, second, ..] => second & 0xc0 == 64,
        // Link-local, where clouds tell machines their secrets.
        [169, 254, ..] => true,
        [172, second, ..] => second & 0xf0 == 16,
        // Assigned for protocols, documentation, relays that are no more.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Benchmarks.
        [198, 18 | 19, ..] => true,
        // Multicast, reserved, broadcast.
        [first, ..] => first >= 224,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // A v4 address behind a translator.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        // Protocols (Teredo among them), documentation, and v4 addresses in 6to4.
        [0x2001, second, ..] => second >= 0x0200 && second != 0x0db8,
        [0x2002, ..] => false,
        [0x3fff, second, ..] => second >= 0x1000,
        // What is handed out at all.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admits(networks: &Networks, text: &str) -> bool {
        text.parse().is_ok_and(|address| networks.admits(address))
    }

    #[test]
    fn only_public_addresses_are_called_unless_others_are_listed() {
        let none = Networks::default();
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "2001:200::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "3fff:1000::1",
        ] {
            assert!(admits(&none, public), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!admits(&none, private), "{private}");
        }
    }

    #[test]
    fn what_is_listed_is_called() -> Result<(), String> {
        let listed = Networks::try_from(["10.1.2.3", "127.0.0.0/8", "fd00::/8"].map(str::to_owned).to_vec())?;
        for (address, admitted) in [
            ("10.1.2.3", true),
            ("10.1.2.4", false),
            ("127.0.0.9", true),
            ("::ffff:127.0.0.9", true),
            ("fd12::1", true),
            ("fe80::1", false),
            ("8.8.8.8", true),
        ] {
            assert_eq!(admits(&listed, address), admitted, "{address}");
        }
        for bad in ["0.0.0.0/0", "::/0", "localhost", "10.0.0.0/33", ""] {
            assert!(Networks::try_from(vec![bad.to_owned()]).is_err(), "{bad}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_the_address(bits: u32) {
            let (plain, networks) = (Ipv4Addr::from(bits), Networks::default());
            prop_assert_eq!(networks.admits(plain.into()), networks.admits(plain.to_ipv6_mapped().into()));
        }
    }
}
