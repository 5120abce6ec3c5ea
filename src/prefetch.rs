//! Lines of cache that are asked for before they are read: a hint to the processor, which changes nothing but when they come.
//!
//! What is found under a lock is asked for when the lock is given back, so that no lock is held for a hint.

use prefetch_index::prefetch_index;

/// Where something is, or was: it may be gone by the time it is asked for, which does no harm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    address: usize,
    bytes: usize,
}

/// Of a line of cache.
const LINE_BYTES: usize = 64;
/// More comes by itself: the processor sees lines that are read one behind the other.
const LINES_MAX: usize = 6;

impl Lines {
    /// Those of a slice, from its beginning.
    pub(crate) fn of<T>(slice: &[T]) -> Self {
        Self { address: slice.as_ptr().addr(), bytes: size_of_val(slice) }
    }

    /// Those of one element, which may not be there.
    pub(crate) fn at<T>(slice: &[T], index: usize) -> Self {
        Self::of(slice.get(index..=index).unwrap_or_default())
    }

    /// Has them come. Nobody waits for it.
    pub(crate) fn prefetch(self) {
        // Addresses are counted from wherever this is.
        let origin: &[u8] = &[];
        for offset in (0..self.bytes).step_by(LINE_BYTES).take(LINES_MAX) {
            prefetch_index(origin, (self.address + offset).wrapping_sub(origin.as_ptr().addr()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_asked_for() {
        let numbers = [0_u32; 100];
        assert_eq!(Lines::of(&numbers).bytes, 400);
        assert_eq!(Lines::at(&numbers, 3).address - Lines::of(&numbers).address, 12);
        for nothing in [Lines::at(&numbers, 100), Lines::at(&numbers, usize::MAX), Lines::of::<u64>(&[])] {
            assert_eq!(nothing.bytes, 0);
            nothing.prefetch();
        }
        Lines { address: usize::MAX, bytes: 1 }.prefetch();
    }
}
