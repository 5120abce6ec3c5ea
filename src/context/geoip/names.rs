//! Names of cities, for people: the tables of the service do not keep them.

use super::error::Why;
use super::schema::RawRow;
use super::{GeoIpError, Role, Settings};
use crate::context::data_file;
use maxminddb::Reader;
use std::net::IpAddr;

/// The files for places, open for single look-ups.
#[derive(Debug)]
pub struct CityNames(Vec<Reader<Vec<u8>>>);

impl CityNames {
    /// Reads the files once more. They were opened as databases before, which is where they are checked.
    ///
    /// # Errors
    ///
    /// A file cannot be read any more.
    pub fn open(settings: &Settings) -> Result<Self, GeoIpError> {
        let open = |path: &std::path::PathBuf| {
            let read = data_file::read(path, settings.file_mib_max.get()).map_err(Why::from);
            let reader = read.and_then(|(bytes, _)| Ok(Reader::from_source(bytes)?));
            reader.map_err(|why| GeoIpError { role: Role::City, origin: path.display().to_string(), why })
        };
        settings.city.as_slice().iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// The name by the first file that has one.
    #[must_use]
    pub fn look_up(&self, ip: IpAddr) -> Option<String> {
        self.0.iter().find_map(|reader| {
            let row = reader.lookup(ip).ok()?.decode::<RawRow<'_>>().ok()??;
            row.city.map(str::to_owned)
        })
    }
}
