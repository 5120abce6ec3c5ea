//! The engine over memory of its own: what is accepted once, by whom, and what a process that ends in between leaves.

use super::ask::Wanted;
use super::challenge::ChallengeId;
use super::login::Demand;
use super::user::{BoundFactor, FactorId, Hidden, Means};
use super::verify::{Answer, Verified};
use super::*;
use crate::clock::{Clock, Timestamp};
use crate::event::{ClientIp, FactorSet, LoginEvent};
use crate::memory::decisions::{ClientTag, DecisionId, LoginResult, Report};
use crate::pipeline::tests::{Faulty, event, pipeline, score};
use crate::pipeline::{SettleError, UserName};
use std::sync::atomic::Ordering;
use std::thread;

const ALICE: UserName<'_> = UserName { tenant: "default", id: "alice" };
const SECRET: &[u8] = b"12345678901234567890";

/// An engine over memory of its own.
pub(super) fn mfa() -> Mfa<Faulty> {
    let pipeline = pipeline().expect("its parts are there");
    let signing = SigningKey::generate().and_then(|pem| SigningKey::parse(&pem)).expect("there is randomness");
    let keys = EngineKeys { secrets: Keys::new([1; 32], None), signing: vec![signing] };
    let settings = Settings::default();
    let messenger = Messenger::new(&settings.connectors, &[], &settings.locale, &NoSources, Clock);
    let messenger = messenger.expect("it has no connectors");
    Mfa::new(Arc::new(pipeline), settings, keys, messenger).expect("it has no passkeys")
}

/// Nothing is read.
struct NoSources;

impl message::Sources for NoSources {
    fn secret(&self, _: &message::SecretSource) -> Result<String, String> {
        Err("there is none".to_owned())
    }

    fn file(&self, _: &std::path::Path) -> Result<Vec<u8>, String> {
        Err("there is none".to_owned())
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// An engine whose alice has an authenticator app.
fn with_app() -> Mfa<Faulty> {
    let mfa = mfa();
    let bound = wait(mfa.update_user(ALICE, Clock.now(), |record| {
        record.factors.push(BoundFactor {
            id: FactorId::random()?,
            means: Means::Totp { secret: Hidden(SECRET.to_vec()), last_step: 0 },
            label: None,
            bound: Clock.now(),
            bound_in: DecisionId::from_bytes([0; 16]),
            last_used: None,
        });
        Ok(())
    }));
    assert_eq!(bound, Ok(()));
    mfa
}

/// A login of alice that demands a factor, and its token.
fn demand(mfa: &Mfa<Faulty>, now: Timestamp, is_device_known: bool) -> MfaToken {
    let risky = LoginEvent { ip: ClientIp::parse("999.1.1.1".into()), ..event(now) };
    let scored = score(&mfa.pipeline, &risky, now);
    let demand = Demand {
        client: ClientTag(0),
        decision: scored.id,
        user: ALICE,
        offered: scored.verdict.offered,
        is_device_known,
        ip: None,
        email: None,
        session: None,
        now,
    };
    let (text, _) = mfa.demand(demand).ok().flatten().expect("it is answered here");
    MfaToken::open(&mfa.keys, &text, ClientTag(0), now).expect("it was just made")
}

fn begin(mfa: &Mfa<Faulty>, token: &MfaToken, now: Timestamp) -> ChallengeId {
    wait(mfa.begin(token, Wanted::default(), now)).map(|begun| begun.id).expect("it is offered")
}

fn verify(
    mfa: &Mfa<Faulty>,
    token: &MfaToken,
    id: ChallengeId,
    code: &str,
    now: Timestamp,
) -> Result<Verified, MfaError> {
    wait(mfa.verify(token, "portal", id, Answer::Code(code), now))
}

fn settled(mfa: &Mfa<Faulty>, id: DecisionId, result: LoginResult, now: Timestamp) -> Result<(), SettleError> {
    let report = Report { client: ClientTag(0), result, factor: Some(Factor::Totp), verified_here: mfa.on() };
    wait(mfa.pipeline.settle(id, report, now))
}

/// Somebody else's code would be right once in 333,333 times.
const WRONG: &str = "no code";

#[test]
fn a_code_of_an_app_is_good_once_and_settles_its_decision() {
    let (mfa, now) = (with_app(), Clock.now());
    let token = demand(&mfa, now, true);
    let code = totp::shown(SECRET, now);
    let told = settled(&mfa, token.decision, LoginResult::Success, now);
    assert!(matches!(told, Err(SettleError::Refused(crate::memory::decisions::Refusal::NotVerified))), "{told:?}");
    let id = begin(&mfa, &token, now);
    assert_eq!(verify(&mfa, &token, id, WRONG, now).err(), Some(MfaError::InvalidTotpCode));
    let verified = verify(&mfa, &token, id, &code, now).expect("it is the right one");
    assert_eq!((verified.proof.factor, verified.proof.at_s), (Factor::Totp, now.unix_s()));
    assert_eq!(verified.next, Next::BackupCodes);
    let claims = mfa.signer.verify(&verified.assertion, now).expect("it was just signed");
    assert_eq!((&*claims.aud, &*claims.sub, claims.decision_id), ("portal", "alice", token.decision.to_string()));
    assert_eq!(verify(&mfa, &token, id, &code, now).err(), Some(MfaError::CodeNotFound), "the challenge is over");
    assert!(matches!(settled(&mfa, token.decision, LoginResult::Failure, now), Err(SettleError::Refused(_))));

    let other = demand(&mfa, now, true);
    let id = begin(&mfa, &other, now);
    assert_eq!(verify(&mfa, &other, id, &code, now).err(), Some(MfaError::InvalidTotpCode), "its step was used");
    assert_eq!(verify(&mfa, &token, id, &code, now).err(), Some(MfaError::CodeNotFound), "of another login");
}

#[test]
fn a_code_that_is_raced_is_used_once() {
    let (mfa, now) = (Arc::new(with_app()), Clock.now());
    for same_challenge in [true, false] {
        // Each round has a step of its own.
        let now = Timestamp::from_unix_s(now.unix_s() + if same_challenge { 0 } else { 60 });
        let code = totp::shown(SECRET, now);
        let token = demand(&mfa, now, true);
        let first = begin(&mfa, &token, now);
        let racers: Vec<_> = (0..6)
            .map(|_| {
                let (mfa, code) = (Arc::clone(&mfa), code.clone());
                let token = if same_challenge { token.clone() } else { demand(&mfa, now, true) };
                let id = if same_challenge { first } else { begin(&mfa, &token, now) };
                thread::spawn(move || verify(&mfa, &token, id, &code, now).is_ok())
            })
            .collect();
        let good = racers.into_iter().filter_map(|racer| racer.join().ok()).filter(|is_good| *is_good).count();
        assert_eq!(good, 1, "{same_challenge}");
    }
}

#[test]
fn a_process_that_ends_between_the_two_steps_loses_no_proof() {
    let (mfa, now) = (with_app(), Clock.now());
    let token = demand(&mfa, now, true);
    let (id, code) = (begin(&mfa, &token, now), totp::shown(SECRET, now));
    let answer = Answer::Code(&code);
    let taken = wait(mfa.update_user(ALICE, now, |record| mfa.take(record, &token, id, answer, now)));
    assert_eq!(taken, Ok(Factor::Totp));
    let other = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(verify(&mfa, &token, id, other, now).err(), Some(MfaError::CodeNotFound), "another answer");
    let verified = verify(&mfa, &token, id, &code, now);
    assert!(verified.is_ok(), "{verified:?}");
    assert_eq!(verify(&mfa, &token, id, &code, now).err(), Some(MfaError::CodeNotFound));
}

#[test]
fn strangers_put_a_factor_to_sleep_for_strangers_only() {
    let (mfa, now) = (with_app(), Clock.now());
    let (own, strange) = (demand(&mfa, now, true), demand(&mfa, now, false));
    let id = begin(&mfa, &strange, now);
    for _ in 0..20 {
        assert_eq!(verify(&mfa, &strange, id, WRONG, now).err(), Some(MfaError::InvalidTotpCode));
    }
    let code = totp::shown(SECRET, now);
    let locked = MfaError::Locked { wait_s: 3_600 };
    assert_eq!(verify(&mfa, &strange, id, &code, now).err(), Some(locked.clone()), "the right one, too");
    assert_eq!(wait(mfa.begin(&strange, Wanted::default(), now)).err(), Some(locked));
    let id = begin(&mfa, &own, now);
    assert!(verify(&mfa, &own, id, &code, now).is_ok());
}

#[test]
fn without_its_record_nobody_is_taken_for_a_user_without_factors() {
    let (mfa, now) = (with_app(), Clock.now());
    let known = wait(mfa.known(ALICE, now));
    assert_eq!((known.enrolled(), known.is_guessed), (FactorSet::EMPTY.with(Factor::Totp), false));
    let token = demand(&mfa, now, true);
    mfa.pipeline.memory().broken.store(true, Ordering::Relaxed);
    let known = wait(mfa.known(ALICE, now));
    assert_eq!((known.enrolled(), known.is_guessed), (mfa.on(), true));
    assert_eq!(wait(mfa.begin(&token, Wanted::default(), now)).err(), Some(MfaError::Unavailable));
}
