//! `POST /access/v1/evaluation`: the evaluation call of the AuthZEN Authorization API 1.0, and `/.well-known/authzen-configuration`.
//!
//! A subject may act while its requests look like its own, whatever the action and the resource: where it is doubted, the answer is no, and
//! says what would change that.
//!
//! **Source:** OpenID AuthZEN Authorization API 1.0 (final), and its examples of step-up in `context`.

use super::ruling::Ruling;
use super::subject;
use super::{answer, ruling};
use crate::event::{ClientIp, LoginEvent};
use crate::memory::Memory;
use crate::memory::decisions::ClientTag;
use crate::pipeline::request::{Judged, Request as Unjudged};
use crate::server::Answer;
use crate::server::api::{Service, json};
use crate::server::auth::Caller;
use crate::server::error::Failure;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) const EVALUATION: &str = "/access/v1/evaluation";
pub(super) const CONFIGURATION: &str = "/.well-known/authzen-configuration";
/// The class of a second factor. **Source:** mfa.md.
const ACR: &str = "urn:askance:acr:mfa";

/// Members that are not named say nothing here; the standard has them ignored.
#[derive(Debug, Deserialize)]
struct Evaluation {
    subject: Entity,
    #[serde(rename = "action")]
    _action: Action,
    #[serde(rename = "resource")]
    _resource: Entity,
    #[serde(default)]
    context: Context,
}

#[derive(Debug, Deserialize)]
struct Entity {
    #[serde(rename = "type")]
    _kind: String,
    id: String,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(rename = "name")]
    _name: String,
}

/// What the enforcement point knows of the request.
#[derive(Debug, Default, Deserialize)]
struct Context {
    ip: Option<String>,
    user_agent: Option<String>,
    /// The device cookie, as the browser sent it.
    device_token: Option<String>,
}

#[derive(Debug, Serialize)]
struct Decision<'a> {
    decision: bool,
    context: Grounds<'a>,
}

#[derive(Debug, Default, Serialize)]
struct Grounds<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    confidence: &'static str,
    reasons: &'a [Cow<'static, str>],
    /// What a proof would have to be, as the examples of the standard say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr_values: Option<&'static str>,
    /// The same, as its profile of obligations says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    obligations: Option<[Obligation; 1]>,
}

#[derive(Debug, Serialize)]
struct Obligation {
    r#type: &'static str,
    id: String,
    properties: Properties,
}

#[derive(Debug, Serialize)]
struct Properties {
    acr_value: &'static str,
    amr_values: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct Configuration {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
}

impl<M: Memory> Service<M> {
    pub(super) async fn evaluate(&self, caller: Caller<'_>, body: &[u8]) -> Result<Answer, Failure> {
        let evaluation: Evaluation = match serde_json::from_slice(body) {
            Ok(evaluation) => evaluation,
            Err(error) if error.is_data() => return Ok(incomplete(&error)),
            Err(error) => return Err(Failure::MalformedJson(error.to_string())),
        };
        let settings = &self.hooks.settings;
        let (judged, grounds) = match subject::name(&evaluation.subject.id, settings.user_lowercase) {
            Ok(user) => {
                let judged = self.judge_subject(caller.tag(), user, &evaluation.context).await;
                (judged.clone(), judged.ok())
            }
            Err(fault) => (Err(fault), None),
        };
        if let Err(fault) = &judged {
            self.hooks.complaints.tell(*fault);
        }
        let ruling = ruling::conclude(judged, (None, None), settings);
        Ok(json(&said(&ruling, grounds.as_ref())))
    }

    async fn judge_subject(
        &self,
        client: ClientTag,
        user: String,
        context: &Context,
    ) -> Result<Judged, subject::Fault> {
        let ip = ClientIp::parse(context.ip.as_deref().unwrap_or_default().into());
        let bare = subject::bare(user, ip, self.hooks.settings.tenant(), self.clock.now());
        let short = |text: &Option<String>| text.clone().filter(|text| text.len() <= subject::AGENT_BYTES_MAX);
        let event = LoginEvent {
            user_agent: short(&context.user_agent).map(Into::into),
            device_token: short(&context.device_token).map(Into::into),
            ..bare
        };
        self.in_time(self.judge_anew(Unjudged { client, ..Unjudged::of(&event) }, None)).await
    }

    /// Where this is, by the name under which the caller has it.
    pub(super) fn configuration(&self, headers: &HeaderMap, is_tls: bool) -> Result<Answer, Failure> {
        let host = super::request::text(headers, "host").filter(|host| !host.contains(['/', '@', '"', '\\']));
        let host = host.ok_or_else(|| Failure::invalid("host", "must name this server"))?;
        let scheme = if is_tls { "https" } else { "http" };
        let policy_decision_point = format!("{scheme}://{host}");
        let access_evaluation_endpoint = format!("{policy_decision_point}{EVALUATION}");
        Ok(json(&Configuration { policy_decision_point, access_evaluation_endpoint }))
    }
}

fn said<'a>(ruling: &Ruling, judged: Option<&'a Judged>) -> Decision<'a> {
    let decision_id = judged.map(|judged| judged.id.to_string());
    let grounds = Grounds {
        confidence: judged.map_or("neutral", |judged| judged.confidence.as_str()),
        reasons: judged.map_or(&[][..], |judged| &judged.reasons[..]),
        ..Grounds::default()
    };
    match ruling {
        Ruling::Allow(_) => Decision { decision: true, context: Grounds { decision_id, ..grounds } },
        Ruling::Deny => Decision { decision: false, context: Grounds { decision_id, ..grounds } },
        Ruling::Challenge(_) => {
            let id = decision_id.clone().unwrap_or_else(|| "none".to_owned());
            let properties = Properties { acr_value: ACR, amr_values: ["mfa"] };
            let context = Grounds {
                decision_id,
                acr_values: Some(ACR),
                amr_values: Some("mfa"),
                obligations: Some([Obligation { r#type: "step-up", id, properties }]),
                ..grounds
            };
            Decision { decision: false, context }
        }
    }
}

/// The standard wants 400 where a member is missing or of another type.
fn incomplete(error: &serde_json::Error) -> Answer {
    #[derive(Serialize)]
    struct Problem {
        r#type: &'static str,
        title: &'static str,
        status: u16,
        code: &'static str,
        detail: String,
    }
    let problem = Problem {
        r#type: "about:blank",
        title: "Bad Request",
        status: 400,
        code: "request.invalid",
        detail: format!("no evaluation request: {error}"),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut answer = Response::new(bytes::Bytes::from(body).into());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer::as_problem(&mut answer);
    answer
}
