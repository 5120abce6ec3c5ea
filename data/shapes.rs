//! Reads country outlines from `countries-50m.json` (`TopoJSON`) and measures them on the sphere.
//!
//! Everything is done with unit vectors, so the date line and the poles need no special case: an average of longitudes
//! puts Russia's centre at 193° E.

use std::collections::BTreeMap;
use std::error::Error;

use geo::{Distance, Geodesic, Haversine, Point};
use serde::Deserialize;

/// One closed outline with its holes; points are (longitude, latitude) in degrees.
pub(crate) struct Polygon {
    rings: Vec<Vec<Point>>,
}

/// Outlines by the ISO numeric code of their country, or by name where the map knows no code.
pub(crate) type Shapes = BTreeMap<String, Vec<Polygon>>;

/// Reads the object `countries`; shapes that share a code are collected under it.
pub(crate) fn read(json: &str) -> Result<Shapes, Box<dyn Error>> {
    let topology: Topology = serde_json::from_str(json)?;
    let arcs: Vec<Vec<Point>> = topology.arcs.iter().map(|arc| topology.transform.degrees(arc)).collect();
    let mut shapes = Shapes::new();
    for geometry in &topology.objects.countries.geometries {
        let (parts, about) = match geometry {
            Geometry::Polygon { arcs, about } => (vec![arcs], about),
            Geometry::MultiPolygon { arcs, about } => (arcs.iter().collect(), about),
        };
        let key = about.id.as_ref().unwrap_or(&about.properties.name);
        let polygons = shapes.entry(key.clone()).or_default();
        for part in parts {
            let rings = part.iter().map(|ring| join(ring, &arcs)).collect::<Result<_, _>>()?;
            polygons.push(Polygon { rings });
        }
    }
    Ok(shapes)
}

/// Returns the centre of mass of the area, projected to the surface.
pub(crate) fn centre(polygons: &[&Polygon]) -> Point {
    let mut sum = [0.0; 3];
    let mut corners = [0.0; 3];
    for polygon in polygons {
        for ring in &polygon.rings {
            sum = add(sum, moment(ring));
        }
        for &corner in polygon.border() {
            corners = add(corners, unit(corner));
        }
    }
    // The integral's sign follows the direction in which rings are drawn; the corners tell which side is meant.
    let sign = dot(sum, corners).signum();
    point(sum.map(|coordinate| coordinate * sign))
}

/// Returns the distance to the farthest border point, in kilometres.
///
/// The larger of great circle and geodesic, since the bound must hold whichever the reader uses; they differ by up to
/// 0.5 %. Corners suffice: along an edge, distance from a point less than a quarter of the globe away peaks at an end.
pub(crate) fn reach_km(from: Point, polygons: &[&Polygon]) -> f64 {
    let corners = polygons.iter().flat_map(|polygon| polygon.border());
    corners.map(|&corner| distance_km(from, corner)).fold(0.0, f64::max)
}

/// Returns the larger of great-circle and geodesic distance, in kilometres.
pub(crate) fn distance_km(from: Point, to: Point) -> f64 {
    Haversine.distance(from, to).max(Geodesic.distance(from, to)) / 1000.0
}

impl Polygon {
    /// The outer ring; holes lie inside it and reach no farther.
    fn border(&self) -> &[Point] {
        self.rings.first().map_or(&[], Vec::as_slice)
    }
}

/// Half the line integral of r × dr, which is the area integral of r over what the ring encloses.
fn moment(ring: &[Point]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for edge in ring.windows(2) {
        if let [from, to] = *edge {
            let mut at = unit(from);
            for next in along(from, to) {
                let next = unit(next);
                let normal = cross(at, next);
                let sine = dot(normal, normal).sqrt();
                if sine > 0.0 {
                    // For a great-circle piece the integral is exact: its angle times the unit normal of its plane.
                    let angle = sine.atan2(dot(at, next));
                    sum = add(sum, normal.map(|coordinate| coordinate * angle / sine / 2.0));
                }
                at = next;
            }
        }
    }
    sum
}

/// Cuts an edge, straight in degrees, into pieces short enough to stand for great circles.
///
/// Long parallels need it: the border along 49° N has few corners, and a great circle between them runs farther north.
fn along(from: Point, to: Point) -> impl Iterator<Item = Point> {
    let width = (to.x() - from.x() + 540.0).rem_euclid(360.0) - 180.0;
    let height = to.y() - from.y();
    let span = width.abs().max(height.abs());
    let pieces = (1..EDGE_PIECES_MAX).find(|&pieces| f64::from(pieces) * EDGE_DEGREES_MAX >= span);
    let pieces = pieces.unwrap_or(EDGE_PIECES_MAX);
    (1..=pieces).map(move |piece| {
        let share = f64::from(piece) / f64::from(pieces);
        Point::new(from.x() + width * share, from.y() + height * share)
    })
}

/// At half a degree a parallel leaves its great circle by 0.1 km at most.
const EDGE_DEGREES_MAX: f64 = 0.5;

/// Enough for an edge all around the globe.
const EDGE_PIECES_MAX: u32 = 720;

fn unit(point: Point) -> [f64; 3] {
    let (longitude, latitude) = (point.x().to_radians(), point.y().to_radians());
    [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
}

fn point([x, y, z]: [f64; 3]) -> Point {
    Point::new(y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
}

fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Joins arcs to a ring. A negative reference `!n` means arc `n` backwards, and neighbours share their end point.
fn join(references: &[i32], arcs: &[Vec<Point>]) -> Result<Vec<Point>, Box<dyn Error>> {
    let mut ring: Vec<Point> = Vec::new();
    for &reference in references {
        let forwards = reference >= 0;
        let index = usize::try_from(if forwards { reference } else { !reference })?;
        let arc = arcs.get(index).ok_or("an outline refers to an arc that is not there")?;
        ring.pop();
        if forwards {
            ring.extend(arc);
        } else {
            ring.extend(arc.iter().rev());
        }
    }
    Ok(ring)
}

#[derive(Deserialize)]
struct Topology {
    arcs: Vec<Vec<[f64; 2]>>,
    objects: Objects,
    transform: Transform,
}

#[derive(Deserialize)]
struct Objects {
    countries: Collection,
}

#[derive(Deserialize)]
struct Collection {
    geometries: Vec<Geometry>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon {
        arcs: Vec<Vec<i32>>,
        #[serde(flatten)]
        about: About,
    },
    MultiPolygon {
        arcs: Vec<Vec<Vec<i32>>>,
        #[serde(flatten)]
        about: About,
    },
}

#[derive(Deserialize)]
struct About {
    id: Option<String>,
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    name: String,
}

#[derive(Deserialize)]
struct Transform {
    scale: [f64; 2],
    translate: [f64; 2],
}

impl Transform {
    /// Arcs are whole numbers, each point but the first relative to the one before.
    fn degrees(&self, arc: &[[f64; 2]]) -> Vec<Point> {
        let mut at = [0.0; 2];
        let mut points = Vec::with_capacity(arc.len());
        for step in arc {
            at = [at[0] + step[0], at[1] + step[1]];
            let longitude = at[0] * self.scale[0] + self.translate[0];
            let latitude = at[1] * self.scale[1] + self.translate[1];
            points.push(Point::new(longitude, latitude));
        }
        points
    }
}
