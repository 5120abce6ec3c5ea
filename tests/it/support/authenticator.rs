//! An authenticator in software, with the browser around it: what an API of passkeys answers, for tests.
//!
//! **Source:** Web Authentication Level 3, sections 5.8, 6.1 and 6.5; CBOR (RFC 8949) and COSE keys (RFC 9053) of the few
//! forms that these need.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::process::Command;

/// One passkey, and what it pretends.
pub(crate) struct Authenticator {
    pub(crate) pair: Pair,
    pub(crate) id: [u8; 16],
    /// Counts what is signed; one that stays 0 counts nothing.
    pub(crate) counter: u32,
    /// The page that asks.
    pub(crate) origin: String,
    /// Whether the user was verified, by a finger or a code.
    pub(crate) is_verified: bool,
    /// Whether the key can go to other devices.
    pub(crate) is_synchronised: bool,
    /// The algorithm that it says its key is for.
    pub(crate) algorithm: i16,
}

/// What signs.
pub(crate) enum Pair {
    /// ES256.
    Ec(EcdsaKeyPair),
    /// RS256.
    Rsa(RsaKeyPair),
}

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const ATTESTED: u8 = 0x40;

impl Authenticator {
    /// A new one, in a browser at `origin`.
    pub(crate) fn new(origin: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("randomness");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).expect("a key");
        Self::of(Pair::Ec(pair), -7, origin)
    }

    /// One with an RSA key, as OpenSSL makes it.
    pub(crate) fn with_rsa(origin: &str) -> Self {
        let words = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let made = Command::new("openssl").args(words).output().expect("openssl is there");
        let pem = String::from_utf8(made.stdout).expect("PEM is ASCII");
        let key: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(key).expect("PEM holds base64");
        let pair = RsaKeyPair::from_pkcs8(&key).expect("a key in PKCS#8");
        Self::of(Pair::Rsa(pair), -257, origin)
    }

    fn of(pair: Pair, algorithm: i16, origin: &str) -> Self {
        let public = match &pair {
            Pair::Ec(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        };
        let mut id = [0; 16];
        id.copy_from_slice(&digest(&SHA256, public).as_ref()[..16]);
        let origin = origin.to_owned();
        Self { pair, id, counter: 1, origin, is_verified: true, is_synchronised: false, algorithm }
    }

    /// The answer to the options of a registration.
    pub(crate) fn register(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.create", options);
        let rp_id = options["rp"]["id"].as_str().expect("the options name the domain");
        let mut data = self.data(rp_id, ATTESTED);
        data.extend([[0; 16].as_slice(), &[0, 16], &self.id, &self.cose_key()].concat());
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = vec![0xa3];
        object
            .extend([text("fmt"), text("none"), text("attStmt"), vec![0xa0], text("authData"), bytes(&data)].concat());
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key",
            "response": {"clientDataJSON": encoded(&client_data), "attestationObject": encoded(&object)},
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        })
    }

    /// The answer to the options of a challenge.
    pub(crate) fn answer(&mut self, options: &Value) -> Value {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client_data = self.client_data("webauthn.get", options);
        let rp_id = options["rpId"].as_str().expect("the options name the domain");
        let data = self.data(rp_id, 0);
        let message = [&data, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.pair.sign(&message);
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key",
            "response": {
                "clientDataJSON": encoded(&client_data), "authenticatorData": encoded(&data),
                "signature": encoded(&signature), "userHandle": null,
            },
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        })
    }

    fn client_data(&self, what: &str, options: &Value) -> Vec<u8> {
        let client_data = json!({
            "type": what, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        client_data.to_string().into_bytes()
    }

    fn data(&self, rp_id: &str, more: u8) -> Vec<u8> {
        let verified = if self.is_verified { VERIFIED } else { 0 };
        let synchronised = if self.is_synchronised { BACKUP_ELIGIBLE } else { 0 };
        let flags = PRESENT | verified | synchronised | more;
        [digest(&SHA256, rp_id.as_bytes()).as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// {1: 2 (EC2), 3: algorithm, -1: 1 (P-256), -2: x, -3: y} or {1: 3 (RSA), 3: algorithm, -1: n, -2: e}
    fn cose_key(&self) -> Vec<u8> {
        let algorithm = negative(self.algorithm);
        match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                [&[0xa5, 1, 2, 3], &*algorithm, &[0x20, 1, 0x21], &bytes(x), &[0x22], &bytes(y)].concat()
            }
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                [&[0xa4, 1, 3, 3], &*algorithm, &[0x20], &bytes(&n), &[0x21], &bytes(&e)].concat()
            }
        }
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(pair) => pair.sign(&random, message).expect("randomness").as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("randomness");
                signature
            }
        }
    }
}

/// A CBOR number below zero.
fn negative(number: i16) -> Vec<u8> {
    let [high, low] = u16::try_from(-1 - number).expect("it is below zero").to_be_bytes();
    match (high, low) {
        (0, 0..24) => vec![0x20 | low],
        (0, _) => vec![0x38, low],
        _ => vec![0x39, high, low],
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A CBOR text of less than 24 bytes.
fn text(text: &str) -> Vec<u8> {
    [&[0x60 | u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat()
}

/// CBOR bytes, less than 65,536 of them.
fn bytes(content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("there are less").to_be_bytes();
    [&[0x59, high, low], content].concat()
}
