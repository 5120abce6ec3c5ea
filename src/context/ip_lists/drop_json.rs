//! Spamhaus DROP (IPv4 and IPv6) and ASN-DROP: one JSON object a line, and the last one, of type `metadata`, tells of the
//! file. They may be joined into one file.

use super::entry::{self, Entry};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    cidr: Option<Cow<'a, str>>,
    asn: Option<u32>,
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
}

pub(super) fn line(line: &[u8]) -> Result<Option<Entry>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    // A network that comes with its system stands for itself: the rest of the system is not accused.
    match (line.cidr, line.asn, line.r#type.as_deref()) {
        (Some(cidr), _, _) => entry::network(&cidr).map(Some),
        (None, Some(asn), _) => Ok(Some(Entry::Asn(asn))),
        (None, None, Some("metadata")) => Ok(None),
        (None, None, _) => Err("neither a cidr, nor an asn, nor metadata".to_owned()),
    }
}
