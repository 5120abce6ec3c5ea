//! The portable cases as they stand in `tests/cases`. Unknown members are refused: a member nobody reads checks nothing.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    pub(crate) topic: String,
    pub(crate) shape: String,
    #[expect(dead_code, reason = "for readers of the file")]
    about: String,
    pub(crate) cases: Vec<Value>,
}

/// A case of shape `score`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoreCase {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) config: Map<String, Value>,
    #[serde(default)]
    pub(crate) lists: Vec<ListFile>,
    #[serde(default)]
    pub(crate) given: Vec<Value>,
    #[serde(default)]
    pub(crate) before: Vec<Step>,
    pub(crate) when: Value,
    pub(crate) then: Then,
}

impl ScoreCase {
    /// What decides which process the case runs in: equal settings share one, unless failures are counted.
    pub(crate) fn process_key(&self) -> String {
        let own = self.before.iter().any(|step| step.failure.is_some());
        let settings = serde_json::json!([self.config, self.lists, own.then_some(&self.id)]);
        settings.to_string()
    }
}

#[derive(Debug, Clone, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListFile {
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) format: String,
    pub(crate) lines: Vec<String>,
    pub(crate) max_age_h: Option<u32>,
    pub(crate) age_h: Option<u32>,
    pub(crate) hard: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) score: Option<Value>,
    #[serde(default)]
    pub(crate) then: Then,
    pub(crate) keep: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) factor: Option<String>,
    pub(crate) feedback: Option<String>,
    pub(crate) failure: Option<Value>,
    pub(crate) times: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Then {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<Value>,
    pub(crate) field: Option<Value>,
    pub(crate) action: Option<Value>,
    pub(crate) demand_mfa: Option<Value>,
    pub(crate) confidence: Option<Value>,
    pub(crate) remembered_browser: Option<Value>,
    pub(crate) mode: Option<Value>,
    pub(crate) would_be: Option<Value>,
    pub(crate) decided_by: Option<Value>,
    pub(crate) interactive: Option<Value>,
    #[serde(default)]
    pub(crate) assessments: BTreeMap<String, ThenAssessment>,
    #[serde(default)]
    pub(crate) mfa: Map<String, Value>,
    #[serde(default)]
    pub(crate) device: Map<String, Value>,
    #[serde(default)]
    pub(crate) evidence: Map<String, Value>,
    #[serde(default)]
    pub(crate) reasons_include: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThenAssessment {
    pub(crate) confidence: String,
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) details: Map<String, Value>,
}

/// A case of shape `aggregate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregateCase {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) aggregator: String,
    pub(crate) assessments: BTreeMap<String, String>,
    pub(crate) hard: Vec<String>,
    pub(crate) then: ThenConfidence,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThenConfidence {
    pub(crate) confidence: String,
}

/// A case of shape `hook`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookCase {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) door: String,
    pub(crate) verdict: String,
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) config: Map<String, Value>,
    pub(crate) then: ThenHook,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThenHook {
    pub(crate) status: Option<u16>,
    pub(crate) status_not: Option<u16>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) headers_present: Vec<String>,
    pub(crate) location: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
}
