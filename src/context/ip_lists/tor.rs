//! Tor's exits: blocks of the exit list (`ExitNode`, `Published`, `LastStatus`, `ExitAddress`), or an address a line, as in
//! the bulk exit list. Exits not seen for 48 hours are left out upstream.
//!
//! **Source:** Tor's exitlist-spec; `@type` and `Downloaded` stand before the blocks in the archives.

use super::entry::text;
use super::entry::{Entry, quoted};
use std::net::IpAddr;

pub(super) fn line(line: &[u8]) -> Result<Option<Entry>, String> {
    let line = text(line)?;
    let mut words = line.split_ascii_whitespace();
    let Some(keyword) = words.next() else { return Ok(None) };
    match keyword {
        "ExitAddress" => {
            let (Some(address), Some(_date), Some(_time), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(format!("{} is no ExitAddress with an address, a date and a time", quoted(line)));
            };
            exit(address)
        }
        "ExitNode" | "Published" | "LastStatus" | "Downloaded" | "@type" => Ok(None),
        _ if keyword.starts_with('#') => Ok(None),
        _ => exit(line.trim()),
    }
}

fn exit(address: &str) -> Result<Option<Entry>, String> {
    match address.parse::<IpAddr>() {
        Ok(ip) => Ok(Some(Entry::Network(ip.to_canonical().into()))),
        Err(_) => Err(format!("{} is neither a line of an exit list nor an address", quoted(address))),
    }
}
