//! How a receiver can tell that it was us, now, and what we said.
//!
//! **Source:** Standard Webhooks 1.0.0, "Signature scheme": base64 of the HMAC-SHA256 of `id.timestamp.body`, behind `v1,`; one for each
//! secret, with spaces between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::fmt;

/// Before the base64 of a secret, so that people see what it is.
const PREFIX: &str = "whsec_";
/// **Source:** the same: 192 bits at least, 512 at most.
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret that we share with one receiver. Never printed.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// Why a text is no secret. The text is not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretError;

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must hold \"{PREFIX}\" and behind it {BYTES_MIN} to {BYTES_MAX} bytes in base64")
    }
}

impl std::error::Error for SecretError {}

impl Secret {
    /// Parses what a file holds.
    ///
    /// # Errors
    ///
    /// It is no secret.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).ok_or(SecretError)?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            return Err(SecretError);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets of one receiver: two while one takes the place of the other.
#[derive(Debug, Clone)]
pub struct Secrets(pub Vec<Secret>);

impl Secrets {
    /// The header `webhook-signature` of a body that is sent at this time, in seconds since 1970.
    pub(super) fn sign(&self, id: &str, time_s: u32, body: &[u8]) -> String {
        let signed = |Secret(key): &Secret| {
            let mut content = hmac::Context::with_key(key);
            content.update(format!("{id}.{time_s}.").as_bytes());
            content.update(body);
            format!("v1,{}", STANDARD.encode(content.sign()))
        };
        self.0.iter().map(signed).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of any length, as examples have them.
    fn key(text: &str) -> Secret {
        Secret(hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(text).unwrap_or_default()))
    }

    /// **Source:** the tests of the reference libraries of Standard Webhooks, and the examples of its verifier.
    #[test]
    fn signatures_are_those_of_the_specification() -> Result<(), SecretError> {
        let first = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
        let signed = Secrets(vec![first.clone()]).sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let ping = |secrets| {
            let body = br#"{"event_type":"ping","data":{"success":true}}"#;
            Secrets(secrets).sign("msg_loFOjxBNrRLzqYUf", 1_731_705_121, body)
        };
        let second = key("plJ3nmyCDGBKInavdOK15jsl");
        let signed = ping(vec![second.clone()]);
        assert_eq!(signed, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
        let both = ping(vec![second, first]);
        let (own, other) = both.split_once(' ').unwrap_or_default();
        assert_eq!((own, other.len(), own == other), (signed.as_str(), signed.len(), false));
        Ok(())
    }

    #[test]
    fn a_secret_has_a_prefix_and_a_length_and_is_not_printed() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (text, is_one) in [
            (of(24), true),
            (of(64), true),
            (format!(" {}\n", of(32)), true),
            (of(23), false),
            (of(65), false),
            (of(32).replace("whsec_", "whsk_"), false),
            (STANDARD.encode([7; 32]), false),
            ("whsec_%%%".to_owned(), false),
            (String::new(), false),
        ] {
            let parsed = Secret::parse(&text);
            assert_eq!(parsed.is_ok(), is_one, "{text:?}");
            assert!(parsed.is_err() || format!("{parsed:?}") == "Ok(Secret(…))");
        }
    }
}
