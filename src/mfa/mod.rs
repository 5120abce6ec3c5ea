//! Asking for a second factor: factors, challenges, enrolment, step-up.
//!
//! What a user has and has been sent is one record of the vault ([`crate::memory::vault`]), sealed, read and put with its
//! version: each call reads it, decides on it purely, and puts it, again where somebody else was faster.

pub mod action;
pub mod ask;
pub mod assertion;
pub mod backup_codes;
mod base32;
pub mod budgets;
pub mod challenge;
pub mod codes;
mod counted;
pub mod delivery;
pub mod enroll;
pub mod enrolment;
mod error;
pub mod login;
mod manage;
pub mod message;
mod next;
pub mod onboard;
pub mod pools;
pub mod recipient;
mod records;
pub mod sealing;
mod sending;
pub mod serial;
pub mod settings;
pub mod step_up;
mod tidings;
pub mod token;
pub mod totp;
pub mod user;
pub mod verify;
pub mod visitor;
pub mod webauthn;
pub mod window;

pub use error::{MfaError, Required};
pub use next::{MANAGEMENT, Next, Shown};
pub use settings::Settings;
pub use token::{MfaToken, TokenKind};
pub use user::UserRecord;

use crate::event::Factor;
use crate::pipeline::Pipeline;
use assertion::{Signer, SigningKey};
use backup_codes::SlowHashes;
use budgets::Budgets;
use codes::CodeKeys;
use delivery::Delivery;
use message::Messenger;
use sealing::{Keys, Use};
use std::sync::Arc;
use webauthn::Relying;

/// The engine that asks. One for the process; all cores share it through an `Arc`.
#[derive(Debug)]
pub struct Mfa<M> {
    /// Whose decisions it settles, and in whose memory it keeps what users have.
    pub pipeline: Arc<Pipeline<M>>,
    /// As configured.
    pub settings: Settings,
    /// The secrets of all that it seals and hashes.
    pub keys: Keys,
    /// Those of codes that are sent.
    pub code_keys: CodeKeys,
    /// Signs what was proved.
    pub signer: Signer,
    /// Verifies passkeys, where they are on.
    pub relying: Option<Relying>,
    /// Carries codes.
    pub delivery: Delivery,
    /// What may be proved within a session.
    pub step_up: step_up::Settings,
    slow_hashes: SlowHashes,
    told: tidings::Told,
    counts: counted::Counts,
}

/// The keys of the engine.
#[derive(Debug)]
pub struct EngineKeys {
    /// Of what it seals and hashes.
    pub secrets: Keys,
    /// Of what it signs, the one that signs first.
    pub signing: Vec<SigningKey>,
}

impl<M> Mfa<M> {
    /// An engine beside `pipeline`.
    ///
    /// # Errors
    ///
    /// Passkeys cannot be set up as configured; the text names the setting.
    pub fn new(
        pipeline: Arc<Pipeline<M>>,
        settings: Settings,
        keys: EngineKeys,
        messenger: Messenger,
    ) -> Result<Self, String> {
        let has_passkeys = settings.factors.set().has(Factor::Webauthn);
        let relying = has_passkeys.then(|| Relying::new(&settings.webauthn)).transpose()?;
        let EngineKeys { secrets: keys, signing } = keys;
        let of_codes = keys.of(Use::Codes);
        let code_keys = CodeKeys::new(of_codes.first().unwrap_or(&[0; 32]), of_codes.get(1));
        let signer = Signer::new(&settings.assertion, signing);
        let of_budgets = keys.of(Use::Budgets);
        let (sms, email) = (settings.sms.budget, settings.email.budget);
        let budgets = Budgets::new(of_budgets.first().unwrap_or(&[0; 32]), settings.codes, sms, email);
        let (delivery, slow_hashes) = (Delivery { budgets, messenger }, SlowHashes::default());
        let step_up = step_up::Settings::default();
        Ok(Self {
            pipeline,
            settings,
            keys,
            code_keys,
            signer,
            relying,
            delivery,
            step_up,
            slow_hashes,
            told: tidings::Told::default(),
            counts: counted::Counts::default(),
        })
    }

    /// Appends what was counted, as the exposition format wants it.
    pub fn render(&self, text: &mut String) {
        self.counts.render(text);
        self.delivery.messenger.render(text);
    }

    /// The same, with what may be proved within a session.
    #[must_use]
    pub fn with_step_up(self, step_up: step_up::Settings) -> Self {
        Self { step_up, ..self }
    }
}

#[cfg(test)]
#[path = "../../tests/it/support/authenticator.rs"]
mod authenticator;
#[cfg(test)]
mod tests;
