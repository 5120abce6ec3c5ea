//! Lists of addresses: who is on one, and the operator's allow list.
//!
//! Each list is compiled into sorted ranges when it is read; a lookup is a search a list, some 30 ns at 100,000 prefixes of
//! IPv4. A list that does not parse, is empty, shrinks by more than half, or holds a prefix too wide to be meant is
//! refused as a whole, and the last good one serves on. Nothing here watches files or waits: whoever owns the lists asks
//! [`IpLists::is_changed`] and calls [`IpLists::reload`].

mod csv;
mod drop_json;
mod entry;
mod forms;
mod list;
mod netset;
mod parse;
mod ranges;
mod settings;
mod tor;

pub use entry::Entry;
pub use settings::{Category, CategoryConfidence, Format, ListSettings};

use crate::clock::{Clock, Timestamp};
use crate::context::network::NetworkKinds;
use forms::Forms;
use list::List;
use ranges::{Prefixes, Ranges};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// The entry on the list.
    pub matches: Entry,
    /// The list's name.
    pub source: Arc<str>,
    /// The list's category.
    pub category: Category,
    /// Whether it is evidence that stands by itself, under `evidence`.
    pub hard: bool,
}

/// How one list is.
#[derive(Debug, Clone, PartialEq)]
pub struct ListHealth<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many entries its file names; none where no version of it was good yet.
    pub entries: usize,
    /// Memory that it takes, in bytes.
    pub heap_bytes: usize,
    /// When the version in use was written.
    pub modified: Option<Timestamp>,
    /// Whether that is too long ago for it to tell anything.
    pub is_stale: bool,
    /// Why the file as it is now is not in use.
    pub refused: Option<&'a str>,
}

/// All lists, loaded. Replaced as a whole; lists whose file is the same share their content.
#[derive(Debug, Default)]
pub struct IpLists {
    allow: Ranges,
    allow_asns: Vec<u32>,
    lists: Vec<List>,
}

/// Why a list is refused.
#[derive(Debug)]
pub struct ListError {
    name: Arc<str>,
    path: PathBuf,
    reason: String,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "list {} ({}): {}", self.name, self.path.display(), self.reason)
    }
}

impl std::error::Error for ListError {}

impl IpLists {
    /// Loads every list and the allow list, for a start.
    ///
    /// # Errors
    ///
    /// The first list that is refused, with the line.
    pub fn load(settings: &[ListSettings], allow: &[Entry], clock: Clock) -> Result<Self, ListError> {
        let (lists, refusals) = Self::default().reload(settings, allow, clock);
        refusals.into_iter().next().map_or(Ok(lists), Err)
    }

    /// Loads what changed. A list that is refused goes on with what was last good under its name and path; it has
    /// nothing to tell where there was none.
    #[must_use]
    pub fn reload(&self, settings: &[ListSettings], allow: &[Entry], clock: Clock) -> (Self, Vec<ListError>) {
        let mut lists: Vec<List> = Vec::with_capacity(settings.len());
        for settings in settings {
            let is_taken = lists.iter().any(|list| *list.name == *settings.name);
            lists.push(if is_taken {
                List::unread(settings, "another list has this name")
            } else {
                List::read(settings, self.lists.iter().find(|list| list.is_named(settings)), clock)
            });
        }
        let (mut networks, mut allow_asns) = (Prefixes::default(), Vec::new());
        for entry in allow {
            match entry {
                Entry::Network(network) => networks.push(*network),
                Entry::Asn(asn) => allow_asns.push(*asn),
            }
        }
        let refusals = lists.iter().filter_map(List::refusal).collect();
        (Self { allow: networks.into_ranges(), allow_asns, lists }, refusals)
    }

    /// Whether the file of a list is another version than the one last read, good or not. Costs a look at each file.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.lists.iter().any(List::is_changed)
    }

    /// How each list is at `now`, in the order of the settings.
    pub fn health(&self, now: Timestamp) -> impl Iterator<Item = ListHealth<'_>> {
        self.lists.iter().map(move |list| ListHealth {
            name: &list.name,
            entries: list.entries(),
            heap_bytes: list.heap_bytes(),
            modified: list.modified(),
            is_stale: list.modified().is_some() && !list.is_fresh(now),
            refused: list.refused(),
        })
    }

    /// `ip` is about to be looked up: has what the search begins with come from where memory is slow.
    pub fn prefetch_index(&self, ip: IpAddr) {
        self.ranges().for_each(|ranges| ranges.prefetch_index(ip.to_canonical()));
    }

    /// The same of what is searched, when that has come.
    pub fn prefetch_ranges(&self, ip: IpAddr) {
        self.ranges().for_each(|ranges| ranges.prefetch_ranges(ip.to_canonical()));
    }

    fn ranges(&self) -> impl Iterator<Item = &Ranges> {
        self.lists.iter().filter_map(List::ranges)
    }

    /// What the lists say of `ip`, and of the system it belongs to where that is known, at `now`. The allow list comes
    /// first; then the longest prefix on a list that is not stale wins, and any prefix wins over a system. What the
    /// network is used for is said by every list that has it, not only by the closest.
    #[must_use]
    pub fn look_up(&self, ip: IpAddr, asn: Option<u32>, now: Timestamp) -> (ListFinding, NetworkKinds) {
        let forms = Forms::of(ip);
        if let Some((_, network)) = forms.longest(&self.allow) {
            return (ListFinding::Allowed { matches: network.to_string(), by_network: true }, NetworkKinds::NONE);
        }
        let fresh = || self.lists.iter().filter(|list| list.is_fresh(now));
        let (mut closest, mut kinds) = (None, NetworkKinds::NONE);
        for (list, found) in fresh().filter_map(|list| list.find(&forms, asn).map(|found| (list, found))) {
            kinds = kinds.union(list.category.kinds());
            // An earlier list keeps a tie.
            if closest.as_ref().is_none_or(|(_, (closest, _))| found.0 > *closest) {
                closest = Some((list, found));
            }
        }
        let finding = match (closest, asn.and_then(|asn| self.vouched_for(asn))) {
            (Some(_), Some(vouched)) => vouched,
            (Some((list, (_, entry))), None) => ListFinding::Listed(Hit::new(list, entry)),
            (None, _) => match self.lists.first() {
                Some(first) if fresh().next().is_none() => ListFinding::Stale(Arc::clone(&first.name)),
                _ => ListFinding::Clean,
            },
        };
        (finding, kinds)
    }

    /// The allow list's entry of an autonomous system, which lifts what lists and databases say of it.
    #[must_use]
    pub fn vouched_for(&self, asn: u32) -> Option<ListFinding> {
        let matches = || Entry::Asn(asn).to_string();
        self.allow_asns.contains(&asn).then(|| ListFinding::Allowed { matches: matches(), by_network: false })
    }

    /// Names of lists that are too old to tell.
    pub fn stale(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.health(now).filter(|list| list.is_stale).map(|list| list.name)
    }

    /// Every list that has `ip` or its system, stale or not, with the entry, for people.
    #[must_use]
    pub fn describe(&self, ip: IpAddr, asn: Option<u32>) -> Vec<Hit> {
        let forms = Forms::of(ip);
        let hit = |list| List::find(list, &forms, asn).map(|(_, entry)| Hit::new(list, entry));
        self.lists.iter().filter_map(hit).collect()
    }
}

impl Hit {
    fn new(list: &List, matches: Entry) -> Self {
        Self { matches, source: Arc::clone(&list.name), category: list.category, hard: list.hard }
    }
}

#[cfg(test)]
mod tests;
