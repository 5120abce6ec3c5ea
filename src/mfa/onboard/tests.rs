use super::*;
use crate::context::phone::Phones;
use crate::mfa::tests::mfa;
use crate::mfa::user::{Hidden, Proof};
use crate::mfa::{Required, Settings};
use crate::pipeline::tests::Faulty;

const ALICE: UserName<'_> = UserName { tenant: "default", id: "alice" };
const SMS: &str = "factors = ['sms', 'backup_code']";
const MANY: &str = "factors = ['sms', 'webauthn', 'totp', 'backup_code']";
const HOURS_71: u32 = 71 * 3600;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_unix_s(1_800_000_000 + seconds)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn engine(settings: &str) -> Mfa<Faulty> {
    let mut mfa = mfa();
    mfa.settings = toml::from_str::<Settings>(settings).expect("they are settings");
    mfa
}

fn phone() -> Recipient {
    Recipient::phone(&Phones::new(), "+819012345678", None).expect("it is one")
}

fn email() -> Recipient {
    Recipient::email("alice@example.org").expect("it is one")
}

fn arrival(event: Event) -> Arrival<'static> {
    Arrival {
        client: ClientTag(7),
        user: ALICE,
        event,
        phone: None,
        email: None,
        session: None,
        ip: None,
        is_hosted: false,
    }
}

fn with_phone(event: Event) -> Arrival<'static> {
    Arrival { phone: Some((phone(), None)), ..arrival(event) }
}

fn with_email(event: Event) -> Arrival<'static> {
    Arrival { email: Some((email(), None)), ..arrival(event) }
}

/// What comes next, what is offered, what was bound, whether it may be put off, and how many codes are shown.
type Told = (Next, Vec<Factor>, Vec<Factor>, bool, usize);

fn onboard(mfa: &Mfa<Faulty>, arrival: &Arrival<'_>) -> Told {
    let onboarded = wait(mfa.onboard(arrival, at(0))).expect("memory answers");
    let has_more = matches!(onboarded.next, Next::Enroll | Next::VerifyEmail | Next::SuggestAdditional);
    assert_eq!(onboarded.token.is_some(), has_more, "{:?}", onboarded.next);
    let bound = onboarded.bound.iter().map(|shown| shown.factor).collect();
    let codes = onboarded.backup_codes.map_or(0, |codes| codes.len());
    (onboarded.next, onboarded.factors, bound, onboarded.is_skippable, codes)
}

fn nothing() -> Told {
    (Next::Done, vec![], vec![], false, 0)
}

fn bind_app(mfa: &Mfa<Faulty>) {
    let bound = wait(mfa.update_user(ALICE, at(0), |record| {
        record.factors.push(BoundFactor {
            id: FactorId::random()?,
            means: Means::Totp { secret: Hidden(b"12345678901234567890".to_vec()), last_step: 0 },
            label: None,
            bound: at(0),
            bound_in: DecisionId::from_bytes([0; 16]),
            last_used: None,
        });
        Ok(())
    }));
    assert_eq!(bound, Ok(()));
}

#[test]
fn a_new_account_is_led_through_its_scenario() {
    use Factor::{Sms, Totp, Webauthn};
    let many = || vec![Webauthn, Totp, Sms];
    for (scenario, settings, arrival, expected) in [
        ("1a", SMS, with_email(Event::SignUp), (Next::Enroll, vec![Sms], vec![], true, 0)),
        ("1b", MANY, with_email(Event::SignUp), (Next::Enroll, many(), vec![], true, 0)),
        ("2", SMS, with_phone(Event::SignUp), (Next::BackupCodes, vec![], vec![Sms], false, 10)),
        ("3", MANY, with_phone(Event::SignUp), (Next::SuggestAdditional, vec![Webauthn, Totp], vec![Sms], true, 10)),
    ] {
        assert_eq!(onboard(&engine(settings), &arrival), expected, "{scenario}");
        let mandatory = engine(&format!("policy = 'mandatory'\n{settings}"));
        let is_skippable = expected.0 == Next::SuggestAdditional;
        let expected = (expected.0, expected.1, expected.2, is_skippable, expected.4);
        assert_eq!(onboard(&mandatory, &arrival), expected, "{scenario}, mandatory");
    }
}

#[test]
fn an_old_account_is_prompted_in_silence_and_never_shown_codes_for_a_password() {
    use Factor::{Sms, Totp, Webauthn};
    let sign_in = Event::SignIn(None);
    let silent = (Next::Done, vec![], vec![Sms], false, 0);
    for (what, settings, arrival, expected) in [
        ("2", SMS, with_phone(sign_in), silent.clone()),
        ("3", MANY, with_phone(sign_in), silent),
        ("nothing is verified", MANY, arrival(sign_in), (Next::Enroll, vec![Webauthn, Totp, Sms], vec![], true, 0)),
        (
            "the address is to be proved first",
            "factors = ['totp', 'email', 'backup_code']\nbind_verified = []",
            with_email(sign_in),
            (Next::VerifyEmail, vec![Totp, Factor::Email], vec![], true, 0),
        ),
        (
            "the number changed of late",
            SMS,
            Arrival {
                phone: Some((phone(), Some(Timestamp::from_unix_s(1_800_000_000 - HOURS_71)))),
                ..arrival(sign_in)
            },
            (Next::Enroll, vec![Sms], vec![], true, 0),
        ),
    ]
    .map(|(what, settings, arrival, expected)| (what, settings, arrival, expected))
    {
        assert_eq!(onboard(&engine(settings), &arrival), expected, "{what}");
    }
    let mfa = engine(MANY);
    bind_app(&mfa);
    assert_eq!(onboard(&mfa, &with_phone(sign_in)), nothing(), "whoever has a factor binds nothing without a proof");
}

#[test]
fn codes_are_shown_at_sign_in_to_who_proved_a_factor_in_this_login() {
    let mfa = engine(MANY);
    bind_app(&mfa);
    let decision = DecisionId::from_bytes([9; 16]);
    let login = Event::SignIn(Some(decision));
    assert_eq!(onboard(&mfa, &arrival(login)), nothing());
    let prove = |is_of_contact: bool| {
        let proof = Proof {
            of: decision,
            kind: TokenKind::Login,
            client: ClientTag(7),
            factor: Factor::Totp,
            at: at(0),
            is_of_contact,
            is_bound_to_device: false,
            session: None,
            action: None,
        };
        let proved = wait(mfa.update_user(ALICE, at(0), |record| {
            record.prove(proof.clone());
            Ok(())
        }));
        assert_eq!(proved, Ok(()));
    };
    prove(true);
    assert_eq!(onboard(&mfa, &arrival(login)), nothing(), "an address is no factor");
    prove(false);
    let other = Arrival { client: ClientTag(8), ..arrival(login) };
    assert_eq!(onboard(&mfa, &other), nothing(), "another client");
    assert_eq!(onboard(&mfa, &arrival(Event::SignIn(None))), nothing(), "another login");
    assert_eq!(onboard(&mfa, &arrival(login)), (Next::BackupCodes, vec![], vec![], false, 10));
    assert_eq!(onboard(&mfa, &arrival(login)), nothing(), "once");
}

#[test]
fn policy_and_bind_verified_say_who_is_prompted_and_what_is_bound() {
    let enroll = |is_skippable| (Next::Enroll, vec![Factor::Totp], vec![], is_skippable, 0);
    for (policy, at_sign_up, at_sign_in) in [
        ("mandatory", enroll(false), enroll(false)),
        ("prompt_at_sign_in_and_sign_up", enroll(true), enroll(true)),
        ("prompt_at_sign_in", nothing(), enroll(true)),
        ("no_prompt", nothing(), nothing()),
    ] {
        let settings = format!("policy = '{policy}'\nfactors = ['totp', 'backup_code']");
        for (event, expected) in [(Event::SignUp, at_sign_up), (Event::SignIn(None), at_sign_in)] {
            let mfa = engine(&settings);
            assert_eq!(onboard(&mfa, &with_phone(event)), expected, "{policy} {event:?}: sms is off");
            let skipped = wait(mfa.update_user(ALICE, at(0), |record| {
                record.skipped = Some(at(0));
                Ok(())
            }));
            assert_eq!(skipped, Ok(()));
            let expected = if policy == "mandatory" { expected } else { nothing() };
            assert_eq!(onboard(&mfa, &with_phone(event)), expected, "{policy} {event:?}: it was put off");
        }
    }
    let unbound = engine(&format!("bind_verified = ['email']\n{SMS}"));
    assert_eq!(onboard(&unbound, &with_phone(Event::SignUp)), (Next::Enroll, vec![Factor::Sms], vec![], true, 0));
}

#[test]
fn the_token_of_a_sign_up_binds_and_that_of_a_sign_in_needs_a_proof_first() {
    let mfa = engine("factors = ['totp', 'email', 'backup_code']\nbind_verified = []");
    for (event, expected) in
        [(Event::SignUp, Ok(())), (Event::SignIn(None), Err(MfaError::VerificationRequired(Required::Contact)))]
    {
        let onboarded = wait(mfa.onboard(&with_email(event), at(0))).expect("memory answers");
        let text = onboarded.token.expect("there is more").0;
        let token = MfaToken::open(&mfa.keys, &text, ClientTag(7), at(0)).expect("it is ours");
        let record = wait(mfa.read_user(ALICE, at(0))).expect("memory answers");
        assert_eq!(mfa.may_enroll(&record, &token), expected, "{event:?}");
    }
}

#[test]
fn what_is_suggested_may_be_put_off_under_every_policy_and_what_is_mandatory_not() {
    for (settings, arrival, expected) in [
        (MANY, with_phone(Event::SignUp), Ok(Next::Done)),
        (MANY, with_email(Event::SignUp), Err(MfaError::NotUserControlled)),
    ] {
        let mfa = engine(&format!("policy = 'mandatory'\n{settings}"));
        let onboarded = wait(mfa.onboard(&arrival, at(0))).expect("memory answers");
        let text = onboarded.token.expect("there is more").0;
        let token = MfaToken::open(&mfa.keys, &text, ClientTag(7), at(0)).expect("it is ours");
        assert_eq!(wait(mfa.skip(&token, at(0))), expected);
    }
}
