//! `POST /v1/decisions/{id}/outcome`: the request.

use super::Word;
use crate::event::Factor;
use crate::memory::decisions::LoginResult;
use serde::Deserialize;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct OutcomeBody {
    pub(in crate::server) result: Word<LoginResult>,
    pub(in crate::server) factor: Option<Word<Factor>>,
}
