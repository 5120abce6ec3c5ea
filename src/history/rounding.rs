//! How exactly it is told where a user was.

use super::{RowError, UserHistory};

impl UserHistory {
    /// The row with coordinates rounded to so many decimals of a degree; some 0.2 µs.
    ///
    /// # Errors
    ///
    /// As for [`Self::read_row`].
    pub fn rounded_row(row: &[u8], decimals: u32) -> Result<Vec<u8>, RowError> {
        let mut history = Self::read_row(row)?;
        history.round(decimals);
        let mut rounded = Vec::new();
        history.write_row(&mut rounded);
        Ok(rounded)
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
