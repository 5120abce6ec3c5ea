//! How long what is not used any more is kept. That a user has logged in before is kept until they are erased: to forget it would turn
//! an old account into a first login.

use super::{Usage, UserHistory};
use crate::clock::Timestamp;
use crate::privacy::RetentionDays;

/// Since when something must have been used to be kept, in whole seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoffs {
    pub(super) devices_s: u32,
    pub(super) networks_s: u32,
    pub(super) places_s: u32,
    pub(super) marks_s: u32,
}

impl Cutoffs {
    /// Those of `now`.
    #[must_use]
    pub fn new(now: Timestamp, days: &RetentionDays) -> Self {
        let since = |days: u32| now.unix_s().saturating_sub(days.saturating_mul(Usage::DAY_S));
        let (devices_s, networks_s, places_s) =
            (since(days.devices.get()), since(days.networks.get()), since(days.places.get()));
        // What was labelled fraud is a device, an address or a place.
        Self { devices_s, networks_s, places_s, marks_s: devices_s.min(networks_s).min(places_s) }
    }
}

impl UserHistory {
    /// Forgets what was used before the cutoffs only: an agent as a device, a country as a network. Networks are known to the day, and go
    /// by its beginning.
    pub(super) fn age(&mut self, cutoffs: &Cutoffs) {
        let &Cutoffs { devices_s, networks_s, places_s, marks_s } = cutoffs;
        self.devices.retain(|known| known.usage.last_s >= devices_s);
        self.agents.retain(|known| known.usage.last_s >= devices_s);
        self.networks.retain(|known| known.usage.last_s >= networks_s);
        self.countries.retain(|known| known.usage.last_s >= networks_s);
        self.hidden = self.hidden.filter(|usage| usage.last_s >= networks_s);
        self.places.retain(|known| known.time_s >= places_s);
        self.marks.retain(|mark| mark.marked_s >= marks_s);
        self.untie();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::agent::{Agent, AgentFamily};
    use crate::context::{Grain, Place};
    use crate::history::{Lesson, Login, RowError};
    use crate::keyed_hash::{AddressTag, DeviceTag, NetworkTag};
    use crate::units::{Coordinates, CountryCode, Kilometres};

    const THEN_S: u32 = 1_790_000_000 - 1_790_000_000 % Usage::DAY_S;

    fn login() -> Login {
        let (at, radius) = (Coordinates::new(51.5, -0.12).unwrap(), Kilometres::ZERO);
        let country = CountryCode::new("GB");
        Login {
            device: Some(DeviceTag(1)),
            agent: Some(Agent { family: AgentFamily::from_bits(1), major: 131 }),
            address: Some(AddressTag(2)),
            network: Some(NetworkTag(3)),
            country,
            place: Some(Place { at, radius, grain: Grain::City, country }),
            ..Login::bare(THEN_S)
        }
    }

    /// How many devices, agents, networks, countries, places and marks are left, and whether the user is one who has logged in.
    fn left(history: &UserHistory) -> ([usize; 6], bool) {
        let UserHistory { devices, agents, networks, countries, places, marks, .. } = history;
        let counts = [devices.len(), agents.len(), networks.len(), countries.len(), places.len(), marks.len()];
        (counts, history.last_login().is_some())
    }

    /// Days as they are set unless told otherwise, and seconds beyond them.
    fn aged(history: &UserHistory, days: u32, seconds: i64) -> Result<([usize; 6], bool), RowError> {
        let ms = i64::from(THEN_S) * 1000 + i64::from(days * Usage::DAY_S) * 1000 + seconds * 1000;
        let cutoffs = Cutoffs::new(Timestamp::from_unix_ms(ms).unwrap(), &RetentionDays::default());
        let mut aged = history.clone();
        aged.learn(&Lesson::Aged(cutoffs));
        let mut row = Vec::new();
        history.write_row(&mut row);
        assert_eq!(UserHistory::row_is_aged(&row, &cutoffs), aged != *history, "{days} days and {seconds} s");
        row.clear();
        aged.write_row(&mut row);
        assert!(!UserHistory::row_is_aged(&row, &cutoffs), "once is enough");
        UserHistory::read_row(&row).map(|read| left(&read))
    }

    #[test]
    fn each_kind_goes_when_its_days_are_over_and_the_user_stays_known() {
        let mut history = UserHistory::default();
        history.learn(&Lesson::Completed(login()));
        let mut labelled = history.clone();
        labelled.learn(&Lesson::Fraud { login: login(), labelled: login().time });
        for (days, seconds, expected) in [
            (0, 0, [1, 1, 1, 1, 1, 0]),
            (90, 0, [1, 1, 1, 1, 1, 0]),
            (90, 1, [1, 1, 1, 1, 0, 0]),
            (180, 0, [1, 1, 1, 1, 0, 0]),
            (180, 1, [0, 0, 0, 0, 0, 0]),
            (10_000, 0, [0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(aged(&history, days, seconds), Ok((expected, true)), "{days} days and {seconds} s");
        }
        for (days, seconds, marks) in [(180, 0, 3), (180, 1, 0)] {
            let left = aged(&labelled, days, seconds).map(|(counts, _)| counts[5]);
            assert_eq!(left, Ok(marks), "marks after {days} days and {seconds} s");
        }
    }

    #[test]
    fn what_is_used_stays_and_is_no_longer_tied_to_what_went() {
        let mut history = UserHistory::default();
        history.learn(&Lesson::Completed(login()));
        let later = Login::bare(THEN_S + 100 * Usage::DAY_S);
        history.learn(&Lesson::Completed(Login { place: login().place, ..later }));
        assert_eq!(aged(&history, 181, 0), Ok(([0, 0, 0, 0, 1, 0], true)));
        assert_eq!(history.last_login(), Some(later.time));
    }

    #[test]
    fn a_clock_before_the_first_login_forgets_nothing() {
        let mut history = UserHistory::default();
        history.learn(&Lesson::Completed(login()));
        let cutoffs = Cutoffs::new(Timestamp::from_unix_s(0), &RetentionDays::default());
        let before = history.clone();
        history.learn(&Lesson::Aged(cutoffs));
        assert_eq!(history, before);
    }
}
