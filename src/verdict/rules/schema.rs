//! The names that rules know, and what they are: one table for the check of an expression and for its evaluation.

use super::facts::{Fact, Facts, boolean, integer, number, text, texts, time};
use crate::context::ip_lists::Category;
use crate::context::network::NetworkKind;
use crate::context::{Grain, Location};
use crate::event::{Factor, FirstFactor, Flow};
use crate::signals::impossible_travel::Travel;
use crate::signals::{Details, Leg, Signal};
use crate::verdict::evidence::Cause;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    One(Kind),
    Many(Kind),
    /// Scalars by name.
    Attributes,
}

/// What a value is, that is not made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Double,
    Text,
    /// A text that is one of a few.
    Word(Words),
    Time,
    Duration,
    /// Nobody knows beforehand: an attribute.
    Any,
}

/// Closed sets of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Confidence,
    Code(Signal),
    Flow,
    FirstFactor,
    Factor,
    Leg,
    Category,
    Resolution,
}

impl Words {
    pub(super) fn all(self) -> Vec<&'static str> {
        match self {
            Self::Confidence => vec!["low", "medium", "high", "neutral"],
            Self::Code(signal) => signal.codes().iter().map(|code| code.as_str()).collect(),
            Self::Flow => Flow::ALL.map(Flow::as_str).to_vec(),
            Self::FirstFactor => FirstFactor::ALL.map(FirstFactor::as_str).to_vec(),
            Self::Factor => Factor::ALL.map(Factor::as_str).to_vec(),
            Self::Leg => vec!["known", "unknown"],
            Self::Category => Category::ALL.map(Category::as_str).to_vec(),
            Self::Resolution => vec!["city", "country"],
        }
    }
}

/// Whether a fact is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Always,
    /// Only where `has(…)` says so.
    Alone,
    /// Where any other one of this group is.
    With(&'static str),
}

/// A name that rules know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'n> {
    pub(super) holds: Type,
    pub(super) presence: Presence,
    source: Source<'n>,
}

#[derive(Debug, Clone, Copy)]
enum Source<'n> {
    Named(&'static Named),
    Assessment(Signal, Part),
    Contribution(Cause),
    Attribute(&'n str),
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Confidence,
    Code,
    Hard,
}

const PARTS: [(&str, Part); 3] = [("confidence", Part::Confidence), ("code", Part::Code), ("hard", Part::Hard)];

impl Field<'_> {
    pub(super) fn read<'b>(&self, facts: &'b Facts<'b>) -> Option<Fact<'b>> {
        match self.source {
            Source::Named(named) => (named.read)(facts),
            Source::Assessment(signal, part) => {
                let assessment = facts.assessments.of(signal);
                Some(match part {
                    Part::Confidence => text(assessment.confidence.as_str()),
                    Part::Code => text(assessment.code.as_str()),
                    Part::Hard => boolean(assessment.hard),
                })
            }
            Source::Contribution(cause) => {
                let mut contributions = facts.evidence?.contributions.iter();
                contributions.find(|contribution| contribution.cause == cause).map(|found| number(found.log_odds))
            }
            Source::Attribute(name) => facts.attribute(name),
        }
    }
}

/// Before the name of an attribute, of a signal, of a cause.
pub(super) const ATTRIBUTES: &str = "event.attributes";
const ASSESSMENTS: &str = "assessments.";
const CONTRIBUTIONS: &str = "evidence.contributions.";

/// The field of this name.
pub(super) fn find(name: &str) -> Option<Field<'_>> {
    if let Some(named) = NAMED.iter().find(|named| named.name == name) {
        return Some(Field { holds: named.holds, presence: named.presence, source: Source::Named(named) });
    }
    if let Some(attribute) = name.strip_prefix(ATTRIBUTES).and_then(|rest| rest.strip_prefix('.')) {
        let source = Source::Attribute(attribute);
        return Some(Field { holds: Type::One(Kind::Any), presence: Presence::Alone, source });
    }
    if let Some(cause) = name.strip_prefix(CONTRIBUTIONS) {
        let cause = Cause::ALL.iter().find(|known| known.as_str() == cause)?;
        let source = Source::Contribution(*cause);
        return Some(Field { holds: Type::One(Kind::Double), presence: Presence::Alone, source });
    }
    let (signal, part) = name.strip_prefix(ASSESSMENTS)?.split_once('.')?;
    let signal = Signal::ALL.into_iter().find(|known| known.as_str() == signal)?;
    let (_, part) = PARTS.into_iter().find(|(known, _)| *known == part)?;
    let holds = Type::One(match part {
        Part::Confidence => Kind::Word(Words::Confidence),
        Part::Code => Kind::Word(Words::Code(signal)),
        Part::Hard => Kind::Bool,
    });
    Some(Field { holds, presence: Presence::Always, source: Source::Assessment(signal, part) })
}

/// Every name that rules know, but those of attributes, which callers choose.
pub fn field_names() -> impl Iterator<Item = String> {
    let named = NAMED.iter().map(|named| named.name.to_owned());
    let parts = |signal: Signal| PARTS.map(|(part, _)| format!("{ASSESSMENTS}{}.{part}", signal.as_str()));
    let contributions = Cause::ALL.iter().map(|cause| format!("{CONTRIBUTIONS}{}", cause.as_str()));
    named.chain(Signal::ALL.into_iter().flat_map(parts)).chain(contributions)
}

#[derive(Debug)]
struct Named {
    name: &'static str,
    holds: Type,
    presence: Presence,
    read: for<'b> fn(&'b Facts<'b>) -> Option<Fact<'b>>,
}

const fn always(name: &'static str, kind: Kind, read: for<'b> fn(&'b Facts<'b>) -> Option<Fact<'b>>) -> Named {
    Named { name, holds: Type::One(kind), presence: Presence::Always, read }
}

const fn maybe(name: &'static str, kind: Kind, read: for<'b> fn(&'b Facts<'b>) -> Option<Fact<'b>>) -> Named {
    Named { name, holds: Type::One(kind), presence: Presence::Alone, read }
}

const fn of_travel(name: &'static str, kind: Kind, read: for<'b> fn(&'b Facts<'b>) -> Option<Fact<'b>>) -> Named {
    Named { name, holds: Type::One(kind), presence: Presence::With("evidence.travel"), read }
}

const fn many(name: &'static str, kind: Kind, read: for<'b> fn(&'b Facts<'b>) -> Option<Fact<'b>>) -> Named {
    Named { name, holds: Type::Many(kind), presence: Presence::Always, read }
}

/// Names as in requests and answers, where those have one.
const NAMED: &[Named] = &[
    always("now", Kind::Time, |facts| time(facts.context.time)),
    always("event.ip", Kind::Text, |facts| Some(text(facts.context.address.text))),
    always("event.tenant", Kind::Text, |facts| Some(text(facts.context.claims.tenant))),
    always("event.flow", Kind::Word(Words::Flow), |facts| Some(text(facts.context.flow.as_str()))),
    always("event.first_factor", Kind::Word(Words::FirstFactor), |facts| {
        Some(text(facts.context.first_factor.as_str()))
    }),
    always("event.remembered_browser", Kind::Bool, |facts| Some(boolean(facts.context.remembered_browser))),
    always("event.time", Kind::Time, |facts| time(facts.context.time)),
    maybe("event.client_id", Kind::Text, |facts| facts.context.claims.client_id.map(text)),
    maybe("event.user_agent", Kind::Text, |facts| facts.context.claims.user_agent.map(text)),
    maybe("event.edge.bot_score", Kind::Int, |facts| facts.context.address.bot_score.map(integer)),
    always("event.edge.verified_bot", Kind::Bool, |facts| Some(boolean(facts.context.address.verified_bot))),
    Named {
        name: ATTRIBUTES,
        holds: Type::Attributes,
        presence: Presence::Always,
        read: |facts| Some(facts.attributes()),
    },
    always("event.user.id", Kind::Text, |facts| Some(text(facts.context.claims.user_id))),
    many("event.user.groups", Kind::Text, |facts| Some(texts(facts.context.claims.groups.iter().map(AsRef::as_ref)))),
    many("event.user.enrolled_factors", Kind::Word(Words::Factor), |facts| {
        Some(texts(facts.context.account.enrolled.iter().map(Factor::as_str)))
    }),
    always("event.user.has_email", Kind::Bool, |facts| Some(boolean(facts.context.account.has_email))),
    maybe("event.user.email_verified", Kind::Bool, |facts| facts.context.account.email_verified.map(boolean)),
    maybe("event.user.created_at", Kind::Time, |facts| facts.context.account.created_at.and_then(time)),
    maybe("event.user.phone_changed_at", Kind::Time, |facts| facts.context.account.phone_changed_at.and_then(time)),
    maybe("event.user.email_changed_at", Kind::Time, |facts| facts.context.account.email_changed_at.and_then(time)),
    maybe("assessments.NewDevice.details.device", Kind::Word(Words::Leg), |facts| Some(leg(legs(facts)?.0))),
    maybe("assessments.NewDevice.details.useragent", Kind::Word(Words::Leg), |facts| Some(leg(legs(facts)?.1))),
    maybe("assessments.UntrustedIP.details.category", Kind::Word(Words::Category), |facts| {
        if let Details::Listed { category, .. } = &facts.assessments.untrusted_ip.details {
            Some(text(category.as_str()))
        } else {
            None
        }
    }),
    maybe("assessments.UntrustedIP.details.source", Kind::Text, |facts| {
        if let Details::Listed { source, .. } | Details::Stale { source } = &facts.assessments.untrusted_ip.details {
            Some(text(source))
        } else {
            None
        }
    }),
    always("evidence.confidence", Kind::Word(Words::Confidence), |facts| Some(text(facts.confidence.as_str()))),
    maybe("evidence.score", Kind::Double, |facts| facts.evidence.map(|evidence| number(evidence.score))),
    maybe("evidence.address.asn", Kind::Int, |facts| facts.context.address.asn.map(integer)),
    maybe("evidence.address.network", Kind::Text, |facts| {
        facts.context.address.as_organization.as_ref().map(|name| text(name.as_str()))
    }),
    always("evidence.address.hosting", Kind::Bool, |facts| {
        Some(boolean(facts.context.address.kinds.has(NetworkKind::Hosting)))
    }),
    always("evidence.address.anonymizer", Kind::Bool, |facts| {
        Some(boolean(facts.context.address.kinds.is_anonymizer()))
    }),
    maybe("evidence.location.country", Kind::Text, |facts| {
        facts.context.country.as_ref().map(|country| text(country.as_str()))
    }),
    maybe("evidence.location.resolution", Kind::Word(Words::Resolution), |facts| match facts.context.location {
        Location::Known(place) => Some(text(match place.grain {
            Grain::Country => "country",
            Grain::City => "city",
        })),
        Location::Missing | Location::Unusable | Location::Failed => None,
    }),
    of_travel("evidence.travel.distance_km", Kind::Double, |facts| Some(number(trip(facts)?.distance.value()))),
    of_travel("evidence.travel.distance_km_lower", Kind::Double, |facts| {
        Some(number(trip(facts)?.distance_lower.value()))
    }),
    of_travel("evidence.travel.elapsed_s", Kind::Int, |facts| Some(integer(trip(facts)?.elapsed_ms.div_euclid(1000)))),
    of_travel("evidence.travel.speed_kmph", Kind::Double, |facts| Some(number(trip(facts)?.speed.value()))),
    of_travel("evidence.travel.speed_kmph_max", Kind::Double, |facts| Some(number(trip(facts)?.speed_max.value()))),
    maybe("evidence.travel.from.country", Kind::Text, |facts| {
        trip(facts)?.from_country.as_ref().map(|country| text(country.as_str()))
    }),
    maybe("evidence.travel.to.country", Kind::Text, |facts| {
        trip(facts)?.to_country.as_ref().map(|country| text(country.as_str()))
    }),
    always("history.devices", Kind::Int, |facts| facts.count(|history| history.devices().count())),
    always("history.agents", Kind::Int, |facts| facts.count(|history| history.agents().count())),
    always("history.networks", Kind::Int, |facts| facts.count(|history| history.networks().count())),
    always("history.countries", Kind::Int, |facts| facts.count(|history| history.countries().count())),
    always("history.places", Kind::Int, |facts| facts.count(|history| history.places_kept().count())),
];

fn trip<'b>(facts: &'b Facts<'b>) -> Option<&'b Travel> {
    facts.assessments.travel.as_ref()
}

fn legs(facts: &Facts<'_>) -> Option<(Leg, Leg)> {
    let Details::Legs { device, useragent } = facts.assessments.new_device.details else { return None };
    Some((device, useragent))
}

fn leg(leg: Leg) -> Fact<'static> {
    text(match leg {
        Leg::Known => "known",
        Leg::Unknown => "unknown",
    })
}
