use super::*;
use crate::mfa::authenticator::Authenticator;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

const ORIGIN: &str = "https://login.example.org";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_790_000_000_000 + ms).expect("it is in range")
}

fn relying() -> Relying {
    let text =
        "rp_id = 'example.org'\nrp_name = 'Example'\norigins = ['https://example.org', 'https://login.example.org']";
    Relying::new(&toml::from_str(text).expect("they are settings")).expect("they are consistent")
}

fn alice() -> Registrant<'static> {
    Registrant { handle: Handle(Uuid::from_bytes([7; 16])), name: "alice" }
}

/// What becomes of a ceremony between a decision and an answer: it is written and read.
fn kept<T: Serialize + serde::de::DeserializeOwned>(ceremony: &T) -> T {
    serde_json::from_str(&serde_json::to_string(ceremony).expect("it is written")).expect("it is read")
}

fn registered(relying: &Relying, authenticator: &Authenticator) -> Result<String, WebauthnFailed> {
    let (options, waiting) = relying.begin_registration(alice(), &[], at(0))?;
    relying.finish_registration(&kept(&waiting), &authenticator.register(&options), &[], at(0))
}

fn proved(relying: &Relying, credential: &str, authenticator: &mut Authenticator) -> Result<Proved, WebauthnFailed> {
    let (options, waiting) = relying.begin_authentication(&[credential], at(0))?;
    relying.finish_authentication(&kept(&waiting), &authenticator.answer(&options), &[credential], at(0))
}

#[test]
fn options_ask_for_what_the_contract_says() {
    let (relying, passkey) = (relying(), Authenticator::new(ORIGIN));
    let credential = registered(&relying, &passkey).expect("it is right");
    let (options, _) = relying.begin_registration(alice(), &[&credential], at(0)).expect("it begins");
    assert_eq!(options["rp"], json!({"id": "example.org", "name": "Example"}));
    let user = json!({"id": "BwcHBwcHBwcHBwcHBwcHBw", "name": "alice", "displayName": "alice"});
    assert_eq!(options["user"], user);
    let params = json!([{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}]);
    assert_eq!(options["pubKeyCredParams"], params);
    let selection = &options["authenticatorSelection"];
    assert_eq!((&selection["userVerification"], &selection["residentKey"]), (&json!("required"), &json!("preferred")));
    assert_eq!((&options["attestation"], &options["timeout"]), (&json!("none"), &json!(60_000)));
    assert_eq!(options["excludeCredentials"][0]["id"], URL_SAFE_NO_PAD.encode(passkey.id));
    let (options, _) = relying.begin_authentication(&[&credential], at(0)).expect("it begins");
    assert_eq!((&options["rpId"], &options["timeout"]), (&json!("example.org"), &json!(60_000)));
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"][0]["id"], URL_SAFE_NO_PAD.encode(passkey.id));
    assert!(relying.begin_authentication(&[], at(0)).is_err());
}

#[test]
fn a_passkey_proves_that_it_is_there_and_of_which_kind() {
    let relying = relying();
    for (is_synchronised, passkey) in [
        (false, Authenticator::new(ORIGIN)),
        (true, Authenticator::new(ORIGIN)),
        (true, Authenticator::with_rsa(ORIGIN)),
    ] {
        let mut passkey = Authenticator { is_synchronised, ..passkey };
        let credential = registered(&relying, &passkey).expect("it is right");
        let other = registered(&relying, &Authenticator::new("https://example.org")).expect("it is right");
        let both = [&*other, &*credential];
        let (options, waiting) = relying.begin_authentication(&both, at(0)).expect("it begins");
        let answer = passkey.answer(&options);
        let proved = relying.finish_authentication(&kept(&waiting), &answer, &both, at(60_000)).expect("it is right");
        assert_eq!((proved.at, proved.is_bound_to_device), (1, !is_synchronised));
        assert_ne!(proved.credential, credential, "the counter went on");
        let late = relying.finish_authentication(&waiting, &answer, &both, at(60_001));
        assert_eq!(late, Err(WebauthnFailed), "60 s are over");
        let removed = relying.finish_authentication(&waiting, &answer, &both[..1], at(0));
        assert_eq!(removed, Err(WebauthnFailed), "it was removed meanwhile");
    }
}

#[test]
fn a_counter_that_does_not_go_on_is_a_failure_whichever_ceremony_was_first() {
    let relying = relying();
    let mut passkey = Authenticator::new(ORIGIN);
    let credential = registered(&relying, &passkey).expect("it is right");
    let begin = || relying.begin_authentication(&[&credential], at(0)).expect("it begins");
    let (first, second) = (begin(), begin());
    let answered = passkey.answer(&first.0);
    let after =
        relying.finish_authentication(&first.1, &answered, &[&credential], at(0)).expect("it is right").credential;
    // A copy of the authenticator, at the count before.
    passkey.counter -= 1;
    let copy = passkey.answer(&second.0);
    assert!(relying.finish_authentication(&second.1, &copy, &[&credential], at(0)).is_ok(), "by the count of before");
    assert_eq!(relying.finish_authentication(&second.1, &copy, &[&after], at(0)), Err(WebauthnFailed));
    passkey.counter = 0;
    assert_eq!(proved(&relying, &after, &mut passkey), Err(WebauthnFailed), "one that counted, counts");
    let mut without = Authenticator { counter: 0, ..Authenticator::new(ORIGIN) };
    let credential = registered(&relying, &without).expect("it is right");
    for _ in 0..2 {
        assert!(proved(&relying, &credential, &mut without).is_ok(), "one that counts nothing is taken");
    }
}

#[test]
fn nothing_else_is_taken_for_a_registration() {
    let relying = relying();
    let register = |passkey: Authenticator| registered(&relying, &passkey);
    let good = || Authenticator::new(ORIGIN);
    assert!(register(good()).is_ok());
    for (what, passkey) in [
        ("another page", Authenticator { origin: "https://evil.example.com".to_owned(), ..good() }),
        ("a page below", Authenticator { origin: "https://a.login.example.org".to_owned(), ..good() }),
        ("another port", Authenticator { origin: "https://login.example.org:8443".to_owned(), ..good() }),
        ("without TLS", Authenticator { origin: "http://login.example.org".to_owned(), ..good() }),
        ("nobody verified", Authenticator { is_verified: false, ..good() }),
        ("another algorithm", Authenticator { algorithm: -35, ..good() }),
        ("another algorithm of RSA", Authenticator { algorithm: -258, ..Authenticator::with_rsa(ORIGIN) }),
    ] {
        assert_eq!(register(passkey), Err(WebauthnFailed), "{what}");
    }
    let passkey = good();
    let (options, waiting) = relying.begin_registration(alice(), &[], at(0)).expect("it begins");
    let answer = passkey.register(&options);
    let credential = relying.finish_registration(&waiting, &answer, &[], at(60_000)).expect("it is in time");
    for (existing, now) in [(vec![&*credential], at(0)), (vec![], at(60_001))] {
        assert_eq!(relying.finish_registration(&waiting, &answer, &existing, now), Err(WebauthnFailed));
    }
    let (other, _) = relying.begin_registration(alice(), &[], at(0)).expect("it begins");
    let to_other = relying.finish_registration(&waiting, &passkey.register(&other), &[], at(0));
    assert_eq!(to_other, Err(WebauthnFailed), "the answer to another challenge");
    for none in
        [json!(null), json!({}), json!("x"), json!({"id": "AA", "rawId": "AA", "type": "public-key", "response": {}})]
    {
        assert_eq!(relying.finish_registration(&waiting, &none, &[], at(0)), Err(WebauthnFailed));
    }
}

#[test]
fn nothing_else_is_taken_for_a_proof() {
    let relying = relying();
    let mut passkey = Authenticator::new(ORIGIN);
    let credential = registered(&relying, &passkey).expect("it is right");
    assert!(proved(&relying, &credential, &mut passkey).is_ok());
    let mut check = |what: &str, change: fn(&mut Authenticator)| {
        let (origin, is_verified) = (passkey.origin.clone(), passkey.is_verified);
        change(&mut passkey);
        assert_eq!(proved(&relying, &credential, &mut passkey), Err(WebauthnFailed), "{what}");
        (passkey.origin, passkey.is_verified) = (origin, is_verified);
    };
    check("another page", |passkey| passkey.origin = "https://example.org.evil.com".to_owned());
    check("nobody verified", |passkey| passkey.is_verified = false);
    assert_eq!(proved(&relying, &credential, &mut Authenticator::new(ORIGIN)), Err(WebauthnFailed), "another key");
    let (options, waiting) = relying.begin_authentication(&[&credential], at(0)).expect("it begins");
    let answer = passkey.answer(&options);
    for part in ["signature", "authenticatorData", "clientDataJSON"] {
        let text = answer["response"][part].as_str().expect("it is a text");
        for (at_letter, letter) in text.char_indices().step_by(7) {
            let mut changed = text.to_owned();
            changed.replace_range(at_letter..=at_letter, if letter == 'A' { "B" } else { "A" });
            let mut forged = answer.clone();
            forged["response"][part] = changed.into();
            let refused = relying.finish_authentication(&waiting, &forged, &[&credential], at(0));
            assert_eq!(refused, Err(WebauthnFailed), "{part}, {at_letter}");
        }
    }
    let (other, _) = relying.begin_authentication(&[&credential], at(0)).expect("it begins");
    let to_other = relying.finish_authentication(&waiting, &passkey.answer(&other), &[&credential], at(0));
    assert_eq!(to_other, Err(WebauthnFailed), "the answer to another challenge");
}
