//! A map whose look-ups read one line of cache, which can be asked for before anything is read.
//!
//! A place is where its key says, or right behind places that are taken (linear probing). Keys are random, or keyed hashes: nobody can
//! have many of them fall on one place. A removal moves up what stands behind it, and leaves nothing in the way of later look-ups.

use crate::prefetch::Lines;

/// A bit string that nobody chose, of which some may be used for other ends.
pub(super) trait Key: Copy + Eq {
    /// Of a hundred places, how many may be taken. A search for what is not there, and a removal, look at 2.5 places when half of them are
    /// taken, and at 8.5 when three in four are. **Source:** Knuth, "The Art of Computer Programming" 3, 6.4.
    const TAKEN_PERCENT_MAX: usize;

    /// Where it lies among all that there can be: of bits that are as good as random, and of the highest of these most.
    fn position(self) -> u64;
}

/// Values by key, in no order. It grows and never shrinks.
#[derive(Debug)]
pub(super) struct Places<K, V> {
    /// With a key of 16 bytes and a value of up to 16, two a line of cache.
    places: Box<[Option<(K, V)>]>,
    taken: usize,
}

/// Of a map that has its first value.
const PLACES_MIN: usize = 8;

impl<K, V> Default for Places<K, V> {
    fn default() -> Self {
        Self { places: Box::default(), taken: 0 }
    }
}

impl<K: Key, V> Places<K, V> {
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The line of cache where the key's place is, if nothing stands in its way.
    pub(super) fn line_of(&self, key: K) -> Lines {
        Lines::at(&self.places, self.home(key))
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.places[at].as_ref().map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.places[at].as_mut().map(|(_, value)| value)
    }

    /// The value of this key, the default one where there was none.
    pub(super) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.find(key).or_else(|_| {
            self.reserve(1);
            self.find(key).inspect_err(|_| self.taken += 1)
        });
        let at = at.unwrap_or_else(|free| free);
        &mut self.places[at].get_or_insert_with(|| (key, V::default())).1
    }

    /// Puts in a value; gives the one of before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(held) = self.get_mut(key) {
            return Some(std::mem::replace(held, value));
        }
        self.reserve(1);
        let at = self.find(key).unwrap_or_else(|free| free);
        self.places[at] = Some((key, value));
        self.taken += 1;
        None
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let at = self.find(key).ok()?;
        self.take_out(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.places.iter().flatten().map(|(key, value)| (*key, value))
    }

    /// Shows every value, and takes out those for which `stays` is not so.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(K, &mut V) -> bool) {
        let leave = |(key, value): &mut (K, V)| (!stays(*key, value)).then_some(*key);
        let left: Vec<K> = self.places.iter_mut().flatten().filter_map(leave).collect();
        for key in left {
            self.remove(key);
        }
    }

    /// Where the key is, or else the free place that is its own. There is one, since not all are taken; where there are none at all, 0.
    fn find(&self, key: K) -> Result<usize, usize> {
        let mut at = self.home(key);
        while let Some((held, _)) = self.places.get(at).and_then(Option::as_ref) {
            if *held == key {
                return Ok(at);
            }
            at = self.next(at);
        }
        Err(at)
    }

    /// The first place that a key may have.
    fn home(&self, key: K) -> usize {
        let places = u128::try_from(self.places.len()).unwrap_or(0);
        usize::try_from((u128::from(key.position()) * places) >> u64::BITS).unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 < self.places.len() { at + 1 } else { 0 }
    }

    /// How many places `at` is behind the home of who is there.
    fn behind_home(&self, at: usize) -> Option<usize> {
        let home = self.home(self.places[at].as_ref()?.0);
        Some(if at >= home { at - home } else { at + self.places.len() - home })
    }

    /// What stands behind moves up, as far as it is not at home.
    fn take_out(&mut self, at: usize) -> Option<V> {
        let (_, value) = self.places[at].take()?;
        self.taken -= 1;
        let (mut free, mut at) = (at, self.next(at));
        let mut gap = 1;
        while let Some(behind) = self.behind_home(at) {
            if behind >= gap {
                self.places.swap(free, at);
                (free, gap) = (at, 0);
            }
            (at, gap) = (self.next(at), gap + 1);
        }
        Some(value)
    }

    /// Makes room for so many more. It grows by an eighth, so that of the places that may be taken at least eight in nine are; values
    /// keep their order, and a move reads and writes straight ahead.
    pub(super) fn reserve(&mut self, more: usize) {
        let taken = self.taken + more;
        if taken * 100 <= self.places.len() * K::TAKEN_PERCENT_MAX {
            return;
        }
        let places = (taken * 100).div_ceil(K::TAKEN_PERCENT_MAX).max(self.places.len() / 8 * 9).max(PLACES_MIN);
        let larger = std::iter::repeat_with(|| None).take(places).collect();
        for held in std::mem::replace(&mut self.places, larger).into_iter().flatten() {
            let at = self.find(held.0).unwrap_or_else(|free| free);
            self.places[at] = Some(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    struct Name {
        position: u64,
        number: u64,
    }

    impl Key for Name {
        const TAKEN_PERCENT_MAX: usize = 75;

        fn position(self) -> u64 {
            self.position
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Name, u8),
        Add(Name, u8),
        Remove(Name),
        Keep(u8),
    }

    /// Most with the same home, at the end of the places or at their beginning.
    fn names() -> impl Strategy<Value = Name> {
        (prop::sample::select(vec![0, 1, u64::MAX >> 1, u64::MAX]), 0..16_u64)
            .prop_map(|(position, number)| Name { position, number })
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (names(), any::<u8>()).prop_map(|(name, value)| Step::Insert(name, value)),
            2 => (names(), any::<u8>()).prop_map(|(name, more)| Step::Add(name, more)),
            3 => names().prop_map(Step::Remove),
            1 => any::<u8>().prop_map(Step::Keep),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// As a map of the standard library.
        #[test]
        fn it_is_a_map(steps in steps()) {
            let (mut places, mut map) = (Places::default(), HashMap::new());
            for step in steps {
                match step {
                    Step::Insert(name, value) => prop_assert_eq!(places.insert(name, value), map.insert(name, value)),
                    Step::Add(name, more) => {
                        let (value, expected) = (places.get_or_default(name), map.entry(name).or_default());
                        (*value, *expected) = (value.wrapping_add(more), expected.wrapping_add(more));
                    }
                    Step::Remove(name) => prop_assert_eq!(places.remove(name), map.remove(&name)),
                    Step::Keep(below) => {
                        places.retain(|_, value| *value < below);
                        map.retain(|_, value| *value < below);
                    }
                }
                prop_assert_eq!(places.len(), map.len());
                let all: HashMap<_, _> = places.iter().map(|(name, value)| (name, *value)).collect();
                prop_assert_eq!(&all, &map);
                for name in map.keys() {
                    prop_assert_eq!(places.get(*name), map.get(name));
                }
            }
        }
    }

    #[test]
    fn a_map_that_grows_is_never_emptier_than_a_third() {
        let mut places = Places::default();
        for number in 1..=10_000 {
            places.insert(Name { position: number << 50, number }, ());
            let count = u64::try_from(places.capacity()).expect("it fits");
            assert!(number < 100 || number * 100 >= count * 65, "{number} values in {count} places");
        }
    }
}
