//! Rows of databases in the shape of `MaxMind`'s, names in several languages included: a database is mostly words, and
//! compiling it means to read past them.

use crate::support::SplitMix;
use mmdb_writer::Value;

/// Postal codes of one city, each with its own coordinates and radius.
const ROWS_PER_CITY: u64 = 5;
const RADII_KM: [u16; 7] = [1, 5, 10, 20, 50, 100, 200];
const LOCALES: [&str; 4] = ["de", "en", "fr", "ja"];
/// Code, name, continent, time zone.
const COUNTRIES: [(&str, &str, &str, &str); 16] = [
    ("AU", "Australia", "OC", "Australia/Sydney"),
    ("BR", "Brazil", "SA", "America/Sao_Paulo"),
    ("CA", "Canada", "NA", "America/Toronto"),
    ("CN", "China", "AS", "Asia/Shanghai"),
    ("DE", "Germany", "EU", "Europe/Berlin"),
    ("EG", "Egypt", "AF", "Africa/Cairo"),
    ("FR", "France", "EU", "Europe/Paris"),
    ("GB", "United Kingdom", "EU", "Europe/London"),
    ("IN", "India", "AS", "Asia/Kolkata"),
    ("JP", "Japan", "AS", "Asia/Tokyo"),
    ("MX", "Mexico", "NA", "America/Mexico_City"),
    ("NG", "Nigeria", "AF", "Africa/Lagos"),
    ("PL", "Poland", "EU", "Europe/Warsaw"),
    ("SE", "Sweden", "EU", "Europe/Stockholm"),
    ("US", "United States", "NA", "America/Chicago"),
    ("ZA", "South Africa", "AF", "Africa/Johannesburg"),
];
const SYLLABLES: [&str; 12] = ["al", "ber", "cor", "dun", "es", "far", "gol", "hav", "is", "kar", "lin", "mor"];

/// The `number`th row of a city database.
pub(crate) fn city(number: u64) -> Value {
    let city = number / ROWS_PER_CITY;
    let mut random = SplitMix(city);
    let (code, country, continent, time_zone) = COUNTRIES[below(&mut random, COUNTRIES.len())];
    let name = name(&mut random);
    let region = format!("{} Region", SYLLABLES[below(&mut random, SYLLABLES.len())]);
    let (latitude, longitude) = (degrees(&mut random, 120, -55), degrees(&mut random, 360, -180));
    let mut random = SplitMix(number | 1 << 63);
    let country = Value::map([("iso_code", Value::from(code)), ("names", names(country))]);
    Value::map([
        ("city", Value::map([("geoname_id", id(city)), ("names", names(&name))])),
        ("continent", Value::map([("code", Value::from(continent)), ("names", names(continent))])),
        ("country", country.clone()),
        ("registered_country", country),
        (
            "location",
            Value::map([
                ("accuracy_radius", Value::U16(RADII_KM[below(&mut random, RADII_KM.len())])),
                ("latitude", Value::Double(latitude + degrees(&mut random, 1, 0) / 10.0)),
                ("longitude", Value::Double(longitude + degrees(&mut random, 1, 0) / 10.0)),
                ("time_zone", Value::from(time_zone)),
            ]),
        ),
        ("postal", Value::map([("code", Value::from(format!("{:05}", number % 100_000)))])),
        ("subdivisions", Value::array([Value::map([("geoname_id", id(city % 997)), ("names", names(&region))])])),
    ])
}

/// The `number`th autonomous system.
pub(crate) fn system(number: u64) -> Value {
    let organization = format!("{} Networks {number}", name(&mut SplitMix(number)));
    Value::map([
        // Far apart, as real ones are; some of them are hosting.
        ("autonomous_system_number", id(1 + number * 7)),
        ("autonomous_system_organization", Value::from(organization)),
    ])
}

fn names(name: &str) -> Value {
    Value::map(
        LOCALES.map(|locale| {
            (locale, Value::from(if locale == "en" { name.to_owned() } else { format!("{name} {locale}") }))
        }),
    )
}

fn name(random: &mut SplitMix) -> String {
    (0..4).map(|_| SYLLABLES[below(random, SYLLABLES.len())]).collect()
}

fn id(number: u64) -> Value {
    Value::U32(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Four digits, in a range of so many degrees from `lowest` on.
fn degrees(random: &mut SplitMix, range: u64, lowest: i32) -> f64 {
    let steps = u32::try_from(random.below(range * 10_000)).unwrap_or(0);
    f64::from(steps) / 10_000.0 + f64::from(lowest)
}

fn below(random: &mut SplitMix, length: usize) -> usize {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    usize::try_from(random.below(length)).unwrap_or(0)
}
