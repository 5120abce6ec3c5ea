//! `POST /v1/hook/dovecot?command=allow` and `=report`: `auth_policy` of Dovecot, and what speaks as weakforced does.
//!
//! The same login is asked about twice, before and after its password, and told of once. A session's first answer stands, and what it was
//! let in for is learnt when the password was right.
//!
//! **Source:** Dovecot's manual, "Authentication policy support"; what Dovecot 2.3.19 was seen to send.

use super::ruling;
use super::subject;
use crate::clock::{Clock, Started, Timestamp};
use crate::event::{ClientIp, FactorSet, FailureEvent, FailureKind, Flow, LoginEvent};
use crate::memory::Memory;
use crate::memory::decisions::{ClientTag, DecisionId, LoginResult, Report};
use crate::pipeline::request::Request as Unjudged;
use crate::server::Answer;
use crate::server::api::{Service, json};
use crate::server::auth::Caller;
use crate::server::error::Failure;
use crate::server::uri;
use quick_cache::sync::Cache;
use ruling::Ruling;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

pub(super) const PATH: &str = "/v1/hook/dovecot";
/// Sessions that are remembered, some 250 bytes each.
const SESSIONS_MAX: usize = 65_536;
/// A login is over by then.
const SESSION: Duration = Duration::from_secs(300);
/// Go on.
const ACCEPT: i32 = 0;
/// Refuse, and show why.
const REFUSE: i32 = -1;

/// What Dovecot sends. More may come, and says nothing here.
#[derive(Debug, Deserialize)]
struct DovecotBody {
    login: Option<String>,
    remote: Option<String>,
    session_id: Option<String>,
    /// The ID of an IMAP client, which every Thunderbird has the same: what a browser's user agent is.
    device_id: Option<String>,
    #[serde(default)]
    success: bool,
    #[serde(default)]
    policy_reject: bool,
}

#[derive(Debug, Serialize)]
struct Opinion<'a> {
    status: i32,
    msg: &'a str,
}

/// What was said of logins that are under way. One for the process.
pub(super) struct Sessions {
    said: Cache<Session, Said>,
    clock: Clock,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.said.len())
    }
}

/// One login of one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Session {
    client: u64,
    id: String,
    login: String,
    remote: String,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    decision: Option<DecisionId>,
    is_accepted: bool,
    at: Started,
}

impl Sessions {
    pub(super) fn new(clock: Clock) -> Self {
        Self { said: Cache::new(SESSIONS_MAX), clock }
    }

    fn find(&self, session: &Session) -> Option<Said> {
        self.said.get(session).filter(|said| said.at.elapsed() < SESSION)
    }
}

impl Session {
    /// `None` where the caller does not tell logins apart.
    fn of(client: ClientTag, body: &DovecotBody) -> Option<Self> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let session =
            Self { client: client.0, id: text(&body.session_id), login: text(&body.login), remote: text(&body.remote) };
        (!session.id.is_empty()).then_some(session)
    }
}

impl<M: Memory> Service<M> {
    pub(super) async fn dovecot(
        &self,
        caller: Caller<'_>,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let [command] = uri::parameters(query, ["command"])?;
        let body: DovecotBody =
            serde_json::from_slice(body).map_err(|error| Failure::MalformedJson(error.to_string()))?;
        match command.as_deref() {
            Some("allow") => Ok(self.opinion(caller.tag(), &body).await),
            Some("report") => {
                self.reported(caller.tag(), &body).await?;
                Ok(json(&Opinion { status: ACCEPT, msg: "" }))
            }
            _ => Err(Failure::invalid("command", "must be allow or report")),
        }
    }

    async fn opinion(&self, client: ClientTag, body: &DovecotBody) -> Answer {
        let session = Session::of(client, body);
        let sessions = &self.hooks.sessions;
        let said = session.as_ref().and_then(|session| sessions.find(session));
        let is_accepted = match said {
            Some(said) => said.is_accepted,
            None => {
                let (is_accepted, decision) = self.judge_mail(client, body).await;
                if let Some(session) = session {
                    sessions.said.insert(session, Said { decision, is_accepted, at: sessions.clock.start() });
                }
                is_accepted
            }
        };
        if is_accepted {
            return json(&Opinion { status: ACCEPT, msg: "" });
        }
        let page = self.hooks.settings.challenge_url.as_ref().map_or("", |url| url.as_str());
        let msg = format!("This login is unusual. Log in at {page} first, then try again.");
        json(&Opinion { status: REFUSE, msg: &msg })
    }

    async fn judge_mail(&self, client: ClientTag, body: &DovecotBody) -> (bool, Option<DecisionId>) {
        let settings = &self.hooks.settings;
        let judged = match subject::name(body.login.as_deref().unwrap_or_default(), settings.user_lowercase) {
            Ok(user) => {
                let event = event(user, body, settings.tenant(), self.clock.now());
                let asked = Unjudged { client, awaits_outcome: true, ..Unjudged::of(&event) };
                self.in_time(self.judge_anew(asked, None)).await
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &judged {
            self.hooks.complaints.tell(*fault);
        }
        let decision = judged.as_ref().ok().map(|judged| judged.id);
        (matches!(ruling::conclude(judged, (None, None), settings), Ruling::Allow(_)), decision)
    }

    /// What our own refusal led to is nothing new. A password that was wrong counts against where it came from, and one that was right
    /// completes the login.
    async fn reported(&self, client: ClientTag, body: &DovecotBody) -> Result<(), Failure> {
        if body.policy_reject {
            return Ok(());
        }
        let session = Session::of(client, body);
        let said = session.and_then(|session| self.hooks.sessions.find(&session));
        let decision = said.filter(|said| said.is_accepted).and_then(|said| said.decision);
        let result = if body.success { LoginResult::Success } else { LoginResult::Failure };
        let now = self.clock.now();
        match decision {
            Some(id) => {
                let report = Report { client, result, factor: None, verified_here: FactorSet::EMPTY };
                match self.pipeline.settle(id, report, now).await {
                    Err(crate::pipeline::SettleError::Memory(_)) => Err(Failure::MemoryUnavailable),
                    // Told before, or too late: nothing is left to be learnt.
                    Ok(()) | Err(_) => Ok(()),
                }
            }
            None if body.success => Ok(()),
            None => {
                self.count_failure(body, now);
                Ok(())
            }
        }
    }

    fn count_failure(&self, body: &DovecotBody, now: Timestamp) {
        let settings = &self.hooks.settings;
        let Some(ip) = address(body).ip() else { return };
        let user = subject::name(body.login.as_deref().unwrap_or_default(), settings.user_lowercase).ok();
        let failure = FailureEvent {
            tenant: settings.tenant().into(),
            user_id: user.map(Into::into),
            ip,
            kind: FailureKind::Password,
        };
        self.pipeline.fail(&failure, now);
    }
}

fn address(body: &DovecotBody) -> ClientIp<'_> {
    ClientIp::parse(body.remote.as_deref().unwrap_or_default().into())
}

fn event<'b>(user: String, body: &'b DovecotBody, tenant: &'b str, time: Timestamp) -> LoginEvent<'b> {
    let user_agent = body.device_id.as_deref().filter(|id| !id.is_empty()).map(Into::into);
    LoginEvent { flow: Flow::Ldap, user_agent, ..subject::bare(user, address(body), tenant, time) }
}
