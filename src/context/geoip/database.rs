//! One file, compiled: read once from end to end, then only tables of numbers.

use super::Fields;
use super::error::Why;
use super::organizations::{OrganizationName, Organizations, OrganizationsBuilder};
use super::row::Row;
use super::schema::RawRow;
use super::table::{self, ROWS_MAX, Ranges};
use super::tree::{Alias, IPV4_DEPTH, Leaf, Tree};
use crate::clock::Timestamp;
use crate::context::Grain;
use crate::context::data_file::{self, Stamp};
use crate::prefetch::Lines;
use ipnet::IpNet;
use maxminddb::Reader;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::slice;
use std::sync::Arc;

/// A database, ready for look-ups. Its file is in memory only while it is compiled.
pub struct Database {
    ipv4: Ranges<u32>,
    /// Networks of at most 64 bits: nearly all of IPv6, by the upper half of the address.
    ipv6: Ranges<u64>,
    /// Longer ones.
    ipv6_long: Ranges<u128>,
    aliases: Vec<Alias>,
    rows: Vec<Row>,
    organizations: Arc<Organizations>,
    about: About,
}

/// What there is to say of a database.
#[derive(Debug)]
pub struct About {
    /// The path of the file, or that it is the embedded data.
    pub origin: String,
    /// The name of the file.
    pub file: String,
    /// The name of the file without its ending: the source that answers name.
    pub source: Arc<str>,
    /// What the file says it is.
    pub database_type: String,
    /// When it was built.
    pub built: Timestamp,
    /// How many networks have a row.
    pub networks: usize,
    /// What its rows tell.
    pub fields: Fields,
    /// What a place of it means.
    pub grain: Grain,
    /// The state of the file; embedded data have none.
    pub stamp: Option<Stamp>,
}

/// What a look-up found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'a> {
    pub(super) row: &'a Row,
    pub(super) network: IpNet,
}

/// A longer type than this is cut; it comes from a file, and is shown.
const TYPE_CHARS_MAX: usize = 64;

impl Database {
    /// Reads and compiles a file of at most `mib_max` MiB.
    pub(super) fn load(path: &Path, mib_max: u32) -> Result<Self, Why> {
        let (bytes, stamp) = data_file::read(path, mib_max)?;
        // The reader is sound and bounded as far as we know; should it panic all the same, the running database stays.
        let compiled = catch_unwind(AssertUnwindSafe(|| Self::compile(&bytes, true)));
        let mut database = compiled.unwrap_or(Err(Why::Panicked))?;
        let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let about = &mut database.about;
        about.origin = path.display().to_string();
        about.file = name(path.file_name());
        about.source = name(path.file_stem()).into();
        about.stamp = Some(stamp);
        Ok(database)
    }

    /// Compiles data in memory. Verifying walks the file once more; it is left out for what the build has verified.
    pub(super) fn compile(bytes: &[u8], verify: bool) -> Result<Self, Why> {
        let reader = Reader::from_source(bytes)?;
        let metadata = reader.metadata();
        let tree = Tree::new(bytes, metadata.node_count, metadata.record_size, metadata.ip_version == 6)?;
        let mut networks = Networks { is_ipv6: tree.is_ipv6(), ..Networks::default() };
        let aliases = tree.walk(|leaf| networks.push(leaf))?;
        if networks.count() == 0 {
            return Err(Why::Empty);
        }
        if verify {
            // Only now: on a tree that shares nodes it would not end.
            reader.verify()?;
        }
        let database_type: String = metadata.database_type.chars().take(TYPE_CHARS_MAX).collect();
        let mut rows = Rows::new(&reader, grain(&database_type));
        let count = networks.count();
        let ipv4 = rows.number(networks.ipv4, |start| Ipv4Addr::from(start).into())?;
        let ipv6 = rows.number(networks.ipv6, |start| Ipv6Addr::from(u128::from(start) << 64).into())?;
        let ipv6_long = rows.number(networks.ipv6_long, |start| Ipv6Addr::from(start).into())?;
        let about = About {
            origin: "the embedded country data".to_owned(),
            file: "embedded country data".to_owned(),
            source: "embedded".into(),
            grain: rows.grain,
            database_type,
            built: Timestamp::from_unix_ms(i64::try_from(metadata.build_epoch).unwrap_or(0).saturating_mul(1000))
                .unwrap_or(Timestamp::from_unix_s(0)),
            networks: count,
            fields: rows.fields,
            stamp: None,
        };
        Ok(Self {
            ipv4,
            ipv6,
            ipv6_long,
            aliases,
            rows: rows.all,
            organizations: Arc::new(rows.organizations.build()),
            about,
        })
    }

    /// `ip` is about to be looked up: has what its search begins with come from where memory is slow.
    pub(super) fn prefetch_index(&self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.ipv4.prefetch_index(ip.into()),
            IpAddr::V6(ip) => self.ipv6.prefetch_index(upper(ip.into())),
        }
    }

    /// The same of what is searched, when that has come.
    pub(super) fn prefetch_networks(&self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.ipv4.prefetch_networks(ip.into()),
            IpAddr::V6(ip) => self.ipv6.prefetch_networks(upper(ip.into())),
        }
    }

    /// The row of `ip`, by some 50 ns of search. An IPv6 address that carries an IPv4 address is looked up by that one
    /// where it has no row itself.
    pub(super) fn look_up(&self, ip: IpAddr) -> Option<Hit<'_>> {
        match ip {
            IpAddr::V4(ip) => self.look_up_ipv4(ip.into()),
            IpAddr::V6(ip) => self.look_up_ipv6(ip.into()).or_else(|| self.look_up_ipv4(carried_ipv4(ip)?.into())),
        }
    }

    fn look_up_ipv4(&self, ip: u32) -> Option<Hit<'_>> {
        let (start, length, row) = self.ipv4.look_up(ip)?;
        self.hit(Ipv4Addr::from(start).into(), length, row)
    }

    fn look_up_ipv6(&self, ip: u128) -> Option<Hit<'_>> {
        if let Some((start, length, row)) = self.ipv6.look_up(upper(ip)) {
            return self.hit(Ipv6Addr::from(u128::from(start) << 64).into(), length, row);
        }
        if let Some((start, length, row)) = self.ipv6_long.look_up(ip) {
            return self.hit(Ipv6Addr::from(start).into(), length, row);
        }
        self.look_up_ipv4(self.aliases.iter().find_map(|alias| alias.carried(ip))?)
    }

    fn hit(&self, start: IpAddr, length: u8, row: u32) -> Option<Hit<'_>> {
        let row = self.rows.get(usize::try_from(row).ok()?)?;
        // It is read when all databases have been searched.
        Lines::of(slice::from_ref(row)).prefetch();
        Some(Hit { row, network: IpNet::new(start, length).ok()? })
    }

    /// The name of the system of a row of this database.
    pub(super) fn organization(&self, row: &Row) -> Option<OrganizationName> {
        self.organizations.name(row.organization()?)
    }

    /// What there is to say of it.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("about", &self.about).finish_non_exhaustive()
    }
}

/// The half of an address that names its network.
fn upper(ip: u128) -> u64 {
    u64::try_from(ip >> 64).unwrap_or(0)
}

/// The IPv4 address inside an IPv6 address of a kind that is made to carry one: mapped, 6to4, NAT64 (well-known prefix).
///
/// **Source:** RFC 4291, RFC 3056, RFC 6052.
pub(super) fn carried_ipv4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match ip.segments() {
        [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0xffff, high, low] => {
            Some(pair(high, low))
        }
        _ => None,
    }
}

/// Databases of countries say so in their type; some of cities name the country, too.
fn grain(database_type: &str) -> Grain {
    let has = |word| database_type.to_ascii_lowercase().contains(word);
    if has("country") && !has("city") { Grain::Country } else { Grain::City }
}

/// The networks of a tree, by family and length; each with its data pointer at first.
#[derive(Default)]
struct Networks {
    is_ipv6: bool,
    ipv4: table::Networks<u32>,
    ipv6: table::Networks<u64>,
    ipv6_long: table::Networks<u128>,
}

impl Networks {
    fn push(&mut self, leaf: Leaf) {
        let Leaf { address, length, pointer } = leaf;
        // Nothing is lost: each is within its width by the branch it is in.
        let (low, high) = (|| u32::try_from(address).unwrap_or(0), || u64::try_from(address >> 64).unwrap_or(0));
        if !self.is_ipv6 {
            return self.ipv4.push((low(), length, pointer));
        }
        if address >> 32 == 0 && length >= IPV4_DEPTH {
            return self.ipv4.push((low(), length - IPV4_DEPTH, pointer));
        }
        if address == 0 {
            // One row for a part of IPv6 that holds all of IPv4.
            self.ipv4.push((0, 0, pointer));
        }
        if length <= 64 {
            self.ipv6.push((high(), length, pointer));
        } else {
            self.ipv6_long.push((address, length, pointer));
        }
    }

    fn count(&self) -> usize {
        self.ipv4.len() + self.ipv6.len() + self.ipv6_long.len()
    }
}

/// The distinct rows, decoded once each.
struct Rows<'a> {
    reader: &'a Reader<&'a [u8]>,
    grain: Grain,
    all: Vec<Row>,
    organizations: OrganizationsBuilder,
    fields: Fields,
    by_pointer: HashMap<u32, u32>,
    by_row: HashMap<Row, u32>,
}

impl<'a> Rows<'a> {
    fn new(reader: &'a Reader<&'a [u8]>, grain: Grain) -> Self {
        Self {
            reader,
            grain,
            all: Vec::new(),
            organizations: OrganizationsBuilder::default(),
            fields: Fields::default(),
            by_pointer: HashMap::new(),
            by_row: HashMap::new(),
        }
    }

    /// Replaces data pointers by numbers of rows, and makes the table ready.
    fn number<A: table::Address>(
        &mut self,
        mut networks: table::Networks<A>,
        address: impl Fn(A) -> IpAddr,
    ) -> Result<Ranges<A>, Why> {
        // Neighbours often share a row.
        let mut last = None;
        for (start, _, row) in &mut networks {
            let pointer = *row;
            *row = match last {
                Some((known, number)) if known == pointer => number,
                _ => self.number_of(pointer, address(*start))?,
            };
            last = Some((pointer, *row));
        }
        Ok(Ranges::new(networks))
    }

    fn number_of(&mut self, pointer: u32, ip: IpAddr) -> Result<u32, Why> {
        if let Some(number) = self.by_pointer.get(&pointer) {
            return Ok(*number);
        }
        let row = self.decode(ip)?;
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = match self.by_row.entry(row) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if self.all.len() >= ROWS_MAX => return Err(Why::Rows),
            Entry::Vacant(place) => {
                self.all.push(row);
                *place.insert(next)
            }
        };
        self.by_pointer.insert(pointer, number);
        Ok(number)
    }

    fn decode(&mut self, ip: IpAddr) -> Result<Row, Why> {
        let found = self.reader.lookup(ip)?;
        Ok(match found.decode::<RawRow<'_>>() {
            Ok(Some(raw)) => {
                self.fields.note(&raw);
                Row::new(&raw, self.grain, |name| self.organizations.number_of(name))
            }
            // The tree says that there is data, and the reader that there is none.
            Ok(None) => return Err(Why::Tree(super::tree::TreeError::Truncated)),
            Err(_) => Row::FAILED,
        })
    }
}
