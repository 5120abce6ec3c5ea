//! The configurations of a replay, each with its memory and its figures.

use super::charts::Charts;
use super::difference::Difference;
use super::report::{self, Part};
use super::summary::{Read, Summary};
use crate::app::AppError;
use crate::clock::Timestamp;
use crate::config::Source;
use crate::event::{FailureEvent, LoginEvent};
use crate::pipeline::Scored;
use crate::replay::Replay;
use crate::server::logged::Label;
use crate::verdict::Action;
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;

/// One configuration, and another beside it where one is to be compared.
pub(super) struct Sides {
    first: Side,
    second: Option<(Side, Difference)>,
}

/// A configuration, its memory, and what is counted of its decisions.
pub(super) struct Side {
    pub(super) name: String,
    replay: Replay,
    pub(super) summary: Summary,
    /// Logins that each user completed so far: some 16 bytes a user, beside the 250 of memory.
    completed: HashMap<u64, u32>,
    /// Only where somebody wants to see them.
    charts: Option<Charts>,
}

impl Sides {
    /// With what a report needs where one is wanted.
    pub(super) fn new(source: &Source, against: Option<&PathBuf>, with_report: bool) -> Result<Self, AppError> {
        let second = against.map(|path| Side::new(&Source::new(Some(path.clone())), with_report)).transpose()?;
        Ok(Self { first: Side::new(source, with_report)?, second: second.map(|side| (side, Difference::default())) })
    }

    pub(super) fn failure(&mut self, event: &FailureEvent<'_>, time: Timestamp) {
        self.first.replay.failure(event, time);
        if let Some((second, _)) = &mut self.second {
            second.replay.failure(event, time);
        }
    }

    /// The first one's decision.
    pub(super) fn login<'a>(&mut self, line: u64, event: &'a LoginEvent<'_>, label: Label) -> Scored<'a> {
        let scored = self.first.login(event, label);
        if let Some((second, difference)) = &mut self.second {
            difference.login(line, event, label, [&scored, &second.login(event, label)]);
        }
        scored
    }

    /// The figures, for people.
    pub(super) fn text(&self) -> String {
        match &self.second {
            None => self.first.summary.text(),
            Some((second, _)) => {
                let named = |side: &Side| format!("\n{}\n{}", side.name, side.summary.text());
                named(&self.first) + &named(second)
            }
        }
    }

    /// The figures, for programs.
    pub(super) fn json(&self, read: &Read) -> serde_json::Value {
        let mut all = self.first.summary.json();
        all["read"] = json!(read);
        if let Some((second, _)) = &self.second {
            all["against"] = second.summary.json();
        }
        all
    }

    /// The page of the report.
    pub(super) fn report(&self, log: &str) -> String {
        let sides = std::iter::once(&self.first).chain(self.second.as_ref().map(|(second, _)| second));
        let parts: Vec<Part<'_>> = sides
            .filter_map(|side| Some(Part { name: &side.name, charts: side.charts.as_ref()?, summary: &side.summary }))
            .collect();
        report::page(log, &parts)
    }

    /// What the second one does otherwise.
    pub(super) fn difference(&self, as_json: bool) -> Option<String> {
        let (second, difference) = self.second.as_ref()?;
        let names = [&self.first, second].map(|side| side.name.as_str());
        Some(if as_json { difference.json(names).to_string() } else { format!("\n{}", difference.text(names)) })
    }
}

impl Side {
    fn new(source: &Source, with_report: bool) -> Result<Self, AppError> {
        let config = source.read()?;
        let name = config.origin.clone();
        Ok(Self {
            name,
            replay: Replay::new(config)?,
            summary: Summary::default(),
            completed: HashMap::new(),
            charts: with_report.then(Charts::default),
        })
    }

    fn login<'a>(&mut self, event: &'a LoginEvent<'_>, label: Label) -> Scored<'a> {
        let scored = self.replay.login(event, label);
        let completed = self.completed.entry(scored.context.user.low_bits()).or_default();
        self.summary.login(&scored, label, *completed);
        if let Some(charts) = &mut self.charts {
            charts.login(&scored, event.time, label);
        }
        *completed += u32::from(is_completed(scored.verdict.action, label));
        scored
    }
}

fn is_completed(action: Action, label: Label) -> bool {
    match (action, label) {
        (Action::Allow, _) | (Action::Challenge | Action::VerifyEmail, Label::Legitimate) => true,
        (Action::Challenge | Action::VerifyEmail, Label::Attack) | (Action::Deny, _) => false,
    }
}
