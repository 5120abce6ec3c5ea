//! The address of a login, and the IPv4 address that it may carry.

use super::ranges::Ranges;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Under which addresses a login is looked up. v4-mapped ones are plain IPv4 already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    ip: IpAddr,
    carried: Option<Carried>,
}

/// An IPv4 address inside an IPv6 one.
#[derive(Debug, Clone, Copy)]
struct Carried {
    v4: Ipv4Addr,
    /// Bits in front of it, by which a prefix of the one is longer as a prefix of the other.
    bits_before: u8,
}

impl Forms {
    pub(super) fn of(ip: IpAddr) -> Self {
        let carried = match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => carried(v6),
        };
        Self { ip, carried }
    }

    /// The longest prefix that holds either, with its length as part of the address as it came. Of two as long, that of
    /// the address itself.
    pub(super) fn longest(&self, ranges: &Ranges) -> Option<(u8, IpNet)> {
        let itself = ranges.longest(self.ip).map(|network| (network.prefix_len(), network));
        let carried = self.carried.and_then(|Carried { v4, bits_before }| {
            ranges.longest(IpAddr::V4(v4)).map(|network| (bits_before + network.prefix_len(), network))
        });
        match (itself, carried) {
            (Some(itself), Some(carried)) if carried.0 > itself.0 => Some(carried),
            (itself, carried) => itself.or(carried),
        }
    }
}

/// **Source:** 6to4 (2002::/16, RFC 3056), NAT64 (64:ff9b::/96, RFC 6052), Teredo (2001::/32, RFC 4380: the client's
/// address stands last, each bit inverted). The local NAT64 prefix 64:ff9b:1::/48 (RFC 8215) is left out: it may be cut
/// into prefixes of any length, and each length puts the IPv4 address elsewhere.
fn carried(ip: Ipv6Addr) -> Option<Carried> {
    let v4 = |a, b, c, d| Ipv4Addr::new(a, b, c, d);
    match ip.octets() {
        [0x20, 0x02, a, b, c, d, ..] => Some(Carried { v4: v4(a, b, c, d), bits_before: 16 }),
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
            Some(Carried { v4: v4(a, b, c, d), bits_before: 96 })
        }
        [0x20, 0x01, 0, 0, .., a, b, c, d] => Some(Carried { v4: v4(!a, !b, !c, !d), bits_before: 96 }),
        _ => None,
    }
}
