//! Who the client is: from the peer of a socket and the header lines of its request to one address.
//!
//! A header is what anybody can send, so it is believed only as far as it was written by proxies that the operator
//! trusts. From the peer leftwards each address was written by the hop to the right of it; the first one that is no
//! trusted proxy is the client, and what stands left of it is that client's own word.
//!
//! [`resolve`] is pure: no socket, no log, no settings of its own. The doors for proxies and the challenge pages call
//! it once a request; `/v1/score` does not, since its callers name the address. Any other server may.
//!
//! ```
//! use askance::server::client_ip::{Client, Settings, resolve};
//! use std::net::{IpAddr, Ipv4Addr};
//!
//! let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
//! let lines = [("X-Forwarded-For", b"6.6.6.6, 81.2.69.142".as_slice())];
//! let client = resolve(proxy, lines, &Settings::default());
//! assert_eq!(client, Client::Known(IpAddr::V4(Ipv4Addr::new(81, 2, 69, 142))));
//!
//! // Who is no trusted proxy is the client, whatever it claims.
//! let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
//! assert_eq!(resolve(stranger, lines, &Settings::default()), Client::Known(stranger));
//! ```

mod forwarded;
mod header;
mod node;
mod trusted;

pub use header::ClientHeader;
pub use trusted::TrustedProxies;

use std::fmt;
use std::net::IpAddr;

/// An entry that is longer cannot be read. A list entry takes 47 bytes; an element of `Forwarded` holds a host name of
/// up to 255 besides two addresses.
const ENTRY_BYTES_MAX: usize = 1024;
/// Trusted hops that are walked over. Real chains have two or three.
const ENTRIES_MAX: usize = 32;

/// Whom to believe, and where they write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Proxies whose header is believed.
    pub trusted_proxies: TrustedProxies,
    /// The header that they write.
    pub client_ip_header: ClientHeader,
}

/// Who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Client {
    /// Its address, v4-mapped ones in their v4 form.
    Known(IpAddr),
    /// A proxy wrote something that names no address. This counts as an unknown address; the peer is never put in its
    /// place, since then whoever breaks the header would borrow the address of the proxy.
    Unknown(Cause),
    /// The request cannot be judged: the error verdict.
    Error(ClientError),
}

/// Why an entry gives no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is neither an address nor anything else that may stand there; an empty one is such.
    Malformed,
    /// The proxy keeps the address to itself: `for=unknown`, `for=_name`, or an element without `for`.
    Withheld,
    /// An entry, or the chain of trusted proxies, is longer than is read.
    TooLong,
}

/// Why nobody can be named as the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientError {
    /// A trusted proxy sent no line of the header at all: it is not set up to, or somebody made it drop the header.
    HeaderMissing,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "an entry is no address",
            Self::Withheld => "the proxy withholds the address",
            Self::TooLong => "an entry or the chain of proxies is too long",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderMissing => f.write_str("a trusted proxy sent no header with the client's address"),
        }
    }
}

impl std::error::Error for ClientError {}

/// Finds the client of a request that came from `peer` with the header `lines`, pairs of name and value in order of
/// arrival; lines of other names are passed over.
///
/// Reads from the right and stops at the answer, so that neither its cost nor its result depends on what stands left of
/// that. At most [`Cause::TooLong`] bounds it: 32 entries of 1 KiB.
pub fn resolve<'a, L>(peer: IpAddr, lines: L, settings: &Settings) -> Client
where
    L: IntoIterator<Item = (&'a str, &'a [u8]), IntoIter: DoubleEndedIterator>,
{
    let Settings { trusted_proxies, client_ip_header: header } = settings;
    let peer = peer.to_canonical();
    if !trusted_proxies.contains(peer) {
        return Client::Known(peer);
    }
    let values = lines.into_iter().rev().filter(|(name, _)| header.is_named(name)).map(|(_, value)| value);
    let entries = values.flat_map(|value| FromRight { rest: Some(value), quotes: header.has_quotes() });
    let mut leftmost = None;
    for (walked, entry) in entries.enumerate() {
        if walked == ENTRIES_MAX {
            return Client::Unknown(Cause::TooLong);
        }
        match entry.and_then(|entry| header.address(entry)) {
            Ok(proxy) if trusted_proxies.contains(proxy) => leftmost = Some(proxy),
            Ok(client) => return Client::Known(client),
            Err(cause) => return Client::Unknown(cause),
        }
    }
    leftmost.map_or(Client::Error(ClientError::HeaderMissing), Client::Known)
}

/// The entries of one line, from the right; at least one, which may be empty.
struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    /// Whether a comma between double quotes is part of its entry.
    quotes: bool,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = Result<&'a [u8], Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (unread, near) = rest.split_at(rest.len().saturating_sub(ENTRY_BYTES_MAX + 1));
        if let Some(comma) = last_comma(near, self.quotes) {
            self.rest = Some(&rest[..unread.len() + comma]);
            return Some(Ok(&near[comma + 1..]));
        }
        self.rest = None;
        Some(if rest.len() <= ENTRY_BYTES_MAX { Ok(rest) } else { Err(Cause::TooLong) })
    }
}

/// Looks for quotes from the right as well: a quote that a client opened further left would else take the proxy's own
/// entry into its string. Where the syntax is kept, both directions find the same commas.
fn last_comma(text: &[u8], quotes: bool) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        match byte {
            b',' if !quoted => return Some(at),
            // Read from here, a string begins with its closing quote, which no backslash escapes.
            b'"' if quotes => quoted = !quoted || is_escaped(&text[..at]),
            _ => {}
        }
    }
    None
}

/// Whether the character after `before` is escaped: backslashes escape each other in pairs.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests;
