//! What is kept of a row: 24 bytes, without a word.

use super::schema::RawRow;
use crate::context::network::NetworkKinds;
use crate::context::{Grain, Location, Place};
use crate::units::{Coordinates, CountryCode, Kilometres};

/// A city row without a radius (km). **Source:** signals.md; the vendors that give none speak of 50 km.
const CITY_RADIUS_KM: f64 = 50.0;
/// From this radius (km) on, a city row is a country's centre in disguise. **Source:** signals.md; MaxMind's own centre
/// of the United States has 1000.
const CITY_RADIUS_KM_MAX: f64 = 500.0;
/// Degrees are kept in units of 10⁻⁷, about a centimetre, as whole numbers of 32 bits; vendors give four to six digits.
const UNITS_PER_DEGREE: f64 = 1e7;

/// A row of a database, compact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    latitude: i32,
    longitude: i32,
    /// The bits of an `f32`.
    radius_km: u32,
    /// 0 where it is not known; nobody has that number.
    asn: u32,
    /// A number of a name; [`Row::NO_ORGANIZATION`] where there is none.
    organization: u32,
    /// Zeros where it is not known.
    country: [u8; 2],
    kinds: NetworkKinds,
    place: PlaceState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PlaceState {
    City,
    Country,
    Unusable,
    Failed,
}

impl Row {
    const NO_ORGANIZATION: u32 = u32::MAX;

    /// A row that cannot be read.
    pub(super) const FAILED: Self = Self {
        latitude: 0,
        longitude: 0,
        radius_km: 0,
        asn: 0,
        organization: Self::NO_ORGANIZATION,
        country: [0; 2],
        kinds: NetworkKinds::NONE,
        place: PlaceState::Failed,
    };

    /// `name_of` numbers the names of systems.
    pub(super) fn new(raw: &RawRow<'_>, grain: Grain, name_of: impl FnOnce(&str) -> Option<u32>) -> Self {
        let place = place_of(raw, grain);
        let state = match place {
            _ if raw.place_is_broken => PlaceState::Failed,
            None => PlaceState::Unusable,
            Some(Place { grain: Grain::City, .. }) => PlaceState::City,
            Some(Place { grain: Grain::Country, .. }) => PlaceState::Country,
        };
        let (latitude, longitude, radius_km) =
            place.map_or((0.0, 0.0, 0.0), |place| (place.at.latitude(), place.at.longitude(), place.radius.value()));
        Self {
            latitude: units(latitude),
            longitude: units(longitude),
            radius_km: narrow(radius_km).to_bits(),
            asn: raw.asn.unwrap_or(0),
            // A name without a number is a company's, not a system's.
            organization: raw.asn.and(raw.organization).and_then(name_of).unwrap_or(Self::NO_ORGANIZATION),
            country: raw.country.map_or([0; 2], CountryCode::to_bytes),
            kinds: raw.kinds,
            place: state,
        }
    }

    pub(super) fn location(&self) -> Location {
        let grain = match self.place {
            PlaceState::Failed => return Location::Failed,
            PlaceState::Unusable => return Location::Unusable,
            PlaceState::City => Grain::City,
            PlaceState::Country => Grain::Country,
        };
        let [latitude, longitude] = [self.latitude, self.longitude].map(|units| f64::from(units) / UNITS_PER_DEGREE);
        match (Coordinates::new(latitude, longitude), Kilometres::new(f32::from_bits(self.radius_km).into())) {
            (Some(at), Some(radius)) => Location::Known(Place { at, radius, grain, country: self.country() }),
            _ => Location::Unusable,
        }
    }

    pub(super) fn country(&self) -> Option<CountryCode> {
        CountryCode::from_bytes(self.country)
    }

    pub(super) fn asn(&self) -> Option<u32> {
        (self.asn > 0).then_some(self.asn)
    }

    pub(super) fn organization(&self) -> Option<usize> {
        usize::try_from(self.organization).ok().filter(|_| self.organization != Self::NO_ORGANIZATION)
    }

    pub(super) fn kinds(&self) -> NetworkKinds {
        self.kinds
    }
}

/// The place of a location that an edge gave, by the same rules as a city row.
#[must_use]
pub fn given_place(at: Coordinates, radius: Option<Kilometres>, country: Option<CountryCode>) -> Option<Place> {
    let radius = radius.or_else(|| Kilometres::new(CITY_RADIUS_KM))?;
    place(at, radius, Grain::City, country)
}

fn place_of(raw: &RawRow<'_>, grain: Grain) -> Option<Place> {
    let at = Coordinates::new(raw.latitude?, raw.longitude?)?;
    let radius_km = match (raw.radius_km, grain) {
        (Some(radius), _) => radius,
        (None, Grain::City) => CITY_RADIUS_KM,
        // Its middle alone says nothing of how far the country reaches.
        (None, Grain::Country) => return None,
    };
    place(at, Kilometres::new(radius_km)?, grain, raw.country)
}

fn place(at: Coordinates, radius: Kilometres, grain: Grain, country: Option<CountryCode>) -> Option<Place> {
    let disguised = grain == Grain::City && radius.value() >= CITY_RADIUS_KM_MAX;
    (!disguised).then_some(Place { at, radius, grain, country })
}

fn units(degrees: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "±180° are ±1.8·10⁹ units, within 32 bits")]
    let units = (degrees * UNITS_PER_DEGREE).round() as i32;
    units
}

fn narrow(radius_km: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a radius is an estimate; seven digits are plenty")]
    let narrow = radius_km as f32;
    narrow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        assert_eq!(size_of::<Row>(), 24);
    }

    #[test]
    fn degrees_come_back_as_they_were() {
        for degrees in [0.0, 51.5142, -0.0931, 180.0, -180.0, 0.000_000_1, -122.314_9] {
            let back = f64::from(units(degrees)) / UNITS_PER_DEGREE;
            assert!(back.total_cmp(&degrees).is_eq(), "{degrees} came back as {back}");
        }
    }
}
