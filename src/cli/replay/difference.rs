//! Two configurations on one log: who is asked more, who less, and why.

use super::cause;
use super::summary::percent;
use crate::event::LoginEvent;
use crate::pipeline::Scored;
use crate::server::logged::Label;
use crate::signals::Signal;
use crate::verdict::Action;
use crate::verdict::reasons::Reason;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Display};

/// What the second configuration does otherwise.
#[derive(Debug, Default)]
pub(super) struct Difference {
    logins: u64,
    asked: [u64; 2],
    changes: BTreeMap<Change, BTreeMap<String, Group>>,
    /// By how much the second one asks each user more, and what the user is called.
    users: HashMap<u64, (i64, String)>,
}

/// A kind of change, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    is_attack: bool,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    More,
    Less,
    Otherwise,
}

/// Logins that changed for one cause.
#[derive(Debug, Default)]
struct Group {
    logins: u64,
    users: HashSet<u64>,
    examples: Vec<Example>,
}

#[derive(Debug, Clone, Serialize)]
struct Example {
    line: u64,
    time: String,
    user: String,
    before: &'static str,
    after: &'static str,
    /// Codes that differ, if any do: else the same was weighed otherwise.
    codes: Vec<String>,
    /// In words, by the configuration that asks.
    why: Vec<String>,
}

/// Examples of a group; the first ones, so that they are in the same file the next time.
const EXAMPLES_MAX: usize = 3;
/// Users that are named of those whom it concerns most.
const USERS_MAX: usize = 5;
/// Causes that are told of one change.
const CAUSES_MAX: usize = 12;

impl Difference {
    /// Notes one login as both judge it.
    pub(super) fn login(&mut self, line: u64, event: &LoginEvent<'_>, label: Label, [before, after]: [&Scored<'_>; 2]) {
        let is_attack = label == Label::Attack;
        let asks = [before, after].map(|scored| scored.verdict.action != Action::Allow);
        if !is_attack {
            self.logins += 1;
            self.asked.iter_mut().zip(asks).for_each(|(count, asked)| *count += u64::from(asked));
        }
        let direction = match asks {
            _ if before.verdict.action == after.verdict.action => return,
            [false, _] => Direction::More,
            [_, false] => Direction::Less,
            [true, true] => Direction::Otherwise,
        };
        let user = after.context.user.low_bits();
        if !is_attack {
            let step = i64::from(asks[1]) - i64::from(asks[0]);
            self.users.entry(user).or_insert_with(|| (0, event.user.id.clone().into_owned())).0 += step;
        }
        let asking = if direction == Direction::Less { before } else { after };
        let group =
            self.changes.entry(Change { is_attack, direction }).or_default().entry(cause::of(asking)).or_default();
        group.logins += 1;
        group.users.insert(user);
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(Example::new(line, event, [before, after], asking));
        }
    }

    /// For people; `names` are those of the configurations.
    pub(super) fn text(&self, names: [&str; 2]) -> String {
        let mut lines = Vec::new();
        let [before, after] = self.asked.map(|asked| format!("{} ({asked})", percent(asked, self.logins)));
        lines.push(format!(
            "of {} legitimate logins, {} asks {before}, {} asks {after}",
            self.logins, names[0], names[1]
        ));
        if self.changes.is_empty() {
            lines.push("no login would have ended otherwise".to_owned());
        }
        for (change, groups) in &self.changes {
            lines.push(String::new());
            lines.push(change.headline(groups, names));
            for (cause, group) in by_size(groups).take(CAUSES_MAX) {
                lines.push(format!("  {:>6}  {cause}", group.logins));
                lines.extend(group.examples.iter().map(Example::to_string));
            }
            if groups.len() > CAUSES_MAX {
                lines.push(format!("          and {} more causes", groups.len() - CAUSES_MAX));
            }
        }
        for (what, users) in [("more", self.most_changed(1)), ("less", self.most_changed(-1))] {
            if !users.is_empty() {
                let users: Vec<String> = users.iter().map(|(by, id)| format!("{id} ({by:+})")).collect();
                lines.push(format!("\nasked {what} than before: {}", users.join(", ")));
            }
        }
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn json(&self, names: [&str; 2]) -> serde_json::Value {
        let change = |(change, groups): (&Change, &BTreeMap<String, Group>)| {
            let causes: Vec<_> = by_size(groups).map(|(cause, group)| group.json(cause)).collect();
            serde_json::json!({
                "label": if change.is_attack { Label::Attack } else { Label::Legitimate }.as_str(),
                "asked": change.direction.as_str(), "causes": causes,
            })
        };
        serde_json::json!({
            "configurations": names, "legitimate": {"logins": self.logins, "asked": self.asked},
            "changes": self.changes.iter().map(change).collect::<Vec<_>>(),
        })
    }

    /// Users with a change in the direction of `sign`, the most changed first.
    fn most_changed(&self, sign: i64) -> Vec<(i64, &str)> {
        let mut users: Vec<_> =
            self.users.values().filter(|(by, _)| by * sign > 0).map(|(by, id)| (*by, id.as_str())).collect();
        users.sort_unstable_by_key(|(by, id)| (Reverse(by * sign), *id));
        users.truncate(USERS_MAX);
        users
    }
}

fn by_size(groups: &BTreeMap<String, Group>) -> impl Iterator<Item = (&str, &Group)> {
    let mut groups: Vec<_> = groups.iter().map(|(cause, group)| (cause.as_str(), group)).collect();
    groups.sort_by_key(|(_, group)| Reverse(group.logins));
    groups.into_iter()
}

impl Change {
    fn headline(self, groups: &BTreeMap<String, Group>, names: [&str; 2]) -> String {
        let logins: u64 = groups.values().map(|group| group.logins).sum();
        let users = groups.values().flat_map(|group| &group.users).collect::<HashSet<_>>().len();
        let of = if self.is_attack { "attacks on" } else { "legitimate logins of" };
        let what = match self.direction {
            Direction::More => format!("only {} asks; why", names[1]),
            Direction::Less => format!("only {} asks; why it did", names[0]),
            Direction::Otherwise => format!("both ask, but not for the same; why {} does", names[1]),
        };
        let users = if users == 1 { "1 user".to_owned() } else { format!("{users} users") };
        format!("{logins} {of} {users}: {what}")
    }
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
            Self::Otherwise => "otherwise",
        }
    }
}

impl Group {
    fn json(&self, cause: &str) -> serde_json::Value {
        let Self { logins, users, examples } = self;
        serde_json::json!({"cause": cause, "logins": logins, "users": users.len(), "examples": examples})
    }
}

impl Example {
    fn new(line: u64, event: &LoginEvent<'_>, [before, after]: [&Scored<'_>; 2], asking: &Scored<'_>) -> Self {
        let differs = |signal: Signal| {
            let [from, to] = [before, after].map(|scored| scored.assessments.of(signal).code.as_str());
            (from != to).then(|| format!("{} {from} → {to}", signal.as_str()))
        };
        let text = |reason: &Reason| reason.text(&asking.context, &asking.assessments).into_owned();
        Self {
            line,
            time: event.time.to_string(),
            user: event.user.id.clone().into_owned(),
            before: before.verdict.action.as_str(),
            after: after.verdict.action.as_str(),
            codes: Signal::ALL.into_iter().filter_map(differs).collect(),
            why: asking.verdict.reasons.iter().map(text).collect(),
        }
    }
}

impl Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, time, user, before, after, codes, why } = self;
        write!(f, "          line {line}  {time}  {user}  {before} → {after}: {}", why.join("; "))?;
        if codes.is_empty() { Ok(()) } else { write!(f, " [{}]", codes.join(", ")) }
    }
}
