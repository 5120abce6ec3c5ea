use super::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

const NOW_S: u32 = 1_790_000_000;

/// Made with OpenSSL 3.0, once; the private key is gone.
const RSA: &str = include_str!("rsa.json");

fn settings(change: &Value) -> JwtSettings {
    let mut settings = json!({
        "jwks_file": "jwks.json", "issuer": "https://id.example.org", "audience": "app", "header": "authorization",
        "algorithms": ["RS256", "PS256", "ES256", "EdDSA"],
    });
    settings.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
    serde_json::from_value(settings).expect("they are settings")
}

fn tokens(settings: JwtSettings, keys: &[Value]) -> Tokens {
    let keys = KeySet::parse(&json!({"keys": keys}).to_string()).expect("a key set");
    let source = Source::new(&settings, Clock).expect("a file is named");
    Tokens {
        settings,
        source,
        keys: Arc::new(ArcSwap::from_pointee(keys)),
        looked: Mutex::new(Some(Clock.start())),
        clock: Clock,
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// An issuer with two keys.
struct Issuer {
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("randomness");
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).expect("a key");
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).expect("randomness");
        let ed25519 = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).expect("a key");
        Self { p256, ed25519, random }
    }

    fn keys(&self) -> Vec<Value> {
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let ed25519 = URL_SAFE_NO_PAD.encode(self.ed25519.public_key());
        vec![
            json!({"kty": "EC", "crv": "P-256", "kid": "e1", "alg": "ES256", "x": x, "y": y}),
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "d1", "x": ed25519}),
            // Passed over.
            json!({"kty": "oct", "kid": "s1", "k": "c2VjcmV0"}),
            json!({"kty": "EC", "crv": "P-256", "kid": "e2", "use": "enc", "x": x, "y": y}),
            json!({"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": x, "y": y}),
        ]
    }

    fn token(&self, header: &Value, change: &Value) -> String {
        let mut claims = json!({"iss": "https://id.example.org", "aud": "app", "exp": NOW_S + 60, "sub": "Alice"});
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let message = format!("{}.{}", encoded(header), encoded(&claims));
        let signed = if header["alg"] == "EdDSA" {
            self.ed25519.sign(message.as_bytes()).as_ref().to_vec()
        } else {
            self.p256.sign(&self.random, message.as_bytes()).expect("randomness").as_ref().to_vec()
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    }
}

fn verified(tokens: &Tokens, token: &str) -> Result<String, Unverified> {
    tokens.verify(token, Timestamp::from_unix_s(NOW_S)).map(|named| named.user)
}

#[test]
fn a_token_of_the_issuer_for_us_names_its_user() {
    let issuer = Issuer::new();
    let tokens = tokens(settings(&json!({})), &issuer.keys());
    let es256 = || json!({"alg": "ES256", "kid": "e1", "typ": "JWT"});
    let (user, refused, unknown) = (Ok("Alice".to_owned()), Err(Unverified::Refused), Err(Unverified::KeyUnknown));
    for (header, change, expected) in [
        (es256(), json!({}), &user),
        (json!({"alg": "EdDSA", "kid": "d1"}), json!({}), &user),
        (json!({"alg": "ES256"}), json!({}), &user),
        (es256(), json!({"aud": ["other", "app"]}), &user),
        (es256(), json!({"nbf": NOW_S + 30, "exp": f64::from(NOW_S) + 0.5}), &user),
        (es256(), json!({"exp": NOW_S}), &refused),
        (es256(), json!({"exp": null}), &refused),
        (es256(), json!({"exp": "9999999999"}), &refused),
        (es256(), json!({"nbf": NOW_S + 61}), &refused),
        (es256(), json!({"iss": "https://id.example.org/"}), &refused),
        (es256(), json!({"iss": null}), &refused),
        (es256(), json!({"aud": "other"}), &refused),
        (es256(), json!({"aud": []}), &refused),
        (es256(), json!({"sub": null}), &refused),
        (es256(), json!({"sub": 7}), &refused),
        (json!({"alg": "ES256", "kid": "e1", "crit": ["b64"], "b64": false}), json!({}), &refused),
        (json!({"alg": "none"}), json!({}), &refused),
        (json!({"alg": "HS256", "kid": "e1"}), json!({}), &refused),
        (json!({"alg": "ES384", "kid": "e1"}), json!({}), &refused),
        (json!({"kid": "e1"}), json!({}), &refused),
        (json!({"alg": "ES256", "kid": "e2"}), json!({}), &unknown),
        (json!({"alg": "ES256", "kid": "d1"}), json!({}), &unknown),
        (json!({"alg": "EdDSA", "kid": "e1"}), json!({}), &unknown),
    ] {
        let token = issuer.token(&header, &change);
        assert_eq!(&verified(&tokens, &token), expected, "{header} {change}");
    }
    let stranger = Issuer::new().token(&es256(), &json!({}));
    assert_eq!(verified(&tokens, &stranger), refused, "somebody else's key of the same name");
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    let issuer = Issuer::new();
    let tokens = tokens(settings(&json!({})), &issuer.keys());
    let token = issuer.token(&json!({"alg": "ES256", "kid": "e1"}), &json!({}));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("letters");
        assert!(verified(&tokens, &changed).is_err(), "{at}");
        assert!(verified(&tokens, &token[..at]).is_err(), "cut at {at}");
    }
    for odd in ["", ".", "..", "...", "a.b.c", &format!("{token}."), &format!("{token}="), &format!("{token}.{token}")]
    {
        assert!(verified(&tokens, odd).is_err(), "{odd}");
    }
    assert!(verified(&tokens, &"a".repeat(TOKEN_BYTES_MAX + 1)).is_err());
}

#[test]
fn rsa_signs_in_both_ways_and_only_in_those_that_are_admitted() {
    let vectors: Value = serde_json::from_str(RSA).expect("vectors");
    let text = |name: &str| vectors[name].as_str().expect("a token").to_owned();
    let both = tokens(settings(&json!({})), &[vectors["jwk"].clone()]);
    for name in ["rs256", "ps256"] {
        assert_eq!(verified(&both, &text(name)).as_deref(), Ok("Alice"), "{name}");
    }
    let one = tokens(settings(&json!({"algorithms": ["PS256"]})), &[vectors["jwk"].clone()]);
    assert_eq!(verified(&one, &text("rs256")), Err(Unverified::Refused));
    let mut pinned = vectors["jwk"].clone();
    pinned["alg"] = json!("RS256");
    let pinned = tokens(settings(&json!({})), &[pinned]);
    assert_eq!(verified(&pinned, &text("ps256")), Err(Unverified::KeyUnknown), "the key is for another algorithm");
}

#[test]
fn a_key_set_without_a_key_is_none() {
    for bad in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}", "[]"] {
        assert!(KeySet::parse(bad).is_err(), "{bad}");
    }
    let many: Vec<Value> = Issuer::new().keys().into_iter().cycle().take(65).collect();
    assert!(KeySet::parse(&json!({"keys": many}).to_string()).is_err());
}
