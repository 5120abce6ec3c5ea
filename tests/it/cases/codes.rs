//! Runs cases of shape `codes` against the engine in this process: time is a parameter, memory is volatile, and a provider of our own
//! counts what it is asked to send.

use crate::messages::http_fake::{HttpFake, Says};
use askance::app;
use askance::clock::{Clock, Timestamp};
use askance::config::Config;
use askance::context::phone::Phones;
use askance::event::{Factor, FactorSet};
use askance::keyed_hash::HashKey;
use askance::memory::decisions::{ClientTag, DecisionId, IdSource};
use askance::memory::volatile::Volatile;
use askance::mfa::ask::Wanted;
use askance::mfa::assertion::SigningKey;
use askance::mfa::challenge::ChallengeId;
use askance::mfa::codes::{Code, CodeKeys, SentCode};
use askance::mfa::message::{Message, Usage};
use askance::mfa::recipient::Recipient;
use askance::mfa::sealing::Keys;
use askance::mfa::user::{BoundFactor, FactorId, Means};
use askance::mfa::verify::Answer;
use askance::mfa::{EngineKeys, Mfa, MfaError, MfaToken, TokenKind};
use askance::pipeline::Pipeline;
use askance::telemetry::Meters;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A case of shape `codes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodesCase {
    pub(crate) id: String,
    pub(crate) title: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default)]
    at: Option<String>,
    r#do: Do,
    /// The name of a code that is sent.
    label: Option<String>,
    #[serde(default)]
    challenge: String,
    to: Option<String>,
    /// Of a code that is tried: `right`, `wrong`, `right of` a label, or itself.
    code: Option<String>,
    times: Option<u32>,
    #[serde(default)]
    device: Device,
    /// What the generator of randomness gives, and the code that it makes.
    draw: Option<u32>,
    sent_code: Option<String>,
    /// Of a mask.
    value: Option<String>,
    #[serde(default = "ok")]
    then: String,
    status: Option<u16>,
    provider_calls: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Do {
    Send,
    Verify,
    Mask,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Device {
    #[default]
    Known,
    Other,
}

const NUMBER: &str = "+819012345678";

fn ok() -> String {
    "ok".to_owned()
}

pub(crate) fn run(case: &CodesCase) -> Result<(), String> {
    loop {
        let mut lab = Lab::new();
        for (at, step) in case.steps.iter().enumerate() {
            lab.step(at, step).map_err(|why| format!("step {}: {why}", at + 1))?;
        }
        // Once in a million times two codes are the same, and one is then right for the other.
        if !lab.has_twins() {
            return Ok(());
        }
    }
}

/// An engine, and what was sent.
struct Lab {
    mfa: Mfa<Volatile>,
    provider: HttpFake,
    phones: Phones,
    runtime: tokio::runtime::Runtime,
    /// The last code of each challenge, and where it is to be tried.
    last: BTreeMap<String, (ChallengeId, String)>,
    labelled: BTreeMap<String, String>,
    all: Vec<String>,
    drawn: Option<(Recipient, SentCode)>,
}

impl Lab {
    fn new() -> Self {
        let provider = HttpFake::start(Says::status(200));
        let config = Config::parse(&format!(
            "geoip.city = 'data/test-city.mmdb'\nmemory.backend = 'volatile'\n[mfa]\nfactors = ['sms', 'backup_code']\n\
             [[mfa.connectors]]\nname = 'fake'\nkind = 'sms'\ntype = 'http'\nurl = '{}'\nallow = ['127.0.0.1']\n\
             timeout_ms = 30000",
            provider.url()
        ));
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let signing = SigningKey::generate().and_then(|pem| SigningKey::parse(&pem)).expect("there is randomness");
        let keys = EngineKeys { secrets: Keys::new([1; 32], None), signing: vec![signing] };
        let loaded = app::load(&config, Clock).unwrap_or_else(|error| panic!("{error}"));
        let (memory, ids) = (Volatile::new(&config.memory), IdSource::new(HashKey::fixed([2; 16])));
        let meters = Arc::new(Meters::new());
        let pipeline = Arc::new(Pipeline::new(memory, HashKey::fixed([1; 16]), ids, loaded, meters, Clock));
        let messenger =
            app::messenger(&config, &config.mfa.connectors, Clock).unwrap_or_else(|error| panic!("{error}"));
        let mfa = Mfa::new(pipeline, config.mfa, keys, messenger).expect("it has no passkeys");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (last, labelled, all) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { mfa, provider, phones: Phones::new(), runtime, last, labelled, all, drawn: None }
    }

    fn has_twins(&self) -> bool {
        let mut all = self.all.clone();
        all.sort();
        all.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn step(&mut self, at: usize, step: &Step) -> Result<(), String> {
        for _ in 0..step.times.unwrap_or(1) {
            let (said, status) = match step.r#do {
                Do::Mask => {
                    (Recipient::email(step.value.as_deref().unwrap_or_default()).map_or_else(ok, |to| to.masked()), 200)
                }
                Do::Send if step.draw.is_some() => self.send_drawn(step)?,
                Do::Verify if self.drawn.is_some() => self.verify_drawn(step)?,
                Do::Send => outcome(self.send(at, step)),
                Do::Verify => outcome(self.verify(step)),
            };
            if said != step.then || step.status.is_some_and(|expected| expected != status) {
                return Err(format!("{said:?} with status {status}, not {:?} with {:?}", step.then, step.status));
            }
        }
        let calls = self.provider.heard().len();
        match step.provider_calls {
            Some(expected) if expected != calls => {
                Err(format!("the provider was called {calls} times, not {expected}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Where a recipient is named, each code is for another user who has bound it, so that nothing but its own budget is in the way.
    fn send(&mut self, at: usize, step: &Step) -> Result<(), MfaError> {
        let now = time(step);
        let user = step.to.as_ref().map_or("owner".to_owned(), |_| format!("user {at}"));
        let token = token(&user, step);
        self.bind(&token, step.to.as_deref().unwrap_or(NUMBER))?;
        let wanted = Wanted { factor: Some(Factor::Sms), ..Wanted::default() };
        let begun = self.runtime.block_on(self.mfa.begin(&token, wanted, now))?;
        let code = self.heard();
        self.all.push(code.clone());
        if let Some(label) = &step.label {
            self.labelled.insert(label.clone(), code.clone());
        }
        self.last.insert(step.challenge.clone(), (begun.id, code));
        Ok(())
    }

    fn bind(&self, token: &MfaToken, number: &str) -> Result<(), MfaError> {
        let to = Recipient::phone(&self.phones, number, None).expect("the number of a case is one");
        let bound = self.mfa.update_user(token.user(), token.made, |record| {
            if record.factors.is_empty() {
                record.factors.push(BoundFactor {
                    id: FactorId::random()?,
                    means: Means::Sms { to: to.clone() },
                    label: None,
                    bound: token.made,
                    bound_in: DecisionId::from_bytes([255; 16]),
                    last_used: None,
                });
            }
            Ok(())
        });
        self.runtime.block_on(bound)
    }

    fn verify(&self, step: &Step) -> Result<(), MfaError> {
        let (id, right) = self.last.get(&step.challenge).expect("a code is sent before one is tried");
        let code = match step.code.as_deref().unwrap_or_default() {
            "right" => right.clone(),
            "wrong" => format!("{:06}", (right.parse::<u32>().expect("a code is digits") + 1) % 1_000_000),
            other => match other.strip_prefix("right of ") {
                Some(label) => self.labelled.get(label).expect("the label was given before").clone(),
                None => other.to_owned(),
            },
        };
        let token = token("owner", step);
        let verified = self.mfa.verify(&token, "client", *id, Answer::Code(&code), time(step));
        self.runtime.block_on(verified).map(|_| ())
    }

    /// The code that the provider was asked to send last.
    fn heard(&self) -> String {
        let heard = self.provider.heard().pop().expect("the provider was called");
        let said: Value = serde_json::from_str(&heard.body).expect("it is told in JSON");
        said["payload"]["code"].as_str().expect("a code is a string").to_owned()
    }

    /// The engine draws by itself, so that a draw that is told is tried on the parts that it is made of.
    fn send_drawn(&mut self, step: &Step) -> Result<(String, u16), String> {
        let code = Code::draw(|| step.draw).ok_or("the draw is not taken")?;
        let to = Recipient::phone(&self.phones, NUMBER, None).ok_or("no number")?;
        let message =
            Message { to: &to, usage: Usage::MfaVerification, locale: None, code: &code, minutes: 10, ip: None };
        let sent = self.runtime.block_on(self.mfa.delivery.messenger.send(&message));
        sent.map_err(|error| error.to_string())?;
        let heard = self.heard();
        if step.sent_code.as_ref().is_some_and(|expected| *expected != heard) {
            return Err(format!("{heard} was sent"));
        }
        let sent = SentCode::new(&keys(), b"one", &to, &code, time(step), self.mfa.settings.code_ttl_s);
        self.drawn = Some((to, sent));
        Ok((ok(), 200))
    }

    fn verify_drawn(&mut self, step: &Step) -> Result<(String, u16), String> {
        let (to, sent) = self.drawn.as_mut().ok_or("nothing was drawn")?;
        let code = step.code.as_deref().unwrap_or_default();
        let verified = sent.verify(&keys(), b"one", to, code, time(step), &self.mfa.settings.codes);
        Ok(outcome(verified.map_err(MfaError::from)))
    }
}

fn keys() -> CodeKeys {
    CodeKeys::new(&[1; 32], None)
}

/// What stands for a challenge: of a kind that settles no decision, and made later than it is used, so that nothing ends with it.
fn token(user: &str, step: &Step) -> MfaToken {
    let decision = step.challenge.bytes().fold(1, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    MfaToken {
        kind: TokenKind::SignIn,
        made: Timestamp::from_unix_ms(time(step).unix_ms() + 3_600_000).expect("it is in range"),
        client: ClientTag(0),
        decision: DecisionId::from_bytes([decision; 16]),
        tenant: "default".to_owned(),
        user: user.to_owned(),
        offered: FactorSet::EMPTY.with(Factor::Sms),
        is_device_known: step.device == Device::Known,
        ip: None,
        email: None,
        session: Some("session".to_owned()),
        action: None,
    }
}

fn time(step: &Step) -> Timestamp {
    let at = step.at.as_deref().and_then(|at| at.strip_suffix('s')?.parse::<f64>().ok()).expect("a time in seconds");
    #[expect(clippy::cast_possible_truncation, reason = "a case lasts hours")]
    let ms = (at * 1_000.0).round() as i64;
    Timestamp::from_unix_ms(1_800_000_000_000 + ms).expect("it is in range")
}

/// As the API says it.
fn outcome(result: Result<(), MfaError>) -> (String, u16) {
    let Err(error) = result else { return (ok(), 200) };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "no case expects any of the others, which fail it by their names"
    )]
    let (code, status) = match &error {
        MfaError::CodeNotFound => ("verification_code.not_found", 400),
        MfaError::CodeMismatch => ("verification_code.code_mismatch", 400),
        MfaError::CodeExpired => ("verification_code.expired", 400),
        MfaError::CodeTriedTooOften => ("verification_code.exceed_max_try", 400),
        MfaError::Locked { .. } => ("verification_code.locked", 429),
        MfaError::MessagesRateLimited { .. } => ("request.message_rate_limited", 429),
        other => return (format!("{other:?}"), 500),
    };
    (code.to_owned(), status)
}
