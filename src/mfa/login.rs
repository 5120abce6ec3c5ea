//! What a login that is scored has to know of factors, and what it is given where one is demanded.

use super::token::{Email, MfaToken, TokenKind};
use super::{Mfa, MfaError};
use crate::clock::Timestamp;
use crate::event::{Factor, FactorSet};
use crate::memory::Memory;
use crate::memory::decisions::{ClientTag, DecisionId};
use crate::pipeline::UserName;
use arrayvec::ArrayVec;
use std::net::IpAddr;

/// The factors of a user who logs in.
#[derive(Debug, Clone)]
pub struct Known {
    /// In the order in which they are offered.
    pub order: ArrayVec<Factor, 5>,
    /// They could not be had: these are all that are on. So the login is judged as one of a user who has them all, and is asked where
    /// somebody without any would be sent on a weaker way.
    pub is_guessed: bool,
}

impl Known {
    /// As a set.
    #[must_use]
    pub fn enrolled(&self) -> FactorSet {
        self.order.iter().copied().collect()
    }
}

/// A login that demands a factor.
#[derive(Debug)]
pub struct Demand<'a> {
    /// Who asked for it to be scored.
    pub client: ClientTag,
    /// Its decision.
    pub decision: DecisionId,
    /// Who logs in.
    pub user: UserName<'a>,
    /// What is offered.
    pub offered: FactorSet,
    /// The device is known to be the user's.
    pub is_device_known: bool,
    /// Where it comes from.
    pub ip: Option<IpAddr>,
    /// The address of the account, where it can prove something.
    pub email: Option<Email>,
    /// The session, where one was named.
    pub session: Option<&'a str>,
    /// When it was scored.
    pub now: Timestamp,
}

/// Contact data that changed this recently may be the attacker's. **Source:** mfa.md.
const CONTACT_SETTLED_MS: i64 = 72 * 3_600_000;

/// The address of an account, as a login tells it. `None` where it proves nothing: there is none, or it was never verified.
#[must_use]
pub fn contact(
    address: Option<&str>,
    verified: Option<bool>,
    changed: Option<Timestamp>,
    now: Timestamp,
) -> Option<Email> {
    let address = address.filter(|address| !address.is_empty() && verified != Some(false))?.to_owned();
    // A change in the future counts as one of now: its clock is wrong, or it lies.
    let is_settled = changed.is_none_or(|changed| now.ms_since(changed) > CONTACT_SETTLED_MS);
    Some(Email { address, is_settled })
}

impl<M: Memory> Mfa<M> {
    /// The factors of a user who logs in.
    pub async fn known(&self, user: UserName<'_>, now: Timestamp) -> Known {
        let on = self.on();
        match self.read_user(user, now).await {
            Ok(record) => Known {
                order: record.in_order().into_iter().filter(|factor| on.has(*factor)).collect(),
                is_guessed: false,
            },
            Err(_) => Known { order: on.iter().collect(), is_guessed: true },
        }
    }

    /// Whether this demand is answered here: it has to be one for a factor that is on, or that is yet to be bound. What is demanded
    /// otherwise, the caller asks for, and tells.
    #[must_use]
    pub fn asks(&self, offered: FactorSet) -> bool {
        offered.is_empty() || !offered.both(self.on()).is_empty()
    }

    /// The token for a demand, and when it is good for the last time. `None` where it is not answered here.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn demand(&self, demand: Demand<'_>) -> Result<Option<(String, Timestamp)>, MfaError> {
        if !self.asks(demand.offered) {
            return Ok(None);
        }
        let token = MfaToken {
            kind: TokenKind::Login,
            made: demand.now,
            client: demand.client,
            decision: demand.decision,
            tenant: demand.user.tenant.to_owned(),
            user: demand.user.id.to_owned(),
            offered: demand.offered,
            is_device_known: demand.is_device_known,
            ip: demand.ip,
            email: demand.email,
            session: demand.session.map(str::to_owned),
            action: None,
        };
        Ok(Some((token.mint(&self.keys)?, token.expires())))
    }
}
