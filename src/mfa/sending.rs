//! Challenges and enrolments by a code that is sent.

use super::Mfa;
use super::MfaError;
use super::enroll::{Begun, Wish};
use super::token::MfaToken;
use crate::clock::Timestamp;
use crate::memory::Memory;

impl<M: Memory> Mfa<M> {
    pub(super) async fn enroll_recipient(
        &self,
        token: &MfaToken,
        wish: Wish<'_>,
        now: Timestamp,
    ) -> Result<Begun, MfaError> {
        let _unused = (token, wish, now);
        Err(MfaError::ConnectorMissing)
    }
}
