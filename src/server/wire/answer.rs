//! `POST /v1/score`: the answer, in Auth0's vocabulary.

use super::json::Json;
use crate::clock::Timestamp;
use crate::context::{Grain, Location};
use crate::event::Factor;
use crate::pipeline::{Presented, Scored};
use crate::signals::impossible_travel::Travel;
use crate::signals::{Assessment, Details, Leg, Signal};
use crate::units::{Confidence, CountryCode};
use crate::verdict::evidence::Evidence;
use crate::verdict::rules::RuleHit;
use arrayvec::ArrayVec;
use std::borrow::Cow;

/// Most answers have fewer: a usual one some 1,500, one that asks for a factor some 1,900.
const ANSWER_BYTES: usize = 2048;
/// What is no address may be as long as a body; no answer repeats more than this of it.
const ADDRESS_BYTES_MAX: usize = 64;

/// The whole answer. Whatever stands before or behind a word, its quotes included, is one literal with it: an answer is
/// made of as few pieces as can be.
pub(in crate::server) fn full(scored: &Scored<'_>, asked: Option<&Asked>) -> Vec<u8> {
    let verdict = &scored.verdict;
    let mut json = Json::with_capacity(ANSWER_BYTES);
    head(&mut json, scored);
    json.raw(r#","mode":""#);
    json.plain(verdict.mode.as_str());
    json.raw(r#"","would_be":""#);
    json.plain(verdict.would_be.as_str());
    json.raw(r#"","decided_by":""#);
    json.plain(verdict.decided_by.as_str());
    json.raw(r#"","score":"#);
    match &verdict.evidence {
        Some(evidence) => json.thousandths(evidence.score),
        None => json.raw("null"),
    }
    json.raw(if verdict.interactive { r#","interactive":true"# } else { r#","interactive":false"# });
    risk_assessment(&mut json, scored);
    evidence(&mut json, scored);
    reasons(&mut json, scored);
    rules(&mut json, &verdict.rules);
    mfa(&mut json, scored, asked);
    degraded(&mut json, scored);
    device(&mut json, scored);
    json.raw("}");
    json.out
}

/// The answer to `Prefer: return=minimal`.
pub(in crate::server) fn minimal(scored: &Scored<'_>) -> Vec<u8> {
    let mut json = Json::with_capacity(ANSWER_BYTES);
    head(&mut json, scored);
    degraded(&mut json, scored);
    device(&mut json, scored);
    json.raw("}");
    json.out
}

fn head(json: &mut Json, scored: &Scored<'_>) {
    let verdict = &scored.verdict;
    json.raw(r#"{"decision_id":""#);
    json.plain(scored.id.encode(&mut [0; 36]));
    json.raw(r#"","action":""#);
    json.plain(verdict.action.as_str());
    json.raw(match verdict.action.demands_mfa() {
        true => r#"","demand_mfa":true,"remembered_browser":""#,
        false => r#"","demand_mfa":false,"remembered_browser":""#,
    });
    json.plain(verdict.remembered_browser.as_str());
    json.raw("\"");
}

fn risk_assessment(json: &mut Json, scored: &Scored<'_>) {
    json.raw(r#","risk_assessment":{"version":"1","confidence":""#);
    json.plain(scored.verdict.confidence.as_str());
    json.raw(r#"","assessments":{"#);
    let mut opening = "\"";
    for signal in Signal::ALL {
        json.raw(opening);
        json.plain(signal.as_str());
        let is_brace_last = assessment(json, scored.assessments.of(signal), scored.context.address.text);
        opening = if is_brace_last { "},\"" } else { "\"},\"" };
    }
    // Closes what the opening of a further one would close, and all around it.
    json.raw(if opening.starts_with('"') { "\"}}}" } else { "}}}" });
}

/// All but what closes it; whether details, and so a brace, were the last of it, and not the code.
fn assessment(json: &mut Json, assessment: &Assessment, ip: &str) -> bool {
    json.raw(match assessment.confidence {
        Confidence::High => r#"":{"confidence":"high","code":""#,
        Confidence::Medium => r#"":{"confidence":"medium","code":""#,
        Confidence::Low => r#"":{"confidence":"low","code":""#,
        Confidence::Neutral => r#"":{"confidence":"neutral","code":""#,
    });
    json.plain(assessment.code.as_str());
    if matches!(assessment.details, Details::None) {
        return false;
    }
    details(json, &assessment.details, ip);
    true
}

fn details(json: &mut Json, details: &Details, ip: &str) {
    match details {
        Details::None => return,
        Details::Legs { device, useragent } => {
            return json.raw(match (device, useragent) {
                (Leg::Known, Leg::Known) => r#"","details":{"device":"known","useragent":"known"}"#,
                (Leg::Known, Leg::Unknown) => r#"","details":{"device":"known","useragent":"unknown"}"#,
                (Leg::Unknown, Leg::Known) => r#"","details":{"device":"unknown","useragent":"known"}"#,
                (Leg::Unknown, Leg::Unknown) => r#"","details":{"device":"unknown","useragent":"unknown"}"#,
            });
        }
        Details::CopiedDevice => json.raw(r#"","details":{"device":"copied""#),
        Details::Listed { matches, source, category, .. } => {
            listed(json, ip, &matches.to_string(), source);
            json.raw(r#","category":""#);
            json.plain(category.as_str());
            json.raw("\"");
        }
        Details::Allowed { matches } => listed(json, ip, matches, "signals.untrusted_ip.allow"),
        Details::Velocity { matches, window_s, failures, users } => {
            json.raw(r#"","details":{"ip":"#);
            json.text(ip);
            json.raw(r#","matches":"#);
            json.text(&matches.to_string());
            json.raw(r#","window_s":"#);
            json.integer(i64::from(*window_s));
            json.raw(r#","failures":"#);
            json.integer(i64::from(*failures));
            json.raw(r#","users":"#);
            json.integer(i64::from(*users));
        }
        Details::Automated { bot_score, verified_bot } => {
            json.raw(r#"","details":{"verified_bot":"#);
            json.boolean(*verified_bot);
            if let Some(score) = bot_score {
                json.raw(r#","bot_score":"#);
                json.integer(i64::from(*score));
            }
        }
        Details::Stale { source } => {
            json.raw(r#"","details":{"source":"#);
            json.text(source);
        }
        Details::Phone(number) => {
            json.raw(r#"","details":{"lineType":""#);
            json.plain(number.line.as_str());
            json.raw(r#"","isValid":"#);
            json.boolean(number.is_valid);
            json.raw(r#","countryCode":"#);
            json.integer(i64::from(number.country_code));
            json.raw(r#","number":""#);
            json.plain(&number.e164);
            json.raw("\"");
        }
    }
    json.raw("}");
}

fn listed(json: &mut Json, ip: &str, matches: &str, source: &str) {
    json.raw(r#"","details":{"ip":"#);
    json.text(ip);
    json.raw(r#","matches":"#);
    json.text(matches);
    json.raw(r#","source":"#);
    json.text(source);
}

/// Numbers behind the codes; what could not be had is absent.
fn evidence(json: &mut Json, scored: &Scored<'_>) {
    let address = &scored.context.address;
    json.raw(r#","evidence":{"address":{"ip":"#);
    json.text(&address.text[..address.text.floor_char_boundary(ADDRESS_BYTES_MAX)]);
    if let Some(asn) = address.asn {
        json.raw(r#","asn":"#);
        json.integer(i64::from(asn));
    }
    if let Some(name) = &address.as_organization {
        json.raw(r#","network":"#);
        json.text(name.as_str());
    }
    json.raw("}");
    // At `country`, travel is judged between countries only.
    if let Location::Known(place) = &scored.context.location {
        json.raw(match place.grain {
            Grain::Country => r#","location":{"resolution":"country""#,
            Grain::City => r#","location":{"resolution":"city""#,
        });
        country(json, r#","country":""#, place.country);
        json.raw("}");
    }
    if let Some(evidence) = &scored.assessments.travel {
        travel(json, evidence);
    }
    if let Some(evidence) = &scored.verdict.evidence {
        contributions(json, evidence);
    }
    json.raw("}");
}

fn contributions(json: &mut Json, evidence: &Evidence) {
    let mut opening = r#","contributions":{""#;
    for contribution in &evidence.contributions {
        json.raw(opening);
        json.plain(contribution.cause.as_str());
        json.raw("\":");
        json.thousandths(contribution.log_odds);
        opening = ",\"";
    }
    // Where every weight is zero, there is none.
    json.raw(if opening == ",\"" { "}" } else { r#","contributions":{}"# });
    if let Some(cause) = evidence.decisive {
        json.raw(r#","decisive":""#);
        json.plain(cause.as_str());
        json.raw("\"");
    }
}

fn travel(json: &mut Json, travel: &Travel) {
    json.raw(r#","travel":{"distance_km":"#);
    json.thousandths(travel.distance.value());
    json.raw(r#","distance_km_lower":"#);
    json.thousandths(travel.distance_lower.value());
    json.raw(r#","elapsed_s":"#);
    json.integer(travel.elapsed_ms.div_euclid(1000));
    json.raw(r#","speed_kmph":"#);
    json.thousandths(travel.speed.value());
    json.raw(r#","speed_kmph_max":"#);
    json.thousandths(travel.speed_max.value());
    json.raw(r#","from":{"time":""#);
    json.plain(travel.from_time.encode(&mut [0; 24]));
    json.raw("\"");
    country(json, r#","country":""#, travel.from_country);
    json.raw(r#"},"to":{"#);
    country(json, r#""country":""#, travel.to_country);
    json.raw("}}");
}

fn country(json: &mut Json, name: &'static str, country: Option<CountryCode>) {
    if let Some(country) = country {
        json.raw(name);
        json.plain(country.as_str());
        json.raw("\"");
    }
}

fn reasons(json: &mut Json, scored: &Scored<'_>) {
    let mut opening = r#","reasons":[{"code":""#;
    for reason in &scored.verdict.reasons {
        json.raw(opening);
        json.plain(&reason.code);
        match reason.text(&scored.context, &scored.assessments) {
            Cow::Borrowed(ours) => {
                json.raw(r#"","text":""#);
                json.plain(ours);
                json.raw("\"");
            }
            // It may name a list or an address.
            Cow::Owned(made) => {
                json.raw(r#"","text":"#);
                json.text(&made);
            }
        }
        opening = r#"},{"code":""#;
    }
    // There is at least one.
    json.raw("}]");
}

/// Present when a rule holds, or fails.
fn rules(json: &mut Json, hits: &[RuleHit]) {
    let Some((first, others)) = hits.split_first() else { return };
    json.raw(r#","rules":["#);
    rule(json, first);
    for hit in others {
        json.raw(",");
        rule(json, hit);
    }
    json.raw("]");
}

fn rule(json: &mut Json, hit: &RuleHit) {
    json.raw(r#"{"name":""#);
    json.plain(hit.name.as_str());
    json.raw(r#"","effect":""#);
    json.plain(hit.effect.as_str());
    json.raw("\"");
    if hit.is_shadow {
        json.raw(r#","shadow":true"#);
    }
    if hit.has_failed {
        json.raw(r#","failed":true"#);
    }
    if let Some(lifted) = hit.lifted {
        json.raw(r#","lifted":""#);
        json.plain(lifted.as_str());
        json.raw("\"");
    }
    if let Some(reason) = &hit.reason {
        json.raw(r#","reason":"#);
        json.text(reason);
    }
    json.raw("}");
}

/// Present when a factor is demanded.
fn mfa(json: &mut Json, scored: &Scored<'_>, asked: Option<&Asked>) {
    let Some(next) = scored.verdict.next else { return };
    json.raw(r#","mfa":{"factors":["#);
    let mut opening = "\"";
    let offered = scored.verdict.offered;
    let ordered = asked.map_or(&[][..], |asked| &asked.order).iter().copied().filter(|factor| offered.has(*factor));
    let others = offered.iter().filter(|factor| asked.is_none_or(|asked| !asked.order.contains(factor)));
    for factor in ordered.chain(others) {
        json.raw(opening);
        json.plain(factor.as_str());
        json.raw("\"");
        opening = ",\"";
    }
    json.raw(r#"],"strength":""#);
    json.plain(scored.verdict.strength.as_str());
    json.raw(r#"","next":""#);
    json.plain(asked.and_then(|asked| asked.next).unwrap_or(next.as_str()));
    if let Some((token, expires)) = asked.and_then(|asked| asked.token.as_ref()) {
        json.raw(r#"","mfa_token":""#);
        json.plain(token);
        json.raw(r#"","expires_at":""#);
        json.plain(expires.encode(&mut [0; 24]));
    }
    json.raw("\"}");
}

/// What askance itself asks for.
#[derive(Debug, Default)]
pub(in crate::server) struct Asked {
    /// The user's factors, in the order in which they are offered.
    pub(in crate::server) order: ArrayVec<Factor, 5>,
    /// What stands for the demand, and until when, where there is one.
    pub(in crate::server) token: Option<(String, Timestamp)>,
    /// What comes first, where that is not what the verdict says.
    pub(in crate::server) next: Option<&'static str>,
}

fn degraded(json: &mut Json, scored: &Scored<'_>) {
    if scored.degraded {
        json.raw(r#","degraded":["memory"]"#);
    }
}

fn device(json: &mut Json, scored: &Scored<'_>) {
    json.raw(match scored.presented {
        Presented::Absent => r#","device":{"presented":"absent","token":""#,
        Presented::Good => r#","device":{"presented":"good","token":""#,
        Presented::Bad => r#","device":{"presented":"bad","token":""#,
        Presented::Copied => r#","device":{"presented":"copied","token":""#,
    });
    let cookie = scored.cookie.as_str();
    json.plain(cookie);
    json.raw(r#"","set_cookie":"__Host-askance_device="#);
    json.plain(cookie);
    // A year, which is as long as a device can be known.
    json.raw(r#"; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax"}"#);
}
