//! Networks for a database: disjoint, of mixed lengths, in the order of their addresses.

use crate::support::SplitMix;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Of ten networks, so many are IPv6, about as in the databases on the market.
const IPV6_TENTHS: u64 = 2;
/// Where the registries hand out IPv6. **Source:** IANA, "IPv6 global unicast address assignments".
const IPV6_BLOCKS: [u16; 5] = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];

/// Makes `count` networks that together cover all of IPv4 that is routed, and the large blocks of IPv6.
pub(crate) fn networks(count: u64, random: &mut SplitMix) -> Vec<IpNet> {
    let ipv6_count = count * IPV6_TENTHS / 10;
    let mut networks = Vec::new();
    share(&ipv4_blocks(), count - ipv6_count, random, &mut networks);
    share(&ipv6_blocks(), ipv6_count, random, &mut networks);
    networks
}

fn ipv4_blocks() -> Vec<IpNet> {
    let routed = (1..=223).filter(|first| ![10, 127].contains(first));
    let block = |first| Ipv4Net::new(Ipv4Addr::new(first, 0, 0, 0), 8).ok().map(IpNet::from);
    routed.filter_map(block).collect()
}

fn ipv6_blocks() -> Vec<IpNet> {
    let block = |first| Ipv6Net::new(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), 12).ok().map(IpNet::from);
    IPV6_BLOCKS.into_iter().filter_map(block).collect()
}

/// The same number from every block; the first one takes what is left over.
fn share(blocks: &[IpNet], count: u64, random: &mut SplitMix, networks: &mut Vec<IpNet>) {
    let blocks_count = u64::try_from(blocks.len()).unwrap_or(u64::MAX);
    let mut left_over = count % blocks_count;
    for block in blocks {
        split(*block, count / blocks_count + left_over, random, networks);
        left_over = 0;
    }
}

/// Halves a network again and again, giving a quarter to three quarters of the number to the first half: so one block
/// is split finely, the next one left whole, as they are in reality.
fn split(network: IpNet, count: u64, random: &mut SplitMix, networks: &mut Vec<IpNet>) {
    let longest = if network.addr().is_ipv4() { 32 } else { 64 };
    let halves = network.subnets(network.prefix_len() + 1).ok().filter(|_| count > 1 && network.prefix_len() < longest);
    let Some(halves) = halves else { return networks.push(network) };
    // More than a half can be split into, the other half must take.
    let room = 1_u64 << (longest - network.prefix_len() - 1);
    let first = (count / 4 + random.below(count / 2 + 1)).clamp(count.saturating_sub(room).max(1), room.min(count - 1));
    for (half, count) in halves.zip([first, count - first]) {
        split(half, count, random, networks);
    }
}
