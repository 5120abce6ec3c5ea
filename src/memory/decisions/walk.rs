//! Going through all decisions, a piece at a time, so that no login waits long for a lock.

use super::tables::Shard;
use super::{DecisionId, Given, Pending, Settled};

/// How far a walk has come. Shard by shard, decisions that wait before those that do not, since the former become the
/// latter: whatever stood when the walk began, and was not pushed out since, is met; some of it twice.
#[derive(Debug, Default)]
pub(in crate::memory) struct Walk {
    pub(super) shard: usize,
    table: Table,
    /// Entries before this one are left; `None` where the table was not begun.
    before: Option<usize>,
    /// Entries of a queue that is tidied up change their places: the table is begun again.
    tidied: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum Table {
    #[default]
    WaitingStrangers,
    WaitingKnown,
    SettledStrangers,
    SettledKnown,
}

/// Who goes along.
pub(in crate::memory) trait Visitor {
    /// Whether this decision is worth a look. Cheap: nothing but its id was read.
    fn wants(&self, id: DecisionId) -> bool;

    /// Looks at a decision; gives whether it stays.
    fn visit(&mut self, id: DecisionId, held: Held<'_>) -> bool;
}

/// A decision in its place.
#[derive(Debug)]
pub(in crate::memory) enum Held<'a> {
    Waiting(&'a mut Pending),
    Settled(&'a mut Settled),
}

impl Held<'_> {
    pub(in crate::memory) fn given(&self) -> &Given {
        match self {
            Self::Waiting(pending) => &pending.given,
            Self::Settled(settled) => &settled.given,
        }
    }
}

/// Entries looked at under one lock: some 20 µs, where each of them is far from the others in memory.
pub(super) const PIECE: usize = 256;

impl Walk {
    /// One piece of this shard, at which the walk is.
    pub(super) fn step(&mut self, shard: &mut Shard, visitor: &mut impl Visitor) {
        let Shard { pending, settled_known, settled_strangers } = shard;
        let is_done = match self.table {
            Table::WaitingStrangers | Table::WaitingKnown => {
                let is_known = matches!(self.table, Table::WaitingKnown);
                let queue = if is_known { &pending.known } else { &pending.strangers };
                if self.tidied != pending.tidied {
                    (self.tidied, self.before) = (pending.tidied, None);
                }
                let (from, before) = self.piece(queue.first(), queue.end());
                for id in (from..before).rev().filter_map(|number| queue.id(number)) {
                    if visitor.wants(id)
                        && let Some(waiting) = pending.decisions.get_mut(id)
                        && !visitor.visit(id, Held::Waiting(waiting))
                    {
                        pending.decisions.remove(id);
                    }
                }
                from == queue.first()
            }
            Table::SettledStrangers | Table::SettledKnown => {
                let is_known = matches!(self.table, Table::SettledKnown);
                let ring = if is_known { settled_known } else { settled_strangers };
                let (from, before) = self.piece(ring.first(), ring.end());
                for number in (from..before).rev() {
                    ring.look(number, visitor);
                }
                from == ring.first()
            }
        };
        if is_done {
            self.before = None;
            (self.shard, self.table) = match self.table {
                Table::WaitingStrangers => (self.shard, Table::WaitingKnown),
                Table::WaitingKnown => (self.shard, Table::SettledStrangers),
                Table::SettledStrangers => (self.shard, Table::SettledKnown),
                Table::SettledKnown => (self.shard + 1, Table::WaitingStrangers),
            };
        }
    }

    /// The next entries of a table that holds those from `first` up to `end`: newest first.
    fn piece(&mut self, first: usize, end: usize) -> (usize, usize) {
        let before = self.before.unwrap_or(end).max(first);
        let from = before.saturating_sub(PIECE).max(first);
        self.before = Some(from);
        (from, before)
    }
}
