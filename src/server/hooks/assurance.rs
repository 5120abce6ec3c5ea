//! What a passed challenge leaves in a browser, and the way there: an address to return to, a ticket, and the assurance cookie.
//!
//! ```text
//! errand    version u8 | expires_s u32 | decision [16] | user u128 | device u64 | flags u8 | hard u8 | factors u8 | binding [16] |
//!           length u16 of who | who, sealed | url
//! ticket    factor u8 | errand
//! assurance version u8 | expires_s u32 | proved_s u32 | factor u8 | hard u8 | witness u64 | binding [16]
//! ```
//! The binding is a hash of user, device, network prefix and browser family: none of them can be read from it, and in another browser
//! it is another one. The witness is a device that the history knew at that time: an erasure, or that the device was forgotten, ends the
//! cookie, whatever the user did afterwards.

use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::memory::decisions::DecisionId;
use crate::pipeline::request::{Device, HardEvidence};
use crate::signing::{Binding, Kind, Opened, SigningKeys};
use std::net::IpAddr;

/// The name of the cookie.
pub(super) const COOKIE: &str = "__Host-askance_assurance";
/// Seconds for which somebody who is asked can come back. **Source:** hooks.md.
const ERRAND_S: u32 = 600;
/// Seconds in which a ticket is exchanged. **Source:** hooks.md.
const TICKET_S: u32 = 60;
const VERSION: u8 = 1;
const ERRAND_VERSION: u8 = 2;
/// Flags of an errand.
const IS_FRESH: u8 = 1;
const IS_KNOWN: u8 = 2;
/// In the order of their numbers.
const FACTORS: [Factor; 5] = [Factor::Webauthn, Factor::Totp, Factor::Sms, Factor::Email, Factor::BackupCode];

/// Whose browser it is, and where: what a proof is good for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) user: UserKey,
    pub(super) device: u64,
    pub(super) address: IpAddr,
    pub(super) family: Option<u32>,
}

impl Facts {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = [&self.user.0.to_le_bytes()[..], &self.device.to_le_bytes()].concat();
        match self.family {
            Some(family) => bytes.extend_from_slice(&[&[1], &family.to_le_bytes()[..]].concat()),
            None => bytes.push(0),
        }
        // The same prefixes as everywhere: /24 and /48.
        match self.address {
            IpAddr::V4(v4) => bytes.extend_from_slice(&v4.octets()[..3]),
            IpAddr::V6(v6) => bytes.extend_from_slice(&v6.octets()[..6]),
        }
        bytes
    }
}

/// Why somebody was sent away, and where they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    /// What asked.
    pub(super) decision: DecisionId,
    pub(super) user: UserKey,
    pub(super) device: Device,
    /// What stood against the request already.
    pub(super) hard: HardEvidence,
    /// One of these is to be passed.
    pub(super) factors: FactorSet,
    binding: Binding,
    /// Who is asked, sealed for our own page; empty where that does not ask.
    pub(super) who: Vec<u8>,
    /// Where to go back to; empty where that is not known, or not allowed.
    pub(super) url: String,
}

/// An errand that was signed, and when it ends.
#[derive(Debug)]
pub(super) struct OpenErrand {
    pub(super) errand: Errand,
    pub(super) expires: Timestamp,
    opened: Opened,
}

impl OpenErrand {
    /// What came to the page, or back from it; `None` where that is none of ours, or too old.
    pub(super) fn open(keys: &SigningKeys, text: &str, now: Timestamp) -> Option<Self> {
        Self::read(keys, text).filter(|open| !open.is_over(now))
    }

    /// The same, however old.
    pub(super) fn read(keys: &SigningKeys, text: &str) -> Option<Self> {
        let opened = keys.open(Kind::Return, text)?;
        let (errand, expires) = Errand::read(&opened.content)?;
        Some(Self { errand, expires, opened })
    }

    /// Whether it is too late for it.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.unix_s() >= self.expires.unix_s()
    }

    /// When it was signed.
    pub(super) fn made(&self) -> Timestamp {
        Timestamp::from_unix_s(self.expires.unix_s().saturating_sub(ERRAND_S))
    }

    /// Whether it is in the browser that was asked.
    pub(super) fn is_of(&self, keys: &SigningKeys, address: IpAddr, family: Option<u32>) -> bool {
        keys.is_bound(&self.opened, &self.errand.binding, &self.errand.facts(address, family).to_bytes())
    }
}

impl Errand {
    pub(super) fn new(
        keys: &SigningKeys,
        (decision, hard, factors): (DecisionId, HardEvidence, FactorSet),
        (facts, device): (Facts, Device),
        (who, url): (Vec<u8>, String),
    ) -> Self {
        let (user, binding) = (facts.user, keys.bind(&facts.to_bytes()));
        Self { decision, user, device, hard, factors, binding, who, url }
    }

    /// What a proof is good for that is given from here.
    pub(super) fn facts(&self, address: IpAddr, family: Option<u32>) -> Facts {
        Facts { user: self.user, device: self.device.number, address, family }
    }

    /// What goes to the page as `rd`.
    pub(super) fn sign(&self, keys: &SigningKeys, now: Timestamp) -> String {
        keys.sign(Kind::Return, &self.write(now.unix_s().saturating_add(ERRAND_S)))
    }

    /// What whoever passed the factor takes back, and until when it is good.
    pub(super) fn ticket(&self, keys: &SigningKeys, factor: Factor, now: Timestamp) -> (String, Timestamp) {
        let expires_s = now.unix_s().saturating_add(TICKET_S);
        let content = [&[number(factor)][..], &self.write(expires_s)].concat();
        (keys.sign(Kind::Ticket, &content), Timestamp::from_unix_s(expires_s))
    }

    fn write(&self, expires_s: u32) -> Vec<u8> {
        let Device { number, is_fresh, is_known } = self.device;
        let flags = if is_fresh { IS_FRESH } else { 0 } | if is_known { IS_KNOWN } else { 0 };
        // A name and an address have 256 bytes each; what has no room is nobody.
        let (length, who) = u16::try_from(self.who.len()).map_or((0, &[][..]), |length| (length, &self.who[..]));
        let mut bytes = vec![ERRAND_VERSION];
        bytes.extend_from_slice(&expires_s.to_le_bytes());
        bytes.extend_from_slice(&self.decision.to_bytes());
        bytes.extend_from_slice(&self.user.0.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&[flags, self.hard.bits(), self.factors.bits()]);
        bytes.extend_from_slice(&self.binding);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(who);
        bytes.extend_from_slice(self.url.as_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<(Self, Timestamp)> {
        let mut rest = bytes;
        let [ERRAND_VERSION] = take(&mut rest)? else { return None };
        let expires_s = u32::from_le_bytes(take(&mut rest)?);
        let decision = DecisionId::from_bytes(take(&mut rest)?);
        let user = UserKey(u128::from_le_bytes(take(&mut rest)?));
        let number = u64::from_le_bytes(take(&mut rest)?);
        let [flags, hard, factors] = take(&mut rest)?;
        let device = Device { number, is_fresh: flags & IS_FRESH != 0, is_known: flags & IS_KNOWN != 0 };
        let binding = take(&mut rest)?;
        let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let (who, url) = rest.split_at_checked(length)?;
        let errand = Self {
            decision,
            user,
            device,
            hard: HardEvidence::from_bits(hard),
            factors: FactorSet::from_bits(factors),
            binding,
            who: who.to_vec(),
            url: std::str::from_utf8(url).ok()?.to_owned(),
        };
        Some((errand, Timestamp::from_unix_s(expires_s)))
    }
}

/// An errand that was done, on its way back.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) errand: Errand,
    pub(super) factor: Factor,
    opened: Opened,
}

impl Ticket {
    pub(super) fn open(keys: &SigningKeys, text: &str, now: Timestamp) -> Option<Self> {
        let opened = keys.open(Kind::Ticket, text)?;
        let (factor, rest) = opened.content.split_first()?;
        let (factor, (errand, expires)) = (*FACTORS.get(usize::from(*factor))?, Errand::read(rest)?);
        (now.unix_s() < expires.unix_s()).then_some(Self { errand, factor, opened })
    }

    /// Whether it came back to the browser that was asked.
    pub(super) fn is_of(&self, keys: &SigningKeys, address: IpAddr, family: Option<u32>) -> bool {
        keys.is_bound(&self.opened, &self.errand.binding, &self.errand.facts(address, family).to_bytes())
    }
}

/// That a factor was passed in this browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assurance {
    pub(super) proved: Timestamp,
    pub(super) factor: Factor,
    /// What stood against the request when it was asked for.
    pub(super) hard: HardEvidence,
    /// A device that the history knew.
    pub(super) witness: DeviceTag,
}

impl Assurance {
    /// The value of the cookie, for this browser.
    pub(super) fn sign(&self, keys: &SigningKeys, facts: Facts, ttl_s: u32) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.proved.unix_s().saturating_add(ttl_s).to_le_bytes());
        bytes.extend_from_slice(&self.proved.unix_s().to_le_bytes());
        bytes.extend_from_slice(&[number(self.factor), self.hard.bits()]);
        bytes.extend_from_slice(&self.witness.0.to_le_bytes());
        bytes.extend_from_slice(&keys.bind(&facts.to_bytes()));
        keys.sign(Kind::Assurance, &bytes)
    }

    /// What a cookie says, if it is of this browser and has not expired. Whether the history still vouches for it is to be asked.
    pub(super) fn open(keys: &SigningKeys, text: &str, facts: Facts, now: Timestamp) -> Option<Self> {
        let opened = keys.open(Kind::Assurance, text)?;
        let mut rest = opened.content.as_slice();
        let [VERSION] = take(&mut rest)? else { return None };
        let [expires_s, proved_s] = [take(&mut rest)?, take(&mut rest)?].map(u32::from_le_bytes);
        let [factor, hard] = take(&mut rest)?;
        let witness = DeviceTag(u64::from_le_bytes(take(&mut rest)?));
        let binding = take(&mut rest)?;
        // A clock that went back makes nothing younger than it is.
        let is_of_now = (proved_s..expires_s).contains(&now.unix_s()) && rest.is_empty();
        let factor = *FACTORS.get(usize::from(factor))?;
        let proved = Timestamp::from_unix_s(proved_s);
        (is_of_now && keys.is_bound(&opened, &binding, &facts.to_bytes())).then_some(Self {
            proved,
            factor,
            hard: HardEvidence::from_bits(hard),
            witness,
        })
    }
}

fn number(factor: Factor) -> u8 {
    match factor {
        Factor::Webauthn => 0,
        Factor::Totp => 1,
        Factor::Sms => 2,
        Factor::Email => 3,
        Factor::BackupCode => 4,
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests;
