//! What came of a replay, in figures.

use crate::event::LoginEvent;
use crate::pipeline::{Presented, Scored};
use crate::server::logged::{Label, Unreadable};
use crate::verdict::{Action, Mode};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// What was read.
#[derive(Debug, Default, Serialize)]
pub(super) struct Read {
    pub(super) lines: u64,
    logins: u64,
    pub(super) failures: u64,
    unreadable: u64,
    out_of_order: u64,
    /// Logins that name no device in any way: the half of NewDevice that counts most is blind to them.
    without_device: u64,
    first_skipped: Vec<Skipped>,
}

/// A line that was passed over.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Skipped {
    pub(super) line: u64,
    #[serde(flatten)]
    pub(super) why: Why,
}

/// Why it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    Unreadable(Unreadable),
    OutOfOrder,
}

/// Lines that are named; further ones are only counted.
const SKIPPED_MAX: usize = 20;

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (code, field) = self.code_and_field();
        json!({"code": code, "field": field}).serialize(serializer)
    }
}

impl Why {
    fn code_and_field(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Unreadable(Unreadable { code, field }) => (code, field.as_deref()),
            Self::OutOfOrder => ("event.out_of_order", Some("time")),
        }
    }
}

impl Read {
    pub(super) fn login(&mut self, event: &LoginEvent<'_>) {
        self.logins += 1;
        self.without_device += u64::from(event.device_id.is_none() && event.device_token.is_none());
    }

    pub(super) fn skip(&mut self, skipped: Skipped) {
        match skipped.why {
            Why::Unreadable(_) => self.unreadable += 1,
            Why::OutOfOrder => self.out_of_order += 1,
        }
        if self.first_skipped.len() < SKIPPED_MAX {
            self.first_skipped.push(skipped);
        }
    }

    /// For people.
    pub(super) fn text(&self, took: Duration) -> String {
        let Self { lines, logins, failures, unreadable, out_of_order, without_device, first_skipped } = self;
        let (seconds, skipped) = (took.as_secs_f64(), unreadable + out_of_order);
        let mut text =
            vec![format!("{lines} lines in {seconds:.1} s: {logins} logins, {failures} failures, {skipped} skipped")];
        for Skipped { line, why } in first_skipped {
            let (code, field) = why.code_and_field();
            let field = field.map(|field| format!(" ({field})")).unwrap_or_default();
            text.push(format!("  line {line}: {code}{field}"));
        }
        let unnamed = skipped - first_skipped.len() as u64;
        if unnamed > 0 {
            text.push(format!("  and {unnamed} more: {unreadable} unreadable, {out_of_order} out of order, in all"));
        }
        if *without_device > 0 {
            text.push(format!(
                "  {without_device} logins name no device (device_id): to each of them, its device is new"
            ));
        }
        text.join("\n") + "\n"
    }
}

/// The decisions of one configuration.
#[derive(Debug, Default)]
pub(super) struct Summary {
    actions: [u64; ACTIONS.len()],
    /// By completed logins before.
    pub(super) by_history: [Share; HISTORIES.len()],
    pub(super) attacks: Share,
    tokens_bad: u64,
    /// Logins that a configuration lets in though it would not, were it in force.
    observed: u64,
}

const ACTIONS: [Action; 4] = [Action::Allow, Action::Challenge, Action::VerifyEmail, Action::Deny];
/// The most completed logins of each class. **Source:** the history sizes at which the literature reports, 4, 12 and 39 (Wiefling
/// et al., TOPS 2022), here as bounds.
pub(super) const HISTORIES: [(u32, &str); 5] = [(0, "0"), (3, "1-3"), (11, "4-11"), (38, "12-38"), (u32::MAX, "39+")];

/// How many of some logins were not simply let in.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Share {
    pub(super) logins: u64,
    pub(super) asked: u64,
}

impl Share {
    fn count(&mut self, asked: bool) {
        self.logins += 1;
        self.asked += u64::from(asked);
    }

    fn plus(self, other: Self) -> Self {
        Self { logins: self.logins + other.logins, asked: self.asked + other.asked }
    }

    pub(super) fn text(self) -> String {
        let Self { logins, asked } = self;
        format!("{} ({asked} of {logins})", percent(asked, logins))
    }
}

impl Summary {
    pub(super) fn login(&mut self, scored: &Scored<'_>, label: Label, completed: u32) {
        let verdict = &scored.verdict;
        if let Some(count) = ACTIONS.iter().position(|action| *action == verdict.action) {
            self.actions[count] += 1;
        }
        self.tokens_bad += u64::from(scored.presented == Presented::Bad);
        self.observed += u64::from(verdict.mode == Mode::Observe && verdict.would_be != verdict.action);
        let asked = verdict.action != Action::Allow;
        match label {
            Label::Attack => self.attacks.count(asked),
            Label::Legitimate => {
                let class = HISTORIES.iter().position(|(most, _)| completed <= *most).unwrap_or(0);
                self.by_history[class].count(asked);
            }
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { actions, by_history, attacks, tokens_bad, observed } = self;
        let mut text = Vec::new();
        if *tokens_bad > 0 {
            text.push(format!("{tokens_bad} device tokens were made with other keys than device_token.key_files"));
        }
        if *observed > 0 {
            text.push(format!("verdict.mode is observe: {observed} logins were let in that would have been asked"));
        }
        let logins = actions.iter().sum();
        let action =
            |(action, count): (&Action, &u64)| format!("{} {count} ({})", action.as_str(), percent(*count, logins));
        text.push(format!("decisions: {}", ACTIONS.iter().zip(actions).map(action).collect::<Vec<_>>().join(", ")));
        text.push(format!("legitimate logins asked or refused: {}", self.legitimate().text()));
        text.push(format!("  of users with history: {}", self.with_history().text()));
        for ((_, name), share) in HISTORIES.iter().zip(by_history) {
            text.push(format!("  after {name} completed logins: {}", share.text()));
        }
        if attacks.logins > 0 {
            text.push(format!("attacks asked or refused: {}", attacks.text()));
        }
        text.join("\n") + "\n"
    }

    /// For programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let actions: serde_json::Map<_, _> = ACTIONS
            .iter()
            .zip(self.actions)
            .map(|(action, count)| (action.as_str().to_owned(), count.into()))
            .collect();
        let by_history = HISTORIES.iter().zip(self.by_history);
        let by_history: Vec<_> = by_history
            .map(|((_, name), Share { logins, asked })| json!({"completed": name, "logins": logins, "asked": asked}))
            .collect();
        let attacks = (self.attacks.logins > 0).then_some(self.attacks);
        json!({
            "actions": actions, "device_tokens_of_other_keys": self.tokens_bad, "observed": self.observed,
            "legitimate": {"all": self.legitimate(), "with_history": self.with_history(), "by_history": by_history},
            "attacks": attacks,
        })
    }

    pub(super) fn legitimate(&self) -> Share {
        self.by_history.into_iter().fold(Share::default(), Share::plus)
    }

    pub(super) fn with_history(&self) -> Share {
        self.by_history.into_iter().skip(1).fold(Share::default(), Share::plus)
    }
}

/// With one digit behind the point; a dash of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let percent = part as f64 * 100.0 / whole as f64;
    if whole == 0 { "-".to_owned() } else { format!("{percent:.1} %") }
}
