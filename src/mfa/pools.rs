//! Failures of one user, by factor, and by whether the device is one of theirs: after too many a factor sleeps on that side.
//!
//! A stranger who guesses puts the factor to sleep for strangers only: the owner's devices, the other factors and the password know
//! nothing of it. A right proof clears nothing: it does not say that the wrong ones came from the same person.
//!
//! Pure, and part of the user's record.

use super::window::{Span, Window, seconds_up};
use crate::bounded::Bounded;
use crate::clock::Timestamp;
use crate::event::Factor;
use serde::{Deserialize, Serialize};

/// How many failures put a factor to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// From devices of the user's.
    pub known_max: Bounded<1, 1_000>,
    /// From all others together.
    pub other_max: Bounded<1, 1_000>,
    /// Seconds for which a failure counts.
    pub window_s: Bounded<60, 86_400>,
    /// Seconds for which the factor sleeps.
    pub locked_s: Bounded<60, 86_400>,
}

impl Default for Settings {
    /// **Source:** mfa.md. NIST SP 800-63B-4 wants no more than 100 failures in a row.
    fn default() -> Self {
        Self {
            known_max: Bounded::of::<100>(),
            other_max: Bounded::of::<20>(),
            window_s: Bounded::of::<3_600>(),
            locked_s: Bounded::of::<3_600>(),
        }
    }
}

/// From where a proof is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// From a device that the user logged in on before.
    Known,
    /// From any other.
    Other,
}

/// The failures of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pools {
    /// At most one for each factor and side.
    pools: Vec<Pool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pool {
    factor: Factor,
    side: Side,
    failures: Window,
    locked_until_ms: Option<i64>,
}

impl Pools {
    /// Seconds for which the factor sleeps on this side; `None` when it is awake. To be asked before any proof is looked at: the right
    /// one is refused, too.
    #[must_use]
    pub fn locked_s(&self, factor: Factor, side: Side, now: Timestamp, settings: &Settings) -> Option<u32> {
        let pool = self.pools.iter().find(|pool| pool.factor == factor && pool.side == side)?;
        pool.locked_s(now, settings)
    }

    /// How many wrong proofs the factor bears on this side before it sleeps.
    #[must_use]
    pub fn left(&self, factor: Factor, side: Side, now: Timestamp, settings: &Settings) -> u32 {
        let pool = self.pools.iter().find(|pool| pool.factor == factor && pool.side == side);
        let failed = pool.map_or(0, |pool| pool.failures.count(now, settings.span()));
        settings.max(side).saturating_sub(failed)
    }

    /// A proof was wrong. Tells the seconds for which the factor sleeps if this one put it to sleep.
    pub fn failed(&mut self, factor: Factor, side: Side, now: Timestamp, settings: &Settings) -> Option<u32> {
        let span = settings.span();
        self.pools.retain(|pool| pool.locked_s(now, settings).is_some() || !pool.failures.is_empty(now, span));
        let at = self.pools.iter().position(|pool| pool.factor == factor && pool.side == side).unwrap_or_else(|| {
            self.pools.push(Pool { factor, side, failures: Window::default(), locked_until_ms: None });
            self.pools.len() - 1
        });
        let pool = &mut self.pools[at];
        pool.failures.add(now, span);
        if pool.failures.count(now, span) < settings.max(side) {
            return None;
        }
        // What put it to sleep is paid for with the sleep, and does not count after it.
        pool.failures = Window::default();
        pool.locked_until_ms = Some(now.unix_ms() + settings.lock_ms());
        pool.locked_s(now, settings)
    }
}

impl Pool {
    fn locked_s(&self, now: Timestamp, settings: &Settings) -> Option<u32> {
        // A clock that was put back lets nothing sleep longer than it ever would.
        let left_ms = (self.locked_until_ms? - now.unix_ms()).min(settings.lock_ms());
        (left_ms > 0).then(|| seconds_up(left_ms))
    }
}

impl Settings {
    fn max(&self, side: Side) -> u32 {
        match side {
            Side::Known => self.known_max.get(),
            Side::Other => self.other_max.get(),
        }
    }

    /// Failures of one second are kept as one number.
    fn span(&self) -> Span {
        Span::seconds(self.window_s.get(), 1)
    }

    fn lock_ms(&self) -> i64 {
        i64::from(self.locked_s.get()) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Factor::{Sms, Totp};
    use Side::{Known, Other};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_000_000_000 + ms).expect("it is in range")
    }

    /// Pools after so many failures, a second apart, with what the last one said.
    fn failed(times: u32, side: Side, settings: &Settings) -> (Pools, Option<u32>) {
        let mut pools = Pools::default();
        let said = (0..times).map(|second| pools.failed(Sms, side, at(i64::from(second) * 1000), settings)).last();
        (pools, said.flatten())
    }

    #[test]
    fn so_many_failures_on_a_side_put_a_factor_to_sleep_there_and_nowhere_else() {
        let settings = Settings::default();
        for (side, max) in [(Known, 100), (Other, 20)] {
            let other = if side == Known { Other } else { Known };
            let (awake, said) = failed(max - 1, side, &settings);
            let now = at(i64::from(max - 1) * 1000);
            assert_eq!((said, awake.locked_s(Sms, side, now, &settings)), (None, None), "{side:?}");
            let (asleep, said) = failed(max, side, &settings);
            assert_eq!((said, asleep.locked_s(Sms, side, now, &settings)), (Some(3_600), Some(3_600)), "{side:?}");
            assert_eq!(asleep.locked_s(Sms, other, now, &settings), None, "the other side");
            assert_eq!(asleep.locked_s(Totp, side, now, &settings), None, "another factor");
        }
    }

    #[test]
    fn it_sleeps_for_its_hour_and_then_counts_anew() {
        let settings = Settings::default();
        let (mut pools, _) = failed(20, Other, &settings);
        let (locked, hour) = (19_000, 3_600_000);
        for (ms, left) in
            [(0, Some(3_600)), (1, Some(3_600)), (hour - 1, Some(1)), (hour, None), (-60_000, Some(3_600))]
        {
            assert_eq!(pools.locked_s(Sms, Other, at(locked + ms), &settings), left, "{ms}");
        }
        for times in 1..=20 {
            let said = pools.failed(Sms, Other, at(locked + hour), &settings);
            assert_eq!(said.is_some(), times == 20, "{times}");
        }
    }

    #[test]
    fn a_failure_counts_for_its_hour() {
        let settings = Settings::default();
        for (ms, sleeps) in [(3_600_998, true), (3_600_999, false)] {
            let mut pools = Pools::default();
            for _ in 0..19 {
                assert_eq!(pools.failed(Sms, Other, at(0), &settings), None);
            }
            assert_eq!(pools.failed(Sms, Other, at(ms), &settings).is_some(), sleeps, "{ms}");
        }
    }

    #[test]
    fn each_limit_is_its_setting() {
        let settings = Settings {
            known_max: Bounded::of::<3>(),
            other_max: Bounded::of::<2>(),
            window_s: Bounded::of::<60>(),
            locked_s: Bounded::of::<120>(),
        };
        assert_eq!(failed(3, Known, &settings).1, Some(120));
        assert_eq!((failed(1, Other, &settings).1, failed(2, Other, &settings).1), (None, Some(120)));
        let mut pools = failed(1, Other, &settings).0;
        assert_eq!(pools.failed(Sms, Other, at(60_999), &settings), None, "a minute is over");
    }

    #[test]
    fn what_is_over_is_not_kept() -> Result<(), serde_json::Error> {
        let settings = Settings::default();
        let mut pools = failed(20, Other, &settings).0;
        assert_eq!(serde_json::from_str::<Pools>(&serde_json::to_string(&pools)?)?, pools);
        assert_eq!(pools.failed(Totp, Known, at(10_000_000), &settings), None);
        assert_eq!(pools.pools.len(), 1, "{pools:?}");
        Ok(())
    }
}
