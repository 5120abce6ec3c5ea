//! Rows by user, in shards of their own locks: a look-up reads one line of cache, and then the row.
//!
//! A place is where its key says, or right behind places that are taken (linear probing), so that its line of cache can be asked for
//! before anything is read. Keys are keyed hashes: nobody can have many of them fall on one place. A removal moves up what stands
//! behind it, and leaves nothing in the way of later look-ups.

use super::row::Row;
use crate::keyed_hash::UserKey;
use crate::prefetch::Lines;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All rows.
#[derive(Debug)]
pub(super) struct Table(Box<[Mutex<Shard>]>);

/// One lock's share of them.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// 32 bytes each, two a line of cache. At most three in four are taken, so that a search ends soon.
    places: Box<[Option<Held>]>,
    taken: usize,
}

#[derive(Debug)]
struct Held {
    user: UserKey,
    row: Row,
}

/// More shards than cores, so that two logins seldom meet at one lock.
pub(super) const SHARDS: usize = 256;
/// Places of a shard that has its first row.
const PLACES_MIN: usize = 8;

impl Table {
    pub(super) fn new() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(SHARDS).collect())
    }

    /// The shard that a user is in, by the lowest bits.
    pub(super) fn shard(&self, user: UserKey) -> MutexGuard<'_, Shard> {
        let [low, ..] = user.0.to_le_bytes();
        lock(&self.0[usize::from(low) % SHARDS])
    }

    /// Each shard in turn, locked while it is looked at.
    pub(super) fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.0.iter().map(lock)
    }

    pub(super) fn len(&self) -> usize {
        self.shards().map(|shard| shard.taken).sum()
    }

    /// Has the line of cache come in which the user's place is.
    pub(super) fn prefetch_place(&self, user: UserKey) {
        let place = {
            let shard = self.shard(user);
            Lines::at(&shard.places, shard.home(user))
        };
        place.prefetch();
    }

    /// The same of the row. It waits for the place.
    pub(super) fn prefetch_row(&self, user: UserKey) {
        let row = self.shard(user).get(user).map(Lines::of);
        if let Some(row) = row {
            row.prefetch();
        }
    }

    /// Makes room for so many rows in all. Keyed hashes are spread as by chance: hardly a shard has more than four standard deviations
    /// beyond its share.
    pub(super) fn reserve(&self, count: usize) {
        let share = count.div_ceil(SHARDS);
        self.shards().for_each(|mut shard| shard.reserve(share + 4 * share.isqrt()));
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.shards().map(|shard| shard.places.len()).sum()
    }
}

/// No step between two states of a shard can panic, but to make room, and that comes first.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// The bytes of the user's row, none where it is in the store only.
    pub(super) fn get(&self, user: UserKey) -> Option<&[u8]> {
        let at = self.find(user).ok()?;
        self.places[at].as_ref().map(|held| held.row.bytes())
    }

    pub(super) fn get_mut(&mut self, user: UserKey) -> Option<&mut Row> {
        let at = self.find(user).ok()?;
        self.places[at].as_mut().map(|held| &mut held.row)
    }

    /// The user's row, an empty one where there was none.
    pub(super) fn get_or_insert(&mut self, user: UserKey) -> &mut Row {
        let at = self.find(user).or_else(|_| {
            self.reserve(1);
            self.find(user).inspect_err(|_| self.taken += 1)
        });
        let at = at.unwrap_or_else(|free| free);
        &mut self.places[at].get_or_insert_with(|| Held { user, row: Row::default() }).row
    }

    /// Puts in a row; gives the one of before.
    pub(super) fn insert(&mut self, user: UserKey, row: Row) -> Option<Row> {
        let is_new = self.find(user).is_err();
        let before = std::mem::replace(self.get_or_insert(user), row);
        (!is_new).then_some(before)
    }

    pub(super) fn remove(&mut self, user: UserKey) -> Option<Row> {
        let at = self.find(user).ok()?;
        self.take_out(at)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (UserKey, &[u8])> {
        self.places.iter().flatten().map(|held| (held.user, held.row.bytes()))
    }

    /// Shows every row, and takes out those for which `stays` is not so.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(UserKey, &mut Row) -> bool) {
        let leave = |held: &mut Held| (!stays(held.user, &mut held.row)).then_some(held.user);
        let left: Vec<UserKey> = self.places.iter_mut().flatten().filter_map(leave).collect();
        for user in left {
            self.remove(user);
        }
    }

    /// Where the user is, or else the free place that is theirs. There is one, since not all are taken; where there are none at all, 0.
    fn find(&self, user: UserKey) -> Result<usize, usize> {
        let mut at = self.home(user);
        while let Some(held) = self.places.get(at).and_then(Option::as_ref) {
            if held.user == user {
                return Ok(at);
            }
            at = self.next(at);
        }
        Err(at)
    }

    /// The first place that a key may have: by its middle bits. By the highest, users who come in the order of their keys, as from a
    /// store, would all want the first places until the last have come.
    fn home(&self, user: UserKey) -> usize {
        let middle = (user.0 >> u8::BITS) & u128::from(u64::MAX);
        let places = u128::try_from(self.places.len()).unwrap_or(0);
        usize::try_from((middle * places) >> u64::BITS).unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 < self.places.len() { at + 1 } else { 0 }
    }

    /// How many places `at` is behind the home of who is there.
    fn behind_home(&self, at: usize) -> Option<usize> {
        let home = self.home(self.places[at].as_ref()?.user);
        Some(if at >= home { at - home } else { at + self.places.len() - home })
    }

    /// What stands behind moves up, as far as it is not at home.
    fn take_out(&mut self, at: usize) -> Option<Row> {
        let held = self.places[at].take()?;
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
        Some(held.row)
    }

    /// Makes room for so many more. It grows by an eighth, so that of the places that may be taken at least eight in nine are; rows keep
    /// their order, and a move reads and writes straight ahead.
    fn reserve(&mut self, more: usize) {
        let rows = self.taken + more;
        if rows * 4 <= self.places.len() * 3 {
            return;
        }
        let places = (rows * 4).div_ceil(3).max(self.places.len() / 8 * 9).max(PLACES_MIN);
        let larger = std::iter::repeat_with(|| None).take(places).collect();
        for held in std::mem::replace(&mut self.places, larger).into_iter().flatten() {
            let at = self.find(held.user).unwrap_or_else(|free| free);
            self.places[at] = Some(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(UserKey, u8),
        Remove(UserKey),
        Keep(u8),
    }

    /// All in one shard, and most with the same home, at the end of the places or at their beginning.
    fn users() -> impl Strategy<Value = UserKey> {
        (prop::sample::select(vec![0, 1, u64::MAX >> 1, u64::MAX]), 0..16_u128)
            .prop_map(|(middle, high)| UserKey(high << 72 | u128::from(middle) << 8))
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (users(), any::<u8>()).prop_map(|(user, row)| Step::Insert(user, row)),
            3 => users().prop_map(Step::Remove),
            1 => any::<u8>().prop_map(Step::Keep),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// As a map of the standard library.
        #[test]
        fn it_is_a_map(steps in steps()) {
            let (table, mut map) = (Table::new(), HashMap::new());
            for step in steps {
                match step {
                    Step::Insert(user, row) => {
                        let row = Row::of(&[row]);
                        prop_assert_eq!(table.shard(user).insert(user, row.clone()), map.insert(user, row));
                    }
                    Step::Remove(user) => prop_assert_eq!(table.shard(user).remove(user), map.remove(&user)),
                    Step::Keep(below) => {
                        table.shards().for_each(|mut shard| shard.retain(|_, row| row.bytes()[0] < below));
                        map.retain(|_, row: &mut Row| row.bytes()[0] < below);
                    }
                }
                prop_assert_eq!(table.len(), map.len());
                let mut all = HashMap::new();
                for shard in table.shards() {
                    all.extend(shard.rows().map(|(user, row)| (user, Row::of(row))));
                }
                prop_assert_eq!(&all, &map);
                for user in map.keys() {
                    let shard = table.shard(*user);
                    prop_assert_eq!(shard.get(*user), map.get(user).map(Row::bytes));
                }
            }
        }
    }

    #[test]
    fn a_place_is_small_and_room_is_made_once() {
        assert_eq!(size_of::<Option<Held>>(), 32);
        let table = Table::new();
        table.reserve(1_000_000);
        let places = table.capacity();
        assert!((1_333_333..1_450_000).contains(&places), "{places}");
        assert!(table.shard(UserKey(7)).insert(UserKey(7), Row::default()).is_none());
        assert_eq!(table.capacity(), places);
    }

    #[test]
    fn a_table_that_grows_is_never_emptier_than_a_third() {
        let table = Table::new();
        let mut shard = table.shard(UserKey(0));
        for number in 1..=10_000 {
            shard.insert(UserKey(number << 59), Row::default());
            let places = shard.places.len();
            assert!(number < 100 || shard.taken * 100 >= places * 65, "{number} rows in {places} places");
        }
    }
}
