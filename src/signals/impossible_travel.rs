//! ImpossibleTravel: could the user have come here since the last valid places?
//!
//! ```text
//! D = max(0, geodesic distance − f1·r1 − f2·r2)      v = D / max(|t2 − t1| + slack, 1 s)
//! minimal      D < distance_km_min; the same network; the same known device in the same autonomous system
//! impossible   v > speed_kmph_max, strictly
//! substantial  v > 300 km/h
//! travel       otherwise
//! ```
//! The worst of the last valid places is blamed, so that one fresh good login cannot hide it. **Source:** signals.md; the
//! limit of 900 km/h is an airliner's cruise.

use super::{Assessment, Code, OnFailure, Recall};
use crate::bounded::{Bounded, BoundedFloat};
use crate::clock::Timestamp;
use crate::context::network::NetworkKind;
use crate::context::{Grain, Location, LoginContext, Place};
use crate::geodesy::geodesic;
use crate::history::{PLACES_MAX, UserHistory, ValidPlace};
use crate::units::{Confidence, CountryCode, Kilometres, KmPerHour};
use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

/// The tunables of ImpossibleTravel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// km/h; a trip that needs more is impossible.
    pub speed_kmph_max: BoundedFloat<1, 100_000>,
    /// km; a trip shorter than this is none.
    pub distance_km_min: BoundedFloat<0, 20_000>,
    /// Seconds added to the time between two logins, for clocks and for logins that come late.
    pub slack_s: Bounded<0, 65_535>,
    /// How many times a city row's radius is taken off the distance.
    pub radius_factor: BoundedFloat<0, 10>,
    /// The same for a country row, whose radius is a bound already.
    pub country_radius_factor: BoundedFloat<0, 10>,
    /// With how many of the last valid places a login is compared.
    pub places: Bounded<1, 3>,
    /// Days for which a place is compared.
    pub location_days: Bounded<1, 365>,
    /// What a failure of ours answers.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            speed_kmph_max: BoundedFloat::of::<900>(),
            distance_km_min: BoundedFloat::of::<100>(),
            slack_s: Bounded::of::<1800>(),
            radius_factor: BoundedFloat::of::<2>(),
            country_radius_factor: BoundedFloat::of::<1>(),
            places: Bounded::of::<3>(),
            location_days: Bounded::of::<90>(),
            on_failure: OnFailure::Low,
        }
    }
}

/// km/h above which a trip is worth a second look: faster than roads and most trains. **Source:** signals.md.
const SUBSTANTIAL_KMPH: f64 = 300.0;

/// The numbers behind a verdict on travel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Travel {
    /// WGS-84 geodesic.
    pub distance: Kilometres,
    /// What is left of it after both radii.
    pub distance_lower: Kilometres,
    /// Milliseconds from the one login to the other; negative when they are told out of order.
    pub elapsed_ms: i64,
    /// Needed at least.
    pub speed: KmPerHour,
    /// Allowed at most.
    pub speed_max: KmPerHour,
    /// When the user was at the other end.
    pub from_time: Timestamp,
    /// The country there.
    pub from_country: Option<CountryCode>,
    /// The country here.
    pub to_country: Option<CountryCode>,
}

/// From harmless to impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Minimal,
    Travel,
    Substantial,
    Impossible,
}

pub(super) fn assess(
    context: &LoginContext<'_>,
    recall: Recall<'_>,
    settings: &Settings,
) -> (Assessment, Option<Travel>) {
    let neutral = |code| (Assessment::new(Confidence::Neutral, code), None);
    let history = match recall {
        Recall::Failed => return (Assessment::not_available(settings.on_failure), None),
        Recall::Stranger | Recall::Labelled(_) => return neutral(Code::InitialLogin),
        Recall::History(history) => history,
    };
    // UntrustedIP judges anonymisers; where they stand says nothing about the user.
    if context.address.kinds.is_anonymizer() {
        return neutral(Code::AnonymousProxy);
    }
    if context.address.kinds.has(NetworkKind::Satellite) {
        // A ground station stands where its operator put it, an ocean away from the aircraft.
        return neutral(Code::UnknownLocation);
    }
    match context.location {
        Location::Failed => (Assessment::not_available(settings.on_failure), None),
        Location::Missing => neutral(Code::MissingGeoip),
        Location::Unusable => neutral(Code::UnknownLocation),
        Location::Known(here) => compare(context, here, history, settings),
    }
}

fn compare(
    context: &LoginContext<'_>,
    here: Place,
    history: &UserHistory,
    settings: &Settings,
) -> (Assessment, Option<Travel>) {
    let mut places: ArrayVec<&ValidPlace, PLACES_MAX> =
        history.places(context.time, settings.location_days.get()).collect();
    places.sort_unstable_by_key(|place| std::cmp::Reverse(place.time_s));
    places.truncate(settings.places.as_usize());
    let trips = places.iter().map(|place| Trip::new(context, here, place, settings));
    // Ties go to the later place: `max_by` keeps the last of equals, and the places come newest first.
    let worst = trips.rev().max_by(|a, b| a.severity.cmp(&b.severity).then(a.speed_kmph.total_cmp(&b.speed_kmph)));
    let Some(worst) = worst else {
        return (Assessment::new(Confidence::Neutral, Code::LocationHistoryNotFound), None);
    };
    let Some(evidence) = worst.evidence(context, here, settings) else {
        return (Assessment::new(Confidence::Neutral, Code::InvalidTravel), None);
    };
    let assessment = match worst.severity {
        Severity::Minimal => Assessment::new(Confidence::High, Code::MinimalTravel),
        Severity::Travel => Assessment::new(Confidence::High, Code::Travel),
        Severity::Substantial => Assessment::new(Confidence::Medium, Code::SubstantialTravel),
        Severity::Impossible => Assessment::hard(Code::ImpossibleTravel),
    };
    (assessment, Some(evidence))
}

/// One way from a valid place to here.
struct Trip<'a> {
    from: &'a ValidPlace,
    distance: Kilometres,
    distance_lower: Kilometres,
    speed_kmph: f64,
    severity: Severity,
}

impl<'a> Trip<'a> {
    fn new(context: &LoginContext<'_>, here: Place, from: &'a ValidPlace, settings: &Settings) -> Self {
        let distance = geodesic(here.at, from.place.at);
        let distance_lower = distance.less(radii_km(here, from, settings));
        let speed_kmph = distance_lower.value() * 3600.0 / duration_s(context.time, from, settings);
        let severity = match is_same_network(context, from) {
            true => Severity::Minimal,
            false => severity(distance_lower.value(), speed_kmph, settings),
        };
        Self { from, distance, distance_lower, speed_kmph, severity }
    }

    /// The numbers; `None` when they are not finite.
    fn evidence(&self, context: &LoginContext<'_>, here: Place, settings: &Settings) -> Option<Travel> {
        Some(Travel {
            distance: self.distance,
            distance_lower: self.distance_lower,
            elapsed_ms: context.time.ms_since(self.from.time()),
            speed: KmPerHour::new(self.speed_kmph)?,
            speed_max: KmPerHour::new(settings.speed_kmph_max.get())?,
            from_time: self.from.time(),
            from_country: self.from.place.country,
            to_country: here.country,
        })
    }
}

fn severity(distance_km: f64, speed_kmph: f64, settings: &Settings) -> Severity {
    if distance_km < settings.distance_km_min.get() {
        Severity::Minimal
    } else if speed_kmph > settings.speed_kmph_max.get() {
        Severity::Impossible
    } else if speed_kmph > SUBSTANTIAL_KMPH {
        Severity::Substantial
    } else {
        Severity::Travel
    }
}

/// The same /24 or /48, or the same device in the same autonomous system: the database moved, not the user. A system
/// that is not known equals no other.
fn is_same_network(context: &LoginContext<'_>, from: &ValidPlace) -> bool {
    let network = context.address.network.is_some() && context.address.network == from.network;
    let devices = [context.device, context.token.map(|token| token.device)];
    let device = from.device.is_some() && devices.contains(&from.device);
    let system = context.address.asn.is_some() && context.address.asn == from.asn;
    network || (device && system)
}

fn radii_km(here: Place, from: &ValidPlace, settings: &Settings) -> f64 {
    [here, from.place].iter().map(|place| place.radius.value() * factor(place.grain, settings)).sum()
}

fn factor(grain: Grain, settings: &Settings) -> f64 {
    match grain {
        Grain::City => settings.radius_factor.get(),
        Grain::Country => settings.country_radius_factor.get(),
    }
}

/// Never zero, whatever the clocks say.
fn duration_s(now: Timestamp, from: &ValidPlace, settings: &Settings) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of 136 years fit 53 bits")]
    let elapsed_s = now.ms_since(from.time()).unsigned_abs() as f64 / 1000.0;
    (elapsed_s + f64::from(settings.slack_s.get())).max(1.0)
}
