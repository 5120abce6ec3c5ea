//! Bodies of requests.

use askance::clock::Timestamp;
use askance::event::{GivenLocation, LoginEvent};
use askance::server::fuzzing::{self, Refused};
use std::fmt::Debug;

const NOW_S: u32 = 1_790_000_000;

/// A body of `/v1/score`.
///
/// What is accepted is within its bounds, the same with blanks around and within it, and nothing when it is cut anywhere;
/// what is refused has a documented code, and a path where it is a field that is wrong.
pub fn login_body(bytes: &[u8]) {
    let now = Timestamp::from_unix_s(NOW_S);
    let parse = |bytes: &[u8]| fuzzing::login(bytes, now).map(|login| shown(&login));
    if let Ok(login) = fuzzing::login(bytes, now) {
        assert_is_bounded(&login);
        assert!(fuzzing::past_login(bytes, now).is_err(), "a login of the present says how it ended");
    }
    assert_is_json(bytes, parse);
}

/// A line of `/v1/import`; as above, and what it says of the past is no login of the present.
pub fn past_login(bytes: &[u8]) {
    let now = Timestamp::from_unix_s(NOW_S);
    let parse = |bytes: &[u8]| {
        fuzzing::past_login(bytes, now).map(|(login, result, passed)| format!("{} {result:?} {passed}", shown(&login)))
    };
    if let Ok((login, _, _)) = fuzzing::past_login(bytes, now) {
        assert_is_bounded(&login);
        assert!(fuzzing::login(bytes, now).is_err(), "a login of the past is one of the present");
    }
    assert_is_json(bytes, parse);
}

/// A body of an outcome: what is accepted is a result of three and a factor of five, and is no label.
pub fn outcome_body(bytes: &[u8]) {
    if fuzzing::outcome(bytes).is_ok() {
        assert!(fuzzing::feedback(bytes).is_err(), "an outcome is a label");
    }
    assert_is_json(bytes, fuzzing::outcome);
}

/// A body of a label.
pub fn feedback_body(bytes: &[u8]) {
    assert_is_json(bytes, fuzzing::feedback);
}

/// Everything of a login, to be compared.
fn shown(login: &LoginEvent<'_>) -> String {
    format!("{login:?}")
}

/// The bounds of the contract, which the code behind the edge relies upon.
fn assert_is_bounded(login: &LoginEvent<'_>) {
    let within = |text: Option<&str>, bytes_max: usize| text.is_none_or(|text| text.len() <= bytes_max);
    for id in [Some(&*login.user.id), Some(&*login.tenant), login.device_id.as_deref()] {
        assert!(within(id, 256) && id.is_none_or(|id| !id.is_empty()), "an id of {id:?}");
    }
    assert!(within(login.user_agent.as_deref(), 4096) && within(login.device_token.as_deref(), 1024));
    assert!(within(login.edge.as_organization.as_deref(), 256) && login.edge.asn != Some(0));
    assert!(login.edge.bot_score.is_none_or(|score| score <= 99));
    if let GivenLocation::Valid { at, radius, .. } = login.location {
        assert!(at.latitude().abs() <= 90.0 && at.longitude().abs() <= 180.0, "{at:?}");
        assert!(radius.is_none_or(|radius| radius.value().is_finite() && radius.value() >= 0.0), "{radius:?}");
    }
}

/// What holds for every body.
fn assert_is_json<T: PartialEq + Debug>(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, Refused>) {
    let parsed = match parse(bytes) {
        Ok(parsed) => parsed,
        Err(refused) => return assert_is_documented(bytes, &refused),
    };
    let trimmed = bytes.trim_ascii();
    let [b'{', inside @ .., b'}'] = trimmed else { panic!("what is accepted is no object") };
    let spread = [b"\r\n\t {\n", inside, b" }\n"].concat();
    assert_eq!(parse(&spread).as_ref(), Ok(&parsed), "blanks matter");
    // One place, which depends on the input alone, so that inputs of any length cost the same.
    let sum = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let cut = &trimmed[..sum % trimmed.len()];
    let refused = parse(cut).map_err(|refused| refused.code);
    let is_cut = matches!(refused, Err("request.truncated" | "request.malformed_json"));
    assert!(is_cut, "cut to {} bytes it is {refused:?}", cut.len());
    let further = parse(&[trimmed, b"{}"].concat()).map_err(|refused| refused.code);
    assert_eq!(further.as_ref().err(), Some(&"request.malformed_json"), "something follows it: {further:?}");
}

fn assert_is_documented(bytes: &[u8], refused: &Refused) {
    let Refused { status, code, field } = refused;
    match (*status, *code) {
        (400, "request.malformed_json" | "request.truncated") => assert_eq!(*field, None),
        (422, "request.invalid" | "event.time_out_of_range" | "flow.no_end_user") => {}
        other => panic!("not documented: {other:?}"),
    }
    // A path holds names of ours, and one that the client chose, at most twice.
    let field_bytes_max = 2 * bytes.len() + 64;
    assert!(
        field.as_ref().is_none_or(|field| field.len() <= field_bytes_max),
        "the path is longer than anything in the body"
    );
}
