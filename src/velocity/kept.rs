//! What of the counts outlives the process: rows of one set each, written as they change and read at the start.

use super::row::{self, BadRow};
use super::source::Source;
use super::table::{Event, SHARDS, Spot};
use super::{Velocity, judge};
use crate::clock::Timestamp;
use crate::keyed_hash::SourceKey;

impl Velocity {
    /// How many rows there are at most; their numbers are below.
    #[must_use]
    pub fn rows(&self) -> u32 {
        u32::try_from(self.table.sets()).unwrap_or(u32::MAX)
    }

    /// Takes the numbers of rows that changed, up to `of_shard` of each of 64 shards; and whether none is left.
    #[must_use]
    pub fn take_changed(&self, of_shard: usize) -> (Vec<u32>, bool) {
        let (mut taken, mut is_all) = (Vec::new(), true);
        for shard in 0..SHARDS {
            let sets = self.table.shard_at(shard).take_changed(of_shard);
            is_all &= sets.len() < of_shard;
            let first = shard * self.table.sets_of_shard();
            taken.extend(sets.into_iter().filter_map(|set| u32::try_from(first + set).ok()));
        }
        (taken, is_all)
    }

    /// These rows were not written after all.
    pub fn note_changed(&self, rows: &[u32]) {
        for row in rows {
            let (shard, set) = self.place(*row);
            self.table.shard_at(shard).note_changed(set);
        }
    }

    /// A row as it is now: empty where nothing is worth keeping.
    #[must_use]
    pub fn row(&self, number: u32, now: Timestamp) -> Vec<u8> {
        let (number, set) = self.place(number);
        let shard = self.table.shard_at(number);
        let telling = shard.sources(set).filter(|(_, source)| source.tells_something(now.unix_s()));
        row::write(telling.map(|(key, source)| (spot(number, key), source)))
    }

    /// Adds what a row holds, as far as it has something to tell. Gives whether all of it was in its place: else the table has another
    /// size than it had, and all rows are to be written anew.
    ///
    /// # Errors
    ///
    /// The row is damaged; nothing of it was added.
    pub fn load(&self, number: u32, row: &[u8], now: Timestamp) -> Result<bool, BadRow> {
        let sources = row::read(row)?;
        let mut is_in_place = number < self.rows();
        for (spot, source) in &sources {
            is_in_place &= self.number_of(*spot) == number;
            self.add(*spot, source, now.unix_s());
        }
        Ok(is_in_place)
    }

    /// Notes all rows.
    pub fn note_all(&self) {
        (0..self.rows()).for_each(|row| self.note_changed(&[row]));
    }

    /// Gives up what has nothing to tell any more, here and in its row.
    pub fn sweep(&self, now: Timestamp) {
        for number in 0..self.rows() {
            let (shard, set) = self.place(number);
            let mut shard = self.table.shard_at(shard);
            self.table.retain(&mut shard, set, |source| source.tells_something(now.unix_s()));
        }
    }

    /// Adds a source that was counted elsewhere, or before.
    pub(super) fn add(&self, spot: Spot, source: &Source, now_s: u32) {
        if !source.tells_something(now_s) {
            return;
        }
        let mut suspect_until_s = None;
        {
            let mut shard = self.table.shard_of(spot);
            let (at_s, outlives_s) = (source.touched().at_s, source.touched().outlives_s());
            let event = Event { key: spot.key, scope: source.scope(), at_s, outlives_s };
            let settings = self.settings();
            self.table.take_in(&mut shard, event, |own| {
                own.absorb(source);
                suspect_until_s = judge::suspect_until_s(own, own.scope(), now_s, &settings);
            });
        }
        self.suspect_until(suspect_until_s.unwrap_or(0));
    }

    fn number_of(&self, spot: Spot) -> u32 {
        let set = self.table.shard_of(spot).number_of(spot.key);
        u32::try_from(usize::from(spot.shard) * self.table.sets_of_shard() + set).unwrap_or(u32::MAX)
    }

    fn place(&self, row: u32) -> (usize, usize) {
        let (row, of_shard) = (usize::try_from(row).unwrap_or(0), self.table.sets_of_shard());
        (row / of_shard % SHARDS, row % of_shard)
    }
}

pub(super) fn spot(shard: usize, key: SourceKey) -> Spot {
    Spot { shard: u8::try_from(shard % SHARDS).unwrap_or(0), key }
}
