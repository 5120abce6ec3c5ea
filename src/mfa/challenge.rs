//! Challenges: what is asked of a user, until it is answered. Part of the user's record, and pure.

use super::codes::SentCode;
use super::pools::Side;
use super::token::{MfaToken, TokenKind};
use super::user::{BoundFactor, FactorId, UserRecord};
use super::webauthn::Authenticating;
use super::{MfaError, serial};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::memory::decisions::DecisionId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is asked of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Challenge {
    /// Names it in calls.
    pub id: ChallengeId,
    /// What asks: an answer is good for nothing else.
    #[serde(with = "serial::decision")]
    pub of: DecisionId,
    /// Of what kind that is.
    pub kind: TokenKind,
    /// From where it is tried.
    pub side: Side,
    /// By what.
    pub factor: Factor,
    /// By which of the user's; none of an address that only the login told, and of passkeys, any of which will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_id: Option<FactorId>,
    /// When it is over, with the token that it was asked for.
    #[serde(with = "serial::time")]
    pub until: Timestamp,
    /// What it waits for.
    pub waiting: Waiting,
}

/// What a challenge waits for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// A code that the user has.
    Code,
    /// A code that was sent.
    Sent(SentCode),
    /// A passkey's answer.
    Passkey(Authenticating),
    /// Nothing: it was passed, and what that means is being done.
    Passed(Passed),
}

/// An answer that was right. Until what it means is done, the same answer has it done; so a process may end in between.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Passed {
    /// When.
    #[serde(with = "serial::time")]
    pub at: Timestamp,
    /// What tells the answer from others, and nothing of it.
    #[serde(with = "serial::bytes")]
    pub answer: [u8; 32],
    /// The key of the passkey stays in one device, as far as it says so itself.
    #[serde(default)]
    pub is_bound_to_device: bool,
}

/// Names a challenge, or an enrolment: 128 bits at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeId(#[serde(with = "serial::bytes")] [u8; 16]);

impl ChallengeId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn random() -> Result<Self, MfaError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| MfaError::Unavailable)?;
        Ok(Self(bytes))
    }

    /// Parses 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(|bits| Self(bits.to_be_bytes()))
    }

    /// As what a code is bound to.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Challenges that wait at a time, of a user's own devices, and of all others. Strangers push out strangers' only. A waiting passkey has
/// some 600 bytes, anything else some 200.
const WAITING_MAX: usize = 8;

impl UserRecord {
    /// What has ended is forgotten.
    pub fn forget_ended(&mut self, now: Timestamp) {
        self.challenges.retain(|challenge| now <= challenge.until);
        self.enrolments.retain(|enrolment| now <= enrolment.until);
    }

    /// Keeps a challenge: in place of one of the same login and factor, which ends with it, and of the oldest one where there are too
    /// many.
    pub fn ask(&mut self, challenge: Challenge, now: Timestamp) {
        self.forget_ended(now);
        let takes_place_of = |other: &Challenge| {
            let is_passed = matches!(other.waiting, Waiting::Passed(_));
            (other.of, other.kind, other.factor) == (challenge.of, challenge.kind, challenge.factor) && !is_passed
        };
        self.challenges.retain(|other| !takes_place_of(other));
        let of_side = |other: &Challenge| other.side == challenge.side;
        if self.challenges.iter().filter(|other| of_side(other)).count() >= WAITING_MAX
            && let Some(oldest) = self.challenges.iter().position(of_side)
        {
            self.challenges.remove(oldest);
        }
        self.challenges.push(challenge);
    }

    /// Where a challenge of this token is.
    ///
    /// # Errors
    ///
    /// There is none: it was answered, a newer one took its place, or it is over.
    pub fn challenge(&self, token: &MfaToken, id: ChallengeId) -> Result<usize, MfaError> {
        let is_it = |challenge: &Challenge| {
            challenge.id == id && challenge.of == token.decision && challenge.kind == token.kind
        };
        self.challenges.iter().position(is_it).ok_or(MfaError::CodeNotFound)
    }

    /// What the user may prove with here, in the order in which it is offered: what is bound, but not in this very login, among what
    /// the login asks for and what is on.
    #[must_use]
    pub fn usable(&self, token: &MfaToken, on: FactorSet) -> Vec<Factor> {
        let is_usable = |factor: &Factor| {
            on.has(*factor)
                && token.offered.has(*factor)
                && (*factor == Factor::BackupCode || self.bound(*factor, token).next().is_some())
        };
        self.in_order().into_iter().filter(is_usable).collect()
    }

    /// The factors of one kind that were not bound in this very login.
    pub fn bound<'a>(&'a self, factor: Factor, token: &MfaToken) -> impl Iterator<Item = &'a BoundFactor> {
        let of = token.decision;
        self.factors.iter().filter(move |bound| bound.means.factor() == factor && bound.bound_in != of)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::token;
    use super::*;

    fn challenge(of: u8, side: Side, id: u8) -> Challenge {
        Challenge {
            id: ChallengeId([id; 16]),
            of: DecisionId::from_bytes([of; 16]),
            kind: TokenKind::Login,
            side,
            factor: Factor::Totp,
            factor_id: None,
            until: Timestamp::from_unix_s(600),
            waiting: Waiting::Code,
        }
    }

    #[test]
    fn strangers_push_out_challenges_of_strangers_only() {
        let (mut record, now) = (UserRecord::default(), Timestamp::from_unix_s(0));
        record.ask(challenge(1, Side::Known, 1), now);
        for of in 2..100 {
            record.ask(challenge(of, Side::Other, of), now);
        }
        let left: Vec<ChallengeId> = record.challenges.iter().map(|challenge| challenge.id).collect();
        let expected: Vec<ChallengeId> = [1].into_iter().chain(92..100).map(|id| ChallengeId([id; 16])).collect();
        assert_eq!(left, expected);
        record.ask(challenge(1, Side::Known, 200), now);
        assert_eq!(record.challenges.len(), 9, "a newer one of the same login takes the place of the older one");
        record.forget_ended(Timestamp::from_unix_s(601));
        assert!(record.challenges.is_empty());
    }

    #[test]
    fn a_challenge_is_one_of_its_login_only() {
        let (mut record, now) = (UserRecord::default(), Timestamp::from_unix_s(0));
        record.ask(challenge(9, Side::Known, 1), now);
        let own = token(0);
        let id = ChallengeId::parse(&ChallengeId([1; 16]).to_string()).expect("it is as it was written");
        assert_eq!(record.challenge(&own, id), Ok(0));
        let others = [
            MfaToken { decision: DecisionId::from_bytes([8; 16]), ..own.clone() },
            MfaToken { kind: TokenKind::StepUp, ..own.clone() },
        ];
        for other in others {
            assert_eq!(record.challenge(&other, id), Err(MfaError::CodeNotFound), "{other:?}");
        }
        assert_eq!(record.challenge(&own, ChallengeId([2; 16])), Err(MfaError::CodeNotFound));
        for bad in ["", "01", "zz010101010101010101010101010101", "+1010101010101010101010101010101"] {
            assert_eq!(ChallengeId::parse(bad), None, "{bad}");
        }
    }
}
