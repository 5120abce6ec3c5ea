//! One address as proxies write it, with or without a port.
//!
//! Zone ids (`fe80::1%eth0`) are refused: they mean something only on the machine that wrote them.

use super::Cause;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Without the blanks and tabs around it.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// An entry of `x-forwarded-for`: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
pub(super) fn listed(entry: &[u8]) -> Result<IpAddr, Cause> {
    let text = std::str::from_utf8(entry).map_err(|_| Cause::Malformed)?;
    if let Ok(bare) = text.parse::<Ipv6Addr>() {
        return Ok(bare.into());
    }
    with_port(text, is_port).ok_or(Cause::Malformed)
}

/// The value of `for`, a node of RFC 7239, section 6: v6 in brackets only, ports and names may be obscured.
pub(super) fn forwarded(value: &[u8]) -> Result<IpAddr, Cause> {
    let text = std::str::from_utf8(value).map_err(|_| Cause::Malformed)?;
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    if name.eq_ignore_ascii_case("unknown") || is_obscured(name) {
        return Err(Cause::Withheld);
    }
    with_port(text, |port| is_port(port) || is_obscured(port)).ok_or(Cause::Malformed)
}

/// The parsers of `std` for an address with its port would take `[fe80::1%3]:80`.
fn with_port(text: &str, is_port: impl FnOnce(&str) -> bool) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']')?;
            let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
            (IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (address, port) = text.split_once(':').map_or((text, None), |(address, port)| (address, Some(port)));
            (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    port.is_none_or(is_port).then_some(address)
}

/// `u16` alone would take a sign, and zeros without end.
fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// A name that the proxy made up (RFC 7239, section 6.3).
fn is_obscured(text: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(is_of_name))
}
