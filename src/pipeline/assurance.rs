//! What a factor that was passed behind a hook leads to: its decision is settled once, and the history vouches for the browser.

use super::request::HOOKS;
use super::{Pipeline, SettleError};
use crate::clock::Timestamp;
use crate::event::{ClientHints, Factor, FactorSet, LoginEvent};
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::memory::decisions::{DecisionId, LoginResult, Query, Report, Settlement};
use crate::memory::{Memory, MemoryError, Unvisited};

/// A demand that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// Whose it was.
    pub user_id: String,
    /// A device that the history knows now: the browser's own, if that was learnt. `None` where nothing is known, since the factor was
    /// not one that teaches.
    pub witness: Option<DeviceTag>,
}

impl<M: Memory> Pipeline<M> {
    /// The browser family of these headers, as it stands in [`super::request::Circumstances`].
    pub fn family(&self, user_agent: Option<&str>, hints: Option<&ClientHints<'_>>) -> Option<u32> {
        self.agents.look_up(user_agent, hints).map(|agent| agent.family.to_bits())
    }

    /// Whether the history still knows this device, and nothing was labelled fraud since.
    ///
    /// # Errors
    ///
    /// The history is elsewhere, or cannot be had.
    pub fn vouches(&self, event: &LoginEvent<'_>, witness: DeviceTag, since: Timestamp) -> Result<bool, Unvisited> {
        let user = self.key.user(&event.tenant, &event.user.id);
        self.memory.visit(user, |history| {
            let vouches = history.is_some_and(|history| {
                history.has_device(witness) && history.fraud_labelled().is_none_or(|labelled| labelled < since)
            });
            (vouches, None)
        })
    }

    /// Settles what a hook asked, on `device`, which is learnt with it where the factor teaches. Once: what is settled already, is of
    /// others, or is not known, is [`SettleError::NotFound`].
    ///
    /// # Errors
    ///
    /// See [`SettleError`].
    pub async fn meet(
        &self,
        (tenant, user): (&str, UserKey),
        id: DecisionId,
        (factor, device): (Factor, u64),
        now: Timestamp,
    ) -> Result<Met, SettleError> {
        let user_id = self.name_of((tenant, user), id, now).await?.ok_or(SettleError::NotFound)?;
        let report = Report {
            client: HOOKS,
            result: LoginResult::Success,
            factor: Some(factor),
            verified_here: FactorSet::EMPTY,
        };
        match self.told(self.memory.settle(id, now, report).await).map_err(SettleError::Memory)? {
            Settlement::Counted(ended) => self.count_outcome(&ended, report, now),
            // Told again: of two who come with one ticket, one has it.
            Settlement::Taken | Settlement::Labelled(_) | Settlement::Unknown => return Err(SettleError::NotFound),
            Settlement::Refused(refusal) => return Err(SettleError::Refused(refusal)),
        }
        let own = self.key.token_device(self.key.anchor(tenant, &user_id), device);
        let witness = loop {
            let seen = self.memory.visit(user, |history| {
                let known = history.map(|history| {
                    let latest = history.devices().max_by_key(|device| device.used.last);
                    if history.has_device(own) { Some(own) } else { latest.map(|device| device.tag) }
                });
                (known.flatten(), None)
            });
            match seen {
                Ok(witness) => break witness,
                Err(unvisited) => self.told(unvisited.fetched().await).map_err(SettleError::Memory)?,
            }
        };
        Ok(Met { user_id, witness })
    }

    /// Who a decision of a hook was about.
    async fn name_of(
        &self,
        (tenant, user): (&str, UserKey),
        id: DecisionId,
        now: Timestamp,
    ) -> Result<Option<String>, SettleError> {
        let next = u128::from_be_bytes(id.to_bytes()).checked_add(1);
        let Some(before) = next.map(|next| DecisionId::from_bytes(next.to_be_bytes())) else { return Ok(None) };
        let query = Query {
            tenant: tenant.to_owned(),
            user: Some(user),
            user_before: None,
            action: None,
            since: None,
            before: Some(before),
            only_open: false,
            limit: 1,
            now,
        };
        let page: Result<_, MemoryError> = self.memory.decisions(&query).await;
        let page = self.told(page).map_err(SettleError::Memory)?;
        let found = page.decisions.into_iter().find(|listed| listed.id == id && listed.given.client == HOOKS);
        Ok(found.map(|listed| listed.given.name.user().to_owned()))
    }
}
