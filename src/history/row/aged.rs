//! Whether a row holds anything that is too old, without decoding it.

use super::{
    AGENT_BYTES, COUNTRY_BYTES, DEVICE_BYTES, MARK_BYTES, NETWORK_BYTES, PLACE_BYTES, Reader, Usage, UserHistory,
};
use crate::history::Cutoffs;

impl UserHistory {
    /// Whether anything in this row is older than it may be. It reads one time an entry, so that all users can be looked through; a
    /// row that is damaged is not.
    #[must_use]
    pub fn row_is_aged(row: &[u8], cutoffs: &Cutoffs) -> bool {
        let mut reader = Reader(row);
        let Ok(head) = reader.head() else { return false };
        let [devices, agents, networks, countries, places, marks] = head.counts;
        let mut entries = reader.0;
        let second = |entry: &[u8], offset: usize| {
            entry.get(offset..).and_then(<[u8]>::first_chunk).map_or(u32::MAX, |second| u32::from_le_bytes(*second))
        };
        let day = |entry: &[u8], offset: usize| {
            let day =
                entry.get(offset..).and_then(<[u8]>::first_chunk).map_or(u16::MAX, |day| u16::from_le_bytes(*day));
            u32::from(day).saturating_mul(Usage::DAY_S)
        };
        let mut is_aged = |count: usize, bytes: usize, last_s: &dyn Fn(&[u8]) -> u32, cutoff_s: u32| {
            let (these, rest) = entries.split_at_checked(count * bytes).unwrap_or_default();
            entries = rest;
            these.chunks_exact(bytes).any(|entry| last_s(entry) < cutoff_s)
        };
        let &Cutoffs { devices_s, networks_s, places_s, marks_s } = cutoffs;
        head.hidden.is_some_and(|usage| usage.last_s < networks_s)
            || is_aged(devices, DEVICE_BYTES, &|entry| second(entry, 8), devices_s)
            || is_aged(agents, AGENT_BYTES, &|entry| second(entry, 6), devices_s)
            || is_aged(networks, NETWORK_BYTES, &|entry| day(entry, 8), networks_s)
            || is_aged(countries, COUNTRY_BYTES, &|entry| second(entry, 2), networks_s)
            || is_aged(places, PLACE_BYTES, &|entry| second(entry, 0), places_s)
            || is_aged(marks, MARK_BYTES, &|entry| second(entry, 9), marks_s)
    }
}
