//! One stanza of `[[rules]]`.

use super::{Condition, Effect, RuleName};
use crate::clock::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Rule {
    /// What answers and metrics call it.
    pub name: RuleName,
    /// When it holds.
    pub when: Condition,
    /// What it does then.
    pub effect: Effect,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The end of its life, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Whether it is only counted.
    pub shadow: bool,
}

impl Rule {
    /// Whether it counts at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|Until(end)| now < end)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: RuleName,
    when: Condition,
    effect: Effect,
    reason: Option<String>,
    until: Option<Until>,
    #[serde(default)]
    shadow: bool,
}

/// It stands in every answer that the rule touches.
const REASON_BYTES_MAX: usize = 256;

impl TryFrom<Written> for Rule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, when, effect, reason, until, shadow } = written;
        if effect == Effect::Bypass && until.is_none() {
            return Err("effect `bypass` must have `until`: what lifts a demand has to end".to_owned());
        }
        let reason_bytes = reason.as_ref().map_or(1, String::len);
        if !(1..=REASON_BYTES_MAX).contains(&reason_bytes) {
            return Err(format!("`reason`: {reason_bytes} bytes are out of range, allowed is 1..={REASON_BYTES_MAX}"));
        }
        Ok(Self { name, when, effect, reason, until, shadow })
    }
}

/// A time: RFC 3339 in quotes, or as TOML writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub Timestamp);

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Time(toml::value::Datetime),
        }
        let text = match Either::deserialize(deserializer) {
            Ok(Either::Text(text)) => text,
            Ok(Either::Time(time)) => time.to_string(),
            Err(_) => String::new(),
        };
        let time = Timestamp::parse(&text).map(Self);
        time.ok_or_else(|| {
            serde::de::Error::custom("must be an RFC 3339 time from 1970 to 2105, such as 2026-12-01T18:00:00Z")
        })
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
