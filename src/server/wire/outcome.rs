//! `POST /v1/decisions/{id}/outcome` and `/feedback`: the requests.

use super::Word;
use crate::event::Factor;
use crate::memory::decisions::{Label, LoginResult};
use serde::Deserialize;

/// The body of an outcome.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct OutcomeBody {
    pub(in crate::server) result: Word<LoginResult>,
    pub(in crate::server) factor: Option<Word<Factor>>,
}

/// The body of a label.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct FeedbackBody {
    pub(in crate::server) label: Word<Label>,
}
