//! Networks sorted by their first address, for look-ups without a tree.

/// An address of some width, as a number.
pub(super) trait Address: Copy + Ord {
    /// Its first `bits` bits, at most 16, as a number.
    fn head(self, bits: u32) -> usize;
    /// Whether the first `length` bits of both are the same.
    fn shares(self, other: Self, length: u32) -> bool;
}

macro_rules! address {
    ($number:ty) => {
        impl Address for $number {
            fn head(self, bits: u32) -> usize {
                // 16 bits at most, so that nothing is lost.
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
/// gaps cost no entry. 9 bytes an IPv4 network, 13 an IPv6 one.
#[derive(Debug, Default)]
pub(super) struct Ranges<A> {
    starts: Vec<A>,
    rows: Vec<u32>,
    lengths: Vec<u8>,
    /// For each value of the first `index_bits` bits, how many networks start below it: the search begins there.
    index: Vec<u32>,
    index_bits: u32,
}

/// The index of a large table has 65,537 entries, 262 kB; IPv4 look-ups of a city database are left with six steps.
const INDEX_BITS_MAX: u32 = 16;

impl<A: Address> Ranges<A> {
    /// Appends a network; they come in the order of their addresses.
    pub(super) fn push(&mut self, start: A, length: u8, row: u32) {
        self.starts.push(start);
        self.lengths.push(length);
        self.rows.push(row);
    }

    /// Makes it ready for look-ups, once all networks are in.
    pub(super) fn finish(&mut self) {
        self.starts.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.index_bits = self.starts.len().checked_ilog2().unwrap_or(0).min(INDEX_BITS_MAX);
        self.index = vec![0; (1 << self.index_bits) + 1];
        for start in &self.starts {
            self.index[start.head(self.index_bits) + 1] += 1;
        }
        let mut below = 0;
        for count in &mut self.index {
            below += *count;
            *count = below;
        }
    }

    /// Every network with its number, which the caller may replace; the order stays.
    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = (A, &mut u32)> {
        self.starts.iter().copied().zip(&mut self.rows)
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The network that holds `address`: its start, its length and its row.
    pub(super) fn look_up(&self, address: A) -> Option<(A, u8, u32)> {
        let head = address.head(self.index_bits);
        let from = usize::try_from(*self.index.get(head)?).ok()?;
        let to = usize::try_from(*self.index.get(head + 1)?).ok()?;
        // The last one that starts at or before the address; it may start under an earlier head.
        let at = (from + self.starts.get(from..to)?.partition_point(|start| *start <= address)).checked_sub(1)?;
        let (start, length) = (*self.starts.get(at)?, *self.lengths.get(at)?);
        start.shares(address, length.into()).then_some((start, length, *self.rows.get(at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(networks: &[(u32, u8)]) -> Ranges<u32> {
        let mut ranges = Ranges::default();
        for (row, (start, length)) in (0..).zip(networks) {
            ranges.push(*start, *length, row);
        }
        ranges.finish();
        ranges
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
