//! Lines of a log of logins, as `askance replay` reads them: in the shape of `POST /v1/score`, so that what was sent to the
//! service, or would have been, can be replayed as it is.

use super::error::Failure;
use super::wire;
use super::wire::logged::LoggedBody;
use super::wire::login::Reception;
use crate::clock::Timestamp;
use crate::event::{FailureEvent, FailureKind, LoginEvent};
use crate::memory::decisions::LoginResult;
use serde::Deserialize;

/// One line of a log.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, of which nearly all are the large one")]
pub enum Logged<'a> {
    /// The first factor was right.
    Login(LoginEvent<'a>, Label),
    /// It was not.
    Failure(FailureEvent<'a>, Timestamp),
}

/// Whose login it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The user's.
    #[default]
    Legitimate,
    /// Somebody else's, who has the user's password.
    Attack,
}

impl Label {
    /// The word that stands in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legitimate => "legitimate",
            Self::Attack => "attack",
        }
    }
}

/// Why a line cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// As the API would answer.
    pub code: &'static str,
    /// The path of the member that is wrong.
    pub field: Option<String>,
}

impl From<Failure> for Unreadable {
    fn from(failure: Failure) -> Self {
        let (code, field) = failure.code_and_field();
        Self { code, field }
    }
}

impl Logged<'_> {
    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Login(event, _) => event.time,
            Self::Failure(_, time) => *time,
        }
    }
}

/// Reads a line. An edge's word is taken: whoever wrote the log had it from an edge of theirs.
///
/// # Errors
///
/// What `POST /v1/score` would refuse; a line without a time; a failure from what is no address, which counts nowhere.
pub fn read(line: &[u8]) -> Result<Logged<'_>, Unreadable> {
    let LoggedBody { login, label } = wire::parse(line)?;
    let result = login.of_a_log()?;
    // Never used: the line has a time of its own.
    let now = Timestamp::from_unix_s(0);
    let event = login.into_event(Reception { now, is_edge_trusted: true })?;
    match result {
        LoginResult::Success => Ok(Logged::Login(event, label.unwrap_or_default())),
        LoginResult::Failure | LoginResult::Abandoned => {
            let ip = event.ip.ip().ok_or_else(|| Failure::invalid("ip", "must be an IP address"))?;
            let kind = FailureKind::Password;
            let failure = FailureEvent { tenant: event.tenant, user_id: Some(event.user.id), ip, kind };
            Ok(Logged::Failure(failure, event.time))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_that_of_a_score_with_a_label_and_a_result() {
        let line = |members: &str| format!(r#"{{"user":{{"id":"a"}},"ip":"192.0.2.1"{members}}}"#);
        let time = r#","time":"2001-02-03T04:05:06Z""#;
        for (members, expected) in [
            (r#""#, Err("time")),
            (r#","time":"2001-02-03T04:05:06Z""#, Ok((true, Label::Legitimate))),
            (r#","label":"attack","time":"2001-02-03T04:05:06Z""#, Ok((true, Label::Attack))),
            (r#","time":"2001-02-03T04:05:06Z","l\u0061bel":"legitimate""#, Ok((true, Label::Legitimate))),
            (r#","time":"2001-02-03T04:05:06Z","result":"failure","label":"attack""#, Ok((false, Label::Legitimate))),
            (r#","time":"2001-02-03T04:05:06Z","result":"abandoned""#, Err("result")),
            (r#","time":"2001-02-03T04:05:06Z","mfa_passed":true"#, Err("mfa_passed")),
            (r#","time":"2001-02-03T04:05:06Z","label":"fraud""#, Err("label")),
            (r#","time":"2001-02-03T04:05:06Z","label":"attack","label":"attack""#, Err("label")),
            (r#","time":"2001-02-03T04:05:06Z","labels":"attack""#, Err("labels")),
            (r#","time":"yesterday""#, Err("time")),
        ] {
            let line = line(members);
            let found = match read(line.as_bytes()) {
                Ok(Logged::Login(event, label)) => {
                    assert_eq!(event.time.to_string(), "2001-02-03T04:05:06Z");
                    Ok((true, label))
                }
                Ok(Logged::Failure(..)) => Ok((false, Label::Legitimate)),
                Err(unreadable) => Err(unreadable.field.unwrap_or_default()),
            };
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        }
        let nowhere = line(&format!(r#"{time},"result":"failure""#)).replace("192.0.2.1", "nowhere");
        assert_eq!(read(nowhere.as_bytes()).err().and_then(|error| error.field).as_deref(), Some("ip"));
        assert_eq!(read(b"[]").err().map(|error| error.code), Some("request.invalid"));
    }
}
