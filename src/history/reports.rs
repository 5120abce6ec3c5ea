//! What was labelled fraud, and demands that were left unmet.

use super::{UserHistory, is_one_place};
use crate::clock::Timestamp;
use crate::context::{Grain, Location, Place};
use crate::history::Login;
use crate::keyed_hash::{AddressTag, DeviceTag};
use crate::units::{Coordinates, CountryCode};

/// Marks kept per user: what a row of 1,000 bytes has room for.
pub(super) const MARKS_MAX: usize = 5;

/// What a login leaves, by which one that was labelled is told again.
#[derive(Debug, Clone, Copy)]
pub struct Traces {
    /// Its devices: by an id, and by a token.
    pub devices: [Option<DeviceTag>; 2],
    /// Its exact address.
    pub address: Option<AddressTag>,
    /// Its place.
    pub location: Location,
}

/// One thing that was labelled fraud, and when its login was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub(super) subject: Subject,
    pub(super) marked_s: u32,
}

/// What was labelled fraud.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// A device.
    Device(DeviceTag),
    /// An exact address.
    Address(AddressTag),
    /// A place.
    Spot(Coordinates),
    /// A country, where no more is known of the place.
    Country(CountryCode),
}

impl UserHistory {
    /// Whether anything of these traces was labelled fraud, and has not been cleared since.
    #[must_use]
    pub fn is_reported(&self, traces: &Traces) -> bool {
        self.marks.iter().any(|mark| mark.subject.is_in(traces))
    }

    /// Whether a demand was left unmet at most `window_s` seconds before `now`, and no factor was passed since.
    #[must_use]
    pub fn has_unfinished_challenge(&self, now: Timestamp, window_s: u32) -> bool {
        self.unfinished_s > self.factor_passed_s
            && now.ms_since(Timestamp::from_unix_s(self.unfinished_s)) <= i64::from(window_s) * 1000
    }

    /// Whether a login of this user was labelled fraud, and no factor was passed since: whoever did it may hold a browser
    /// that is remembered.
    #[must_use]
    pub fn distrusts_remembered_browsers(&self) -> bool {
        self.fraud_labelled_s > self.factor_passed_s
    }

    /// Forgets what the login taught, and marks its device, address and place.
    pub(super) fn report(&mut self, login: &Login) {
        let time_s = login.time.unix_s();
        let is_familiar =
            |code| self.countries.iter().any(|known| known.code == code && !known.usage.is_of_one_day(time_s));
        // A country is marked where it is all that is known of the place, unless the user is there on other days, too: that
        // would be a mark on the user.
        let place = login.place.and_then(|place| match place.grain {
            Grain::City => Some(Subject::Spot(place.at)),
            Grain::Country => place.country.filter(|code| !is_familiar(*code)).map(Subject::Country),
        });
        let devices = login.devices();
        let [by_id, by_token] = devices.map(|device| device.map(Subject::Device));
        let subjects = [by_id, by_token, login.address.map(Subject::Address), place];
        devices.into_iter().flatten().for_each(|device| self.forget_device(device));
        // The exact address is kept by nobody; its network goes where only this login's day vouches for it.
        self.networks.retain(|known| Some(known.tag) != login.network || !known.usage.is_of_one_day(time_s));
        self.countries.retain(|known| Some(known.code) != login.country || !known.usage.is_of_one_day(time_s));
        self.places.retain(|known| !login.place.is_some_and(|place| is_one_place(known.place.at, place.at)));
        // A factor that was phished confirms nothing.
        for confirmed_s in [&mut self.place_confirmed_s, &mut self.factor_passed_s] {
            if *confirmed_s == time_s {
                *confirmed_s = 0;
            }
        }
        for subject in subjects.into_iter().flatten() {
            self.mark(subject, time_s);
        }
    }

    /// Lifts the marks on what this login used; those on other devices and places stand.
    pub(super) fn clear_reports(&mut self, login: &Login) {
        let traces = Traces {
            devices: login.devices(),
            address: login.address,
            location: login.place.map_or(Location::Missing, Location::Known),
        };
        self.marks.retain(|mark| !mark.subject.is_in(&traces));
    }

    pub(super) fn mark(&mut self, subject: Subject, time_s: u32) {
        if let Some(known) = self.marks.iter_mut().find(|known| known.subject.is_same(subject)) {
            known.marked_s = known.marked_s.max(time_s);
            return;
        }
        if let Err(full) = self.marks.try_push(Mark { subject, marked_s: time_s })
            && let Some(oldest) = self.marks.iter_mut().min_by_key(|known| known.marked_s)
        {
            *oldest = full.element();
        }
    }
}

impl Subject {
    pub(super) fn rounded(self, decimals: u32) -> Self {
        match self {
            Self::Spot(at) => Self::Spot(at.rounded(decimals).unwrap_or(at)),
            Self::Device(_) | Self::Address(_) | Self::Country(_) => self,
        }
    }

    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Spot(a), Self::Spot(b)) => is_one_place(a, b),
            _ => self == other,
        }
    }

    fn is_in(&self, traces: &Traces) -> bool {
        match *self {
            Self::Device(tag) => traces.devices.contains(&Some(tag)),
            Self::Address(tag) => traces.address == Some(tag),
            Self::Spot(at) => {
                matches!(traces.location, Location::Known(Place { at: here, grain: Grain::City, .. }) if is_one_place(at, here))
            }
            Self::Country(code) => {
                matches!(traces.location, Location::Known(Place { country: Some(here), .. }) if here == code)
            }
        }
    }
}
