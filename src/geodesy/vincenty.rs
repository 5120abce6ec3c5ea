//! Vincenty's inverse solution: several times as fast as Karney's, but for places that are nearly opposite, where it does not converge.
//!
//! Letters are the paper's: on the auxiliary sphere both points have reduced latitudes U, their longitudes differ by λ, the arc between
//! them is σ, and it crosses the equator at the azimuth α.

use crate::units::Coordinates;

/// Of WGS-84, in metres.
const EQUATORIAL_RADIUS_M: f64 = 6_378_137.0;
const POLAR_RADIUS_M: f64 = EQUATORIAL_RADIUS_M * (1.0 - FLATTENING);
/// Of WGS-84.
const FLATTENING: f64 = 1.0 / 298.257_223_563;
/// What is left of λ need not be gone, since σ is as much more as that has to be, to first order. This share of the sine of σ may be left: what is
/// neglected grows with the square of what is left, and with what the sine is smaller.
const LEFT_MAX: f64 = 3e-9;
/// Each step moves λ some three hundred times less than the one before, hence three do, but for places that are nearly opposite: the nearer to
/// it, the less each step gains. Beyond this share of the one before, it is left to Karney.
const SHARE_MAX: f64 = 0.25;
const STEPS_MAX: usize = 8;

/// Metres between two places; `None` where they are nearly opposite.
pub(super) fn distance_m(a: Coordinates, b: Coordinates) -> Option<f64> {
    let [(sin_u1, cos_u1), (sin_u2, cos_u2)] = [a, b].map(|at| reduced_latitude(at.latitude()));
    let (sines, cosines) = (sin_u1 * sin_u2, cos_u1 * cos_u2);
    let sigma_of = |(sin_lambda, cos_lambda): (f64, f64)| {
        let (across, along) = (cos_u2 * sin_lambda, cos_u1 * sin_u2 - sin_u1 * cos_u2 * cos_lambda);
        ((across * across + along * along).sqrt(), sines + cosines * cos_lambda)
    };
    let mut lambda = (b.longitude() - a.longitude()).to_radians().sin_cos();
    let (mut sin_sigma, mut cos_sigma) = sigma_of(lambda);
    let mut sigma = sin_sigma.atan2(cos_sigma);
    // By how much λ is more than the difference of the longitudes.
    let (mut beyond, mut before) = (0.0, f64::INFINITY);
    for _ in 0..STEPS_MAX {
        if sin_sigma == 0.0 {
            return Some(0.0);
        }
        let sin_alpha = cosines * lambda.0 / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        // Of the middle of the arc, twice as far from where it crosses the equator. What lies along the equator crosses it nowhere, and what
        // this is multiplied with is zero then.
        let cos_2sigma_m = if cos2_alpha > 0.0 { cos_sigma - 2.0 * sines / cos2_alpha } else { 0.0 };
        let mut arc = Arc { sigma, sin_sigma, cos_sigma, cos2_alpha, cos_2sigma_m };
        let step = FLATTENING * sin_alpha * arc.longitude_per_flattening() - beyond;
        // Steps are a geometric series, nearly: this is what all that are left come to (Aitken's delta-squared process).
        let share = step / before;
        if share.abs() > SHARE_MAX {
            return None;
        }
        let left = step / (1.0 - share);
        if left.abs() < LEFT_MAX * sin_sigma {
            arc.sigma += sin_alpha * left;
            return Some(arc.length_m());
        }
        (before, beyond) = (step, beyond + left);
        lambda = turned(lambda, left);
        let (sin_before, cos_before) = (sin_sigma, cos_sigma);
        (sin_sigma, cos_sigma) = sigma_of(lambda);
        sigma += small_arcsine(sin_sigma * cos_before - cos_sigma * sin_before);
    }
    None
}

/// Sine and cosine of an angle that is more by `step`. No step is longer than π times the flattening, which is 0.011, and σ moves less than λ does:
/// what is left out of the series, here and in [`small_arcsine`], is below 1e-11, which is 0.1 mm.
fn turned((sin, cos): (f64, f64), step: f64) -> (f64, f64) {
    let square = step * step;
    let (sin_step, cos_step) = (step * (1.0 - square / 6.0), 1.0 - square / 2.0 * (1.0 - square / 12.0));
    (sin * cos_step + cos * sin_step, cos * cos_step - sin * sin_step)
}

fn small_arcsine(sine: f64) -> f64 {
    sine * (1.0 + sine * sine / 6.0)
}

/// Sine and cosine of the latitude on the auxiliary sphere.
fn reduced_latitude(latitude_degrees: f64) -> (f64, f64) {
    let tan = (1.0 - FLATTENING) * latitude_degrees.to_radians().tan();
    let cos = 1.0 / (1.0 + tan * tan).sqrt();
    (tan * cos, cos)
}

struct Arc {
    sigma: f64,
    sin_sigma: f64,
    cos_sigma: f64,
    cos2_alpha: f64,
    cos_2sigma_m: f64,
}

impl Arc {
    fn cos_4sigma_m(&self) -> f64 {
        2.0 * self.cos_2sigma_m * self.cos_2sigma_m - 1.0
    }

    /// Equations 10 and 11.
    fn longitude_per_flattening(&self) -> f64 {
        let c = FLATTENING / 16.0 * self.cos2_alpha * (4.0 + FLATTENING * (4.0 - 3.0 * self.cos2_alpha));
        (1.0 - c) * (self.sigma + c * self.sin_sigma * (self.cos_2sigma_m + c * self.cos_sigma * self.cos_4sigma_m()))
    }

    /// Equations 3, 4, 6 and 19.
    fn length_m(&self) -> f64 {
        const SECOND_ECCENTRICITY_SQUARED: f64 =
            (EQUATORIAL_RADIUS_M * EQUATORIAL_RADIUS_M) / (POLAR_RADIUS_M * POLAR_RADIUS_M) - 1.0;
        let u2 = self.cos2_alpha * SECOND_ECCENTRICITY_SQUARED;
        let a = 1.0 + u2 / 16_384.0 * (4_096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)));
        let b = u2 / 1_024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)));
        let (sin_sigma, middle) = (self.sin_sigma, self.cos_2sigma_m);
        let last = b / 6.0 * middle * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * middle * middle - 3.0);
        let shorter = b * sin_sigma * (middle + b / 4.0 * (self.cos_sigma * self.cos_4sigma_m() - last));
        POLAR_RADIUS_M * a * (self.sigma - shorter)
    }
}
