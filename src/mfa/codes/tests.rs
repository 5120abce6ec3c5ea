use super::*;
use CodeError::{Expired, Mismatch, NotFound, OtherTarget, TooManyTries};

const ONE: &[u8] = b"challenge one";

fn keys() -> CodeKeys {
    CodeKeys::new(&[1; 32], None)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_000_000_000 + ms).expect("it is in range")
}

fn bob() -> Recipient {
    Recipient::email("bob@example.org").expect("it is an address")
}

fn code(draw: u32) -> Code {
    Code::draw(|| Some(draw)).expect("the draw is taken")
}

/// Code 000007, sent to Bob for challenge one at 0 ms.
fn sent() -> SentCode {
    SentCode::new(&keys(), ONE, &bob(), &code(7), at(0), Bounded::of::<600>())
}

fn verify(sent: &mut SentCode, code: &str, ms: i64) -> Result<(), CodeError> {
    sent.verify(&keys(), ONE, &bob(), code, at(ms), &Settings::default())
}

#[test]
fn draws_that_would_favour_some_codes_are_drawn_again() {
    let drawn = |draws: &[u32]| {
        let mut draws = draws.iter().copied();
        Code::draw(|| draws.next()).map(|code| code.as_str().to_owned())
    };
    for (draws, code) in [
        (&[7][..], Some("000007")),
        (&[999_999], Some("999999")),
        (&[1_000_000], Some("000000")),
        (&[4_293_999_999], Some("999999")),
        (&[4_294_000_000, 5], Some("000005")),
        (&[u32::MAX, u32::MAX, 123_456], Some("123456")),
        (&[], None),
        (&[u32::MAX], None),
    ] {
        assert_eq!(drawn(draws).as_deref(), code, "{draws:?}");
    }
    assert_eq!(DRAWS_END % CODES, 0, "each code has as many draws as any other");
    assert_eq!(drawn(&[u32::MAX; 64]), None, "that is no randomness, and not waited for");
    assert!(Code::random().is_some_and(|code| code.as_str().len() == 6));
}

#[test]
fn a_code_is_good_once_and_to_the_last_millisecond_of_its_life() {
    for (ms, then) in [(0, Ok(())), (600_000, Ok(())), (600_001, Err(Expired)), (-5, Ok(()))] {
        assert_eq!(verify(&mut sent(), "000007", ms), then, "{ms}");
    }
    let mut used = sent();
    assert_eq!(verify(&mut used, "000007", 1), Ok(()));
    assert_eq!(verify(&mut used, "000007", 2), Err(NotFound));
    let mut short = SentCode::new(&keys(), ONE, &bob(), &code(7), at(0), Bounded::of::<60>());
    assert_eq!(short.expires_at(), Some(at(60_000)));
    assert_eq!(verify(&mut short, "000007", 60_001), Err(Expired));
}

#[test]
fn only_the_same_six_letters_are_the_code() {
    for wrong in ["000008", "7", "0000007", "000007 ", " 00007", "００００００７", "", "00000７"] {
        assert_eq!(verify(&mut sent(), wrong, 1), Err(Mismatch), "{wrong}");
    }
}

#[test]
fn so_many_wrong_tries_are_borne_and_no_more() {
    let mut sent = sent();
    for left in (0..10).rev() {
        assert_eq!(verify(&mut sent, "123456", 1), Err(Mismatch));
        assert_eq!(sent.tries_left(&Settings::default()), left);
    }
    assert_eq!(verify(&mut sent, "000007", 2), Err(TooManyTries));
    let looser = Settings { tries_max: Bounded::of::<11>(), ..Settings::default() };
    assert_eq!(sent.verify(&keys(), ONE, &bob(), "000007", at(2), &looser), Ok(()), "the limit is the setting");
}

/// Each row is wrong in what its error says, and in everything that is looked at later.
#[test]
fn checks_come_in_the_order_of_the_contract() {
    let other = Recipient::email("eve@example.org").expect("it is an address");
    let tried_out = || {
        let mut sent = sent();
        (0..10).for_each(|_| assert_eq!(verify(&mut sent, "1", 1), Err(Mismatch)));
        sent
    };
    let used = || SentCode { code: None, ..tried_out() };
    for (mut sent, to, ms, then) in [
        (used(), &other, 700_000, NotFound),
        (tried_out(), &other, 700_000, OtherTarget),
        (tried_out(), &bob(), 700_000, Expired),
        (tried_out(), &bob(), 1, TooManyTries),
        (sent(), &bob(), 1, Mismatch),
    ] {
        let before = sent.wrong_tries;
        assert_eq!(sent.verify(&keys(), ONE, to, "123456", at(ms), &Settings::default()), Err(then));
        assert_eq!(sent.wrong_tries > before, then == Mismatch, "{then:?}: only a mismatch costs a try");
    }
}

#[test]
fn a_code_is_for_one_challenge_one_recipient_and_one_key() {
    let settings = Settings::default();
    assert_eq!(sent().verify(&keys(), b"two", &bob(), "000007", at(1), &settings), Err(Mismatch));
    let upper = Recipient::email("BOB@example.org").expect("it is an address");
    assert_eq!(sent().verify(&keys(), ONE, &upper, "000007", at(1), &settings), Ok(()));
    let foreign = CodeKeys::new(&[2; 32], None);
    assert_eq!(sent().verify(&foreign, ONE, &bob(), "000007", at(1), &settings), Err(OtherTarget));
    let after = CodeKeys::new(&[2; 32], Some(&[1; 32]));
    assert_eq!(sent().verify(&after, ONE, &bob(), "000007", at(1), &settings), Ok(()), "while a key is replaced");
}

#[test]
fn a_further_code_has_to_wait() {
    for (ms, wait) in
        [(0, Some(60)), (1, Some(60)), (59_000, Some(1)), (59_999, Some(1)), (60_000, None), (-9_000, Some(60))]
    {
        assert_eq!(sent().resend_wait_s(at(ms), &Settings::default()), wait, "{ms}");
    }
    let sooner = Settings { resend_s: Bounded::of::<1>(), ..Settings::default() };
    assert_eq!(sent().resend_wait_s(at(1_000), &sooner), None, "the limit is the setting");
}

#[test]
fn what_is_kept_tells_nothing_of_the_code_and_comes_back_as_it_was() -> Result<(), serde_json::Error> {
    let text = serde_json::to_string(&sent())?;
    assert!(!text.contains("000007") && !text.contains("bob") && !text.contains("challenge"), "{text}");
    let printed = format!("{:?} {:?} {:?}", sent(), code(7), keys());
    assert!(!printed.contains("000007") && !printed.contains("bob"), "{printed}");
    let mut back: SentCode = serde_json::from_str(&text)?;
    assert_eq!(back, sent());
    assert_eq!(verify(&mut back, "000007", 1), Ok(()));
    Ok(())
}
