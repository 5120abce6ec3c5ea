//! `mfa_token`: what stands for one login, or one step-up, that asks for a factor. Sealed, so that it says nothing to whoever holds it,
//! and good for ten minutes for the client that asked.

use super::assertion::Act;
use super::pools::Side;
use super::sealing::{Keys, Use};
use super::{MfaError, serial};
use crate::clock::Timestamp;
use crate::event::FactorSet;
use crate::memory::decisions::{ClientTag, DecisionId};
use crate::pipeline::UserName;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What a token stands for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaToken {
    /// What asks.
    pub kind: TokenKind,
    /// When it was issued.
    #[serde(with = "serial::time")]
    pub made: Timestamp,
    /// Who asked, and alone may use it.
    #[serde(with = "serial::client")]
    pub client: ClientTag,
    /// The decision that asks; of a step-up, an id of its own.
    #[serde(with = "serial::decision")]
    pub decision: DecisionId,
    /// Whose memory.
    pub tenant: String,
    /// Who is asked.
    pub user: String,
    /// The factors that count. Of a user who has none, nothing; then it is an email address that is proved.
    #[serde(with = "serial::factors")]
    pub offered: FactorSet,
    /// Whether it comes from a device that is known to be the user's: strangers use up tries of their own.
    pub is_device_known: bool,
    /// Where the login comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The address that a user without factors may prove, as the login told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The session, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Of a step-up: what is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Act>,
}

/// What asks for a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A login.
    Login,
    /// Something within a session.
    StepUp,
    /// A new account, whose owner sets up factors.
    SignUp,
    /// An old account without a factor, whose owner is prompted for one. It asks for nothing that the login would rest on.
    SignIn,
}

/// An email address of the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// As the login told it.
    pub address: String,
    /// It did not change of late, as far as is known: proving it admits a first enrolment.
    pub is_settled: bool,
}

/// For so long a token is good. **Source:** mfa.md.
pub const LIFE_MS: i64 = 600_000;
/// A longer text is none: five texts of 256 bytes, each of which JSON may write as six, and a third more for the letters.
const TEXT_BYTES_MAX: usize = 16_384;

impl MfaToken {
    /// The text that stands for it.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn mint(&self, keys: &Keys) -> Result<String, MfaError> {
        // Our own types into memory: there is nothing in it that could fail.
        let content = serde_json::to_vec(self).unwrap_or_default();
        let sealed = keys.seal(Use::MfaToken, b"", &content).map_err(|_| MfaError::Unavailable)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What `text` stands for, shown by `client` at `now`. Good at exactly its last millisecond.
    ///
    /// # Errors
    ///
    /// It is none, another client's, or too old: in this order, so that a stranger learns nothing of its age.
    pub fn open(keys: &Keys, text: &str, client: ClientTag, now: Timestamp) -> Result<Self, MfaError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(MfaError::TokenInvalid);
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| MfaError::TokenInvalid)?;
        let content = keys.open(Use::MfaToken, b"", &sealed).ok_or(MfaError::TokenInvalid)?;
        let token: Self = serde_json::from_slice(&content).map_err(|_| MfaError::TokenInvalid)?;
        if token.client != client {
            return Err(MfaError::TokenOfOtherClient);
        }
        if now > token.expires() {
            return Err(MfaError::TokenExpired);
        }
        Ok(token)
    }

    /// Who is asked.
    #[must_use]
    pub fn user(&self) -> UserName<'_> {
        UserName { tenant: &self.tenant, id: &self.user }
    }

    /// From where proofs are tried.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.is_device_known { Side::Known } else { Side::Other }
    }

    /// When it is good for the last time.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.made.unix_ms() + LIFE_MS).unwrap_or(self.made)
    }
}

impl fmt::Debug for MfaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MfaToken({:?}, {})", self.kind, self.decision)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A token of alice, made at `ms`.
    pub(in crate::mfa) fn token(ms: i64) -> MfaToken {
        MfaToken {
            kind: TokenKind::Login,
            made: at(ms),
            client: ClientTag(7),
            decision: DecisionId::from_bytes([9; 16]),
            tenant: "default".to_owned(),
            user: "alice".to_owned(),
            offered: FactorSet::ALL,
            is_device_known: true,
            ip: None,
            email: Some(Email { address: "alice@example.org".to_owned(), is_settled: true }),
            session: Some("s".to_owned()),
            action: None,
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms).expect("it is in range")
    }

    #[test]
    fn a_token_is_good_for_its_client_for_ten_minutes() {
        let keys = Keys::new([1; 32], None);
        let text = token(0).mint(&keys).expect("there is randomness");
        let open = |client, ms| MfaToken::open(&keys, &text, ClientTag(client), at(ms));
        assert_eq!(open(7, 600_000), Ok(token(0)));
        assert_eq!(open(7, 600_001), Err(MfaError::TokenExpired));
        assert_eq!(open(8, 0), Err(MfaError::TokenOfOtherClient));
        assert_eq!(open(8, 600_001), Err(MfaError::TokenOfOtherClient));
        for (at, byte) in text.bytes().enumerate() {
            let other = if byte == b'A' { "B" } else { "A" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, other);
            let opened = MfaToken::open(&keys, &changed, ClientTag(7), Timestamp::from_unix_s(0));
            assert_eq!(opened, Err(MfaError::TokenInvalid), "{at}");
        }
        let huge = "A".repeat(5000);
        for none in ["", "A", "not a token", huge.as_str()] {
            assert_eq!(MfaToken::open(&keys, none, ClientTag(7), at(0)), Err(MfaError::TokenInvalid), "{none}");
        }
    }

    #[test]
    fn the_largest_token_fits_and_nothing_of_it_shows() {
        let keys = Keys::new([1; 32], None);
        let long = || "\u{1}".repeat(256);
        let address = format!("{}@", "\u{1}".repeat(255));
        let large = MfaToken {
            tenant: long(),
            user: long(),
            session: Some(long()),
            email: Some(Email { address, is_settled: true }),
            ..token(0)
        };
        let text = large.mint(&keys).expect("there is randomness");
        assert!(MfaToken::open(&keys, &text, ClientTag(7), at(0)) == Ok(large.clone()), "{} bytes", text.len());
        let shown = format!("{large:?}{:?}", large.email);
        assert!(!shown.contains('@') && !shown.contains('\u{1}'), "{shown}");
    }
}
