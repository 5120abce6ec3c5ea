use super::*;
use crate::event::Factor;
use serde_json::{Value, json};

const NOW_S: u32 = 1_790_000_000;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(NOW_S + seconds)
}

fn key() -> SigningKey {
    SigningKey::generate().and_then(|pem| SigningKey::parse(&pem)).expect("there is randomness")
}

fn signer(keys: Vec<SigningKey>) -> Signer {
    Signer::new(&Settings::default(), keys)
}

fn proof(factor: Factor, is_bound_to_device: bool) -> Proof {
    Proof { factor, at_s: NOW_S - 7, is_bound_to_device }
}

fn statement(proof: Proof) -> Statement<'static> {
    Statement {
        audience: "shop",
        subject: "alice",
        tenant: "default",
        session: Some("s1"),
        proof,
        decision_id: "0190",
        act: None,
    }
}

fn signed(signer: &Signer) -> String {
    signer.sign(&statement(proof(Factor::Totp, false)), at(0)).expect("there is randomness").text
}

fn json_part(text: &str, part: usize) -> Value {
    let part = text.split('.').nth(part).expect("it has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

#[test]
fn an_assertion_says_who_proved_what_to_whom_and_when() {
    let signer = signer(vec![key()]);
    let act = Act { name: "transfer".to_owned(), digest: "d".to_owned() };
    let what = Statement { act: Some(&act), ..statement(proof(Factor::Webauthn, true)) };
    let signed = signer.sign(&what, at(0)).expect("there is randomness");
    let header = json_part(&signed.text, 0);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("askance-assertion+jwt")));
    let claims = json_part(&signed.text, 1);
    let expected = json!({
        "iss": "askance", "aud": "shop", "sub": "alice", "sid": "s1", "tenant": "default", "jti": signed.jti,
        "iat": NOW_S, "exp": NOW_S + 300, "auth_time": NOW_S - 7, "acr": "urn:askance:acr:phr",
        "amr": ["hwk", "mfa", "rba"], "decision_id": "0190", "act": {"name": "transfer", "digest": "d"},
    });
    assert_eq!(claims, expected);
    assert_eq!(signed.expires, at(300));
    let verified = signer.verify(&signed.text, at(0)).expect("it is ours");
    assert_eq!(serde_json::to_value(verified).ok(), Some(expected));
    let plain = json_part(&super::tests::signed(&signer), 1);
    assert_eq!((plain.get("act"), plain["jti"] == claims["jti"]), (None, false));
}

#[test]
fn methods_are_those_of_rfc_8176() {
    for (factor, is_bound_to_device, method, acr) in [
        (Factor::Webauthn, true, "hwk", "urn:askance:acr:phr"),
        (Factor::Webauthn, false, "swk", "urn:askance:acr:phr"),
        (Factor::Totp, false, "otp", "urn:askance:acr:mfa"),
        (Factor::Sms, false, "sms", "urn:askance:acr:mfa"),
        (Factor::Email, false, "otp", "urn:askance:acr:mfa"),
        (Factor::BackupCode, false, "otp", "urn:askance:acr:mfa"),
    ] {
        let proof = proof(factor, is_bound_to_device);
        assert_eq!((proof.amr(), proof.acr()), ([method, "mfa", "rba"], acr), "{factor:?}");
    }
}

#[test]
fn an_assertion_is_good_until_it_expires_and_with_the_issuer() {
    let (pem, signed) = (SigningKey::generate().expect("randomness"), |signer: &Signer| signed(signer));
    let parsed = || vec![SigningKey::parse(&pem).expect("it is a key")];
    let ours = signer(parsed());
    let text = signed(&ours);
    for (seconds, expected) in [(0, true), (299, true), (300, false), (100_000, false)] {
        assert_eq!(ours.verify(&text, at(seconds)).is_ok(), expected, "{seconds}");
    }
    let issuer = Issuer::try_from("https://login.example.org".to_owned()).expect("it is one");
    let other = Signer::new(&Settings { issuer, ttl_s: Bounded::of::<10>(), ..Settings::default() }, parsed());
    assert_eq!(other.verify(&text, at(0)), Err(Unverified), "another issuer with the same key");
    let short = signed(&other);
    assert!(other.verify(&short, at(9)).is_ok() && other.verify(&short, at(10)).is_err());
}

#[test]
fn keys_take_each_others_place_while_both_are_published() {
    let pems = [(); 3].map(|()| SigningKey::generate().expect("randomness"));
    let parsed = |which: &[usize]| -> Vec<SigningKey> {
        which.iter().map(|at| SigningKey::parse(&pems[*at]).expect("it is a key")).collect()
    };
    let published = |signer: &Signer| -> Vec<String> {
        let set: Value = serde_json::from_slice(&signer.jwks()).expect("JSON");
        let id = |key: &Value| key["kid"].as_str().unwrap_or_default().to_owned();
        set["keys"].as_array().expect("a key set").iter().map(id).collect()
    };
    let id = |at: usize| SigningKey::parse(&pems[at]).expect("it is a key").id().to_owned();
    let signer = signer(parsed(&[0, 1]));
    let first = signed(&signer);
    assert_eq!((published(&signer), json_part(&first, 0)["kid"].as_str()), (vec![id(0), id(1)], Some(&*id(0))));
    signer.replace(parsed(&[1, 0]));
    let second = signed(&signer);
    assert_eq!(json_part(&second, 0)["kid"].as_str(), Some(&*id(1)));
    assert!(signer.verify(&first, at(0)).is_ok() && signer.verify(&second, at(0)).is_ok());
    signer.replace(parsed(&[2, 1]));
    assert_eq!(published(&signer), [id(2), id(1)]);
    assert!(signer.verify(&first, at(0)).is_err(), "its key is gone");
    assert!(signer.verify(&second, at(0)).is_ok(), "its key is there still");
}

#[test]
fn what_is_published_verifies_what_was_signed() {
    let signer = signer(vec![key()]);
    let text = signed(&signer);
    let set: Value = serde_json::from_slice(&signer.jwks()).expect("JSON");
    let key = &set["keys"][0];
    let half = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap_or_default()).expect("base64url");
    let point = [&[4][..], &half("x"), &half("y")].concat();
    let (message, signature) = text.rsplit_once('.').expect("it has parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
    assert!(public.verify(message.as_bytes(), &signature).is_ok());
    assert!(key.get("d").is_none(), "the private half stays here");
}

#[test]
fn no_letter_of_an_assertion_can_be_changed_and_no_other_kind_is_one() {
    let signer = signer(vec![key()]);
    let text = signed(&signer);
    for at_byte in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("letters");
        assert!(signer.verify(&changed, at(0)).is_err(), "{at_byte}");
        assert!(signer.verify(&text[..at_byte], at(0)).is_err(), "cut at {at_byte}");
    }
    let forged = |header: Value| {
        let message = format!("{}.{}", encoded(&header), text.split('.').nth(1).expect("it has three parts"));
        let keys = signer.keys.load();
        let signature = keys.keys[0].sign(message.as_bytes(), &signer.random).expect("randomness");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let kid = signer.keys.load().keys[0].id().to_owned();
    assert!(signer.verify(&forged(json!({"alg": "ES256", "typ": TYPE, "kid": kid})), at(0)).is_ok());
    for header in [
        json!({"alg": "none", "typ": TYPE, "kid": kid}),
        json!({"alg": "HS256", "typ": TYPE, "kid": kid}),
        json!({"alg": "ES256", "typ": "JWT", "kid": kid}),
        json!({"alg": "ES256", "kid": kid}),
        json!({"alg": "ES256", "typ": TYPE}),
        json!({"alg": "ES256", "typ": TYPE, "kid": "other"}),
        json!({"alg": "ES256", "typ": TYPE, "kid": kid, "crit": ["b64"]}),
        json!({"alg": "ES256", "typ": TYPE, "kid": kid, "jwk": {}}),
    ] {
        assert_eq!(signer.verify(&forged(header.clone()), at(0)), Err(Unverified), "{header}");
    }
    for odd in ["", ".", "..", "...", "a.b.c", &format!("{text}="), &"a".repeat(TEXT_BYTES_MAX + 1)] {
        assert_eq!(signer.verify(odd, at(0)), Err(Unverified), "{odd}");
    }
}

/// The key of RFC 7517, appendix A.2, whose thumbprint was computed apart from this program.
#[test]
fn a_key_is_read_from_pem_and_named_by_its_thumbprint() {
    let pem = SigningKey::generate().expect("randomness");
    let key = SigningKey::parse(&pem).expect("it is a key");
    assert_eq!(key.id().len(), 43);
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()), "nothing of it is printed");
    assert_eq!(
        key::thumbprint("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"),
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    );
    for (text, expected) in [
        ("", KeyError::NotPem),
        ("0123456789abcdef", KeyError::NotPem),
        (&pem.replace("PRIVATE", "PUBLIC"), KeyError::NotPem),
        (&pem.replace("BEGIN PRIVATE", "BEGIN EC PRIVATE").replace("END PRIVATE", "END EC PRIVATE"), KeyError::NotPem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", KeyError::NotP256),
    ] {
        assert_eq!(SigningKey::parse(text).err(), Some(expected), "{text}");
    }
}

#[test]
fn an_issuer_is_one_plain_word() {
    for good in ["askance", "https://login.example.org/mfa"] {
        assert!(Issuer::try_from(good.to_owned()).is_ok(), "{good}");
    }
    for bad in ["", "two words", "a\nb", "ä", &"a".repeat(257)] {
        assert!(Issuer::try_from(bad.to_owned()).is_err(), "{bad}");
    }
}
