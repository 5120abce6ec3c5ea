//! Quantities with an invariant each: finite, in range, and with no operator that physics does not have.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much we believe that this is the user: `High` is good everywhere, `Neutral` says nothing and is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Evidence against the user.
    Low,
    /// Something is unusual.
    Medium,
    /// All as usual.
    High,
    /// Nothing could be said.
    Neutral,
}

impl Confidence {
    /// The word that stands in answers, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Neutral => "neutral",
        }
    }
}

/// A length in kilometres: finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Kilometres(f64);

impl Kilometres {
    /// No distance at all.
    pub const ZERO: Self = Self(0.0);

    /// Refuses NaN, infinities and negative values.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// The value in km.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// What is left of this length when `other` is taken away, never less than nothing.
    #[must_use]
    pub fn less(self, other: f64) -> Self {
        Self((self.0 - other).max(0.0))
    }
}

/// A speed in km/h: finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct KmPerHour(f64);

impl KmPerHour {
    /// Refuses NaN, infinities and negative values.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// The value in km/h.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// A point on the WGS-84 ellipsoid, in degrees. 0,0 is a valid point; what is out of range does not exist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

impl Coordinates {
    /// Refuses what is not finite, beyond ±90° of latitude or beyond ±180° of longitude; never clamps.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        // A NaN fails both comparisons.
        (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some(Self { latitude, longitude })
    }

    /// The nearest point with so many decimals of a degree; there is one unless there are more than 300.
    #[must_use]
    pub fn rounded(self, decimals: u32) -> Option<Self> {
        let scale = 10_f64.powi(i32::try_from(decimals).ok()?);
        // Whole degrees are reached at 90 and at 180, so that nothing is rounded beyond.
        Self::new((self.latitude * scale).round() / scale, (self.longitude * scale).round() / scale)
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(self) -> f64 {
        self.longitude
    }
}

/// An ISO 3166-1 alpha-2 code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// Accepts two ASCII letters of either case.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().and_then(Self::from_bytes)
    }

    /// The same of bytes.
    #[must_use]
    pub fn from_bytes(letters: [u8; 2]) -> Option<Self> {
        letters.iter().all(u8::is_ascii_alphabetic).then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// The two letters as bytes, for compact storage.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 2] {
        self.0
    }

    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_refuse_what_does_not_exist() {
        for bad in [f64::NAN, f64::INFINITY, -0.1] {
            assert_eq!(Kilometres::new(bad), None);
            assert_eq!(KmPerHour::new(bad), None);
        }
    }

    #[test]
    fn coordinates_are_dropped_never_clamped() {
        for (latitude, longitude) in [(90.1, 0.0), (-91.0, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Coordinates::new(latitude, longitude), None, "{latitude},{longitude}");
        }
        assert!(Coordinates::new(0.0, 0.0).is_some());
        assert!(Coordinates::new(-90.0, 180.0).is_some());
    }

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(CountryCode::new("gb").map(CountryCode::to_bytes), Some(*b"GB"));
        for bad in ["", "G", "GBR", "G1", "é"] {
            assert_eq!(CountryCode::new(bad), None, "{bad}");
        }
    }
}
