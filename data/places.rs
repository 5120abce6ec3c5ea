//! Gives every country a centre and a radius, from its shapes and the decisions in `countries.rs`.

use std::collections::BTreeMap;
use std::error::Error;

use geo::Point;

use crate::countries;
use crate::shapes::{self, Polygon, Shapes};

/// A circle that holds the territory: degrees, and kilometres rounded up.
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) radius_km: u16,
}

/// What the 1:50m map may lack along a border.
///
/// **Source**: comparison with the 1:10m map of the same package. With this allowance and `FAR_PLACES` every polygon of
/// that map lies in its country's circle, but for those the three rules of `countries.rs` leave out.
const GENERALISATION_KM: f64 = 10.0;

/// Decides the place of every country; `None` where no circle would be honest.
///
/// # Errors
///
/// When a country is left without a decision, or a table names a country or shape that is not there.
pub(crate) fn all(shapes: &Shapes) -> Result<BTreeMap<&'static str, Option<Place>>, Box<dyn Error>> {
    let mut places = BTreeMap::new();
    let territories = territories(shapes)?;
    if let Some((of, ..)) = countries::FAR_PLACES.iter().find(|(of, ..)| !territories.contains_key(of)) {
        return Err(format!("{of} has a far place but no shape").into());
    }
    for (country, polygons) in territories {
        places.insert(country, Some(around(country, &polygons)?));
    }
    for (country, latitude, longitude, radius_km) in countries::FIXED_PLACES {
        places.insert(country, Some(Place { latitude, longitude, radius_km }));
    }
    for country in countries::PLACELESS {
        places.insert(country, None);
    }
    match countries::all().find(|(_, country)| !places.contains_key(country)) {
        Some((_, country)) => Err(format!("no place decided for {country}").into()),
        None => Ok(places),
    }
}

/// Hands every polygon to the country whose circle must hold it.
fn territories(shapes: &Shapes) -> Result<BTreeMap<&'static str, Vec<&Polygon>>, Box<dyn Error>> {
    let mut territories: BTreeMap<&str, Vec<&Polygon>> = BTreeMap::new();
    let mut parts_used = [false; countries::PARTS.len()];
    for (key, polygons) in shapes {
        let Some(country) = country_of(key)? else { continue };
        for polygon in polygons {
            let part = part_of(country, polygon);
            if let Some(used) = part.and_then(|part| parts_used.get_mut(part)) {
                *used = true;
            }
            let owner = part.map_or(Some(country), |part| countries::PARTS.get(part)?.to);
            if let Some(owner) = owner {
                territories.entry(owner).or_default().push(polygon);
            }
        }
    }
    match parts_used.iter().zip(&countries::PARTS).find(|(used, _)| !**used) {
        Some((_, part)) => Err(format!("no shape of {} lies in {:?}", part.of, part.edges).into()),
        None => Ok(territories),
    }
}

fn country_of(key: &str) -> Result<Option<&'static str>, Box<dyn Error>> {
    let uncoded = countries::UNCODED_SHAPES.iter().find(|(name, _, _)| *name == key);
    match uncoded {
        Some((_, country, _)) => Ok(*country),
        None => Ok(Some(countries::by_number(key).ok_or_else(|| format!("undecided shape {key}"))?)),
    }
}

fn part_of(country: &str, polygon: &Polygon) -> Option<usize> {
    let centre = shapes::centre(&[polygon]);
    countries::PARTS.iter().position(|part| {
        let [south, north, west, east] = part.edges;
        part.of == country && (south..=north).contains(&centre.y()) && (west..=east).contains(&centre.x())
    })
}

/// The radius is measured from the rounded centre, so rounding cannot make it too small.
fn around(country: &str, polygons: &[&Polygon]) -> Result<Place, Box<dyn Error>> {
    let exact = shapes::centre(polygons);
    let centre = Point::new(rounded(exact.x()), rounded(exact.y()));
    let mut reach_km = shapes::reach_km(centre, polygons);
    for (_, latitude, longitude, _) in countries::FAR_PLACES.iter().filter(|(of, ..)| *of == country) {
        reach_km = reach_km.max(shapes::distance_km(centre, Point::new(*longitude, *latitude)));
    }
    let radius_km = (0..=u16::MAX).find(|&km| f64::from(km) >= reach_km + GENERALISATION_KM);
    let radius_km = radius_km.ok_or_else(|| format!("{country} reaches farther than a u16"))?;
    Ok(Place { latitude: centre.y(), longitude: centre.x(), radius_km })
}

/// To 0.0001 degrees, 11 m: machines whose sines differ in the last bit must still write the same bytes.
fn rounded(degrees: f64) -> f64 {
    (degrees * 10_000.0).round() / 10_000.0
}
