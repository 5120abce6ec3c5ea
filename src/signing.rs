//! Texts that go out and come back as they were: signed, each kind under a key of its own, so that none is good as another.
//!
//! ```text
//! text  base64url( content | mac [16] )
//! ```
//! What stands in a text can be read by whoever has it, and changed by nobody.
//!
//! **Source:** the keyed mode and `derive_key` of BLAKE3 (O'Connor et al., 2020), of which 128 bits are kept; RFC 4648, section 5.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use subtle::ConstantTimeEq;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A factor was passed in this browser: the assurance cookie.
    Assurance,
    /// Where somebody who is asked came from, and goes back to.
    Return,
    /// The cookie is to be had for it, once.
    Ticket,
}

/// The keys: the first set signs, each of them knows what it signed. Never printed.
#[derive(Clone)]
pub struct SigningKeys {
    sets: Vec<KeySet>,
}

/// Of one secret, a key for each use.
#[derive(Clone)]
struct KeySet {
    assurance: [u8; 32],
    back: [u8; 32],
    ticket: [u8; 32],
    binding: [u8; 32],
}

/// A text that was signed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub content: Vec<u8>,
    set: usize,
}

/// Facts in 128 bits that tell nothing of them.
pub type Binding = [u8; 16];

const MAC_BYTES: usize = 16;
/// A longer text is none: an address of 2 KB, and what stands before it, with a third more for the letters.
const TEXT_BYTES_MAX: usize = 4096;

impl SigningKeys {
    /// Keys of secrets, the newest first.
    #[must_use]
    pub fn new(secrets: &[[u8; 32]]) -> Self {
        Self { sets: secrets.iter().map(KeySet::new).collect() }
    }

    /// A text that says `content`. Empty where there is no key.
    #[must_use]
    pub fn sign(&self, kind: Kind, content: &[u8]) -> String {
        let Some(set) = self.sets.first() else { return String::new() };
        let signed = [content, &hashed(set.key(kind), content)].concat();
        URL_SAFE_NO_PAD.encode(signed)
    }

    /// What a text of this kind says; `None` where it was not signed here, as such.
    #[must_use]
    pub fn open(&self, kind: Kind, text: &str) -> Option<Opened> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut content = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, mac) = content.split_last_chunk::<MAC_BYTES>()?;
        let set = self.sets.iter().position(|set| hashed(set.key(kind), said).ct_eq(mac).into())?;
        content.truncate(content.len() - MAC_BYTES);
        Some(Opened { content, set })
    }

    /// What ties a text to facts, for one that is to be signed.
    #[must_use]
    pub fn bind(&self, facts: &[u8]) -> Binding {
        self.sets.first().map_or([0; 16], |set| hashed(&set.binding, facts))
    }

    /// Whether a text that was opened is tied to these facts.
    #[must_use]
    pub fn is_bound(&self, opened: &Opened, binding: &Binding, facts: &[u8]) -> bool {
        self.sets.get(opened.set).is_some_and(|set| hashed(&set.binding, facts).ct_eq(binding).into())
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.sets.len())
    }
}

impl KeySet {
    fn new(secret: &[u8; 32]) -> Self {
        Self {
            assurance: blake3::derive_key("askance 2026-11-22 assurance cookie", secret),
            back: blake3::derive_key("askance 2026-11-22 address to return to", secret),
            ticket: blake3::derive_key("askance 2026-11-22 ticket for an assurance cookie", secret),
            binding: blake3::derive_key("askance 2026-11-22 binding to a browser", secret),
        }
    }

    fn key(&self, kind: Kind) -> &[u8; 32] {
        match kind {
            Kind::Assurance => &self.assurance,
            Kind::Return => &self.back,
            Kind::Ticket => &self.ticket,
        }
    }
}

fn hashed(key: &[u8; 32], content: &[u8]) -> [u8; MAC_BYTES] {
    let hash = blake3::keyed_hash(key, content);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 3] = [Kind::Assurance, Kind::Return, Kind::Ticket];

    fn said(keys: &SigningKeys, kind: Kind, text: &str) -> Option<Vec<u8>> {
        keys.open(kind, text).map(|opened| opened.content)
    }

    #[test]
    fn a_text_is_good_as_what_it_is_and_nothing_else() {
        let keys = SigningKeys::new(&[[1; 32]]);
        for kind in KINDS {
            let text = keys.sign(kind, b"alice");
            for other in KINDS {
                assert_eq!(said(&keys, other, &text), (other == kind).then(|| b"alice".to_vec()), "{kind:?} {other:?}");
            }
            let bytes = URL_SAFE_NO_PAD.decode(&text).expect("it was just encoded");
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(said(&keys, kind, &URL_SAFE_NO_PAD.encode(changed)), None, "bit {bit}");
            }
            for cut in 0..text.len() {
                assert_eq!(said(&keys, kind, &text[..cut]), None, "{cut}");
            }
        }
    }

    #[test]
    fn two_secrets_serve_while_one_takes_the_place_of_the_other() {
        let [old, both, new] = [&[[1; 32]][..], &[[2; 32], [1; 32]], &[[2; 32]]].map(SigningKeys::new);
        let binding = old.bind(b"here");
        let text = old.sign(Kind::Ticket, &binding);
        assert_eq!(said(&new, Kind::Ticket, &text), None);
        let opened = both.open(Kind::Ticket, &text).expect("the old key is known still");
        assert!(both.is_bound(&opened, &binding, b"here") && !both.is_bound(&opened, &binding, b"there"));
        assert!(said(&new, Kind::Ticket, &both.sign(Kind::Ticket, b"")).is_some(), "the new one signs");
        assert_eq!(format!("{both:?}"), "SigningKeys(2)");
    }

    proptest! {
        #[test]
        fn any_text_is_none(text in "[A-Za-z0-9_-]{0,300}") {
            prop_assert_eq!(said(&SigningKeys::new(&[[1; 32]]), Kind::Return, &text), None);
        }
    }
}
