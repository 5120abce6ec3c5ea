//! One configuration of a replay, and what is counted of its decisions.

use super::summary::Summary;
use crate::event::LoginEvent;
use crate::pipeline::Scored;
use crate::replay::Replay;
use crate::server::logged::Label;
use crate::verdict::Action;
use std::collections::HashMap;

/// A configuration, its memory, and its figures.
pub(super) struct Side {
    pub(super) replay: Replay,
    pub(super) summary: Summary,
    /// Logins that each user completed so far: 12 bytes a user, beside the 250 of memory.
    completed: HashMap<u64, u32>,
}

impl Side {
    pub(super) fn new(replay: Replay) -> Self {
        Self { replay, summary: Summary::default(), completed: HashMap::new() }
    }

    pub(super) fn login<'a>(&mut self, event: &'a LoginEvent<'_>, label: Label) -> Scored<'a> {
        let scored = self.replay.login(event, label);
        let completed = self.completed.entry(scored.context.user.low_bits()).or_default();
        self.summary.login(&scored, label, *completed);
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
