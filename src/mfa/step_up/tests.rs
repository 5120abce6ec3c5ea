use super::*;
use crate::event::{ClientIp, Edge, FirstFactor, Flow, GivenLocation, User};
use crate::mfa::action::Param;
use crate::mfa::ask::Wanted;
use crate::mfa::authenticator::Authenticator;
use crate::mfa::recipient::Recipient;
use crate::mfa::tests::mfa;
use crate::mfa::user::{BackupCodes, BoundFactor, CodeHash, FactorId, Means};
use crate::mfa::verify::Answer;
use crate::mfa::webauthn::{Handle, Registrant, Relying};
use crate::pipeline::Extent;
use crate::pipeline::tests::{Faulty, now};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const ORIGIN: &str = "https://login.example.org";
const ALICE: UserName<'_> = UserName { tenant: "default", id: "alice" };
const CLIENT: (ClientTag, &str) = (ClientTag(7), "shop");

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(1_800_000_000 + seconds)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

fn event(ip: &str) -> LoginEvent<'_> {
    LoginEvent {
        tenant: ALICE.tenant.into(),
        user: User {
            id: ALICE.id.into(),
            has_email: false,
            email_verified: None,
            phone_number: None,
            phone_region: None,
            enrolled: FactorSet::EMPTY,
            groups: Vec::new(),
            created_at: None,
            phone_changed_at: None,
            email_changed_at: None,
        },
        ip: ClientIp::parse(ip.into()),
        user_agent: None,
        client_hints: None,
        device_token: None,
        device_id: None,
        client_id: None,
        attributes: Vec::new(),
        location: GivenLocation::Absent,
        edge: Edge::default(),
        edge_ignored: false,
        flow: Flow::default(),
        first_factor: FirstFactor::default(),
        remembered_browser: false,
        time: at(0),
    }
}

/// An engine that knows these factors, and one action.
fn engine(factors: &str) -> Mfa<Faulty> {
    let settings =
        format!("enabled = true\nfactors = {factors}\n[webauthn]\nrp_id = 'example.org'\norigins = ['{ORIGIN}']");
    let mut mfa = mfa();
    mfa.settings = toml::from_str(&settings).expect("they are settings");
    mfa.relying = Some(Relying::new(&mfa.settings.webauthn).expect("they are consistent"));
    let step_up = "[[actions]]\nname = 'transfer'\ntext = 'Pay {{amount}} to {{payee}}'";
    mfa.step_up = toml::from_str(step_up).expect("they are settings");
    mfa
}

fn all() -> Mfa<Faulty> {
    engine("['webauthn', 'email', 'backup_code']")
}

fn transfer(amount: f64) -> Action {
    let params = [("amount".to_owned(), Param::Number(amount)), ("payee".to_owned(), Param::Text("Bob".to_owned()))];
    Action::new("transfer", params).expect("it is plain")
}

fn bind(mfa: &Mfa<Faulty>, means: &[Means], codes: usize) {
    let bound = |means: &Means| BoundFactor {
        id: FactorId::random().expect("there is randomness"),
        means: means.clone(),
        label: None,
        bound: at(0),
        bound_in: DecisionId::from_bytes([0; 16]),
        last_used: None,
    };
    let set = || BackupCodes {
        id: FactorId::random().expect("there is randomness"),
        salt: [0; 16],
        unused: vec![CodeHash([1; 32]); codes],
        made: at(0),
        last_used: None,
    };
    let bind = |record: &mut UserRecord| {
        record.factors = means.iter().map(bound).collect();
        record.backup_codes = (codes > 0).then(set);
        Ok(())
    };
    wait(mfa.update_user(ALICE, at(0), bind)).expect("memory answers");
}

fn passkey(mfa: &Mfa<Faulty>) -> (Authenticator, Means) {
    let authenticator = Authenticator::new(ORIGIN);
    let relying = mfa.relying.as_ref().expect("they are on");
    let who = Registrant { handle: Handle::random().expect("there is randomness"), name: "alice" };
    let (options, waiting) = relying.begin_registration(who, &[], at(0)).expect("it begins");
    let answer = authenticator.register(&options);
    let credential = relying.finish_registration(&waiting, &answer, &[], at(0)).expect("it is right");
    (authenticator, Means::Webauthn { credential })
}

fn email() -> Means {
    Means::Email { to: Recipient::email("alice@example.org").expect("it is one") }
}

fn asked<'a>(event: &'a LoginEvent<'a>, action: Option<&'a Action>) -> StepUp<'a, 'a> {
    StepUp { client: CLIENT, event, session: "s1", action, max_age_s: None, is_phishing_resistant: false }
}

/// What is given for a step-up, by a passkey.
fn proved(mfa: &Mfa<Faulty>, authenticator: &mut Authenticator, asked: StepUp<'_, '_>, now: Timestamp) -> String {
    let Ok(Answered::Asked { mfa_token, .. }) = wait(mfa.step_up(asked, now)) else { unreachable!("it is asked") };
    let token = MfaToken::open(&mfa.keys, &mfa_token, CLIENT.0, now).expect("it is ours");
    let begun = wait(mfa.begin(&token, Wanted::default(), now)).expect("it begins");
    let credential: Value = authenticator.answer(&begun.public_key.expect("of a passkey"));
    let answer = Answer::Credential(&credential);
    wait(mfa.verify(&token, CLIENT.1, begun.id, answer, now)).expect("it is right").assertion
}

fn spend(mfa: &Mfa<Faulty>, assertion: &str, session: &str, action: &Action) -> Result<(), MfaError> {
    let spending = Spending { assertion, audience: CLIENT.1, session, action };
    wait(mfa.spend(spending, at(1))).map(|_| ())
}

#[test]
fn a_proof_is_of_one_client_session_and_action_and_spent_once() {
    let mfa = all();
    let (mut authenticator, means) = passkey(&mfa);
    bind(&mfa, &[means], 0);
    let (event, action) = (event("81.2.69.142"), transfer(100.0));
    let assertion = proved(&mfa, &mut authenticator, asked(&event, Some(&action)), at(0));
    let claims = mfa.signer.verify(&assertion, at(0)).expect("it is ours");
    let said = json!({"aud": claims.aud, "sub": claims.sub, "sid": claims.sid, "acr": claims.acr, "amr": claims.amr, "act": claims.act});
    let expected = json!({
        "aud": "shop", "sub": "alice", "sid": "s1", "acr": "urn:askance:acr:phr", "amr": ["hwk", "mfa", "rba"],
        "act": {"name": "transfer", "digest": action.digest()},
    });
    assert_eq!(said, expected);
    let other = Spending { assertion: &assertion, audience: "other", session: "s1", action: &action };
    assert_eq!(wait(mfa.spend(other, at(1))).map(|_| ()), Err(MfaError::TokenOfOtherClient));
    assert_eq!(spend(&mfa, &assertion, "s2", &action), Err(MfaError::StepUpOfOtherSession));
    assert_eq!(spend(&mfa, &assertion, "s1", &transfer(100.01)), Err(MfaError::StepUpOfOtherAction));
    assert_eq!(spend(&mfa, &format!("{assertion}A"), "s1", &action), Err(MfaError::TokenInvalid));
    let late = Spending { assertion: &assertion, audience: CLIENT.1, session: "s1", action: &action };
    assert_eq!(wait(mfa.spend(late, at(300))).map(|_| ()), Err(MfaError::TokenInvalid), "it is over");
    assert_eq!(spend(&mfa, &assertion, "s1", &action), Ok(()), "none of these spent it");
    assert_eq!(spend(&mfa, &assertion, "s1", &action), Err(MfaError::StepUpUsed));
    let without = proved(&mfa, &mut authenticator, asked(&event, None), at(0));
    assert_eq!(spend(&mfa, &without, "s1", &action), Err(MfaError::StepUpOfOtherAction), "one of no action");
    let again = proved(&mfa, &mut authenticator, asked(&event, Some(&action)), at(0));
    mfa.pipeline.memory().broken.store(true, Ordering::Relaxed);
    assert_eq!(spend(&mfa, &again, "s1", &action), Err(MfaError::Unavailable), "nobody knows whether it was spent");
}

#[test]
fn of_ten_thousand_who_spend_one_proof_one_has_it() {
    let mfa = Arc::new(all());
    let (mut authenticator, means) = passkey(&mfa);
    bind(&mfa, &[means], 0);
    let (event, action) = (event("81.2.69.142"), Arc::new(transfer(100.0)));
    let assertion: Arc<str> = proved(&mfa, &mut authenticator, asked(&event, Some(&action)), at(0)).into();
    let (spent, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (mfa, action, assertion) = (Arc::clone(&mfa), Arc::clone(&action), Arc::clone(&assertion));
            let (spent, refused) = (Arc::clone(&spent), Arc::clone(&refused));
            thread::spawn(move || {
                let spending = Spending { assertion: &assertion, audience: CLIENT.1, session: "s1", action: &action };
                for _ in 0..1_250 {
                    match now(mfa.spend(spending, at(1))) {
                        Ok(_) => spent.fetch_add(1, Ordering::Relaxed),
                        Err(MfaError::StepUpUsed) => refused.fetch_add(1, Ordering::Relaxed),
                        Err(other) => unreachable!("{other}"),
                    };
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
    assert_eq!((spent.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)), (1, 9_999));
}

#[test]
fn a_proof_of_late_does_for_its_session_and_client_and_for_no_action() {
    let mfa = all();
    let (mut authenticator, means) = passkey(&mfa);
    bind(&mfa, &[means], 0);
    let (event, action) = (event("81.2.69.142"), transfer(1.0));
    let fresh = |max_age_s| StepUp { max_age_s: Some(max_age_s), ..asked(&event, None) };
    let check = |what: &str, asked: StepUp<'_, '_>, now: u32, expected: bool| {
        let answered = wait(mfa.step_up(asked, at(now))).expect("it is answered");
        let Answered::Proved { assertion, .. } = &answered else {
            assert!(!expected && matches!(answered, Answered::Asked { .. }), "{what}: {answered:?}");
            return;
        };
        let claims = mfa.signer.verify(assertion, at(now)).expect("it is ours");
        let said = (claims.auth_time, claims.sid.as_deref(), claims.act);
        assert_eq!((expected, said), (true, (at(10).unix_s(), Some("s1"), None)), "{what}");
    };
    check("there is none", fresh(300), 10, false);
    proved(&mfa, &mut authenticator, asked(&event, Some(&action)), at(5));
    check("it was for an action", fresh(300), 10, false);
    proved(&mfa, &mut authenticator, asked(&event, None), at(10));
    check("it is new", fresh(300), 10, true);
    check("it is just young enough", fresh(300), 310, true);
    check("it is too old", fresh(300), 311, false);
    check("nothing is said of its age", asked(&event, None), 10, false);
    check("none is young enough", fresh(0), 11, false);
    check("another session", StepUp { session: "s2", ..fresh(300) }, 10, false);
    check("another client", StepUp { client: (ClientTag(8), "shop"), ..fresh(300) }, 10, false);
    check("an action always asks", StepUp { action: Some(&action), ..fresh(300) }, 10, false);
}

#[test]
fn email_alone_does_where_it_is_allowed_and_backup_codes_never() {
    let (nothing, bound) = (Err(MfaError::FactorMissing), |factors: &[Factor]| Ok(factors.to_vec()));
    let mut mfa = all();
    let (_, key) = passkey(&mfa);
    let event = event("81.2.69.142");
    for (email_only, means, codes, is_phishing_resistant, expected) in [
        (EmailOnly::Deny, vec![], 0, false, nothing.clone()),
        (EmailOnly::Deny, vec![email()], 0, false, nothing.clone()),
        (EmailOnly::Deny, vec![email()], 10, false, nothing.clone()),
        (EmailOnly::Deny, vec![], 10, false, nothing.clone()),
        (EmailOnly::Deny, vec![key.clone(), email()], 10, false, bound(&[Factor::Webauthn, Factor::BackupCode])),
        (EmailOnly::Allow, vec![email()], 0, false, bound(&[Factor::Email])),
        (EmailOnly::Allow, vec![email()], 10, false, bound(&[Factor::Email, Factor::BackupCode])),
        (EmailOnly::Allow, vec![email()], 10, true, nothing.clone()),
        (EmailOnly::Allow, vec![key.clone(), email()], 10, true, bound(&[Factor::Webauthn])),
    ] {
        mfa.step_up.email_only = email_only;
        bind(&mfa, &means, codes);
        let asked = StepUp { is_phishing_resistant, ..asked(&event, None) };
        let factors = wait(mfa.step_up(asked, at(0))).map(|answered| match answered {
            Answered::Asked { factors, .. } => factors,
            Answered::Proved { .. } | Answered::Denied { .. } => unreachable!("nothing is proved, nor denied"),
        });
        assert_eq!(factors, expected, "{email_only:?} {} factors, {codes} codes", means.len());
    }
    mfa.settings.factors = toml::from_str::<crate::mfa::Settings>("factors = ['totp']").expect("settings").factors;
    let off = wait(mfa.step_up(asked(&event, None), at(0)));
    assert_eq!(off, Err(MfaError::FactorMissing), "passkeys are off");
}

#[test]
fn a_step_up_teaches_when_it_is_proved_and_not_before() {
    let mfa = all();
    let (mut authenticator, means) = passkey(&mfa);
    bind(&mfa, &[means], 0);
    let event = event("81.2.69.142");
    let networks = || {
        let remembered = wait(mfa.pipeline.remembered(ALICE, Extent::Everything)).expect("memory answers");
        remembered.history.as_ref().map_or(0, |history| history.networks().count())
    };
    let asked = asked(&event, None);
    assert!(matches!(wait(mfa.step_up(asked, at(0))), Ok(Answered::Asked { .. })));
    assert_eq!(networks(), 0);
    proved(&mfa, &mut authenticator, asked, at(1));
    assert_eq!(networks(), 1);
}

#[test]
fn a_session_that_looks_like_somebody_elses_is_asked_again() {
    let mfa = all();
    let (mut authenticator, means) = passkey(&mfa);
    bind(&mfa, &[means], 0);
    let good = event("81.2.69.142");
    proved(&mfa, &mut authenticator, asked(&good, None), at(0));
    let fresh = |event| StepUp { max_age_s: Some(300), ..asked(event, None) };
    assert!(matches!(wait(mfa.step_up(fresh(&good), at(1))), Ok(Answered::Proved { .. })));
    // What is no address is hard evidence.
    let odd = event("999.1.1.1");
    assert!(matches!(wait(mfa.step_up(fresh(&odd), at(1))), Ok(Answered::Asked { .. })));
}
