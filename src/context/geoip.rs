//! Where an address is, by a GeoIP database in the MaxMind DB format.
//!
//! The file is read into memory, never mapped: a mapped file that somebody truncates kills the process. It is verified
//! as a whole before it serves.

use super::{Grain, Location, Place};
use crate::units::{Coordinates, CountryCode, Kilometres};
use maxminddb::{MaxMindDbError, Reader};
use quick_cache::sync::Cache;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Which databases to use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A city-level database; without one, the country-level data in the binary.
    pub city: Option<PathBuf>,
}

/// A city row without a radius (km). **Source:** signals.md; the vendors that give none speak of 50 km.
const CITY_RADIUS_KM: f64 = 50.0;
/// From this radius (km) on, a city row is a country's centre in disguise. **Source:** signals.md; MaxMind's own centre
/// of the United States has 1000.
const CITY_RADIUS_KM_MAX: f64 = 500.0;
/// A larger file is no GeoIP database: the largest on the market have some 300 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;

#[cfg(feature = "embedded-geoip")]
static COUNTRY_DATA: &[u8] = include_bytes!("../../data/country.mmdb");

/// Rows that are kept decoded, 64 bytes each: all of a country database, the busy ones of a city database.
const DECODED_ROWS_MAX: usize = 65_536;

/// One database, ready to serve. Lookups take some 0.3 µs and allocate nothing.
pub struct GeoIp {
    decoded: Cache<usize, Location>,
    reader: Reader<Cow<'static, [u8]>>,
    grain: Grain,
    origin: String,
}

/// Why a database does not serve.
#[derive(Debug)]
pub enum GeoIpError {
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
    /// The file is too large to be one.
    TooLarge(PathBuf),
    /// The content is no valid database.
    Invalid(String, MaxMindDbError),
    /// No file is named, and the binary carries no data.
    NotEmbedded,
}

impl fmt::Display for GeoIpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, _) => write!(f, "cannot read the GeoIP database {}", path.display()),
            Self::TooLarge(path) => write!(f, "{} is over 1 GiB, no GeoIP database", path.display()),
            Self::Invalid(origin, _) => write!(f, "{origin} is no valid GeoIP database"),
            Self::NotEmbedded => {
                f.write_str("no GeoIP data in this binary (feature `embedded-geoip` is off): set geoip.city")
            }
        }
    }
}

impl std::error::Error for GeoIpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, source) => Some(source),
            Self::Invalid(_, source) => Some(source),
            Self::TooLarge(_) | Self::NotEmbedded => None,
        }
    }
}

/// A row as far as it is needed; MaxMind's own layout.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    city: Option<City<'a>>,
    country: Option<Country<'a>>,
    location: Option<RowLocation>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct RowLocation {
    latitude: Option<Number>,
    longitude: Option<Number>,
    accuracy_radius: Option<Number>,
}

/// What a database says of an address, for people.
#[derive(Debug, PartialEq)]
pub struct Description {
    /// The network of the row.
    pub network: String,
    /// The English name of the city, where given.
    pub city: Option<String>,
    /// The country, where given.
    pub country: Option<CountryCode>,
    /// The place as a judgement uses it.
    pub location: Location,
}

impl GeoIp {
    /// The file that the settings name, else the data in the binary.
    ///
    /// # Errors
    ///
    /// See [`GeoIpError`].
    pub fn open(settings: &Settings) -> Result<Self, GeoIpError> {
        match &settings.city {
            Some(path) => Self::from_bytes(read(path)?.into(), path.display().to_string()),
            #[cfg(feature = "embedded-geoip")]
            None => Self::from_bytes(COUNTRY_DATA.into(), "the embedded country data".to_owned()),
            #[cfg(not(feature = "embedded-geoip"))]
            None => Err(GeoIpError::NotEmbedded),
        }
    }

    fn from_bytes(bytes: Cow<'static, [u8]>, origin: String) -> Result<Self, GeoIpError> {
        let reader = match Reader::from_source(bytes).and_then(|reader| reader.verify().map(|()| reader)) {
            Ok(reader) => reader,
            Err(error) => return Err(GeoIpError::Invalid(origin, error)),
        };
        let grain = if reader.metadata().database_type.contains("Country") { Grain::Country } else { Grain::City };
        Ok(Self { decoded: Cache::new(DECODED_ROWS_MAX), reader, grain, origin })
    }

    /// Where `ip` is.
    #[must_use]
    pub fn locate(&self, ip: IpAddr) -> Location {
        if is_local(ip) {
            return Location::Missing;
        }
        let Ok(found) = self.reader.lookup(ip) else { return Location::Failed };
        // Many networks share a row, which is then decoded once.
        let Some(row) = found.offset() else { return Location::Missing };
        if let Some(known) = self.decoded.get(&row) {
            return known;
        }
        let location = match found.decode::<Row<'_>>() {
            Ok(Some(row)) => self.place(&row).map_or(Location::Unusable, Location::Known),
            Ok(None) => Location::Missing,
            Err(_) => Location::Failed,
        };
        self.decoded.insert(row, location);
        location
    }

    /// What the database says of `ip`, for people.
    ///
    /// # Errors
    ///
    /// The row cannot be decoded.
    pub fn describe(&self, ip: IpAddr) -> Result<Option<Description>, MaxMindDbError> {
        let Some(row) = self.row(ip)? else { return Ok(None) };
        Ok(Some(Description {
            network: self.reader.lookup(ip)?.network()?.to_string(),
            city: row.city.as_ref().and_then(|city| city.names.as_ref()?.en).map(str::to_owned),
            country: row.country_code(),
            location: self.locate(ip),
        }))
    }

    /// Whether travel is judged between countries only.
    #[must_use]
    pub fn is_country_level(&self) -> bool {
        self.grain == Grain::Country
    }

    /// The file, or that it is the embedded data.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    fn row(&self, ip: IpAddr) -> Result<Option<Row<'_>>, MaxMindDbError> {
        self.reader.lookup(ip)?.decode::<Row<'_>>()
    }

    fn place(&self, row: &Row<'_>) -> Option<Place> {
        let location = row.location.as_ref()?;
        let at = Coordinates::new(location.latitude.as_ref()?.0, location.longitude.as_ref()?.0)?;
        let radius_km = location.accuracy_radius.as_ref().map_or(CITY_RADIUS_KM, |radius| radius.0);
        place(at, Kilometres::new(radius_km)?, self.grain, row.country_code())
    }
}

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeoIp").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Row<'_> {
    fn country_code(&self) -> Option<CountryCode> {
        self.country.as_ref()?.iso_code.and_then(CountryCode::new)
    }
}

/// The place of a location that an edge gave, by the same rules as a city row.
#[must_use]
pub fn given_place(at: Coordinates, radius: Option<Kilometres>, country: Option<CountryCode>) -> Option<Place> {
    let radius = radius.or_else(|| Kilometres::new(CITY_RADIUS_KM))?;
    place(at, radius, Grain::City, country)
}

fn place(at: Coordinates, radius: Kilometres, grain: Grain, country: Option<CountryCode>) -> Option<Place> {
    let disguised = grain == Grain::City && radius.value() >= CITY_RADIUS_KM_MAX;
    (!disguised).then_some(Place { at, radius, grain, country })
}

/// Addresses that no database may place, whatever it holds.
fn is_local(ip: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified();
    let v6 =
        |ip: Ipv6Addr| ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local();
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GeoIpError> {
    let failed = |error| GeoIpError::Read(path.to_owned(), error);
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(GeoIpError::TooLarge(path.to_owned()));
    }
    std::fs::read(path).map_err(failed)
}

/// Any of the number types that vendors store coordinates in.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        #[expect(clippy::cast_precision_loss, reason = "degrees and kilometres are far below 2^53")]
        Ok(Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        #[expect(clippy::cast_precision_loss, reason = "degrees and kilometres are far below 2^53")]
        Ok(Number(value as f64))
    }
}
