//! Leaves somebody alone who does not answer.
//!
//! Pure: `now` counts from when the process began, by a clock that nobody sets.

use std::time::Duration;

/// After so many failures in a row nobody is called for a while; then one call is tried, and decides.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    rest: Duration,
    failures: u32,
    closed_from: Option<Duration>,
}

impl Breaker {
    pub(super) fn new(failures_max: u32, rest: Duration) -> Self {
        Self { failures_max, rest, failures: 0, closed_from: None }
    }

    /// Whether to call now. After a rest only one caller is told so; should it never come back, another one after a further rest.
    pub(super) fn may_call(&mut self, now: Duration) -> bool {
        match self.closed_from {
            None => true,
            Some(from) if now < from => false,
            Some(_) => {
                self.closed_from = Some(now + self.rest);
                true
            }
        }
    }

    /// Somebody was there.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.closed_from = None;
    }

    /// Nobody was. Tells whether the rest begins with this.
    pub(super) fn failed(&mut self, now: Duration) -> bool {
        let rested = self.closed_from.is_some();
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.failures_max {
            return false;
        }
        self.closed_from = Some(now + self.rest);
        !rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn after_failures_in_a_row_there_is_a_rest_and_then_one_try() {
        let mut breaker = Breaker::new(3, s(30));
        for _ in 0..2 {
            assert!(breaker.may_call(s(0)) && !breaker.failed(s(0)));
        }
        breaker.succeeded();
        assert!(!breaker.failed(s(1)) && !breaker.failed(s(1)), "they were not in a row");
        assert!(breaker.may_call(s(1)) && breaker.failed(s(1)));
        assert!(!breaker.may_call(s(30)));
        assert!(breaker.may_call(s(31)) && !breaker.may_call(s(31)), "one tries for all");
        assert!(!breaker.failed(s(32)), "it rests already");
        assert!(!breaker.may_call(s(61)) && breaker.may_call(s(62)));
        breaker.succeeded();
        assert!(breaker.may_call(s(62)) && breaker.may_call(s(62)));
        assert!(!breaker.failed(s(63)), "and it counts from nothing");
    }

    #[test]
    fn a_try_that_never_comes_back_is_followed_by_another() {
        let mut breaker = Breaker::new(1, s(10));
        assert!(breaker.failed(s(0)));
        assert!(breaker.may_call(s(10)) && !breaker.may_call(s(19)) && breaker.may_call(s(20)));
    }
}
