//! Distances on the earth: an exact one for what is judged and reported, a cheap one for what is near.

mod vincenty;

use crate::units::{Coordinates, Kilometres};
use geo::{Distance, Geodesic, Haversine, Point};

/// Length of the shortest path on the WGS-84 ellipsoid, to a millimetre.
///
/// **Source:** Vincenty, "Direct and inverse solutions of geodesics on the ellipsoid", Survey Review 23 (1975); for places that are nearly
/// opposite, where that does not converge, Karney, "Algorithms for geodesics", J. Geodesy 87 (2013).
#[must_use]
pub fn geodesic(a: Coordinates, b: Coordinates) -> Kilometres {
    if a == b {
        return Kilometres::ZERO;
    }
    let metres = vincenty::distance_m(a, b).unwrap_or_else(|| Geodesic.distance(point(a), point(b)));
    Kilometres::new(metres / 1000.0).unwrap_or(Kilometres::ZERO)
}

/// Length of the great circle on a sphere of radius 6371.0088 km, within 1 % of the geodesic.
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

    fn by_karney(a: Coordinates, b: Coordinates) -> f64 {
        Geodesic.distance(point(a), point(b)) / 1000.0
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
            prop_assert!((there - sphere).abs() <= 0.01 * there + 1e-6, "{} {}", there, sphere);
            prop_assert!((there - by_karney(a, b)).abs() < 1e-6, "{} {}", there, by_karney(a, b));
        }

        /// Nearly opposite, nearly the same, nearly on the equator, nearly at a pole.
        #[test]
        fn exact_where_it_is_hard(
            a in (-90.0..=90.0_f64, -180.0..=180.0_f64),
            off in (-6.0..=0.9_f64, -6.0..=0.9_f64),
            (is_opposite, is_equator, is_pole) in any::<(bool, bool, bool)>(),
        ) {
            let [north, east] = [off.0, off.1].map(|digits| 10_f64.powf(digits));
            let latitude = if is_equator { a.0 * 1e-9 } else if is_pole { 90.0 - a.0.abs() * 1e-6 } else { a.0 };
            let there = if is_opposite { (-latitude + north, a.1 - 180.0 + east) } else { (latitude + north, a.1 + east) };
            let there_east = if there.1 > 180.0 { there.1 - 360.0 } else if there.1 < -180.0 { there.1 + 360.0 } else { there.1 };
            let (Some(a), Some(b)) = (at(latitude, a.1), at(there.0, there_east)) else { return Ok(()) };
            prop_assert!((geodesic(a, b).value() - by_karney(a, b)).abs() < 1e-6, "{:?} {:?}", a, b);
        }
    }
}
