//! From assessments to an action: the only place that decides.
//!
//! Pure, like the signals. Four steps, in this order: [`aggregate`] makes one confidence of the assessments, [`policy`]
//! an action of confidence, enrolment and flow, [`rules`] a stricter one where the operator has such, [`reasons`] the words.

pub mod aggregate;
pub mod evidence;
pub mod policy;
pub mod reasons;
pub mod rules;
mod standing;

use crate::context::LoginContext;
use crate::event::FactorSet;
use crate::signals::{self, Assessments, Recall, Signal};
use crate::units::Confidence;
use aggregate::{Aggregator, Opinion};
use arrayvec::ArrayVec;
use evidence::{Evidence, LogOdds, Thresholds, Weights};
use policy::ExemptFirstFactor;
use reasons::Reason;
use rules::{Facts, Ground, RuleHit, RuleName, Rules};
use serde::{Deserialize, Serialize};
use standing::Standing;

/// The tunables of the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How assessments become one confidence.
    pub aggregator: Aggregator,
    /// When a factor is demanded.
    pub policy: Policy,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// First factors that are strong enough not to be followed by a second.
    pub exempt_first_factors: Vec<ExemptFirstFactor>,
    /// What aggregator `any` counts.
    pub any_of: AnyOf,
    /// What each cause contributes to the sum of aggregator `evidence`.
    pub weights: Weights,
    /// The sum, in log-odds, from which on confidence is medium.
    pub medium: LogOdds,
    /// The same for low; at least `medium`.
    pub low: LogOdds,
    /// The operator's rules, which stand in `[[rules]]`.
    #[serde(skip)]
    pub rules: Rules,
}

/// Signals that aggregator `any` counts: any but PhoneNumber, which never counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Signal>")]
pub struct AnyOf(Vec<Signal>);

impl TryFrom<Vec<Signal>> for AnyOf {
    type Error = &'static str;

    fn try_from(signals: Vec<Signal>) -> Result<Self, Self::Error> {
        if signals.is_empty() {
            return Err("with nothing to count, no login would ever be asked for a factor");
        }
        if signals.contains(&Signal::PhoneNumber) {
            return Err("PhoneNumber is never part of the overall confidence");
        }
        Ok(Self(signals))
    }
}

impl Default for AnyOf {
    fn default() -> Self {
        Self(Signal::ALL.into_iter().filter(|signal| *signal != Signal::PhoneNumber).collect())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aggregator: Aggregator::default(),
            policy: Policy::default(),
            mode: Mode::default(),
            exempt_first_factors: vec![ExemptFirstFactor::Passkey],
            any_of: AnyOf::default(),
            weights: Weights::default(),
            medium: evidence::MEDIUM,
            low: evidence::LOW,
            rules: Rules::default(),
        }
    }
}

impl Settings {
    /// Whether the thresholds are in order.
    ///
    /// # Errors
    ///
    /// They are not: medium confidence would begin behind low.
    pub fn refuse_crossed_thresholds(&self) -> Result<(), String> {
        let (medium, low) = (self.medium.get(), self.low.get());
        if medium <= low {
            return Ok(());
        }
        Err(format!("verdict.medium: {medium} is above verdict.low, {low}: confidence falls as the score rises"))
    }
}

/// When a factor is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// At low confidence.
    #[default]
    Adaptive,
    /// Unless the browser is remembered and confidence is not low.
    Always,
    /// Never: logins are scored only.
    Never,
}

/// Whether verdicts are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// Everything is allowed, and the answer says what would have been.
    Observe,
}

impl Mode {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// What the caller is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let the login pass.
    Allow,
    /// Ask for a second factor.
    Challenge,
    /// Prove the email address first; only then may enrolment follow.
    VerifyEmail,
    /// Refuse.
    Deny,
}

impl Action {
    /// The word that stands in answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::VerifyEmail => "verify_email",
            Self::Deny => "deny",
        }
    }

    /// Whether a factor is demanded.
    #[must_use]
    pub fn demands_mfa(self) -> bool {
        match self {
            Self::Challenge | Self::VerifyEmail => true,
            Self::Allow | Self::Deny => false,
        }
    }
}

/// What became of the browser's "remember this browser" session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RememberedBrowser {
    /// There was none.
    Absent,
    /// It stands.
    Honoured,
    /// It counts for nothing: confidence is low, or a login of this user was labelled fraud.
    Ignored,
}

impl RememberedBrowser {
    /// A rule that demands a factor asks for it in a remembered browser, too.
    fn beside(self, ruling: &policy::Ruling) -> Self {
        let is_asked = matches!(ruling.decided_by, DecidedBy::Rule(_)) && ruling.action != Action::Allow;
        if is_asked && self == Self::Honoured { Self::Ignored } else { self }
    }

    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Honoured => "honoured",
            Self::Ignored => "ignored",
        }
    }
}

/// What decided. A clone shares the name of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedBy {
    /// The confidence.
    Aggregator(Aggregator),
    /// Policy `always`, alone.
    PolicyAlways,
    /// Policy `never`, alone.
    PolicyNever,
    /// The first factor was a passkey.
    FirstFactorPasskey,
    /// Flow `password` cannot ask.
    FlowPassword,
    /// A rule of the operator.
    Rule(RuleName),
}

impl DecidedBy {
    /// The words that stand in answers.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Rule(name) = self { name.code() } else { self.word().unwrap_or_default() }
    }

    /// The same where they are ours, and not those of a rule.
    pub(crate) fn word(&self) -> Option<&'static str> {
        Some(match self {
            Self::Aggregator(Aggregator::Evidence) => "aggregator.evidence",
            Self::Aggregator(Aggregator::Strict) => "aggregator.strict",
            Self::Aggregator(Aggregator::Auth0Mean) => "aggregator.auth0_mean",
            Self::Aggregator(Aggregator::Any) => "aggregator.any",
            Self::PolicyAlways => "policy.always",
            Self::PolicyNever => "policy.never",
            Self::FirstFactorPasskey => "first_factor.passkey",
            Self::FlowPassword => "flow.password",
            Self::Rule(_) => return None,
        })
    }
}

/// What comes next where a factor is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask one of the factors.
    Challenge,
    /// Prove the email address.
    VerifyEmail,
    /// Bind a factor.
    Enroll,
}

impl Next {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::VerifyEmail => "verify_email",
            Self::Enroll => "enroll",
        }
    }
}

/// How strong a factor must be in order to prove anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Any factor will do.
    Any,
    /// The login looks as one through a phisher's proxy does, and whatever a user can type passes through that.
    PhishingResistant,
}

impl Strength {
    /// The word that stands in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::PhishingResistant => "phishing_resistant",
        }
    }
}

/// The decision on one login.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Verdict {
    /// The overall confidence.
    pub confidence: Confidence,
    /// What the caller is to do.
    pub action: Action,
    /// What it would be told in mode `enforce`.
    pub would_be: Action,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// What decided.
    pub decided_by: DecidedBy,
    /// What became of the remembered browser.
    pub remembered_browser: RememberedBrowser,
    /// The factors to offer, where one is demanded.
    pub offered: FactorSet,
    /// How strong the factor must be in order to teach.
    pub strength: Strength,
    /// What comes next, where a factor is demanded.
    pub next: Option<Next>,
    /// Whether the flow can ask the user.
    pub interactive: bool,
    /// What aggregator `evidence` weighed.
    pub evidence: Option<Evidence>,
    /// Why, in plain words; at least one.
    pub reasons: Vec<Reason>,
    /// The rules that hold, or fail, in the order of the configuration.
    pub rules: Vec<RuleHit>,
}

/// Judges one login: facts and history in, assessments and verdict out.
pub fn assess(
    context: &LoginContext<'_>,
    recall: Recall<'_>,
    signal_settings: &signals::Settings,
    verdict_settings: &Settings,
) -> (Assessments, Verdict) {
    let assessments = signals::assess(context, recall, signal_settings);
    let verdict = decide(context, &assessments, recall, verdict_settings);
    (assessments, verdict)
}

/// What `strict` and `auth0_mean` count; a matter of how Auth0 defined them.
const COUNTED: [Signal; 3] = [Signal::NewDevice, Signal::ImpossibleTravel, Signal::UntrustedIp];
/// What they do not count.
const OTHERS: [Signal; 4] = [Signal::NewCountry, Signal::Inactivity, Signal::Reported, Signal::Familiarity];

fn decide(context: &LoginContext<'_>, assessments: &Assessments, recall: Recall<'_>, settings: &Settings) -> Verdict {
    let standing = Standing::new(context, recall);
    let opinion = |signal: Signal| Opinion::from(assessments.of(signal));
    let (counted, confidence, evidence) = match settings.aggregator {
        Aggregator::Evidence => {
            let thresholds = Thresholds { medium: settings.medium.get(), low: settings.low.get() };
            let (confidence, evidence) = evidence::weigh(context, assessments, standing, &settings.weights, thresholds);
            (&[][..], confidence, Some(evidence))
        }
        Aggregator::Strict => {
            let counted = COUNTED.map(opinion);
            (&COUNTED[..], aggregate::strict(&counted, &OTHERS.map(opinion)), None)
        }
        Aggregator::Auth0Mean => (&COUNTED[..], aggregate::auth0_mean(&COUNTED.map(opinion)), None),
        Aggregator::Any => {
            let opinions: ArrayVec<Opinion, { Signal::ALL.len() }> =
                Signal::ALL.into_iter().filter(|signal| settings.any_of.0.contains(signal)).map(opinion).collect();
            (&settings.any_of.0[..], aggregate::any(&opinions), None)
        }
    };
    let ruling = policy::rule(context, assessments, standing, confidence, settings);
    let facts = || Facts { context, assessments, recall, confidence, evidence: evidence.as_ref() };
    let mut hits = settings.rules.hits(context.time, facts);
    let ruling = if hits.is_empty() {
        ruling
    } else {
        let is_enrolled = !context.account.enrolled.is_empty();
        let ground = Ground { is_enrolled, is_exempt: policy::is_exempt(context, assessments, settings) };
        let low = confidence == Confidence::Low;
        let demand = |decided_by| policy::demanded(context, assessments, standing, low, decided_by);
        rules::apply(ruling, &mut hits, ground, demand)
    };
    let observe = settings.mode == Mode::Observe;
    let action = if observe { Action::Allow } else { ruling.action };
    Verdict {
        confidence,
        action,
        would_be: ruling.action,
        mode: settings.mode,
        remembered_browser: policy::remembered(context, standing, confidence).beside(&ruling),
        offered: if action.demands_mfa() { ruling.offered } else { FactorSet::EMPTY },
        strength: ruling.strength,
        next: ruling.next.filter(|_| action.demands_mfa()),
        interactive: context.flow.is_interactive(),
        reasons: reasons::explain(context, assessments, counted, evidence.as_ref(), &ruling, &hits),
        evidence,
        decided_by: ruling.decided_by,
        rules: hits,
    }
}
