//! What is kept of one user: one record, which each call reads, decides on, and puts back over what it read.
//!
//! Sealed as a whole ([`super::sealing`]); what stands in it in clear are secrets and addresses, so that nothing of it is printed.
//! A field per concern, each bounded beside its code. What is added later has a default, so that older records open.

use super::assertion::Act;
use super::challenge::Challenge;
use super::enrolment::Enrolment;
use super::pools::Pools;
use super::recipient::{Channel, Recipient};
use super::token::{MfaToken, TokenKind};
use super::webauthn::Handle;
use super::{MfaError, serial};
use crate::clock::{DAY_MS, Timestamp};
use crate::event::{Factor, FactorSet};
use crate::memory::decisions::{ClientTag, DecisionId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is kept of one user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserRecord {
    /// What the user can prove with.
    pub factors: Vec<BoundFactor>,
    /// The codes that go with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_codes: Option<BackupCodes>,
    /// What waits for an answer, oldest first.
    pub challenges: Vec<Challenge>,
    /// What is about to be bound, oldest first.
    pub enrolments: Vec<Enrolment>,
    /// What was proved of late, oldest first.
    pub proofs: Vec<Proof>,
    /// What was answered wrongly of late.
    pub failures: Pools,
    /// When the user put off what they are prompted for.
    #[serde(with = "serial::time_if_any", skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Timestamp>,
    /// How authenticators know the user; there with the first passkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<Handle>,
}

/// A factor that is the user's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoundFactor {
    /// Names it in calls.
    pub id: FactorId,
    /// What it is.
    pub means: Means,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was bound.
    #[serde(with = "serial::time")]
    pub bound: Timestamp,
    /// The login in which it was bound, which it does not prove.
    #[serde(with = "serial::decision")]
    pub bound_in: DecisionId,
    /// When it was last proved with.
    #[serde(default, with = "serial::time_if_any", skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// What a factor is, and what is needed to tell who has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A passkey or security key.
    Webauthn {
        /// As the verifier keeps it, in JSON.
        credential: String,
    },
    /// An authenticator app.
    Totp {
        /// Shared with it.
        secret: Hidden<Vec<u8>>,
        /// The last step that was accepted; only a later one is.
        last_step: u64,
    },
    /// A phone.
    Sms {
        /// Its number.
        to: Recipient,
    },
    /// A mailbox.
    Email {
        /// Its address.
        to: Recipient,
    },
}

impl Means {
    /// Which factor it is.
    #[must_use]
    pub fn factor(&self) -> Factor {
        match self {
            Self::Webauthn { .. } => Factor::Webauthn,
            Self::Totp { .. } => Factor::Totp,
            Self::Sms { .. } => Factor::Sms,
            Self::Email { .. } => Factor::Email,
        }
    }

    /// As the verifier of passkeys keeps it, of one.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Webauthn { credential } => Some(credential),
            Self::Totp { .. } | Self::Sms { .. } | Self::Email { .. } => None,
        }
    }

    /// What is proved by codes that are sent there.
    #[must_use]
    pub fn of(to: Recipient) -> Self {
        match to.channel() {
            Channel::Sms => Self::Sms { to },
            Channel::Email => Self::Email { to },
        }
    }

    /// To whom codes are sent, of a factor that is one.
    #[must_use]
    pub fn recipient(&self) -> Option<&Recipient> {
        match self {
            Self::Sms { to } | Self::Email { to } => Some(to),
            Self::Webauthn { .. } | Self::Totp { .. } => None,
        }
    }
}

/// Codes for when nothing else is at hand: each is good once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackupCodes {
    /// Names the set in calls.
    pub id: FactorId,
    /// One for the set.
    #[serde(with = "serial::bytes")]
    pub salt: [u8; 16],
    /// Of each code that was not used, its slow hash.
    pub unused: Vec<CodeHash>,
    /// When they were made.
    #[serde(with = "serial::time")]
    pub made: Timestamp,
    /// When one was last used.
    #[serde(default, with = "serial::time_if_any", skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// The slow hash of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeHash(#[serde(with = "serial::bytes")] pub [u8; 32]);

/// That somebody proved to be the user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    /// What asked for it.
    #[serde(with = "serial::decision")]
    pub of: DecisionId,
    /// Of what kind that was.
    pub kind: TokenKind,
    /// For whom.
    #[serde(with = "serial::client")]
    pub client: ClientTag,
    /// With what.
    pub factor: Factor,
    /// When.
    #[serde(with = "serial::time")]
    pub at: Timestamp,
    /// It was the address that the login told, and no factor of the user's.
    #[serde(default)]
    pub is_of_contact: bool,
    /// The key of a passkey that proved it stays in one device, as far as it says so itself.
    #[serde(default)]
    pub is_bound_to_device: bool,
    /// In which session, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// For which action, where it was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Act>,
}

/// Names a factor, or a set of codes, of a user: 64 bits at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorId(u64);

impl FactorId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn random() -> Result<Self, MfaError> {
        getrandom::u64().map(Self).map_err(|_| MfaError::Unavailable)
    }

    /// Parses 16 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden<T>(pub T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Proofs that are kept: of more sessions at a time than anybody has, each some 150 bytes.
const PROOFS_MAX: usize = 32;
/// Whatever a record without factors holds is over by then: codes, sleeps, proofs.
const WITHOUT_FACTORS_MS: i64 = DAY_MS;
/// How records are written. Another number is of a later version, which this one must not write over.
const VERSION: u8 = 1;

impl UserRecord {
    /// As it is sealed.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut encoded = vec![VERSION];
        // Our own types into memory: there is nothing in it that could fail.
        serde_json::to_writer(&mut encoded, self).unwrap_or_default();
        encoded
    }

    /// From how it was sealed.
    pub(super) fn decode(encoded: &[u8]) -> Option<Self> {
        let [VERSION, json @ ..] = encoded else { return None };
        serde_json::from_slice(json).ok()
    }

    /// When it may be forgotten.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.factors.is_empty() && self.backup_codes.is_none() && self.skipped.is_none() {
            Timestamp::from_unix_ms(now.unix_ms() + WITHOUT_FACTORS_MS)
        } else {
            None
        }
    }

    /// The factors that the user has, in the order in which they are offered: passkeys, what was used last, backup codes.
    pub fn in_order(&self) -> Vec<Factor> {
        let mut bound: Vec<&BoundFactor> = self.factors.iter().collect();
        bound.sort_by_key(|bound| (bound.means.factor() != Factor::Webauthn, std::cmp::Reverse(bound.last_used)));
        let mut factors: Vec<Factor> = Vec::new();
        for factor in bound.into_iter().map(|bound| bound.means.factor()) {
            if !factors.contains(&factor) {
                factors.push(factor);
            }
        }
        let has_codes = self.backup_codes.as_ref().is_some_and(|codes| !codes.unused.is_empty());
        factors.extend(has_codes.then_some(Factor::BackupCode));
        factors
    }

    /// The same as a set.
    #[must_use]
    pub fn enrolled(&self) -> FactorSet {
        self.in_order().into_iter().collect()
    }

    /// Whether what the token stands for was proved.
    #[must_use]
    pub fn is_proved(&self, token: &MfaToken) -> bool {
        self.proof_of(token).is_some()
    }

    /// The proof of what the token stands for.
    #[must_use]
    pub fn proof_of(&self, token: &MfaToken) -> Option<&Proof> {
        self.proofs.iter().find(|proof| proof.of == token.decision && proof.kind == token.kind)
    }

    /// Keeps a proof; the oldest one goes where there are too many.
    pub fn prove(&mut self, proof: Proof) {
        if self.proofs.len() >= PROOFS_MAX {
            self.proofs.remove(0);
        }
        self.proofs.push(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).expect("it is in range")
    }

    fn bound(means: Means, last_used: Option<i64>) -> BoundFactor {
        BoundFactor {
            id: FactorId(1),
            means,
            label: None,
            bound: at(0),
            bound_in: DecisionId::from_bytes([0; 16]),
            last_used: last_used.map(at),
        }
    }

    fn full() -> UserRecord {
        let totp = Means::Totp { secret: Hidden(b"secret".to_vec()), last_step: 5 };
        let recipient = |text: &str| Recipient::email(text).expect("it is an address");
        let (email, sms) = (recipient("alice@example.org"), recipient("2025550123@example.org"));
        let passkey = || bound(Means::Webauthn { credential: "{}".to_owned() }, None);
        UserRecord {
            factors: vec![
                passkey(),
                bound(totp, Some(1)),
                bound(Means::Sms { to: sms }, Some(2)),
                bound(Means::Email { to: email }, None),
                passkey(),
            ],
            backup_codes: Some(BackupCodes {
                id: FactorId(2),
                salt: [7; 16],
                unused: vec![CodeHash([8; 32])],
                made: at(3),
                last_used: Some(at(9)),
            }),
            ..UserRecord::default()
        }
    }

    #[test]
    fn factors_are_offered_passkeys_first_then_by_last_use_and_backup_codes_last() {
        let mut record = full();
        let words = |record: &UserRecord| record.in_order().into_iter().map(Factor::as_str).collect::<Vec<_>>();
        assert_eq!(words(&record), ["webauthn", "sms", "totp", "email", "backup_code"]);
        record.backup_codes.iter_mut().for_each(|codes| codes.unused.clear());
        record.factors.remove(0);
        assert_eq!(words(&record), ["webauthn", "sms", "totp", "email"], "a set that is used up is hidden");
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_an_older_one_opens() {
        let record = full();
        let encoded = record.encode();
        let decoded = UserRecord::decode(&encoded).map(|decoded| decoded.encode());
        assert_eq!(decoded, Some(encoded.clone()));
        assert!(UserRecord::decode(b"\x01{}").is_some_and(|record| record.enrolled().is_empty()));
        assert!(UserRecord::decode(&[&[2], &encoded[1..]].concat()).is_none(), "a later version");
        assert_eq!((record.until(at(0)), UserRecord::default().until(at(0))), (None, Some(at(DAY_MS))));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let shown = format!("{:?}", full());
        for secret in ["alice", "2025550123", "115, 101"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }

    #[test]
    fn proofs_are_bounded() {
        let mut record = UserRecord::default();
        for at_ms in 0..100 {
            record.prove(Proof {
                of: DecisionId::from_bytes([1; 16]),
                kind: TokenKind::Login,
                client: ClientTag(1),
                factor: Factor::Totp,
                at: at(at_ms),
                is_of_contact: false,
                is_bound_to_device: false,
                session: None,
                action: None,
            });
        }
        assert_eq!((record.proofs.len(), record.proofs.first().map(|proof| proof.at)), (32, Some(at(68))));
    }
}
