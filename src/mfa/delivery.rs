//! A code on its way: counted in its budgets, carried, and counted no more where nobody carried it.

use super::MfaError;
use super::budgets::{Admitted, BudgetError, Budgets, Sending};
use super::message::{Message, Messenger, SendError};
use crate::clock::Timestamp;
use crate::memory::Memory;

/// Budgets, and who carries what they let through. One for the process.
#[derive(Debug)]
pub struct Delivery {
    /// How much may be sent.
    pub budgets: Budgets,
    /// Who carries it.
    pub messenger: Messenger,
}

impl Delivery {
    /// Counts a message before anything is written about it: what may not be sent must not end an older code.
    ///
    /// # Errors
    ///
    /// Nobody carries such messages, too many were sent, or it is not known how many were.
    pub async fn admit<M: Memory>(
        &self,
        memory: &M,
        sending: &Sending<'_>,
        now: Timestamp,
    ) -> Result<Admitted, MfaError> {
        if !self.messenger.carries(sending.recipient.channel()) {
            return Err(MfaError::ConnectorMissing);
        }
        self.budgets.admit(memory, sending, now).await.map_err(|error| match error {
            BudgetError::Spent { budget, wait_s } => {
                tracing::warn!(budget = budget.as_str(), wait_s, "a message was refused: its budget is spent");
                MfaError::MessagesRateLimited { wait_s }
            }
            BudgetError::Unknown(error) => {
                tracing::error!(%error, "a message was refused: nobody knows how many were sent");
                MfaError::Unavailable
            }
        })
    }

    /// Sends a message that was counted, once what permits it is durable.
    ///
    /// # Errors
    ///
    /// No connector took it; it is counted no more.
    pub async fn send<M: Memory>(
        &self,
        memory: &M,
        admitted: Admitted,
        message: &Message<'_>,
        now: Timestamp,
    ) -> Result<(), MfaError> {
        let Err(error) = self.messenger.send(message).await else { return Ok(()) };
        self.budgets.give_back(memory, admitted, now).await;
        Err(match error {
            SendError::NotConfigured => MfaError::ConnectorMissing,
            SendError::General => MfaError::ConnectorFailed,
            SendError::RateLimited { wait_s } => MfaError::ConnectorRateLimited { wait_s },
        })
    }
}
