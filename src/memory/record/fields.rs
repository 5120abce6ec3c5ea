//! The bytes of a decision: little-endian, one field behind the other in the order in which they stand here. An option has a byte
//! before it, 0 or 1; an enum is a number of `numbers.rs`; a text has its length in bytes before it, u32.
//!
//! A change of any of it is another version of the record.

use crate::clock::Timestamp;
use crate::context::Place;
use crate::context::agent::{Agent, AgentFamily};
use crate::device_token::{Origin, TokenUse};
use crate::event::{Factor, FactorSet};
use crate::history::Login;
use crate::keyed_hash::{AddressTag, DeviceTag, NetworkTag, SourceKey, Sources, UserKey};
use crate::memory::decisions::{ClientTag, Decision, Given, Name, Pending, Settled};
use crate::memory::record::numbers::{BY_RULE, Numbered, decider_of_number, number_of_decider};
use crate::signals::{Code, Signal};
use crate::units::{Coordinates, CountryCode, Kilometres};
use crate::velocity::Visit;
use crate::verdict::DecidedBy;
use crate::verdict::rules::RuleName;
use std::net::IpAddr;
use std::num::NonZeroU64;

const SIGNALS: usize = Signal::ALL.len();
const SIGNALS_OF_VERSION_1: usize = 7;

/// Something that stands in a record.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);

    /// `None` for what `put` does not write.
    fn take(from: &mut Reader<'_>) -> Option<Self>;
}

/// What is left to read, of a record of this version.
pub(super) struct Reader<'a>(pub(super) &'a [u8], pub(super) u8);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

/// Every field by its name: one that is added and not named here does not compile.
macro_rules! fields {
    ($($type:ty { $($field:ident),* })*) => {
        $(impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                Some(Self { $($field: Field::take(from)?),* })
            }
        })*
    };
}

fields! {
    Given { user, name, client, login, ip, codes, action, would_be, mode, confidence, decided_by }
    Pending { given, first_factor, offered, demanded, teaches, visit, expires, forgets_device }
    Settled { given, result, factor }
    Login { time, device, token, agent, address, network, asn, country, place, is_anonymous, proof }
    TokenUse { device, generation, origin }
    Agent { family, major }
    Place { at, radius, grain, country }
    Visit { user, sources, device_known }
    Sources { address, prefix, system }
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                from.bytes().map(Self::from_le_bytes)
            }
        })*
    };
}

numbers! { u16 u32 u64 u128 i64 f64 }

macro_rules! newtypes {
    ($($type:ident($inner:ty))*) => {
        $(impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(from: &mut Reader<'_>) -> Option<Self> {
                <$inner>::take(from).map(Self)
            }
        })*
    };
}

newtypes! { UserKey(u128) ClientTag(u64) DeviceTag(u64) AddressTag(u64) NetworkTag(u32) Origin(u16) SourceKey(NonZeroU64) }

impl Field for NonZeroU64 {
    fn put(&self, out: &mut Vec<u8>) {
        self.get().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        u64::take(from).and_then(Self::new)
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match from.bytes()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

/// The codes of signals. Version 1 has those of the seven that there were; what came since had nothing to say then.
impl Field for [Code; SIGNALS] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|code| code.put(out));
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let count = if from.1 == 1 { SIGNALS_OF_VERSION_1 } else { SIGNALS };
        let mut codes = [Code::NotEnoughHistory; SIGNALS];
        for code in &mut codes[..count] {
            *code = Code::take(from)?;
        }
        Some(codes)
    }
}

impl<T: Numbered> Field for T {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.number());
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let [number] = from.bytes()?;
        Self::of_number(number)
    }
}

impl Field for Decision {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pending(pending) => {
                out.push(0);
                pending.put(out);
            }
            Self::Settled(settled) => {
                out.push(1);
                settled.put(out);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match from.bytes()? {
            [0] => Pending::take(from).map(Box::new).map(Self::Pending),
            [1] => Settled::take(from).map(Self::Settled),
            _ => None,
        }
    }
}

impl Field for Name {
    fn put(&self, out: &mut Vec<u8>) {
        let (text, tenant_bytes) = self.as_parts();
        tenant_bytes.put(out);
        put_text(text, out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let tenant_bytes = u16::take(from)?;
        Self::from_parts(take_text(from)?, tenant_bytes)
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    // Bounded where logins and rules are read, far below this.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    length.put(out);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(from: &mut Reader<'a>) -> Option<&'a str> {
    let length = u32::take(from)?;
    let (text, rest) = from.0.split_at_checked(usize::try_from(length).ok()?)?;
    from.0 = rest;
    std::str::from_utf8(text).ok()
}

impl Field for DecidedBy {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(number_of_decider(self));
        if let Self::Rule(name) = self {
            put_text(name.as_str(), out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match from.bytes()? {
            [BY_RULE] => take_text(from).and_then(|name| RuleName::new(name).ok()).map(Self::Rule),
            [number] => decider_of_number(number),
        }
    }
}

impl Field for IpAddr {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::V4(v4) => {
                out.push(4);
                out.extend_from_slice(&v4.octets());
            }
            Self::V6(v6) => {
                out.push(6);
                out.extend_from_slice(&v6.octets());
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match from.bytes()? {
            [4] => from.bytes::<4>().map(Self::from),
            [6] => from.bytes::<16>().map(Self::from),
            _ => None,
        }
    }
}

impl Field for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        self.unix_ms().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        i64::take(from).and_then(Self::from_unix_ms)
    }
}

impl Field for AgentFamily {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_bits().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        u32::take(from).map(Self::from_bits)
    }
}

impl Field for Coordinates {
    fn put(&self, out: &mut Vec<u8>) {
        self.latitude().put(out);
        self.longitude().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Self::new(f64::take(from)?, f64::take(from)?)
    }
}

impl Field for Kilometres {
    fn put(&self, out: &mut Vec<u8>) {
        self.value().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        f64::take(from).and_then(Self::new)
    }
}

impl Field for CountryCode {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        from.bytes().and_then(Self::from_bytes)
    }
}

/// A bit for each factor, at its number.
impl Field for FactorSet {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.iter().fold(0, |bits, factor| bits | 1 << factor.number()));
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let [bits] = from.bytes()?;
        let numbers = (0..8).filter(|number| bits >> number & 1 == 1);
        numbers.map(Factor::of_number).collect()
    }
}
