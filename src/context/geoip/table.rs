//! Networks sorted by their first address, for look-ups without a tree.

use crate::prefetch::Lines;

/// An address of some width, as a number.
pub(super) trait Address: Copy + Ord {
    /// Its first `bits` bits, at most 18, as a number.
    fn head(self, bits: u32) -> usize;
    /// Whether the first `length` bits of both are the same.
    fn shares(self, other: Self, length: u32) -> bool;
}

macro_rules! address {
    ($number:ty) => {
        impl Address for $number {
            fn head(self, bits: u32) -> usize {
                // 18 bits at most, so that nothing is lost.
                self.checked_shr(<$number>::BITS - bits).map_or(0, |head| usize::try_from(head).unwrap_or(0))
            }

            fn shares(self, other: Self, length: u32) -> bool {
                length == 0 || (self ^ other) >> (<$number>::BITS - length) == 0
            }
        }
    };
}
address!(u32);
address!(u64);
address!(u128);

/// Disjoint networks, each with the number of its row. Between them is nothing: a network ends by its own length, so that
/// gaps cost no entry. 8 bytes an IPv4 network, 16 an IPv6 one: what a search ends at is all there is to read.
#[derive(Debug)]
pub(super) struct Ranges<A> {
    networks: Box<[(A, RowOfLength)]>,
    /// For each value of the first `index_bits` bits, how many networks start below it: the search begins there.
    index: Box<[u32]>,
    index_bits: u32,
}

/// Networks as they come, in the order of their addresses: start, length, and what the caller knows the row by.
pub(super) type Networks<A> = Vec<(A, u8, u32)>;

/// The number of a row above the length of its network.
#[derive(Debug, Clone, Copy)]
struct RowOfLength(u32);

/// Rows have numbers below this: 24 bits, some fifty times as many as the city databases on the market have.
pub(super) const ROWS_MAX: usize = 1 << 24;
/// The index of a large table has 262,145 entries, 1 MiB.
const INDEX_BITS_MAX: u32 = 18;
/// The search goes on among so many networks by the index, as a power of two: 64 bytes of IPv4, a line of cache.
const SEARCHED_BITS: u32 = 3;

impl RowOfLength {
    fn new(row: u32, length: u8) -> Self {
        Self(row << 8 | u32::from(length))
    }

    fn row(self) -> u32 {
        self.0 >> 8
    }

    fn length(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

impl<A: Address> Ranges<A> {
    /// Of networks with the numbers of their rows.
    pub(super) fn new(networks: Networks<A>) -> Self {
        let networks: Box<[_]> =
            networks.into_iter().map(|(start, length, row)| (start, RowOfLength::new(row, length))).collect();
        let bits = networks.len().checked_ilog2().unwrap_or(0);
        let index_bits = bits.saturating_sub(SEARCHED_BITS).min(INDEX_BITS_MAX);
        let mut index = vec![0; (1 << index_bits) + 1].into_boxed_slice();
        for (start, _) in &networks {
            index[start.head(index_bits) + 1] += 1;
        }
        let mut below = 0;
        for count in &mut index {
            below += *count;
            *count = below;
        }
        Self { networks, index, index_bits }
    }

    /// An address is about to be looked up: has the part of the index come that its search begins with.
    pub(super) fn prefetch_index(&self, address: A) {
        Lines::at(&self.index, address.head(self.index_bits)).prefetch();
    }

    /// The same of the networks that are searched, when that part has come.
    pub(super) fn prefetch_networks(&self, address: A) {
        let head = address.head(self.index_bits);
        if let Some([from, to]) = self.index.get(head..).and_then(<[u32]>::first_chunk) {
            Lines::of(self.networks.get(*from as usize..*to as usize).unwrap_or_default()).prefetch();
        }
    }

    /// The network that holds `address`: its start, its length and its row.
    pub(super) fn look_up(&self, address: A) -> Option<(A, u8, u32)> {
        let head = address.head(self.index_bits);
        let [from, to] = *self.index.get(head..head + 2)?.first_chunk()?;
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        // The last one that starts at or before the address; it may start under an earlier head.
        let at =
            (from + self.networks.get(from..to)?.partition_point(|(start, _)| *start <= address)).checked_sub(1)?;
        let (start, row) = *self.networks.get(at)?;
        start.shares(address, row.length().into()).then_some((start, row.length(), row.row()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(networks: &[(u32, u8)]) -> Ranges<u32> {
        Ranges::new((0..).zip(networks).map(|(row, (start, length))| (*start, *length, row)).collect())
    }

    #[test]
    fn rows_and_lengths_share_a_word() {
        let row_max = u32::try_from(ROWS_MAX - 1).unwrap();
        for (row, length) in [(0, 0), (0, 128), (row_max, 0), (row_max, 128), (7, 24)] {
            let both = RowOfLength::new(row, length);
            assert_eq!((both.row(), both.length()), (row, length));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(ranges(&[]).look_up(0), None);
        assert_eq!(ranges(&[(0, 0)]).look_up(u32::MAX), Some((0, 0, 0)));
        let last = ranges(&[(0, 32), (u32::MAX, 32)]);
        assert_eq!([0, 1, u32::MAX].map(|ip| last.look_up(ip).map(|(.., row)| row)), [Some(0), None, Some(1)]);
    }

    proptest! {
        /// As if every network were asked in turn.
        #[test]
        fn agrees_with_a_linear_search(seeds in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..200),
                                       probes in prop::collection::vec(any::<u32>(), 50)) {
            let mask = |length: u8| u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let mut networks: Vec<(u32, u8)> = Vec::new();
            for (address, length) in seeds {
                let start = address & mask(length);
                let apart = |(other, its): &(u32, u8)| !start.shares(*other, length.min(*its).into());
                if networks.iter().all(apart) {
                    networks.push((start, length));
                }
            }
            networks.sort_unstable();
            let table = ranges(&networks);
            for ip in probes.into_iter().chain(networks.iter().map(|(start, _)| *start)) {
                let expected = networks.iter().position(|(start, length)| start.shares(ip, (*length).into()));
                let found = table.look_up(ip).and_then(|(.., row)| usize::try_from(row).ok());
                prop_assert_eq!(found, expected);
            }
        }
    }
}
