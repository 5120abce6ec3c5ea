//! What is counted of factors, for `/metrics`. Labels are factors, results and names of the configuration.

use crate::event::Factor;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// What becomes of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was begun.
    Begun,
    /// It was proved, and what that means is done.
    Passed,
    /// An answer was wrong.
    Wrong,
    /// It was not begun, or an answer was not looked at, since the factor sleeps.
    Locked,
}

impl Fate {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Begun, "begun"), (Self::Passed, "passed"), (Self::Wrong, "wrong"), (Self::Locked, "locked")];
}

/// What becomes of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proved {
    /// It was signed.
    Signed,
    /// It was spent for its action.
    Spent,
    /// It was shown, and not good for that.
    Refused,
}

impl Proved {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Signed, "signed"), (Self::Spent, "spent"), (Self::Refused, "refused")];
}

/// Counts since the start, of all cores.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By factor and fate, each in its order.
    challenges: [[AtomicU64; Fate::ALL.len()]; Factor::ALL.len()],
    proofs: [AtomicU64; Proved::ALL.len()],
    messages_limited: AtomicU64,
}

impl Counts {
    pub(super) fn challenge(&self, factor: Factor, fate: Fate) {
        let of_factor = Factor::ALL.iter().zip(&self.challenges).find(|(known, _)| **known == factor);
        let of_fate = |counts| Fate::ALL.iter().zip(counts).find(|((known, _), _)| *known == fate);
        if let Some((_, count)) = of_factor.and_then(|(_, counts)| of_fate(counts)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn proof(&self, used: Proved) {
        if let Some((_, count)) = Proved::ALL.iter().zip(&self.proofs).find(|((known, _), _)| *known == used) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A message that a budget did not let through.
    pub(super) fn message_limited(&self) {
        self.messages_limited.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends the exposition text.
    pub(super) fn render(&self, text: &mut String) {
        begin(text, "askance_mfa_challenges_total", "Challenges by factor, and answers to them by result");
        for (factor, counts) in Factor::ALL.iter().zip(&self.challenges) {
            for ((_, result), count) in Fate::ALL.iter().zip(counts) {
                let labels = [("factor", factor.as_str()), ("result", result)];
                sample(text, "askance_mfa_challenges_total", &labels, count);
            }
        }
        begin(
            text,
            "askance_mfa_proofs_total",
            "Proofs that were signed, and spent or refused by POST /v1/step-up/consume",
        );
        for ((_, result), count) in Proved::ALL.iter().zip(&self.proofs) {
            sample(text, "askance_mfa_proofs_total", &[("result", result)], count);
        }
        begin(
            text,
            "askance_mfa_messages_limited_total",
            "Messages that a budget of mfa.sms, mfa.email or mfa.codes refused",
        );
        sample(text, "askance_mfa_messages_limited_total", &[], &self.messages_limited);
    }
}

/// The head of a metric.
pub(super) fn begin(text: &mut String, name: &str, help: &str) {
    text.push_str(&format!("\n# HELP {name} {help}\n# TYPE {name} counter\n"));
}

/// One of its lines. No label has a character that the format does not bear.
pub(super) fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], count: &AtomicU64) {
    let value = count.load(Ordering::Relaxed);
    let labels: Vec<String> = labels.iter().map(|(label, of)| format!("{label}=\"{of}\"")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    // Writing to a text cannot fail.
    let _written = writeln!(text, "{name}{labels} {value}");
}
