//! Step-up by path: parts of a site that want a proof of late, whatever the risk.
//!
//! Servers read paths in different ways, and whoever is asked too often is not hurt by it. So a path that two of them could read in two
//! ways is under every rule, and no path ever lifts a demand.

use super::request::Original;
use crate::bounded::Bounded;
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::server::uri;
use serde::{Deserialize, Serialize};

/// A part of the site, and the proof that it wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// What the path begins with.
    pub path_prefix: PathPrefix,
    /// Of requests by these methods; of all, where none is named.
    #[serde(default)]
    pub methods: Vec<MethodName>,
    /// Seconds; an older proof does not do.
    pub max_age_s: Bounded<1, 2_592_000>,
    /// The factors that do; all, where none is named.
    #[serde(default)]
    pub factors: Vec<Factor>,
}

/// The beginning of a path, plain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix {
    text: String,
    plain: String,
}

impl TryFrom<String> for PathPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = plain(&text).filter(|_| !text.contains('?'));
        plain.map(|plain| Self { plain, text: text.clone() }).ok_or_else(|| {
            format!("{text:?} is no beginning of a path such as \"/admin\", or one that servers read in several ways")
        })
    }
}

impl From<PathPrefix> for String {
    fn from(prefix: PathPrefix) -> Self {
        prefix.text
    }
}

/// The name of a method, in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodName(String);

impl TryFrom<String> for MethodName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if is_method(&name) { Ok(Self(name)) } else { Err(format!("{name:?} is no method such as \"POST\"")) }
    }
}

impl From<MethodName> for String {
    fn from(method: MethodName) -> Self {
        method.0
    }
}

/// The proof that a request wants beside its verdict: of all rules that it is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) max_age_s: u32,
    pub(super) factors: FactorSet,
}

impl Wanted {
    /// `None` where no rule applies.
    pub(super) fn of(original: &Original<'_>, rules: &[StepUp]) -> Option<Self> {
        let path = original.path_and_query.and_then(|all| plain(all.split('?').next().unwrap_or_default()));
        let method = original.method.filter(|method| is_method(method));
        let is_under = |rule: &&StepUp| {
            let by_path = path.as_ref().is_none_or(|path| path.starts_with(&rule.path_prefix.plain));
            let by_method = method.is_none_or(|method| rule.methods.iter().any(|own| own.0 == method));
            by_path && (rule.methods.is_empty() || by_method)
        };
        rules.iter().filter(is_under).map(Self::by).reduce(|one, other| Self {
            max_age_s: one.max_age_s.min(other.max_age_s),
            factors: one.factors.both(other.factors),
        })
    }

    fn by(rule: &StepUp) -> Self {
        let named: FactorSet = rule.factors.iter().copied().collect();
        let factors = if named.is_empty() { FactorSet::ALL } else { named };
        Self { max_age_s: rule.max_age_s.get(), factors }
    }

    /// Whether a factor that was passed then does. A proof of the future is none.
    pub(super) fn is_met(&self, proved: Timestamp, factor: Factor, now: Timestamp) -> bool {
        let age_ms = now.ms_since(proved);
        self.factors.has(factor) && (0..=i64::from(self.max_age_s) * 1000).contains(&age_ms)
    }
}

/// The path as every server reads it: decoded once, without dots and double slashes, in small letters. `None` where servers differ.
fn plain(path: &str) -> Option<String> {
    let decoded = uri::decode(path)?;
    // An escaped slash is a slash to some; so is a backslash. What follows a semicolon is a parameter to some. What is escaped twice is
    // decoded twice by some.
    let is_escaped_slash = path.to_ascii_lowercase().contains("%2f");
    let is_odd = |c: char| matches!(c, '\\' | ';' | '%' | '\u{fffd}') || c.is_control();
    if !decoded.starts_with('/') || is_escaped_slash || decoded.chars().any(is_odd) {
        return None;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut plain = format!("/{}", segments.join("/"));
    let is_directory = decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..");
    if is_directory && plain.len() > 1 {
        plain.push('/');
    }
    Some(plain.to_lowercase())
}

fn is_method(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<StepUp> {
        let rule = |prefix: &str, methods: &[&str], max_age_s: i64, factors: &[&str]| {
            let rule = serde_json::json!({"path_prefix": prefix, "methods": methods, "max_age_s": max_age_s, "factors": factors});
            serde_json::from_value(rule).expect("it is a rule")
        };
        vec![
            rule("/admin", &[], 300, &[]),
            rule("/admin/keys", &["POST", "DELETE"], 60, &["webauthn", "totp"]),
            rule("/pay", &["POST"], 600, &["webauthn", "sms"]),
        ]
    }

    #[test]
    fn a_path_is_under_the_rules_of_every_way_to_read_it() {
        const NONE: Option<u32> = None;
        for (method, path, expected) in [
            ("GET", "/", NONE),
            ("GET", "/inbox?to=/admin", NONE),
            ("GET", "/pay", NONE),
            ("POST", "/pay", Some(600)),
            ("GET", "/admin", Some(300)),
            ("GET", "/administrator", Some(300)),
            ("GET", "/ADMIN/x", Some(300)),
            ("GET", "/%61dmin", Some(300)),
            ("GET", "//admin", Some(300)),
            ("GET", "/x/../admin", Some(300)),
            ("GET", "/./admin/", Some(300)),
            ("GET", "/admin?x", Some(300)),
            ("GET", "/admin/../inbox", NONE),
            ("POST", "/admin/keys/7", Some(60)),
            ("GET", "/admin/keys/7", Some(300)),
            // Read in several ways: under all rules.
            ("GET", "/inbox/..;/admin", Some(300)),
            ("GET", "/inbox%2f..%2fadmin", Some(300)),
            ("GET", "/inbox\\..\\admin", Some(300)),
            ("GET", "/%2561dmin", Some(300)),
            ("GET", "/inbox%zz", Some(300)),
            ("POST", "/inbox%00", Some(60)),
            ("GET", "inbox", Some(300)),
            ("post", "/inbox", NONE),
            ("post", "/pay", Some(600)),
        ] {
            let original = Original { method: Some(method), path_and_query: Some(path), ..Original::default() };
            let found = Wanted::of(&original, &rules()).map(|wanted| wanted.max_age_s);
            assert_eq!(found, expected, "{method} {path}");
        }
        let unknown = Wanted::of(&Original::default(), &rules());
        let webauthn = FactorSet::EMPTY.with(Factor::Webauthn);
        assert_eq!(unknown, Some(Wanted { max_age_s: 60, factors: webauthn }), "what all rules have in common");
        assert_eq!(Wanted::of(&Original::default(), &[]), None);
    }

    #[test]
    fn a_proof_does_while_it_is_young_and_by_the_factor() {
        let wanted = Wanted { max_age_s: 60, factors: FactorSet::EMPTY.with(Factor::Totp) };
        let at = |s: u32| Timestamp::from_unix_s(1_800_000_000 + s);
        for (proved, factor, now, expected) in [
            (at(0), Factor::Totp, at(0), true),
            (at(0), Factor::Totp, at(60), true),
            (at(0), Factor::Totp, at(61), false),
            (at(1), Factor::Totp, at(0), false),
            (at(0), Factor::Sms, at(0), false),
        ] {
            assert_eq!(wanted.is_met(proved, factor, now), expected, "{proved} {factor:?} {now}");
        }
    }

    #[test]
    fn a_prefix_is_plain_or_refused() {
        for good in ["/", "/admin", "/Admin/", "/a b"] {
            assert!(PathPrefix::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "admin", "/admin?x", "/a%2fb", "/a;b", "/a\\b", "/%zz", "/%25"] {
            assert!(PathPrefix::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
