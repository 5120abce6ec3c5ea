//! Prefixes of one list, flattened into ranges that do not overlap.

use crate::prefetch::Lines;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefixes as they are read, 8 bytes each for IPv4 and 32 for IPv6.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    v4: Vec<(u32, u8)>,
    v6: Vec<(u128, u8)>,
}

/// Longest-prefix search over one list. A prefix makes at most two ranges, of 5 bytes each for IPv4 and 17 for IPv6: a
/// million prefixes are 10 or 34 MB.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    v4: Family<u32>,
    /// For each value of the first 16 bits, and one beyond, how many ranges of IPv4 start below it; empty where there are
    /// few of them. IPv6 has none: nearly all of its addresses share the first bits.
    v4_index: Box<[u32]>,
    v6: Family<u128>,
}

/// Each range goes from its start up to the next one's, and belongs to the longest prefix there is, or to none.
#[derive(Debug)]
struct Family<A> {
    starts: Box<[A]>,
    prefix_lengths: Box<[u8]>,
}

/// The length that says "no prefix here".
const GAP: u8 = u8::MAX;

/// From this many ranges on, an index of 256 KiB is worth it. **Source:** our bench: from 4,000 prefixes on it halves a
/// look-up, below 1,000 it saves a few nanoseconds.
const INDEXED_RANGES_MIN: usize = 4096;

impl Prefixes {
    pub(super) fn push(&mut self, prefix: IpNet) {
        match prefix {
            IpNet::V4(net) => self.v4.push((u32::from(net.network()), net.prefix_len())),
            IpNet::V6(net) => self.v6.push((u128::from(net.network()), net.prefix_len())),
        }
    }

    pub(super) fn into_ranges(self) -> Ranges {
        let v4 = Family::flatten(self.v4);
        Ranges { v4_index: index(&v4.starts), v4, v6: Family::flatten(self.v6) }
    }
}

impl Ranges {
    /// The longest prefix that holds `ip`.
    pub(super) fn longest(&self, ip: IpAddr) -> Option<IpNet> {
        match ip {
            IpAddr::V4(v4) => {
                let address = u32::from(v4);
                let length = self.v4.length_before(self.v4_behind(address))?;
                Ipv4Net::new(Ipv4Addr::from(address), length).ok().map(|net| IpNet::V4(net.trunc()))
            }
            IpAddr::V6(v6) => {
                let address = u128::from(v6);
                let length = self.v6.length_before(self.v6.behind(address))?;
                Ipv6Net::new(Ipv6Addr::from(address), length).ok().map(|net| IpNet::V6(net.trunc()))
            }
        }
    }

    /// `ip` is about to be looked up: has the part of the index come that its search begins with. IPv6 has none.
    pub(super) fn prefetch_index(&self, ip: IpAddr) {
        if let IpAddr::V4(v4) = ip {
            Lines::at(&self.v4_index, high(v4.into())).prefetch();
        }
    }

    /// The same of what is searched, when that part has come.
    pub(super) fn prefetch_ranges(&self, ip: IpAddr) {
        if let IpAddr::V4(v4) = ip
            && let Some(below) = self.v4_index.get(high(v4.into()))
        {
            Lines::at(&self.v4.starts, *below as usize).prefetch();
            Lines::at(&self.v4.prefix_lengths, *below as usize).prefetch();
        }
    }

    /// What it takes, to the byte.
    pub(super) fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes() + size_of_val(&*self.v4_index) + self.v6.heap_bytes()
    }

    /// Where the first start beyond `address` stands, by the index if there is one.
    fn v4_behind(&self, address: u32) -> usize {
        let high = high(address);
        let Some(&[below, above]) = self.v4_index.get(high..high + 2) else { return self.v4.behind(address) };
        let below = below as usize;
        let same_high = self.v4.starts.get(below..above as usize).unwrap_or_default();
        below + same_high.partition_point(|start| *start <= address)
    }
}

/// The first 16 bits of an address.
fn high(address: u32) -> usize {
    usize::from(u16::try_from(address >> 16).unwrap_or(u16::MAX))
}

fn index(starts: &[u32]) -> Box<[u32]> {
    if starts.len() < INDEXED_RANGES_MIN {
        return Box::default();
    }
    let mut behind = 0;
    let counts = (0..=1_u64 << 16).map(|high| {
        behind += starts[behind..].iter().take_while(|start| u64::from(**start) < high << 16).count();
        u32::try_from(behind).unwrap_or(u32::MAX)
    });
    counts.collect()
}

/// The bits of an address, as a number.
trait Address: Copy + Ord {
    /// The last address of the prefix that begins here.
    fn last(self, prefix_length: u8) -> Self;
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn last(self, prefix_length: u8) -> Self {
        self | Self::MAX.checked_shr(prefix_length.into()).unwrap_or(0)
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn last(self, prefix_length: u8) -> Self {
        self | Self::MAX.checked_shr(prefix_length.into()).unwrap_or(0)
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<A> Default for Family<A> {
    fn default() -> Self {
        Self { starts: Box::default(), prefix_lengths: Box::default() }
    }
}

impl<A: Address> Family<A> {
    /// Prefixes nest or are apart, so a stack of the open ones tells at each point which is the longest.
    fn flatten(mut prefixes: Vec<(A, u8)>) -> Self {
        prefixes.sort_unstable();
        prefixes.dedup();
        let mut built = Built { starts: Vec::new(), prefix_lengths: Vec::new() };
        let mut open: Vec<(A, u8)> = Vec::new();
        for (start, length) in prefixes {
            while let Some((closed, _)) = open.pop_if(|(open_end, _)| *open_end < start) {
                built.close(closed, &open);
            }
            built.begin(start, length);
            open.push((start.last(length), length));
        }
        while let Some((closed, _)) = open.pop() {
            built.close(closed, &open);
        }
        Self { starts: built.starts.into(), prefix_lengths: built.prefix_lengths.into() }
    }

    /// Where the first start beyond `address` stands.
    fn behind(&self, address: A) -> usize {
        self.starts.partition_point(|start| *start <= address)
    }

    fn length_before(&self, behind: usize) -> Option<u8> {
        let length = *self.prefix_lengths.get(behind.checked_sub(1)?)?;
        (length != GAP).then_some(length)
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.prefix_lengths)
    }
}

/// Ranges while they grow.
struct Built<A> {
    starts: Vec<A>,
    prefix_lengths: Vec<u8>,
}

impl<A: Address> Built<A> {
    /// Behind the end of a prefix the next outer one goes on, or a gap begins.
    fn close(&mut self, end: A, open: &[(A, u8)]) {
        let outer = open.last();
        // Where the outer prefix ends at the same address, its own end says what follows.
        if outer.is_some_and(|(outer_end, _)| *outer_end == end) {
            return;
        }
        if let Some(start) = end.next() {
            self.begin(start, outer.map_or(GAP, |(_, length)| *length));
        }
    }

    fn begin(&mut self, start: A, length: u8) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.prefix_lengths.pop();
        }
        self.starts.push(start);
        self.prefix_lengths.push(length);
    }
}
