//! How exactly it is told where a user was.

use super::{RowError, UserHistory};

impl UserHistory {
    /// Rounds the coordinates in a row to so many decimals of a degree, which does not change its length; some 0.2 µs.
    ///
    /// # Errors
    ///
    /// As for [`Self::read_row`]; the row is as it was.
    pub fn round_row(row: &mut [u8], decimals: u32) -> Result<(), RowError> {
        let mut history = Self::default();
        history.fill(row)?;
        history.round(decimals);
        history.write_row_into(row);
        Ok(())
    }

    /// Rounds coordinates to so many decimals of a degree.
    fn round(&mut self, decimals: u32) {
        for known in &mut self.places {
            known.place = known.place.rounded(decimals);
        }
        for mark in &mut self.marks {
            mark.subject = mark.subject.rounded(decimals);
        }
    }
}
