//! What a line of a list, or of the allow list, names.

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A network, or an autonomous system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Entry {
    /// A network: a CIDR, or one address.
    Network(IpNet),
    /// An autonomous system: `AS64500`.
    Asn(u32),
}

/// Prefixes wider than these are a mistake or an attack: they would distrust 1/256 of the internet and more.
/// **Source:** signals.md.
const PREFIX_V4_MIN: u8 = 8;
const PREFIX_V6_MIN: u8 = 19;

impl Entry {
    /// The entry of a list of addresses to distrust.
    ///
    /// # Errors
    ///
    /// It covers more than anybody means to distrust, or nothing at all.
    pub(super) fn distrusted(self) -> Result<Self, String> {
        match self {
            Self::Network(network) => {
                let shortest = if network.addr().is_ipv4() { PREFIX_V4_MIN } else { PREFIX_V6_MIN };
                if network.prefix_len() < shortest {
                    Err(format!("{network} is wider than /{shortest}"))
                } else {
                    Ok(self)
                }
            }
            // RFC 7607: nobody announces from AS 0, so a row that names it is a gap in the source's data.
            Self::Asn(0) => Err("AS0 is no autonomous system".to_owned()),
            Self::Asn(_) => Ok(self),
        }
    }
}

/// An address or a CIDR. Host bits are cut off, and what is mapped from IPv4 is IPv4.
pub(super) fn network(text: &str) -> Result<Entry, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match parsed {
        Ok(network) => Ok(Entry::Network(plain(network.trunc()))),
        Err(_) => Err(format!("{} is neither an address nor a CIDR", quoted(text))),
    }
}

/// `::ffff:a.b.c.d/n` is the IPv4 network that it maps.
fn plain(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// The beginning of what stands there, for a message: a line may be long, and hold anything.
pub(super) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 48;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Asn(asn) => write!(f, "AS{asn}"),
        }
    }
}

impl TryFrom<String> for Entry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("AS") {
            Some(number) => {
                number.parse().map(Self::Asn).map_err(|_| format!("{text:?} is no autonomous system such as AS64500"))
            }
            None => network(&text),
        }
    }
}

impl From<Entry> for String {
    fn from(entry: Entry) -> Self {
        entry.to_string()
    }
}

/// The text of a line, or of a part of it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is no UTF-8 text".to_owned())
}
