//! A row as it lies in memory.

use crate::history::UserHistory;

/// The bytes of a history, behind one that says whether they are yet to be written to the store; or nothing, where they are in the store
/// only. The mark lies where a login writes anyway: a set of who has changed would cost it two more lines of cache.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Row(Box<[u8]>);

/// Or being written, as `Changes` knows.
const IS_WRITTEN: u8 = 0;
const IS_CHANGED: u8 = 1;
const MARK_BYTES: usize = 1;

impl Row {
    /// A row that the store has, if there is one. Of no bytes, one that is there only.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut row = Self::default();
        if !bytes.is_empty() {
            row.room(bytes.len()).copy_from_slice(bytes);
        }
        row
    }

    /// None where they are in the store only.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get(MARK_BYTES..).unwrap_or_default()
    }

    pub(super) fn is_elsewhere(&self) -> bool {
        self.0.is_empty()
    }

    /// In place where the length is the same, as it is for most logins.
    pub(super) fn write(&mut self, history: &UserHistory) {
        history.write_row_into(self.room(history.row_len()));
    }

    /// Room for so many bytes. The mark stays.
    fn room(&mut self, length: usize) -> &mut [u8] {
        if self.0.len() != MARK_BYTES + length {
            let mark = self.0.first().copied().unwrap_or(IS_WRITTEN);
            self.0 = vec![0; MARK_BYTES + length].into_boxed_slice();
            self.0[0] = mark;
        }
        &mut self.0[MARK_BYTES..]
    }

    pub(super) fn is_changed(&self) -> bool {
        self.0.first() == Some(&IS_CHANGED)
    }

    /// Marks it as changed; gives whether it was not.
    pub(super) fn mark(&mut self) -> bool {
        self.0.first_mut().is_some_and(|mark| std::mem::replace(mark, IS_CHANGED) == IS_WRITTEN)
    }

    /// Takes the mark off; gives whether there was one.
    pub(super) fn unmark(&mut self) -> bool {
        self.0.first_mut().is_some_and(|mark| std::mem::replace(mark, IS_WRITTEN) == IS_CHANGED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Lesson, Login};

    #[test]
    fn a_mark_outlives_a_row_that_grows_and_never_shows() {
        let mut history = UserHistory::default();
        let mut row = Row::default();
        assert!(row.is_elsewhere() && !row.mark() && !row.unmark() && row.bytes().is_empty());
        row.write(&history);
        assert!(!row.is_elsewhere() && !row.is_changed());
        assert!(row.mark() && !row.mark() && row.is_changed());
        history.learn(&Lesson::Completed(Login::bare(1_790_000_000)));
        history.learn(&Lesson::Completed(Login {
            country: crate::units::CountryCode::new("DE"),
            ..Login::bare(1_790_000_000)
        }));
        row.write(&history);
        assert!(row.is_changed());
        assert_eq!(UserHistory::read_row(row.bytes()).map(|read| read.row_len()), Ok(history.row_len()));
        assert!(row.unmark() && !row.unmark());
        assert_eq!(Row::of(row.bytes()), row);
    }
}
