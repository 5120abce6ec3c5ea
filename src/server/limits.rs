//! How much may go on at a time.

use super::error::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Requests in flight, shared out evenly among the clients, so that one cannot starve the rest.
#[derive(Debug)]
pub(super) struct InFlight {
    counts: Box<[AtomicUsize]>,
    share_max: usize,
}

/// One request's place; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Permit<'a>(&'a AtomicUsize);

impl InFlight {
    pub(super) fn new(in_flight_max: usize, shares: usize) -> Self {
        let counts = std::iter::repeat_with(AtomicUsize::default).take(shares).collect();
        Self { counts, share_max: in_flight_max.div_ceil(shares) }
    }

    pub(super) fn enter(&self, share: usize) -> Result<Permit<'_>, Failure> {
        let count = self.counts.get(share).ok_or(Failure::Overloaded)?;
        if count.fetch_add(1, Ordering::Relaxed) < self.share_max {
            return Ok(Permit(count));
        }
        count.fetch_sub(1, Ordering::Relaxed);
        Err(Failure::Overloaded)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Open connections of one listener. A clone shares the count.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Count>);

#[derive(Debug)]
struct Count {
    open: AtomicUsize,
    open_max: usize,
    one_closed: Notify,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Place(Connections);

impl Connections {
    pub(super) fn new(open_max: usize) -> Self {
        Self(Arc::new(Count { open: AtomicUsize::new(0), open_max, one_closed: Notify::new() }))
    }

    /// `None` when there are too many.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = Place(self.clone());
        // The place gives back what was counted, whether it is used or not.
        (self.0.open.fetch_add(1, Ordering::AcqRel) < self.0.open_max).then_some(place)
    }

    pub(super) fn open(&self) -> usize {
        self.0.open.load(Ordering::Acquire)
    }

    /// Waits until none is open.
    pub(super) async fn closed(&self) {
        while self.open() > 0 {
            self.0.one_closed.notified().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.0.one_closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_cannot_take_the_share_of_another() {
        let in_flight = InFlight::new(4, 2);
        let taken: Vec<_> = std::iter::repeat_with(|| in_flight.enter(0)).take(3).collect();
        assert_eq!(taken.iter().filter(|place| place.is_ok()).count(), 2);
        assert!(in_flight.enter(1).is_ok());
        drop(taken);
        assert!(in_flight.enter(0).is_ok());
    }

    #[test]
    fn places_are_given_back() {
        let connections = Connections::new(1);
        let first = connections.enter();
        assert!(first.is_some() && connections.enter().is_none());
        assert_eq!(connections.open(), 1);
        drop(first);
        assert!(connections.enter().is_some());
        assert_eq!(connections.open(), 0);
    }
}
