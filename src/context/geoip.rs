//! Where an address is, whose it is and who hides behind it, by databases in the MaxMind DB format of any vendor.
//!
//! Several files serve at once, the first that tells a field wins it. A file is read as a whole, checked and compiled
//! into tables; look-ups can then neither fail nor wait. A file that changes is read again beside the running one, which
//! stays until the new one has proved itself (`reload`).

mod database;
mod error;
mod fields;
mod names;
mod organizations;
mod paths;
mod reload;
mod row;
mod schema;
mod table;
mod tree;
mod value;

pub use database::{About, Database};
pub use error::{GeoIpError, Why};
pub use fields::{Fields, Role};
pub use names::CityNames;
pub use organizations::OrganizationName;
pub use paths::{FILES_MAX, Paths};
pub use reload::Status;
pub use row::given_place;
pub use tree::TreeError;

use super::data_file::Stamp;
use super::network::{self, Asn, NetworkKind, NetworkKinds};
use super::{Grain, Location};
use crate::bounded::Bounded;
use crate::units::CountryCode;
use arrayvec::ArrayVec;
use database::{Hit, carried_ipv4};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// Which databases to use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where addresses are; without a file, by the country-level data in the binary.
    pub city: Paths,
    /// Whose addresses are.
    pub asn: Paths,
    /// Which addresses hide who is behind them.
    pub anonymous: Paths,
    /// Seconds between two looks at the files.
    pub reload_s: Bounded<1, 86_400>,
    /// MiB; a larger file is no database.
    pub file_mib_max: Bounded<1, 4096>,
    /// Autonomous systems that are hosting, beside the well-known ones.
    pub hosting_asns: Vec<Asn>,
    /// Autonomous systems that are satellite links, beside the well-known ones.
    pub satellite_asns: Vec<Asn>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            city: Paths::default(),
            asn: Paths::default(),
            anonymous: Paths::default(),
            reload_s: Bounded::of::<10>(),
            // The largest on the market have some 300 MB.
            file_mib_max: Bounded::of::<512>(),
            hosting_asns: Vec::new(),
            satellite_asns: Vec::new(),
        }
    }
}

impl Settings {
    fn of(&self, role: Role) -> &Paths {
        match role {
            Role::City => &self.city,
            Role::Asn => &self.asn,
            Role::Anonymous => &self.anonymous,
        }
    }
}

/// All databases, ready to serve. A clone shares them.
#[derive(Clone)]
pub struct GeoIp {
    /// Every file once, whatever it serves for.
    entries: Vec<Entry>,
    /// Numbers of entries, first asked first.
    city: Vec<usize>,
    asn: Vec<usize>,
    anonymous: Vec<usize>,
    settings: Settings,
}

#[derive(Clone)]
struct Entry {
    /// `None` for the embedded data.
    path: Option<PathBuf>,
    database: Arc<Database>,
    /// Why its file, as it is now, does not serve.
    trouble: Option<Trouble>,
}

#[derive(Clone)]
struct Trouble {
    why: Arc<str>,
    /// The state of the file just before it was read.
    tried: Option<Stamp>,
}

/// What the databases say of an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it is.
    pub location: Location,
    /// In which country, also where the place is not usable.
    pub country: Option<CountryCode>,
    /// Whose it is.
    pub asn: Option<u32>,
    /// The name of that system.
    pub as_organization: Option<OrganizationName>,
    /// What its network is used for.
    pub kinds: NetworkKinds,
    /// Who told the first of them.
    pub kinds_from: Option<KindsSource>,
}

/// Who told what a network is used for.
#[derive(Debug, Clone, PartialEq)]
pub struct KindsSource {
    /// The network of the row.
    pub matches: IpNet,
    /// The database: its file name without the ending.
    pub source: Arc<str>,
}

impl Found {
    /// Nothing.
    pub const NOTHING: Self = Self {
        location: Location::Missing,
        country: None,
        asn: None,
        as_organization: None,
        kinds: NetworkKinds::NONE,
        kinds_from: None,
    };
}

/// The rows of an address, by entry: found, and perhaps not yet come from where memory is slow.
#[derive(Debug)]
pub struct Hits<'a>(ArrayVec<Option<Hit<'a>>, { FILES_MAX * Role::ALL.len() }>);

impl<'a> Hits<'a> {
    fn at(&self, entry: usize) -> Option<&Hit<'a>> {
        self.0.get(entry)?.as_ref()
    }
}

impl GeoIp {
    /// `ip` is about to be looked up: has what the search begins with come from where memory is slow.
    pub fn prefetch_index(&self, ip: IpAddr) {
        self.entries.iter().for_each(|entry| entry.database.prefetch_index(ip.to_canonical()));
    }

    /// The same of what is searched, when that has come.
    pub fn prefetch_networks(&self, ip: IpAddr) {
        self.entries.iter().for_each(|entry| entry.database.prefetch_networks(ip.to_canonical()));
    }

    /// What the databases say of `ip`. Allocates nothing.
    #[must_use]
    pub fn look_up(&self, ip: IpAddr) -> Found {
        self.read(&self.search(Some(ip)))
    }

    /// What the databases say of `ip`, and the network of the row that says most of where it is.
    #[must_use]
    pub fn describe(&self, ip: IpAddr) -> (Found, Option<IpNet>) {
        self.read_with_network(&self.search(Some(ip)))
    }

    /// The first half of a look-up: where the rows are. Of local addresses there are none, whatever the databases hold.
    #[must_use]
    pub fn search(&self, ip: Option<IpAddr>) -> Hits<'_> {
        let mut hits = Hits(ArrayVec::new());
        if let Some(ip) = ip.map(|ip| ip.to_canonical()).filter(|ip| !is_local(*ip)) {
            hits.0.extend(self.entries.iter().map(|entry| entry.database.look_up(ip)));
        }
        hits
    }

    /// The second half: what the rows say. There may be work between the two while the rows come from where memory is slow.
    #[must_use]
    pub fn read(&self, hits: &Hits<'_>) -> Found {
        self.read_with_network(hits).0
    }

    fn read_with_network(&self, hits: &Hits<'_>) -> (Found, Option<IpNet>) {
        let (location, network) = self.location(hits);
        let system = self.first(self.by_system(), hits, |hit| hit.row.asn());
        let as_organization = system.and_then(|(at, hit, _)| self.entries.get(at)?.database.organization(hit.row));
        let asn = system.map(|(_, _, asn)| asn);
        let (kinds, kinds_from) = self.kinds(hits, system);
        let country = self.first(self.by_place(), hits, |hit| hit.row.country()).map(|(_, _, country)| country);
        let location = match location {
            Location::Known(place) => Location::Known(super::Place { country: place.country.or(country), ..place }),
            other @ (Location::Missing | Location::Unusable | Location::Failed) => other,
        };
        let any = || self.first(self.by_place(), hits, |hit| Some(hit.network)).map(|(_, _, network)| network);
        (Found { location, country, asn, as_organization, kinds, kinds_from }, network.or_else(any))
    }

    /// What is known of everybody in an autonomous system, by number and by configuration.
    #[must_use]
    pub fn kinds_of_asn(&self, asn: u32) -> NetworkKinds {
        let listed = |list: &[Asn], kind| {
            if list.contains(&Asn(asn)) { NetworkKinds::NONE.with(kind) } else { NetworkKinds::NONE }
        };
        network::of_asn(asn)
            .union(listed(&self.settings.hosting_asns, NetworkKind::Hosting))
            .union(listed(&self.settings.satellite_asns, NetworkKind::Satellite))
    }

    /// Whether travel is judged between countries only.
    #[must_use]
    pub fn is_country_level(&self) -> bool {
        self.city.iter().filter_map(|at| self.entries.get(*at)).all(|entry| {
            let about = entry.database.about();
            about.grain == Grain::Country
        })
    }

    /// The first file that places, or that it is the embedded data.
    #[must_use]
    pub fn origin(&self) -> &str {
        let first = self.city.first().and_then(|at| self.entries.get(*at));
        first.map_or("", |entry| &entry.database.about().origin)
    }

    /// The first file with a usable place; where there is none, the worst of what they say, so that a failure shows.
    fn location(&self, hits: &Hits<'_>) -> (Location, Option<IpNet>) {
        let mut worst = (Location::Missing, None);
        for hit in self.city.iter().filter_map(|at| hits.at(*at)) {
            match (hit.row.location(), worst.0) {
                (Location::Known(place), _) => return (Location::Known(place), Some(hit.network)),
                (Location::Failed, _) => worst = (Location::Failed, Some(hit.network)),
                (Location::Unusable, Location::Missing) => worst = (Location::Unusable, Some(hit.network)),
                (Location::Unusable | Location::Missing, _) => {}
            }
        }
        worst
    }

    fn kinds(&self, hits: &Hits<'_>, system: Option<(usize, &Hit<'_>, u32)>) -> (NetworkKinds, Option<KindsSource>) {
        let (mut kinds, mut from) = (NetworkKinds::NONE, None);
        let mut tell = |at: usize, hit: &Hit<'_>, told: NetworkKinds| {
            if told.is_empty() {
                return;
            }
            kinds = kinds.union(told);
            let source = || Arc::clone(&self.entries[at].database.about().source);
            from.get_or_insert_with(|| KindsSource { matches: hit.network, source: source() });
        };
        for at in self.by_anonymity() {
            if let Some(hit) = hits.at(at) {
                tell(at, hit, hit.row.kinds());
            }
        }
        if let Some((at, hit, asn)) = system {
            tell(at, hit, self.kinds_of_asn(asn));
        }
        (kinds, from)
    }

    /// The first entry in this order whose row has something.
    fn first<'h, 'a, T>(
        &self,
        mut order: impl Iterator<Item = usize>,
        hits: &'h Hits<'a>,
        what: impl Fn(&Hit<'a>) -> Option<T>,
    ) -> Option<(usize, &'h Hit<'a>, T)> {
        order.find_map(|at| {
            let hit = hits.at(at)?;
            what(hit).map(|value| (at, hit, value))
        })
    }

    fn by_place(&self) -> impl Iterator<Item = usize> + '_ {
        self.city.iter().chain(&self.asn).chain(&self.anonymous).copied()
    }

    fn by_system(&self) -> impl Iterator<Item = usize> + '_ {
        self.asn.iter().chain(&self.city).chain(&self.anonymous).copied()
    }

    fn by_anonymity(&self) -> impl Iterator<Item = usize> + '_ {
        self.anonymous.iter().chain(&self.city).chain(&self.asn).copied()
    }
}

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.database.about().origin)).finish()
    }
}

/// Addresses that no database may place, whatever it holds; also inside IPv6 addresses that carry one.
fn is_local(ip: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified();
    let v6 =
        |ip: Ipv6Addr| ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local();
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip) || carried_ipv4(ip).is_some_and(v4),
    }
}

#[cfg(test)]
mod tests;
