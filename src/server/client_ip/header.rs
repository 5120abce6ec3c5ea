//! Which header names the client, and how it is written.

use super::{Cause, forwarded, node};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The name of the header to believe: `x-forwarded-for` by default, `forwarded` (RFC 7239), or one with a single address
/// such as `x-real-ip`, which is a list of one.
///
/// Exactly one name. A proxy writes one header and passes the others on as the client sent them, so that believing a
/// second one would let clients choose their address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientHeader {
    name: String,
    syntax: Syntax,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// Addresses between commas.
    List,
    /// RFC 7239.
    Forwarded,
}

impl ClientHeader {
    /// Whether a line of this name is one to read. Case does not matter; an underscore is no hyphen, though some
    /// applications take `X_Forwarded_For` for the same header.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn has_quotes(&self) -> bool {
        self.syntax == Syntax::Forwarded
    }

    /// The address in one entry, canonical.
    pub(super) fn address(&self, entry: &[u8]) -> Result<IpAddr, Cause> {
        let entry = node::trim(entry);
        let address = match self.syntax {
            Syntax::List => node::listed(entry),
            Syntax::Forwarded => forwarded::address(entry),
        };
        address.map(|address| address.to_canonical())
    }
}

impl Default for ClientHeader {
    fn default() -> Self {
        Self { name: "x-forwarded-for".to_owned(), syntax: Syntax::List }
    }
}

impl TryFrom<String> for ClientHeader {
    type Error = String;

    /// Refuses what is no header name, and underscores: several servers drop such headers, others take them for the
    /// ones with hyphens.
    fn try_from(mut name: String) -> Result<Self, String> {
        if name.is_empty() || !name.bytes().all(|byte| forwarded::is_token(byte) && byte != b'_') {
            return Err(format!("{name:?} is no header name such as x-forwarded-for, forwarded or x-real-ip"));
        }
        name.make_ascii_lowercase();
        let syntax = if name == "forwarded" { Syntax::Forwarded } else { Syntax::List };
        Ok(Self { name, syntax })
    }
}

impl From<ClientHeader> for String {
    fn from(header: ClientHeader) -> Self {
        header.name
    }
}
