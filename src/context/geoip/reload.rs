//! Opening the databases, and replacing one by a newer file without harm.

use super::database::{About, Database};
use super::{Entry, GeoIp, GeoIpError, Role, Settings, Trouble, Why};
use crate::context::data_file::Stamp;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "embedded-geoip")]
static COUNTRY_DATA: &[u8] = include_bytes!("../../../data/country.mmdb");

/// One database in one of its roles, for people.
#[derive(Debug)]
pub struct Status<'a> {
    /// What it serves for.
    pub role: Role,
    /// Its place among the databases of that role.
    pub index: usize,
    /// What there is to say of it.
    pub about: &'a About,
    /// Why its file, as it is now, does not serve.
    pub trouble: Option<&'a str>,
}

impl GeoIp {
    /// The databases that the settings name; without one for places, the data in the binary.
    ///
    /// # Errors
    ///
    /// The first database that does not serve.
    pub fn open(settings: &Settings) -> Result<Self, GeoIpError> {
        Self::build(settings, None).map(|(geoip, _)| geoip)
    }

    /// The databases that the settings name, with what these ones hold already. Where the new state of a file does not
    /// serve, the old one stays, and the error is among those returned. A file that is older than the running one is
    /// taken here: somebody asked for it.
    ///
    /// # Errors
    ///
    /// The first database that does not serve and has no old state.
    pub fn reopen(&self, settings: &Settings) -> Result<(Self, Vec<GeoIpError>), GeoIpError> {
        Self::build(settings, Some(self))
    }

    /// These databases, with the one at `path` read again.
    ///
    /// # Errors
    ///
    /// The new state of the file does not serve. The databases then say so, and are otherwise as they were.
    pub fn reload(&self, path: &Path) -> Result<Self, Box<(Self, GeoIpError)>> {
        let mut next = self.clone();
        let Some(at) = next.entries.iter().position(|entry| entry.path.as_deref() == Some(path)) else {
            return Ok(next);
        };
        let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| self.entries_of(*role).contains(&at)).collect();
        let tried = Stamp::of(path).ok();
        let read = Database::load(path, self.settings.file_mib_max.get()).and_then(|database| {
            let running = self.entries[at].database.about();
            roles.iter().try_for_each(|role| serves(database.about(), *role, Some((running, Age::NotOlder))))?;
            Ok(database)
        });
        match read {
            Ok(database) => {
                next.entries[at] = Entry { database: Arc::new(database), trouble: None, ..next.entries[at].clone() };
                Ok(next)
            }
            Err(why) => {
                next.entries[at].trouble = Some(Trouble::new(&why, tried));
                let role = roles.first().copied().unwrap_or(Role::City);
                Err(Box::new((next, GeoIpError { role, origin: path.display().to_string(), why })))
            }
        }
    }

    /// The files, each once, and the state in which each was read or refused last. A state is asked for before the file
    /// is read, so that a change in between shows.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Option<Stamp>)> {
        self.entries.iter().filter_map(|entry| {
            let state = entry.trouble.as_ref().map_or(entry.database.about().stamp, |trouble| trouble.tried);
            Some((entry.path.as_deref()?, state))
        })
    }

    /// Every database in every role.
    pub fn status(&self) -> impl Iterator<Item = Status<'_>> {
        Role::ALL.into_iter().flat_map(move |role| {
            self.entries_of(role).iter().enumerate().filter_map(move |(index, at)| {
                let entry = self.entries.get(*at)?;
                Some(Status {
                    role,
                    index,
                    about: entry.database.about(),
                    trouble: entry.trouble.as_ref().map(|trouble| &*trouble.why),
                })
            })
        })
    }

    fn entries_of(&self, role: Role) -> &[usize] {
        match role {
            Role::City => &self.city,
            Role::Asn => &self.asn,
            Role::Anonymous => &self.anonymous,
        }
    }

    fn build(settings: &Settings, running: Option<&Self>) -> Result<(Self, Vec<GeoIpError>), GeoIpError> {
        let mut opening = Opening { settings, running, entries: Vec::new(), troubles: Vec::new() };
        let mut city = opening.open_role(Role::City)?;
        if city.is_empty() {
            city.push(opening.open_embedded()?);
        }
        let (asn, anonymous) = (opening.open_role(Role::Asn)?, opening.open_role(Role::Anonymous)?);
        let Opening { entries, troubles, .. } = opening;
        Ok((Self { entries, city, asn, anonymous, settings: settings.clone() }, troubles))
    }
}

struct Opening<'a> {
    settings: &'a Settings,
    running: Option<&'a GeoIp>,
    entries: Vec<Entry>,
    troubles: Vec<GeoIpError>,
}

impl Opening<'_> {
    /// Opens the files of a role; one that serves for another role already is shared with it.
    fn open_role(&mut self, role: Role) -> Result<Vec<usize>, GeoIpError> {
        self.settings.of(role).as_slice().iter().map(|path| self.open(role, path)).collect()
    }

    fn open(&mut self, role: Role, path: &Path) -> Result<usize, GeoIpError> {
        let failed = |why| GeoIpError { role, origin: path.display().to_string(), why };
        let known = self.entries.iter().position(|entry| entry.path.as_deref() == Some(path));
        let at = match known {
            Some(at) => at,
            None => {
                let entry = self.entry(role, path).map_err(failed)?;
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        serves(self.entries[at].database.about(), role, None).map_err(failed)?;
        Ok(at)
    }

    fn entry(&mut self, role: Role, path: &Path) -> Result<Entry, Why> {
        let is_here = |entry: &&Entry| entry.path.as_deref() == Some(path);
        let running = self.running.and_then(|running| running.entries.iter().find(is_here));
        let unchanged = |entry: &&Entry| Stamp::of(path).is_ok_and(|now| entry.database.about().stamp == Some(now));
        if let Some(entry) = running.filter(unchanged) {
            return Ok(Entry { trouble: None, ..entry.clone() });
        }
        let tried = Stamp::of(path).ok();
        let read = Database::load(path, self.settings.file_mib_max.get()).and_then(|database| {
            serves(database.about(), role, running.map(|entry| (entry.database.about(), Age::Any)))?;
            Ok(database)
        });
        match (read, running) {
            (Ok(database), _) => Ok(Entry { path: Some(path.to_owned()), database: Arc::new(database), trouble: None }),
            (Err(why), Some(entry)) => {
                let entry = Entry { trouble: Some(Trouble::new(&why, tried)), ..entry.clone() };
                self.troubles.push(GeoIpError { role, origin: path.display().to_string(), why });
                Ok(entry)
            }
            (Err(why), None) => Err(why),
        }
    }

    fn open_embedded(&mut self) -> Result<usize, GeoIpError> {
        let running = self.running.and_then(|running| running.entries.iter().find(|entry| entry.path.is_none()));
        let entry = match running {
            Some(entry) => entry.clone(),
            None => Entry { path: None, database: Arc::new(embedded()?), trouble: None },
        };
        self.entries.push(entry);
        Ok(self.entries.len() - 1)
    }
}

fn embedded() -> Result<Database, GeoIpError> {
    #[cfg(feature = "embedded-geoip")]
    // The build that made them verified them, and so does a test.
    let opened = Database::compile(COUNTRY_DATA, false);
    #[cfg(not(feature = "embedded-geoip"))]
    let opened = Err(Why::NotEmbedded);
    opened.map_err(|why| GeoIpError { role: Role::City, origin: "the embedded country data".to_owned(), why })
}

impl Trouble {
    /// A reason as it is shown; what a file holds may be part of it, so that it is cut.
    fn new(why: &Why, tried: Option<Stamp>) -> Self {
        Self { why: why.to_string().chars().take(TROUBLE_CHARS_MAX).collect::<String>().into(), tried }
    }
}

const TROUBLE_CHARS_MAX: usize = 200;

/// Whether a file may be older than the running one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Any,
    NotOlder,
}

/// Whether a database is of use in a role, and no step back from the running one.
fn serves(about: &About, role: Role, running: Option<(&About, Age)>) -> Result<(), Why> {
    if !about.fields.has_any(role.needs()) {
        return Err(Why::Useless(role));
    }
    let Some((running, age)) = running else { return Ok(()) };
    let lost = running.fields.among(role.needs()).without(about.fields);
    if !lost.is_empty() {
        return Err(Why::Lost(lost));
    }
    if age == Age::NotOlder && about.built < running.built {
        return Err(Why::Older { built: about.built, running: running.built });
    }
    if about.networks < running.networks.div_ceil(2) {
        return Err(Why::Shrunken { networks: about.networks, running: running.networks });
    }
    Ok(())
}
