//! Rules of the operator (`[[rules]]`): what is to be done when an expression in CEL holds, beside what the policy says.
//!
//! All that can be known beforehand is known when the configuration is read: `scan` bounds the text before anything parses it, and
//! `check` walks what was parsed against the names and types of `schema`. No expression loops, so one of 200 nodes takes 200
//! steps at most. What is left can fail on a value only, and counts as `challenge` then.
//!
//! Pure. Evaluation is the `cel` crate's; what is asked of a login is looked up when it is asked for (`facts`).

mod check;
mod facts;
mod guards;
mod language;
mod names;
mod nearest;
mod ruling;
mod scan;
mod schema;
mod settings;

pub use names::RuleName;
pub use schema::field_names;
pub use settings::{Rule, Until};

pub(super) use facts::Facts;
pub(super) use ruling::{Ground, apply};

use super::Action;
use crate::clock::Timestamp;
use cel::common::types::CelBool;
use cel::{Context, Env, IdedExpr, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Bytes of an expression.
pub const SOURCE_BYTES_MAX: usize = 2048;
/// Nodes of an expression: names, literals, operators, calls.
pub const NODES_MAX: usize = 200;
/// How deep its nodes, and its brackets, may be nested.
pub const DEPTH_MAX: usize = 16;
/// Each is evaluated for each login; some microseconds apiece.
const RULES_MAX: usize = 100;

/// Why an expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has more than [`SOURCE_BYTES_MAX`] bytes; so many.
    Long(usize),
    /// It has more than [`NODES_MAX`] nodes.
    Large,
    /// It is nested deeper than [`DEPTH_MAX`].
    Deep,
    /// It is no CEL, or CEL of a kind that rules do not have.
    Syntax(String),
    /// Nothing has this name.
    Unknown {
        /// The name.
        name: String,
        /// What has a name like it.
        nearest: Option<String>,
    },
    /// A type does not fit.
    Mistyped(String),
    /// What may not be there is used where nobody asked whether it is.
    Unguarded(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(bytes) => write!(f, "{bytes} bytes are out of range, allowed is 1..={SOURCE_BYTES_MAX}"),
            Self::Large => {
                write!(f, "the expression is too large, allowed is {NODES_MAX} nodes (names, literals, operators)")
            }
            Self::Deep => write!(f, "the expression is nested too deep, allowed is {DEPTH_MAX} levels"),
            Self::Syntax(problem) | Self::Mistyped(problem) => f.write_str(problem),
            Self::Unknown { name, nearest: None } => write!(f, "unknown name `{name}`"),
            Self::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "unknown name `{name}`, the nearest known is `{nearest}`")
            }
            Self::Unguarded(path) => {
                write!(f, "`{path}` may be absent: write `has({path}) && …`, or `!has({path}) || …`")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// An expression that keeps to the limits and the schema. A clone shares it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    source: Arc<str>,
    expression: Arc<IdedExpr>,
}

impl Condition {
    /// Reads an expression, on a thread of its own.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn new(source: &str) -> Result<Self, Refusal> {
        scan::scan(source)?;
        let language = language::language();
        let expression = parse(source, &language)?;
        check::check(&expression, &language)?;
        Ok(Self { source: source.into(), expression: Arc::new(expression) })
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds; `None` where it fails.
    fn holds(&self, context: &Context<'_, '_>) -> Option<bool> {
        // Only read, so nothing is left half-done.
        let value = catch_unwind(AssertUnwindSafe(|| {
            let value = Value::resolve_val(&self.expression, context).ok()?;
            value.downcast_ref::<CelBool>().map(|holds| *holds.inner())
        }));
        value.ok().flatten()
    }
}

/// Parses on a thread of its own: brackets at [`DEPTH_MAX`] take the parser 3.5 MB of stack, unoptimised, where a thread of the
/// service has two.
fn parse(source: &str, language: &Env) -> Result<IdedExpr, Refusal> {
    const STACK_BYTES: usize = 8 << 20;
    let parsed = std::thread::scope(|scope| {
        let roomy = std::thread::Builder::new().stack_size(STACK_BYTES);
        // What a parser of foreign making panics over is refused, too.
        roomy.spawn_scoped(scope, || language.parser().parse(source)).map(|parser| parser.join().ok())
    });
    let problem = match parsed {
        Ok(Some(Ok(expression))) => return Ok(expression),
        Ok(Some(Err(errors))) => errors.errors.into_iter().next().map(|error| error.msg),
        Ok(None) => None,
        Err(no_thread) => Some(no_thread.to_string()),
    };
    Err(Refusal::Syntax(format!("no CEL: {}", problem.as_deref().unwrap_or("it cannot be parsed"))))
}

impl TryFrom<String> for Condition {
    type Error = Refusal;

    fn try_from(source: String) -> Result<Self, Refusal> {
        Self::new(&source)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.source.as_ref().to_owned()
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

/// What a rule does where it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The login is refused.
    Deny,
    /// A factor is demanded, of an unenrolled user that they enrol.
    Challenge,
    /// An unenrolled user has to enrol; nothing for others.
    Enroll,
    /// A demand is lifted; never a refusal.
    Bypass,
    /// The answer says so.
    Tag,
}

impl Effect {
    /// The word that stands in configurations, answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Challenge => "challenge",
            Self::Enroll => "enroll",
            Self::Bypass => "bypass",
            Self::Tag => "tag",
        }
    }
}

/// All rules, in the order in which they were written. A clone shares them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Rule>", into = "Vec<Rule>")]
pub struct Rules(Option<Arc<Loaded>>);

/// Rules, and the language that they are evaluated in, which takes 20 µs to make.
struct Loaded {
    rules: Vec<Rule>,
    language: Arc<Env>,
}

impl TryFrom<Vec<Rule>> for Rules {
    type Error = String;

    fn try_from(rules: Vec<Rule>) -> Result<Self, String> {
        if rules.len() > RULES_MAX {
            return Err(format!("{} rules are out of range, allowed is 0..={RULES_MAX}", rules.len()));
        }
        for (at, rule) in rules.iter().enumerate() {
            if rules[..at].iter().any(|other| other.name == rule.name) {
                return Err(format!("the name `{}` stands twice", rule.name));
            }
        }
        let loaded = || Arc::new(Loaded { rules, language: Arc::new(language::language()) });
        Ok(Self(Some(loaded()).filter(|loaded| !loaded.rules.is_empty())))
    }
}

impl From<Rules> for Vec<Rule> {
    fn from(rules: Rules) -> Self {
        rules.all().to_vec()
    }
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Rules {
    /// The rules.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        self.0.as_deref().map_or(&[], |loaded| &loaded.rules)
    }

    /// Those that hold for a login, and those that fail on it. Costs nothing where there are no rules.
    pub(super) fn hits<'f>(&self, now: Timestamp, facts: impl FnOnce() -> Facts<'f>) -> Vec<RuleHit> {
        self.0.as_deref().map_or_else(Vec::new, |loaded| loaded.hits(now, &facts()))
    }
}

impl Loaded {
    fn hits(&self, now: Timestamp, facts: &Facts<'_>) -> Vec<RuleHit> {
        let mut context = Context::with_env(Arc::clone(&self.language));
        context.set_variable_resolver(facts);
        let in_force = self.rules.iter().enumerate().filter(|(_, rule)| rule.is_in_force(now));
        let hit = |(number, rule): (usize, &Rule)| match rule.when.holds(&context) {
            Some(false) => None,
            found => Some(RuleHit::new(number, rule, found.is_none())),
        };
        in_force.filter_map(hit).collect()
    }
}

/// A rule that holds for a login, or fails on it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleHit {
    /// Where it stands among the rules.
    pub number: usize,
    /// Its name.
    pub name: RuleName,
    /// What it does.
    pub effect: Effect,
    /// It is only counted.
    pub is_shadow: bool,
    /// It fails, which counts as `challenge`.
    pub has_failed: bool,
    /// What it lifted, as a bypass.
    pub lifted: Option<Action>,
    /// In the words of the operator.
    pub reason: Option<Arc<str>>,
}

impl RuleHit {
    fn new(number: usize, rule: &Rule, has_failed: bool) -> Self {
        Self {
            number,
            name: rule.name.clone(),
            effect: rule.effect,
            is_shadow: rule.shadow,
            has_failed,
            lifted: None,
            reason: rule.reason.as_deref().map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests;
