//! One key pair on P-256, as files hold it and as verifiers read it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// A key that signs. Never printed.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
    x: String,
    y: String,
}

/// Why a text holds no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// It is not a private key in PKCS#8 and PEM.
    NotPem,
    /// It is one of another kind.
    NotP256,
    /// The operating system gives no randomness.
    NoRandomness,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => {
                "no key: PEM in PKCS#8, such as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` prints"
            }
            Self::NotP256 => "a key, but none on the curve P-256, or without its public half",
            Self::NoRandomness => "the operating system gives no randomness",
        })
    }
}

impl std::error::Error for KeyError {}

impl SigningKey {
    /// Reads what a file holds.
    ///
    /// # Errors
    ///
    /// See [`KeyError`]. The content is never named.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NotPem)?;
        Self::of(der.secret_pkcs8_der())
    }

    /// The text of a key that nobody had before, for a file.
    ///
    /// # Errors
    ///
    /// There is no randomness.
    pub fn generate() -> Result<String, KeyError> {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let der = der.map_err(|Unspecified| KeyError::NoRandomness)?;
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let (lines, rest) = text.as_bytes().as_chunks::<64>();
        let lines = lines.iter().map(|line| &line[..]).chain([rest]).filter(|line| !line.is_empty());
        // Letters of base64 are ASCII.
        let body: String = lines.map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"))
    }

    /// Its name: what the public half comes to.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn of(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new());
        let pair = pair.map_err(|_| KeyError::NotP256)?;
        // An uncompressed point (SEC 1): a byte that says so, and the halves.
        let point = pair.public_key().as_ref();
        let (x, y) = point.get(1..65).and_then(|halves| halves.split_at_checked(32)).ok_or(KeyError::NotP256)?;
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let id = thumbprint(&x, &y);
        Ok(Self { pair, id, x, y })
    }

    /// The public half (RFC 7517, RFC 7518 section 6.2).
    pub(super) fn public(&self) -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "kid": self.id, "use": "sig", "alg": "ES256"})
    }

    pub(super) fn sign(&self, message: &[u8], random: &SystemRandom) -> Result<Vec<u8>, Unspecified> {
        self.pair.sign(random, message).map(|signature| signature.as_ref().to_vec())
    }

    pub(super) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key()).verify(message, signature).is_ok()
    }
}

/// **Source:** RFC 7638, section 3: the members that are required, in the order of their names, without blanks.
pub(super) fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}
