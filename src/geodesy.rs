//! Distances on the earth: an exact one for what is reported, a cheap one to decide what is far from any threshold.

use crate::units::{Coordinates, Kilometres};
use geo::{Distance, Geodesic, Haversine, Point};

/// By how much [`great_circle`] may differ from [`geodesic`], as a share of the distance.
///
/// **Source:** the sphere of radius 6371.0088 km against WGS-84 differs by at most 0.56 %; rounded up.
pub const GREAT_CIRCLE_ERROR: f64 = 0.01;

/// Length of the shortest path on the WGS-84 ellipsoid, about 0.9 µs.
///
/// **Source:** Karney, "Algorithms for geodesics", J. Geodesy 87 (2013).
#[must_use]
pub fn geodesic(a: Coordinates, b: Coordinates) -> Kilometres {
    if a == b {
        return Kilometres::ZERO;
    }
    Kilometres::new(Geodesic.distance(point(a), point(b)) / 1000.0).unwrap_or(Kilometres::ZERO)
}

/// Length of the great circle on a sphere, about 0.03 µs, within [`GREAT_CIRCLE_ERROR`] of the geodesic.
#[must_use]
pub fn great_circle(a: Coordinates, b: Coordinates) -> Kilometres {
    if a == b {
        return Kilometres::ZERO;
    }
    Kilometres::new(Haversine.distance(point(a), point(b)) / 1000.0).unwrap_or(Kilometres::ZERO)
}

/// `geo` takes x (longitude) first.
fn point(at: Coordinates) -> Point {
    Point::new(at.longitude(), at.latitude())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(latitude: f64, longitude: f64) -> Option<Coordinates> {
        Coordinates::new(latitude, longitude)
    }

    #[test]
    fn known_pairs() {
        // Geodesics by Karney's own implementation, to a metre.
        for (a, b, km) in [
            (at(0.0, 0.0), at(50.0, 0.0), 5540.847),
            (at(40.7128, -74.006), at(51.5074, -0.1278), 5585.234),
            (at(0.0, 179.9), at(0.0, -179.9), 22.264),
        ] {
            let (Some(a), Some(b)) = (a, b) else { unreachable!("valid coordinates") };
            assert!((geodesic(a, b).value() - km).abs() < 0.01, "{a:?} {b:?}");
        }
    }

    proptest! {
        #[test]
        fn symmetric_bounded_and_close_to_the_sphere(
            a in (-90.0..=90.0_f64, -180.0..=180.0_f64), b in (-90.0..=90.0_f64, -180.0..=180.0_f64),
        ) {
            let (Some(a), Some(b)) = (at(a.0, a.1), at(b.0, b.1)) else { return Ok(()) };
            let (there, back) = (geodesic(a, b).value(), geodesic(b, a).value());
            prop_assert!((there - back).abs() < 1e-6);
            prop_assert!(there <= 20_004.0, "more than half the circumference: {}", there);
            let sphere = great_circle(a, b).value();
            prop_assert!((there - sphere).abs() <= GREAT_CIRCLE_ERROR * there + 1e-6, "{} {}", there, sphere);
        }
    }
}
