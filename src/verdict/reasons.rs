//! The verdict in plain words. What is said is decided with the verdict; sentences with numbers or names in them are written when somebody reads
//! them, which a hook does not.

use super::evidence::{self, Cause, Contribution, Evidence};
use super::policy::{NoEmail, Ruling};
use super::rules::RuleHit;
use super::{Action, DecidedBy};
use crate::context::LoginContext;
use crate::signals::impossible_travel::Travel;
use crate::signals::{Assessment, Assessments, Code, Details, Leg, Signal};
use crate::units::Confidence;
use arrayvec::ArrayVec;
use std::borrow::Cow;

/// Why, with the stable code that a program can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A code of signals.md, the policy's, or `rule.NAME`.
    pub code: Cow<'static, str>,
    /// What is said.
    pub(super) words: Words,
}

/// One sentence, in English, as far as it is there before somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// All of it.
    Fixed(&'static str),
    /// The operator's own, of a rule.
    Rule(String),
    /// How far, how long and how fast.
    Trip,
    /// The address, and what was found of it.
    Address,
}

impl Reason {
    fn new(code: &'static str, text: &'static str) -> Self {
        Self { code: code.into(), words: Words::Fixed(text) }
    }

    /// The sentence. What is borrowed is ours; anything else may hold what a client or an operator wrote. `context` and `assessments` are those of the
    /// verdict that the reason is of.
    #[must_use]
    pub fn text(&self, context: &LoginContext<'_>, assessments: &Assessments) -> Cow<'static, str> {
        match &self.words {
            Words::Fixed(text) => (*text).into(),
            Words::Rule(text) => text.clone().into(),
            Words::Trip => {
                assessments.travel.as_ref().map_or("the user came from elsewhere".into(), |it| trip(it).into())
            }
            Words::Address => of_address(&assessments.untrusted_ip, context).into(),
        }
    }
}

/// Room for what most logins have.
const USUAL: usize = 8;

/// Everything that was counted against the login, hard evidence first; where nothing was, what spoke for it.
pub(super) fn explain(
    context: &LoginContext<'_>,
    assessments: &Assessments,
    counted: &[Signal],
    evidence: Option<&Evidence>,
    ruling: &Ruling,
    rules: &[RuleHit],
) -> Vec<Reason> {
    let mut reasons = Vec::with_capacity(USUAL);
    reasons.extend(doubts(assessments, counted));
    if let Some(evidence) = evidence {
        weighed(assessments, evidence, &mut reasons);
    }
    if reasons.is_empty() || assessments.untrusted_ip.code == Code::OnAllowList {
        reasons.push(in_favour(assessments));
    }
    if context.address.is_familiar {
        let text = "many users log in from this network: that it is new to this one is not counted";
        reasons.push(Reason::new("familiar_network", text));
    }
    if context.address.edge_ignored {
        let text = "this client is not trusted with `location` and `edge`; they were ignored";
        reasons.push(Reason::new("edge_not_trusted", text));
    }
    if let Some(cause) = evidence.and_then(|evidence| evidence.decisive) {
        reasons.push(Reason::new("decisive", without(cause)));
    }
    reasons.extend(of_policy(ruling));
    if let DecidedBy::Rule(name) = &ruling.decided_by {
        let decided = rules.iter().find(|rule| rule.name == *name).map(RuleHit::reason);
        reasons.splice(0..0, decided);
    }
    reasons
}

/// What is counted and in doubt, and hard evidence in any case.
fn doubts(assessments: &Assessments, counted: &[Signal]) -> impl Iterator<Item = Reason> {
    let is_told = |signal: Signal, assessment: &Assessment| {
        is_doubt(assessment) && (counted.contains(&signal) || evidence::is_hard(assessment))
    };
    let mut doubts: ArrayVec<&Assessment, { ORDER.len() }> = ORDER
        .into_iter()
        .map(|signal| (signal, assessments.of(signal)))
        .filter(|(signal, assessment)| is_told(*signal, assessment))
        .map(|(_, assessment)| assessment)
        .collect();
    doubts.sort_by_key(|assessment| (!assessment.hard, assessment.confidence != Confidence::Low));
    doubts.into_iter().map(of_signal)
}

/// What weighed against the login, most first; what a signal says, in its words, and once.
fn weighed(assessments: &Assessments, evidence: &Evidence, reasons: &mut Vec<Reason>) {
    let against = evidence.contributions.iter().filter(|contribution| contribution.log_odds > 0.0);
    let mut against: ArrayVec<&Contribution, { evidence::CONTRIBUTIONS_MAX }> = against.collect();
    against.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
    for contribution in against {
        let reason = of_cause(contribution.cause, assessments);
        if !reasons.iter().any(|told| told.code == reason.code) {
            reasons.push(reason);
        }
    }
}

fn of_cause(cause: Cause, assessments: &Assessments) -> Reason {
    let fixed = |text| Reason::new(cause.as_str(), text);
    match cause {
        Cause::DeviceNew | Cause::DeviceAndBrowserNew | Cause::DevicesLapsed | Cause::BrowserNew => {
            of_signal(&assessments.new_device)
        }
        Cause::CountryNew => of_signal(&assessments.new_country),
        Cause::TravelFast => of_signal(&assessments.impossible_travel),
        Cause::LongInactivity => of_signal(&assessments.inactivity),
        Cause::Listed | Cause::Automated | Cause::HighVelocity => of_signal(&assessments.untrusted_ip),
        Cause::Anonymizer | Cause::Tor | Cause::Hosting if assessments.untrusted_ip.code == Code::FoundOnDenyList => {
            of_signal(&assessments.untrusted_ip)
        }
        Cause::Hosting => fixed("the address belongs to a data centre"),
        Cause::Anonymizer => fixed("the address belongs to an anonymiser"),
        Cause::Tor => fixed("the address is a Tor exit"),
        Cause::NetworkNew => fixed("the user has not logged in from this network"),
        Cause::SystemNew => fixed("the user has not logged in through this provider"),
        Cause::DeviceHabitKept => fixed("the user has kept one device for weeks, and it is not this one"),
        Cause::NotAvailable => {
            Reason::new(Code::AssessmentNotAvailable.as_str(), "a check could not be made, so it counts as a doubt")
        }
        // These speak for the user, unless an operator turned their weight round.
        Cause::Prior => fixed("every login is in doubt by this much"),
        Cause::DeviceKnown | Cause::DeviceKnownInNewSystem | Cause::DeviceKnownElsewhere => {
            fixed("the device is known")
        }
        Cause::DeviceAged => fixed("the device was known, and not used for long"),
        Cause::DeviceHabitLost => fixed("none of the user's devices ever came back"),
        Cause::NetworkKnown => fixed("the network is known"),
        Cause::AnonymizerHabit | Cause::AnonymizerHabitDeviceNew | Cause::AnonymizerHabitNewNetwork => {
            fixed("the user comes through anonymisers now and then")
        }
    }
}

/// What made the difference.
fn without(cause: Cause) -> &'static str {
    macro_rules! without {
        ($noun:literal) => {
            concat!("without ", $noun, " confidence would not have been low")
        };
    }
    match cause {
        Cause::Prior => without!("the prior"),
        Cause::DeviceKnown | Cause::DeviceKnownInNewSystem | Cause::DeviceKnownElsewhere => {
            without!("the known device")
        }
        Cause::DeviceAged => without!("the device that was not used for long"),
        Cause::DeviceNew => without!("the new device"),
        Cause::DeviceAndBrowserNew => without!("the new device and browser"),
        Cause::DevicesLapsed => without!("the device that is none of the user's former ones"),
        Cause::BrowserNew => without!("the new browser"),
        Cause::DeviceHabitKept | Cause::DeviceHabitLost => without!("the user's habit of devices"),
        Cause::NetworkKnown => without!("the known network"),
        Cause::NetworkNew => without!("the new network"),
        Cause::SystemNew => without!("the new provider"),
        Cause::CountryNew => without!("the new country"),
        Cause::TravelFast => without!("the fast trip"),
        Cause::Anonymizer => without!("the anonymiser"),
        Cause::Tor => without!("the Tor exit"),
        Cause::AnonymizerHabit | Cause::AnonymizerHabitDeviceNew | Cause::AnonymizerHabitNewNetwork => {
            without!("the user's habit of anonymisers")
        }
        Cause::Hosting => without!("the data centre"),
        Cause::Listed => without!("the hit on a list"),
        Cause::Automated => without!("the edge's word on a bot"),
        Cause::HighVelocity => without!("the failures of its provider"),
        Cause::LongInactivity => without!("the long absence"),
        Cause::NotAvailable => without!("the check that could not be made"),
    }
}

/// What matters most to a reader first.
const ORDER: [Signal; 7] = [
    Signal::Reported,
    Signal::ImpossibleTravel,
    Signal::UntrustedIp,
    Signal::NewDevice,
    Signal::NewCountry,
    Signal::Inactivity,
    Signal::Familiarity,
];

fn is_doubt(assessment: &Assessment) -> bool {
    matches!(assessment.confidence, Confidence::Low | Confidence::Medium)
}

fn in_favour(assessments: &Assessments) -> Reason {
    let allowed = assessments.untrusted_ip.code == Code::OnAllowList;
    of_signal(if allowed { &assessments.untrusted_ip } else { &assessments.new_device })
}

fn of_signal(assessment: &Assessment) -> Reason {
    Reason { code: assessment.code.as_str().into(), words: words(assessment) }
}

fn words(assessment: &Assessment) -> Words {
    Words::Fixed(match assessment.code {
        Code::Match => "the device and its browser are known",
        Code::PartialMatch => partial_match(&assessment.details),
        Code::NoMatch => "neither the device nor its browser is known",
        Code::UnknownDevice => "nothing tells which device this is",
        Code::NoDeviceHistory => "the user has logged in before, but no device is remembered",
        Code::InitialLogin => "the user's first login, and nothing speaks against it",
        Code::HistoryMissing => "the account is over a day old, but nothing is known of its user",
        Code::DeviceReused => "the device cookie is older than the one last used: it was copied",
        Code::ImpossibleTravel | Code::SubstantialTravel | Code::Travel | Code::MinimalTravel => {
            return Words::Trip;
        }
        Code::InvalidTravel => "the way from the last login gives no finite number",
        Code::MissingGeoip => "the place of the address is not known",
        Code::UnknownLocation => "the place of the address is too vague to use",
        Code::LocationHistoryNotFound => "no recent place of the user is known",
        Code::AnonymousProxy => "the address is an anonymiser's, so its place says nothing",
        Code::NotFoundOnDenyList => "the address is on no list",
        Code::FoundOnDenyList | Code::HighVelocity | Code::OnAllowList | Code::Automated | Code::ListStale => {
            return Words::Address;
        }
        Code::InvalidIpAddress => "the client's address is none",
        Code::PhoneNumberNotProvided => "no phone number was given",
        Code::PhoneOk => "the phone number is usable",
        Code::RequiresVerification => "the phone number must be verified",
        Code::KnownCountry => "the user has logged in from this country",
        Code::NewCountry => "the user has not logged in from this country for a long time, if ever",
        Code::Recent => "the user logged in not long ago",
        Code::LongInactivity => "the user has not logged in for long",
        Code::NotReported => "nothing of this login was labelled fraud",
        Code::Reported => "the device, the address or the place was labelled fraud for this user",
        Code::UnfinishedChallenge => "a factor was demanded of this user and not passed, and this device is not known",
        Code::Familiar => "the user often logs in from here, with this kind of browser",
        Code::Unusual => "the user seldom logs in from here, or not with this kind of browser",
        Code::Unfamiliar => "nothing of where, and by what, is like the logins before",
        Code::NotEnoughHistory => "too few days are known to call anything usual",
        Code::AssessmentNotAvailable => "a check could not be made, so it counts as a doubt",
    })
}

fn partial_match(details: &Details) -> &'static str {
    match details {
        Details::Legs { device: Leg::Known, .. } => "the device is known, its browser is not",
        Details::Legs { .. }
        | Details::None
        | Details::CopiedDevice
        | Details::Listed { .. }
        | Details::Allowed { .. }
        | Details::Velocity { .. }
        | Details::Automated { .. }
        | Details::Stale { .. }
        | Details::Phone(_) => "the browser is known, the device is not",
    }
}

fn of_address(assessment: &Assessment, context: &LoginContext<'_>) -> String {
    let ip = context.address.text;
    match &assessment.details {
        Details::Listed { matches, source, category, .. } => {
            format!("{ip} is in {matches} on list {source} ({})", category.as_str())
        }
        Details::Allowed { matches } => format!("{ip} is in {matches} on the allow list"),
        Details::Velocity { matches, window_s, failures, users } => format!(
            "{failures} logins of {users} users failed from {matches} within {}, far more than usual there",
            span(*window_s)
        ),
        Details::Automated { bot_score: Some(score), verified_bot: false } => {
            format!("the edge takes the client for a bot (score {score})")
        }
        Details::Automated { .. } => "the edge knows the client as a crawler".to_owned(),
        Details::Stale { source } => format!("list {source} is too old to tell"),
        Details::None | Details::CopiedDevice | Details::Legs { .. } | Details::Phone(_) => format!("{ip} was judged"),
    }
}

/// The windows of velocity are whole minutes or hours.
fn span(seconds: u32) -> String {
    if seconds < 3_600 { format!("{} min", seconds / 60) } else { format!("{} h", seconds / 3_600) }
}

fn trip(travel: &Travel) -> String {
    let minutes = travel.elapsed_ms.unsigned_abs() / 60_000;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let verdict = if travel.speed > travel.speed_max { "needs" } else { "takes" };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and far below 2^64")]
    let [km, speed, limit] = [travel.distance_lower.value(), travel.speed.value(), travel.speed_max.value()]
        .map(|it| it.round_ties_even() as u64);
    format!("{km} km or more in {hours} h {minutes} min {verdict} {speed} km/h; the limit is {limit} km/h")
}

fn of_policy(ruling: &Ruling) -> Option<Reason> {
    let no_email = ruling.no_email.map(|why| match why {
        NoEmail::NotKnown => "the user has no usable factor and no email address to prove",
        NoEmail::NotVerified => "the user has no usable factor, and the email address was never verified",
        NoEmail::JustChanged => "the user has no usable factor, and the email address changed within 72 hours",
        NoEmail::FirstFactor => "the email address was the first factor, so it cannot be the second",
    });
    if let Some(text) = no_email {
        return Some(Reason::new("no_email", text));
    }
    let text = match (&ruling.decided_by, ruling.action) {
        (DecidedBy::PolicyAlways, Action::Challenge) => "the policy asks everyone for a second factor",
        (DecidedBy::PolicyAlways, _) => "the browser is remembered and nothing speaks against it",
        (DecidedBy::PolicyNever, _) => "the policy asks nobody for a second factor",
        (DecidedBy::FirstFactorPasskey, _) => "a passkey was the first factor, so none is asked again",
        (DecidedBy::FlowPassword, _) => "the password flow cannot ask, and the user has no usable factor",
        // The rule's own words stand first.
        (DecidedBy::Aggregator(_) | DecidedBy::Rule(_), _) => return None,
    };
    Some(Reason::new(ruling.decided_by.word()?, text))
}
