//! Asking for a second factor: factors, challenges, enrolment, step-up.
//!
//! What a user has and has been sent is one record of the vault ([`crate::memory::vault`]), sealed, read and put with its
//! version: each call reads it, decides on it purely, and puts it, again where somebody else was faster.

pub mod action;
pub mod assertion;
pub mod budgets;
pub mod codes;
mod error;
pub mod pools;
pub mod recipient;
mod records;
pub mod sealing;
pub mod serial;
pub mod settings;
pub mod token;
pub mod user;
pub mod webauthn;
pub mod window;

pub use error::{MfaError, Required};
pub use settings::Settings;
pub use token::{MfaToken, TokenKind};
pub use user::UserRecord;

use crate::pipeline::Pipeline;
use sealing::Keys;
use std::sync::Arc;

/// The engine that asks. One for the process; all cores share it through an `Arc`.
#[derive(Debug)]
pub struct Mfa<M> {
    /// Whose decisions it settles, and in whose memory it keeps what users have.
    pub pipeline: Arc<Pipeline<M>>,
    /// As configured.
    pub settings: Settings,
    /// The secrets of all that it seals and hashes.
    pub keys: Keys,
}

impl<M> Mfa<M> {
    /// An engine beside `pipeline`.
    pub fn new(pipeline: Arc<Pipeline<M>>, settings: Settings, keys: Keys) -> Self {
        Self { pipeline, settings, keys }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::{Faulty, pipeline};

    /// An engine over memory of its own.
    pub(super) fn mfa() -> Mfa<Faulty> {
        let pipeline = pipeline().expect("its parts are there");
        Mfa::new(Arc::new(pipeline), Settings::default(), Keys::new([1; 32], None))
    }
}
