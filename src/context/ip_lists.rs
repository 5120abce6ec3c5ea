//! Lists of addresses: who is on one, and the operator's allow list.
//!
//! Each list is compiled into sorted ranges at load; a lookup is a binary search a list, some 30 ns at 100,000 prefixes.
//! A list that does not parse, is empty, or holds a prefix too wide to be meant is refused as a whole.

mod ranges;

use crate::clock::{Clock, Timestamp};
use crate::units::Confidence;
use ipnet::IpNet;
use ranges::Ranges;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A list to load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSettings {
    /// How answers call it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How the file is written.
    #[serde(default)]
    pub format: Format,
    /// What its addresses are.
    pub category: Category,
    /// Hours after which the file (by its modification time) says nothing any more.
    #[serde(default = "default_max_age_h")]
    pub max_age_h: u32,
    /// Forces low confidence under the aggregator `evidence`; default only for `unroutable` and `drop_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<bool>,
}

fn default_max_age_h() -> u32 {
    48
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One address or CIDR a line; `#` and `;` begin comments.
    #[default]
    Netset,
    /// Spamhaus DROP: one JSON object a line, member `cidr`; the line with `type` `metadata` is skipped.
    DropJson,
}

/// What the addresses of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Seen attacking.
    Abuse,
    /// VPN, proxy, relay or Tor.
    Anonymizer,
    /// Hosting.
    Datacenter,
    /// A bad neighbourhood.
    Reputation,
    /// Address space that nobody may use.
    Unroutable,
}

impl Category {
    /// The word that stands in answers and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abuse => "abuse",
            Self::Anonymizer => "anonymizer",
            Self::Datacenter => "datacenter",
            Self::Reputation => "reputation",
            Self::Unroutable => "unroutable",
        }
    }
}

/// What a hit of each category is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryConfidence {
    /// Default low.
    pub abuse: Confidence,
    /// Default low.
    pub anonymizer: Confidence,
    /// Default medium.
    pub datacenter: Confidence,
    /// Default low.
    pub reputation: Confidence,
    /// Default low.
    pub unroutable: Confidence,
}

impl Default for CategoryConfidence {
    fn default() -> Self {
        Self {
            abuse: Confidence::Low,
            anonymizer: Confidence::Low,
            datacenter: Confidence::Medium,
            reputation: Confidence::Low,
            unroutable: Confidence::Low,
        }
    }
}

impl CategoryConfidence {
    /// Of one category.
    #[must_use]
    pub fn of(self, category: Category) -> Confidence {
        match category {
            Category::Abuse => self.abuse,
            Category::Anonymizer => self.anonymizer,
            Category::Datacenter => self.datacenter,
            Category::Reputation => self.reputation,
            Category::Unroutable => self.unroutable,
        }
    }
}

/// What the lists say of an address.
#[derive(Debug, Clone, PartialEq)]
pub enum ListFinding {
    /// The operator vouches for the network, or for its autonomous system.
    Allowed {
        /// The entry: a CIDR, or `AS64500`.
        matches: String,
        /// Whether the entry is a network, which lifts more than a system does.
        by_network: bool,
    },
    /// On a list.
    Listed(Hit),
    /// On none that could tell; also when there is no list.
    Clean,
    /// Every list is too old to tell; this is the name of the first.
    Stale(Arc<str>),
}

/// A hit on one list.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The prefix on the list.
    pub matches: IpNet,
    /// The list's name.
    pub source: Arc<str>,
    /// The list's category.
    pub category: Category,
    /// Whether it is evidence that stands by itself, under `evidence`.
    pub hard: bool,
}

/// All lists, loaded.
#[derive(Debug, Default)]
pub struct IpLists {
    allow: Ranges,
    allow_asns: Vec<u32>,
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    name: Arc<str>,
    category: Category,
    hard: bool,
    fresh_until_ms: i64,
    ranges: Ranges,
}

/// Why a list is refused.
#[derive(Debug)]
pub struct ListError {
    name: String,
    reason: String,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list {}: {}", self.name, self.reason)
    }
}

impl std::error::Error for ListError {}

/// Prefixes wider than these are a mistake or an attack: they would distrust 1/256 of the internet and more.
/// **Source:** signals.md.
const PREFIX_V4_MIN: u8 = 8;
const PREFIX_V6_MIN: u8 = 19;

impl IpLists {
    /// Loads every list and the allow list.
    ///
    /// # Errors
    ///
    /// The first list that is refused, with the line.
    pub fn load(settings: &[ListSettings], allow: &[AllowEntry], clock: Clock) -> Result<Self, ListError> {
        let lists = settings.iter().map(|settings| List::load(settings, clock)).collect::<Result<_, _>>()?;
        let networks = allow.iter().filter_map(|entry| match entry {
            AllowEntry::Network(network) => Some(*network),
            AllowEntry::Asn(_) => None,
        });
        let allow_asns = allow.iter().filter_map(|entry| match entry {
            AllowEntry::Asn(asn) => Some(*asn),
            AllowEntry::Network(_) => None,
        });
        Ok(Self { allow: Ranges::new(networks), allow_asns: allow_asns.collect(), lists })
    }

    /// What the lists say of `ip` at `now`. The allow list comes first; then the longest prefix on a list that is not
    /// stale wins.
    #[must_use]
    pub fn look_up(&self, ip: IpAddr, asn: Option<u32>, now: Timestamp) -> ListFinding {
        if let Some(network) = forms(ip).find_map(|form| self.allow.longest(form)) {
            return ListFinding::Allowed { matches: network.to_string(), by_network: true };
        }
        let fresh = || self.lists.iter().filter(|list| list.is_fresh(now));
        let hit = fresh().filter_map(|list| list.hit(ip)).reduce(|a, b| {
            // An earlier list keeps a tie.
            if b.matches.prefix_len() > a.matches.prefix_len() { b } else { a }
        });
        match (hit, asn.filter(|asn| self.allow_asns.contains(asn))) {
            (Some(_), Some(asn)) => ListFinding::Allowed { matches: format!("AS{asn}"), by_network: false },
            (Some(hit), None) => ListFinding::Listed(hit),
            (None, _) => match self.lists.first() {
                Some(first) if fresh().next().is_none() => ListFinding::Stale(Arc::clone(&first.name)),
                _ => ListFinding::Clean,
            },
        }
    }

    /// Names of lists that are too old to tell.
    pub fn stale(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.lists.iter().filter(move |list| !list.is_fresh(now)).map(|list| &*list.name)
    }

    /// Every list that has `ip`, with the prefix, for people.
    #[must_use]
    pub fn describe(&self, ip: IpAddr) -> Vec<Hit> {
        self.lists.iter().filter_map(|list| list.hit(ip)).collect()
    }
}

impl List {
    fn load(settings: &ListSettings, clock: Clock) -> Result<Self, ListError> {
        let refused = |reason: String| ListError { name: settings.name.clone(), reason };
        let unreadable = |error| refused(format!("cannot read {}: {error}", settings.path.display()));
        let text = std::fs::read_to_string(&settings.path).map_err(unreadable)?;
        let modified = modified(&settings.path, clock).map_err(unreadable)?;
        let prefixes = parse(&text, settings.format).map_err(refused)?;
        Ok(Self {
            name: settings.name.as_str().into(),
            category: settings.category,
            hard: settings
                .hard
                .unwrap_or(settings.category == Category::Unroutable || settings.format == Format::DropJson),
            fresh_until_ms: modified.unix_ms() + i64::from(settings.max_age_h) * 3_600_000,
            ranges: Ranges::new(prefixes.into_iter()),
        })
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        now.unix_ms() <= self.fresh_until_ms
    }

    fn hit(&self, ip: IpAddr) -> Option<Hit> {
        let matches = forms(ip).filter_map(|form| self.ranges.longest(form)).max_by_key(IpNet::prefix_len)?;
        Some(Hit { matches, source: Arc::clone(&self.name), category: self.category, hard: self.hard })
    }
}

fn modified(path: &Path, clock: Clock) -> std::io::Result<Timestamp> {
    Ok(clock.of_file(std::fs::metadata(path)?.modified()?))
}

/// The address, and the IPv4 address that a 6to4 (RFC 3056) or NAT64 (RFC 6052) form carries. v4-mapped ones are plain
/// already.
fn forms(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let carried = match ip {
        IpAddr::V6(v6) => match v6.octets() {
            [0x20, 0x02, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d)),
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        },
        IpAddr::V4(_) => None,
    };
    std::iter::once(ip).chain(carried.map(IpAddr::V4))
}

fn parse(text: &str, format: Format) -> Result<Vec<IpNet>, String> {
    let mut prefixes = Vec::new();
    for (line, at) in text.lines().zip(1_u32..) {
        let entry = match format {
            Format::Netset => netset_line(line),
            Format::DropJson => drop_json_line(line),
        };
        let entry = entry.map_err(|reason| format!("line {at}: {reason}"))?;
        let Some(prefix) = entry else { continue };
        let prefix = plain(prefix);
        let shortest = if prefix.addr().is_ipv4() { PREFIX_V4_MIN } else { PREFIX_V6_MIN };
        if prefix.prefix_len() < shortest {
            return Err(format!("line {at}: {prefix} is wider than /{shortest}"));
        }
        prefixes.push(prefix);
    }
    if prefixes.is_empty() { Err("holds no prefix".to_owned()) } else { Ok(prefixes) }
}

fn netset_line(line: &str) -> Result<Option<IpNet>, String> {
    let entry = line.split(['#', ';']).next().unwrap_or_default().trim();
    if entry.is_empty() { Ok(None) } else { network(entry).map(Some) }
}

fn drop_json_line(line: &str) -> Result<Option<IpNet>, String> {
    #[derive(Deserialize)]
    struct Line<'a> {
        cidr: Option<&'a str>,
        r#type: Option<&'a str>,
    }
    if line.trim().is_empty() {
        return Ok(None);
    }
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match line {
        Line { cidr: Some(cidr), .. } => network(cidr).map(Some),
        Line { r#type: Some("metadata"), .. } => Ok(None),
        Line { .. } => Err("neither a cidr nor metadata".to_owned()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.map(|network| network.trunc()).map_err(|_| format!("{text:?} is neither an address nor a CIDR"))
}

/// `::ffff:a.b.c.d/n` is the IPv4 network that it maps.
fn plain(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => ipnet::Ipv4Net::new(v4, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// An entry of the allow list: a CIDR, an address, or `AS64500`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AllowEntry {
    /// A network.
    Network(IpNet),
    /// An autonomous system.
    Asn(u32),
}

impl TryFrom<String> for AllowEntry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("AS") {
            Some(number) => {
                number.parse().map(Self::Asn).map_err(|_| format!("{text:?} is no autonomous system such as AS64500"))
            }
            None => network(&text).map(plain).map(Self::Network),
        }
    }
}

impl From<AllowEntry> for String {
    fn from(entry: AllowEntry) -> Self {
        match entry {
            AllowEntry::Network(network) => network.to_string(),
            AllowEntry::Asn(asn) => format!("AS{asn}"),
        }
    }
}

#[cfg(test)]
mod tests;
