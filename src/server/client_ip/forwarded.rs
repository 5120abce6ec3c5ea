//! One element of `Forwarded`: `for="[2001:db8::1]:4711";proto=https`.
//!
//! Strict, since a client may have written it: what RFC 7239 does not allow is [`Cause::Malformed`] as a whole. The one
//! exception are blanks and tabs around `;`, which proxies are often configured to write.

use super::{Cause, node};
use std::borrow::Cow;
use std::net::IpAddr;

/// The address that `for` names in an element, which is trimmed.
///
/// **Source:** RFC 7239, section 4; token and quoted-string are those of RFC 9110, section 5.6.
pub(super) fn address(element: &[u8]) -> Result<IpAddr, Cause> {
    let named = values_of_for(element).ok_or(Cause::Malformed)?;
    match named.as_slice() {
        [] if element.is_empty() => Err(Cause::Malformed),
        [] => Err(Cause::Withheld),
        [only] => node::forwarded(only),
        // Which of them is the proxy's own cannot be told.
        _ => Err(Cause::Malformed),
    }
}

/// The values of every `for`; `None` where the syntax is not kept.
fn values_of_for(element: &[u8]) -> Option<Vec<Cow<'_, [u8]>>> {
    let mut named = Vec::new();
    let mut rest = element;
    while !rest.is_empty() {
        // Pairs may be empty, as in `for=192.0.2.1;`.
        if !rest.starts_with(b";") {
            let (name, behind) = token(rest)?;
            let (value, behind) = value(behind.strip_prefix(b"=")?)?;
            if name.eq_ignore_ascii_case(b"for") {
                named.push(value);
            }
            rest = node::trim(behind);
        }
        if !rest.is_empty() {
            rest = node::trim(rest.strip_prefix(b";")?);
        }
    }
    Some(named)
}

fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    match text.strip_prefix(b"\"") {
        Some(string) => quoted(string),
        None => token(text).map(|(value, behind)| (value.into(), behind)),
    }
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    (length > 0).then(|| text.split_at(length))
}

/// What a string holds whose opening quote is passed already, and what follows its closing one.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let mut plain = Vec::new();
    let mut bytes = text.iter();
    loop {
        let byte = match bytes.next()? {
            b'"' => return Some((plain.into(), bytes.as_slice())),
            b'\\' => bytes.next()?,
            byte => byte,
        };
        if !is_text(*byte) {
            return None;
        }
        plain.push(*byte);
    }
}

/// What may stand in a string, escaped or, but for the quote and the backslash, plain.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// What may stand in a token, such as the name of a header.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
