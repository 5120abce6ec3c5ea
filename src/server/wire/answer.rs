//! `POST /v1/score`: the answer, in Auth0's vocabulary.

use crate::context::{Grain, Location, LoginContext};
use crate::event::Factor;
use crate::pipeline::{Presented, Scored};
use crate::signals::impossible_travel::Travel;
use crate::signals::{Assessment, Assessments, Details, Leg, Signal};
use crate::verdict::reasons::Reason;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// The whole answer.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ScoreAnswer<'a> {
    decision_id: Shown<&'a crate::memory::decisions::DecisionId>,
    action: &'static str,
    demand_mfa: bool,
    remembered_browser: &'static str,
    mode: &'static str,
    would_be: &'static str,
    decided_by: &'static str,
    /// No aggregator of today gives one.
    score: Option<f64>,
    interactive: bool,
    risk_assessment: RiskAssessment<'a>,
    evidence: Evidence<'a>,
    reasons: Reasons<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa: Option<Mfa>,
    device: Device,
}

/// The answer to `Prefer: return=minimal`.
#[derive(Debug, Serialize)]
pub(in crate::server) struct MinimalAnswer<'a> {
    decision_id: Shown<&'a crate::memory::decisions::DecisionId>,
    action: &'static str,
    demand_mfa: bool,
    remembered_browser: &'static str,
    device: Device,
}

impl<'a> ScoreAnswer<'a> {
    pub(in crate::server) fn new(scored: &'a Scored<'_>) -> Self {
        let verdict = &scored.verdict;
        Self {
            decision_id: Shown(&scored.id),
            action: verdict.action.as_str(),
            demand_mfa: verdict.action.demands_mfa(),
            remembered_browser: verdict.remembered_browser.as_str(),
            mode: verdict.mode.as_str(),
            would_be: verdict.would_be.as_str(),
            decided_by: verdict.decided_by.as_str(),
            score: None,
            interactive: verdict.interactive,
            risk_assessment: RiskAssessment {
                version: "1",
                confidence: verdict.confidence.as_str(),
                assessments: BySignal { of: &scored.assessments, context: &scored.context },
            },
            evidence: Evidence::new(scored),
            reasons: Reasons(&verdict.reasons),
            mfa: verdict.next.map(|next| Mfa { factors: verdict.offered.iter().collect(), next: next.as_str() }),
            device: Device::new(scored.presented),
        }
    }
}

impl<'a> MinimalAnswer<'a> {
    pub(in crate::server) fn new(scored: &'a Scored<'_>) -> Self {
        let verdict = &scored.verdict;
        Self {
            decision_id: Shown(&scored.id),
            action: verdict.action.as_str(),
            demand_mfa: verdict.action.demands_mfa(),
            remembered_browser: verdict.remembered_browser.as_str(),
            device: Device::new(scored.presented),
        }
    }
}

#[derive(Debug, Serialize)]
struct RiskAssessment<'a> {
    version: &'static str,
    confidence: &'static str,
    assessments: BySignal<'a>,
}

#[derive(Debug)]
struct BySignal<'a> {
    of: &'a Assessments,
    context: &'a LoginContext<'a>,
}

impl Serialize for BySignal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Signal::ALL.len()))?;
        for signal in Signal::ALL {
            let entry = AssessmentBody { of: self.of.of(signal), ip: self.context.address.text };
            map.serialize_entry(signal.as_str(), &entry)?;
        }
        map.end()
    }
}

struct AssessmentBody<'a> {
    of: &'a Assessment,
    ip: &'a str,
}

impl Serialize for AssessmentBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("confidence", self.of.confidence.as_str())?;
        map.serialize_entry("code", self.of.code.as_str())?;
        if let Some(details) = DetailsBody::new(&self.of.details, self.ip) {
            map.serialize_entry("details", &details)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum DetailsBody<'a> {
    Legs {
        device: Leg,
        useragent: Leg,
    },
    Listed {
        ip: &'a str,
        matches: Shown<&'a ipnet::IpNet>,
        source: &'a str,
        category: &'static str,
    },
    Allowed {
        ip: &'a str,
        matches: &'a str,
        source: &'static str,
    },
    Automated {
        #[serde(skip_serializing_if = "Option::is_none")]
        bot_score: Option<u8>,
        verified_bot: bool,
    },
    Stale {
        source: &'a str,
    },
    Phone {
        #[serde(rename = "lineType")]
        line_type: &'static str,
        #[serde(rename = "isValid")]
        is_valid: bool,
        #[serde(rename = "countryCode")]
        country_code: i32,
        number: &'a str,
    },
}

impl<'a> DetailsBody<'a> {
    fn new(details: &'a Details, ip: &'a str) -> Option<Self> {
        Some(match details {
            Details::None => return None,
            Details::Legs { device, useragent } => Self::Legs { device: *device, useragent: *useragent },
            Details::Listed { matches, source, category } => {
                Self::Listed { ip, matches: Shown(matches), source, category: category.as_str() }
            }
            Details::Allowed { matches } => Self::Allowed { ip, matches, source: "signals.untrusted_ip.allow" },
            Details::Automated { bot_score, verified_bot } => {
                Self::Automated { bot_score: *bot_score, verified_bot: *verified_bot }
            }
            Details::Stale { source } => Self::Stale { source },
            Details::Phone(number) => Self::Phone {
                line_type: number.line.as_str(),
                is_valid: number.is_valid,
                country_code: number.country_code,
                number: &number.e164,
            },
        })
    }
}

/// Numbers behind the codes; what could not be had is absent.
#[derive(Debug, Serialize)]
struct Evidence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    travel: Option<TravelBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationBody>,
    address: AddressBody<'a>,
}

#[derive(Debug, Serialize)]
struct TravelBody {
    distance_km: f64,
    distance_km_lower: f64,
    elapsed_s: i64,
    speed_kmph: f64,
    speed_kmph_max: f64,
    from: EndBody,
    to: EndBody,
}

#[derive(Debug, Serialize)]
struct EndBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<CountryText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Shown<crate::clock::Timestamp>>,
}

/// Where the login was placed, and how well: at `country`, travel is judged between countries only.
#[derive(Debug, Serialize)]
struct LocationBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Shown<CountryText>>,
    resolution: &'static str,
}

#[derive(Debug, Serialize)]
struct AddressBody<'a> {
    ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a str>,
}

/// What is no address may be as long as a body; no answer repeats more than this of it.
const ADDRESS_BYTES_MAX: usize = 64;

impl<'a> Evidence<'a> {
    fn new(scored: &'a Scored<'_>) -> Self {
        let context = &scored.context;
        let address = &context.address;
        Self {
            travel: scored.assessments.travel.as_ref().map(TravelBody::new),
            location: match &context.location {
                Location::Known(place) => Some(LocationBody {
                    country: place.country.map(|country| Shown(CountryText(country))),
                    resolution: match place.grain {
                        Grain::Country => "country",
                        Grain::City => "city",
                    },
                }),
                Location::Missing | Location::Unusable | Location::Failed => None,
            },
            address: AddressBody {
                ip: &address.text[..address.text.floor_char_boundary(ADDRESS_BYTES_MAX)],
                asn: address.asn,
                network: address.as_organization,
            },
        }
    }
}

impl TravelBody {
    fn new(travel: &Travel) -> Self {
        Self {
            distance_km: thousandths(travel.distance.value()),
            distance_km_lower: thousandths(travel.distance_lower.value()),
            elapsed_s: travel.elapsed_ms.div_euclid(1000),
            speed_kmph: thousandths(travel.speed.value()),
            speed_kmph_max: travel.speed_max.value(),
            from: EndBody {
                country: travel.from_country.map(|country| Shown(CountryText(country))),
                time: Some(Shown(travel.from_time)),
            },
            to: EndBody { country: travel.to_country.map(|country| Shown(CountryText(country))), time: None },
        }
    }
}

/// Metres are enough.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

struct Reasons<'a>(&'a [Reason]);

impl std::fmt::Debug for Reasons<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Serialize)]
struct ReasonBody<'a> {
    code: &'static str,
    text: &'a str,
}

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for reason in self.0 {
            sequence.serialize_element(&ReasonBody { code: reason.code, text: &reason.text })?;
        }
        sequence.end()
    }
}

#[derive(Debug, Serialize)]
struct Mfa {
    factors: Vec<Factor>,
    next: &'static str,
}

#[derive(Debug, Serialize)]
struct Device {
    presented: &'static str,
}

impl Device {
    fn new(presented: Presented) -> Self {
        let presented = match presented {
            Presented::Absent => "absent",
            Presented::Bad => "bad",
        };
        Self { presented }
    }
}

/// Something that is written as it is shown.
#[derive(Debug)]
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Debug)]
struct CountryText(crate::units::CountryCode);

impl std::fmt::Display for CountryText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}
