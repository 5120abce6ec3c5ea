//! Aggregator `evidence`: what speaks for and against the login, in log-odds, added up.
//!
//! Each cause counts once: of a group, which is one question, the strongest answer that holds gives the contribution. Groups are
//! the device, the network, the trip, the repute of the address, and the time away. What a caller cannot tell contributes
//! nothing, so that nothing sent makes an answer more lenient than the truth.
//!
//! Pure. The weights are settings (`verdict.weights`), and begin as rounded log-likelihood ratios of the tuning worlds
//! (`docs/EVALUATION.md`, synthetic), but where they say otherwise.

use super::standing::Standing;
use crate::context::LoginContext;
use crate::context::ip_lists::{Category, ListFinding};
use crate::context::network::NetworkKind;
use crate::history::DeviceHabit;
use crate::signals::{Assessment, Assessments, Code, Details, Leg, Signal};
use crate::units::Confidence;
use arrayvec::ArrayVec;
use serde::{Deserialize, Deserializer, Serialize};

/// Log-odds, of either sign: +0.7 doubles the odds that this is not the user, -0.7 halves them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogOdds(f64);

impl LogOdds {
    /// Beyond e^20 nothing is left to weigh.
    const MAX: f64 = 20.0;

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for LogOdds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (-Self::MAX..=Self::MAX).contains(&value) {
            return Ok(Self(value));
        }
        let max = Self::MAX;
        Err(serde::de::Error::custom(format_args!("{value} is out of range, allowed is -{max}..={max}")))
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident $name:ident = $default:literal;)*) => {
        /// Something that speaks for or against a login.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$doc])* $cause,)*
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$cause),*];

            /// The name that stands in answers and in the configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$cause => stringify!($name),)*
                }
            }
        }

        /// What each cause contributes.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Weights {
            $($(#[$doc])* pub $name: LogOdds,)*
        }

        impl Default for Weights {
            fn default() -> Self {
                Self { $($name: LogOdds($default),)* }
            }
        }

        impl Weights {
            /// Of one cause.
            #[must_use]
            pub fn of(&self, cause: Cause) -> f64 {
                match cause {
                    $(Cause::$cause => self.$name.get(),)*
                }
            }
        }
    };
}

causes! {
    /// How rare an intruder with the right password is: one login in a thousand. An assumption, which moves scores and
    /// thresholds alike.
    Prior prior = -7.0;
    /// The device is known. Two honest logins in three, and next to none of an intruder's unless the device was stolen.
    DeviceKnown device_known = -4.0;
    /// The same through a provider that is new to the user: one honest login in twenty, seven of ten of a thief's in the country.
    DeviceKnownInNewSystem device_known_in_new_system = -1.0;
    /// The same where the country is new, too: one honest login in a hundred, two of three of a thief's who does not care where.
    DeviceKnownElsewhere device_known_elsewhere = -0.05;
    /// The device was known, and its days are over: one honest login in nine, and nobody else's.
    DeviceAged device_aged = -2.5;
    /// The browser on a known device is another one than any of the user's.
    BrowserNew browser_new = 1.0;
    /// The device was never seen, or none was told; a browser like this one was. One honest login in five, nearly every
    /// intruder's.
    DeviceNew device_new = 1.6;
    /// Neither was. One honest login in twenty, three intruders of four who do not copy the browser.
    DeviceAndBrowserNew device_and_browser_new = 2.1;
    /// No device of the user was seen within the window, and this one never was: cookies do not last, so that of honest
    /// logins after a month two in five look so. Or the user never had one to tell, and tells none.
    DevicesLapsed devices_lapsed = 0.75;
    /// A device that is not known, of a user who has kept one with such a browser for long.
    DeviceHabitKept device_habit_kept = 0.2;
    /// The same of a user whose devices with such a browser never came back: it clears its cookies.
    DeviceHabitLost device_habit_lost = -0.9;
    /// The network (/24 or /48) is known: three honest logins in four on a new device, one in six of an intruder who is in the
    /// same town.
    NetworkKnown network_known = -2.3;
    /// The network is new; its autonomous system is known, or no database tells it. An intruder who does well picks such a one.
    NetworkNew network_new = 0.85;
    /// The autonomous system is new, the country is not: one honest login in ten, half of an intruder's.
    SystemNew system_new = 1.3;
    /// The country is new: one honest login in fifty, most of an intruder's who does not care. Less than that ratio, since one who does
    /// care comes from the user's country.
    CountryNew country_new = 1.65;
    /// Farther from the last place than 250 km for each hour since: one honest login in twelve in a new country, one in five of a
    /// thief's, who need not pack.
    TravelFast travel_fast = 1.0;
    /// A VPN or a proxy: honest users have them, too, and what is new of its network is counted already, but for its country, which is
    /// chosen and no place of the user's. What a list has against the exit is said of all who share it, and not counted beside.
    Anonymizer anonymizer = 0.3;
    /// An anonymiser, or what databases take for a data centre, on a device that is known, of a user who came through either within 180
    /// days: eight of ten honest logins there, one in fifteen of a thief's.
    AnonymizerHabit anonymizer_habit = -2.5;
    /// The same on a device that is not: half of honest logins there, one in twenty of an intruder's. It takes back what is said of such a
    /// network, and half of what is new of it.
    AnonymizerHabitDeviceNew anonymizer_habit_device_new = -2.85;
    /// A network that is new and that no database tells to be an anonymiser's, on a device that is known, of such a user: databases do
    /// not know every exit. Twice as likely of the user as of a thief.
    AnonymizerHabitNewNetwork anonymizer_habit_new_network = -0.7;
    /// A Tor exit. An assumption: as a hit on a list.
    Tor tor = 2.3;
    /// A data centre: one honest login in a hundred, and the mark of a proxying phisher. Less than its ratio of 3.4, since
    /// databases take VPN exits and offices for one.
    Hosting hosting = 2.1;
    /// On a list that is not hard by itself: two honest logins in a hundred, one in three of an intruder's who does not care.
    Listed listed = 2.3;
    /// A bot, by the edge's word. An assumption.
    Automated automated = 3.0;
    /// The autonomous system fails far more often than it uses to.
    HighVelocity high_velocity = 1.5;
    /// The user was away for long, on a device that was not. An assumption.
    LongInactivity long_inactivity = 0.3;
    /// A check could not be made, and is set to count as low then: enough by itself.
    NotAvailable not_available = 3.0;
}

/// From here on confidence is medium: a known device in a new country.
pub(super) const MEDIUM: LogOdds = LogOdds(-5.5);
/// From here on it is low: a device that is not known, from a network that is new. Set for at most 5 % of honest logins on
/// the tuning worlds (`docs/EVALUATION.md`).
pub(super) const LOW: LogOdds = LogOdds(-4.6);
/// Beyond what anybody travels from door to door but by air.
const FAST_KMPH: f64 = 250.0;

/// One cause and what it contributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Why.
    pub cause: Cause,
    /// How much.
    pub log_odds: f64,
}

/// At most so many contribute: the prior, a check that failed, two of the device, and one each of network, trip, repute, a habit of
/// anonymisers and time away.
pub(super) const CONTRIBUTIONS_MAX: usize = 9;

/// All that was weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// In the order of the groups.
    pub contributions: ArrayVec<Contribution, CONTRIBUTIONS_MAX>,
    /// Their sum.
    pub score: f64,
    /// Whether something stands by itself, whatever the sum.
    pub is_hard: bool,
    /// Where the sum alone made confidence low: the contribution without which it would not have been, the greatest of
    /// those.
    pub decisive: Option<Cause>,
}

/// The thresholds, in log-odds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    pub(super) medium: f64,
    pub(super) low: f64,
}

/// Weighs a login; gives the confidence, too.
pub(super) fn weigh(
    context: &LoginContext<'_>,
    assessments: &Assessments,
    standing: Standing,
    weights: &Weights,
    thresholds: Thresholds,
) -> (Confidence, Evidence) {
    let mut scale = Scale { weights, contributions: ArrayVec::new() };
    scale.add(Some(Cause::Prior));
    let asked = [Signal::NewDevice, Signal::ImpossibleTravel, Signal::UntrustedIp];
    scale.add(asked.into_iter().find_map(|signal| not_available(assessments.of(signal))));
    let is_vouched_for = matches!(context.address.lists, ListFinding::Allowed { by_network: true, .. });
    let network = network(context, assessments, standing).filter(|_| !is_vouched_for);
    let device = device(&assessments.new_device, network, standing);
    device.into_iter().for_each(|cause| scale.add(cause));
    scale.add(network);
    let is_trip = assessments.impossible_travel.code != Code::MinimalTravel && !is_vouched_for;
    let is_fast = assessments.travel.as_ref().is_some_and(|travel| travel.speed.value() > FAST_KMPH);
    scale.add((is_fast && is_trip).then_some(Cause::TravelFast));
    scale.add(scale.strongest(repute(context, assessments)));
    if standing.hides && !is_vouched_for {
        scale.add(habit_of_anonymizers(context, device[0], network));
    }
    // Devices that lapsed say so already.
    let is_away = assessments.inactivity.code == Code::LongInactivity && device[0] != Some(Cause::DevicesLapsed);
    scale.add(is_away.then_some(Cause::LongInactivity));
    let contributions = scale.contributions;
    let score = contributions.iter().map(|contribution| contribution.log_odds).sum();
    let is_hard = Signal::ALL.into_iter().any(|signal| is_hard(assessments.of(signal)));
    let confidence = match score {
        _ if is_hard => Confidence::Low,
        score if score >= thresholds.low => Confidence::Low,
        score if score >= thresholds.medium => Confidence::Medium,
        _ => Confidence::High,
    };
    let decisive =
        if confidence == Confidence::Low && !is_hard { decisive(&contributions, score - thresholds.low) } else { None };
    (confidence, Evidence { contributions, score, is_hard, decisive })
}

/// Collects contributions.
struct Scale<'a> {
    weights: &'a Weights,
    contributions: ArrayVec<Contribution, CONTRIBUTIONS_MAX>,
}

impl Scale<'_> {
    /// A weight of zero switches a cause off.
    fn add(&mut self, cause: Option<Cause>) {
        let weighed = cause.map(|cause| Contribution { cause, log_odds: self.weights.of(cause) });
        if let Some(contribution) = weighed.filter(|contribution| contribution.log_odds != 0.0) {
            // There is room for one of each group.
            let _full = self.contributions.try_push(contribution);
        }
    }

    /// Of several answers to one question, the one that weighs most; the first of equals.
    fn strongest(&self, causes: impl Iterator<Item = Cause>) -> Option<Cause> {
        causes.reduce(|a, b| if self.weights.of(b) > self.weights.of(a) { b } else { a })
    }
}

/// What an operator set to count as nothing on failure is neutral.
fn not_available(assessment: &Assessment) -> Option<Cause> {
    let counts = assessment.code == Code::AssessmentNotAvailable && assessment.confidence == Confidence::Low;
    counts.then_some(Cause::NotAvailable)
}

/// The device, and what is to be added to it.
fn device(new_device: &Assessment, network: Option<Cause>, standing: Standing) -> [Option<Cause>; 2] {
    let habit = match standing.habit {
        Some(DeviceHabit::Keeps) => Some(Cause::DeviceHabitKept),
        Some(DeviceHabit::Loses) => Some(Cause::DeviceHabitLost),
        None => None,
    };
    match (&new_device.details, new_device.code) {
        (Details::Legs { device: Leg::Known, useragent }, _) => {
            let known = match network {
                Some(Cause::CountryNew) => Cause::DeviceKnownElsewhere,
                Some(Cause::SystemNew) => Cause::DeviceKnownInNewSystem,
                _ => Cause::DeviceKnown,
            };
            [Some(known), (*useragent == Leg::Unknown).then_some(Cause::BrowserNew)]
        }
        (_, Code::PartialMatch | Code::NoMatch | Code::NoDeviceHistory) if standing.is_device_aged => {
            [Some(Cause::DeviceAged), None]
        }
        (Details::Legs { device: Leg::Unknown, useragent: Leg::Known }, _) => [Some(Cause::DeviceNew), habit],
        (Details::Legs { device: Leg::Unknown, useragent: Leg::Unknown }, _) => {
            [Some(Cause::DeviceAndBrowserNew), habit]
        }
        (_, Code::NoDeviceHistory) => [Some(Cause::DevicesLapsed), None],
        // Who never had one to tell is as usual without.
        (_, Code::UnknownDevice) if standing.has_no_device => [Some(Cause::DevicesLapsed), None],
        // Nobody knows which this is.
        (_, Code::UnknownDevice) if new_device.confidence == Confidence::Low => {
            [Some(Cause::DeviceAndBrowserNew), None]
        }
        _ => [None, None],
    }
}

/// From the narrowest that is known to the widest that is new.
fn network(context: &LoginContext<'_>, assessments: &Assessments, standing: Standing) -> Option<Cause> {
    let novelty = standing.network?;
    // Where an anonymiser's exit stands is chosen, and says nothing of where its user is.
    let is_somewhere = !context.address.kinds.is_anonymizer();
    Some(if novelty.knows_network {
        Cause::NetworkKnown
    } else if is_somewhere && novelty.is_new_asn != Some(false) && assessments.new_country.code == Code::NewCountry {
        Cause::CountryNew
    } else if novelty.is_new_asn == Some(true) {
        Cause::SystemNew
    } else {
        Cause::NetworkNew
    })
}

/// Of a user who uses anonymisers: whether this login is like it. A Tor exit is like nobody's habit, since everybody shares it.
fn habit_of_anonymizers(context: &LoginContext<'_>, device: Option<Cause>, network: Option<Cause>) -> Option<Cause> {
    let kinds = context.address.kinds;
    let is_known = matches!(
        device,
        Some(Cause::DeviceKnown | Cause::DeviceKnownInNewSystem | Cause::DeviceKnownElsewhere | Cause::DeviceAged)
    );
    let is_new = matches!(network, Some(Cause::NetworkNew | Cause::SystemNew | Cause::CountryNew));
    match (kinds.is_anonymizer() || kinds.has(NetworkKind::Hosting), is_known) {
        _ if kinds.has(NetworkKind::Tor) => None,
        (true, true) => Some(Cause::AnonymizerHabit),
        (true, false) => Some(Cause::AnonymizerHabitDeviceNew),
        (false, true) if is_new => Some(Cause::AnonymizerHabitNewNetwork),
        (false, _) => None,
    }
}

/// What is said against the address. A category that the operator made neutral says nothing.
fn repute(context: &LoginContext<'_>, assessments: &Assessments) -> impl Iterator<Item = Cause> {
    let assessment = &assessments.untrusted_ip;
    let is_doubt = matches!(assessment.confidence, Confidence::Low | Confidence::Medium);
    let kinds = context.address.kinds;
    let judged = match (assessment.code, &assessment.details) {
        (Code::FoundOnDenyList, Details::Listed { .. }) if is_doubt && kinds.has(NetworkKind::Tor) => Some(Cause::Tor),
        (Code::FoundOnDenyList, Details::Listed { .. }) if is_doubt && kinds.is_anonymizer() => Some(Cause::Anonymizer),
        (Code::FoundOnDenyList, Details::Listed { category, .. }) if is_doubt => Some(match category {
            Category::Anonymizer => Cause::Anonymizer,
            Category::Datacenter => Cause::Hosting,
            Category::Abuse | Category::Reputation | Category::Unroutable => Cause::Listed,
        }),
        (Code::HighVelocity, _) => Some(Cause::HighVelocity),
        (Code::Automated, _) => Some(Cause::Automated),
        _ => None,
    };
    // What the network is used for is known of more addresses than are judged by it.
    let is_hosting = assessment.code == Code::NotFoundOnDenyList && kinds.has(NetworkKind::Hosting);
    judged.into_iter().chain(is_hosting.then_some(Cause::Hosting))
}

/// A list is hard here only where it says so itself: one that hits a login in fifty would ask honest users all day.
pub(super) fn is_hard(assessment: &Assessment) -> bool {
    match assessment.details {
        Details::Listed { hard, .. } => hard && assessment.confidence == Confidence::Low,
        Details::None
        | Details::CopiedDevice
        | Details::Legs { .. }
        | Details::Allowed { .. }
        | Details::Velocity { .. }
        | Details::Automated { .. }
        | Details::Stale { .. }
        | Details::Phone(_) => assessment.hard,
    }
}

fn decisive(contributions: &[Contribution], surplus: f64) -> Option<Cause> {
    let enough = contributions.iter().filter(|contribution| contribution.log_odds > surplus);
    enough.max_by(|a, b| a.log_odds.total_cmp(&b.log_odds)).map(|contribution| contribution.cause)
}
