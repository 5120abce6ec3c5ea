//! What is remembered of one user, for those who may see it, and the end of it; and lists of decisions.

use super::Pipeline;
use crate::clock::Timestamp;
use crate::history::UserHistory;
use crate::keyed_hash::DeviceTag;
use crate::memory::decisions::{DecisionId, Listed, Page, Query};
use crate::memory::{Memory, MemoryError, Unvisited};
use crate::verdict::Action;

/// A user as the caller names them.
#[derive(Debug, Clone, Copy)]
pub struct UserName<'a> {
    /// Separates all memory.
    pub tenant: &'a str,
    /// The id.
    pub id: &'a str,
}

/// What is remembered of a user.
#[derive(Debug)]
pub struct Remembered {
    /// What completed logins and labels taught; `None` where nothing did.
    pub history: Option<Box<UserHistory>>,
    /// Decisions, newest first.
    pub decisions: Vec<Listed>,
    /// When it was asked.
    pub at: Timestamp,
}

/// Which decisions belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those whose outcome is awaited.
    Open,
    /// All that are kept.
    Everything,
}

/// What is asked of a list of decisions.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Whose memory.
    pub tenant: &'a str,
    /// Of one user.
    pub user_id: Option<&'a str>,
    /// That told this.
    pub action: Option<Action>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// What follows this one in the list.
    pub before: Option<DecisionId>,
    /// At most so many.
    pub limit: usize,
}

/// Decisions of one user that are read at a time.
const PAGE: usize = 1000;

impl<M: Memory> Pipeline<M> {
    /// What is remembered of a user; of one who is not known, nothing.
    ///
    /// # Errors
    ///
    /// Memory failed.
    pub async fn remembered(&self, user: UserName<'_>, extent: Extent) -> Result<Remembered, MemoryError> {
        let (key, at) = (self.adopted(user).await?, self.clock.now());
        let history = loop {
            match self.memory.visit(key, |history| (history.cloned().map(Box::new), None)) {
                Ok(history) => break history,
                Err(Unvisited::Elsewhere(fetch)) => self.told(fetch.await)?,
                Err(Unvisited::Failed(error)) => return self.told(Err(error)),
            }
        };
        let search = Search {
            tenant: user.tenant,
            user_id: Some(user.id),
            action: None,
            since: None,
            before: None,
            limit: PAGE,
        };
        let mut query = Query { only_open: extent == Extent::Open, ..self.query(search, at) };
        let mut decisions = Vec::new();
        loop {
            let page = self.told(self.memory.decisions(&query).await)?;
            decisions.extend(page.decisions);
            query.before = page.next;
            if query.before.is_none() {
                return Ok(Remembered { history, decisions, at });
            }
        }
    }

    /// Forgets everything about a user, whether or not anything was known.
    ///
    /// # Errors
    ///
    /// Memory failed, and something may be left.
    pub async fn erase(&self, user: UserName<'_>) -> Result<(), MemoryError> {
        for key in self.all_keys(user) {
            self.told(self.memory.erase(key).await)?;
        }
        self.phones.forget_all();
        Ok(())
    }

    /// Forgets one device of a user, whether or not it was known.
    ///
    /// # Errors
    ///
    /// Memory failed, and the device may be known still.
    pub async fn forget_device(&self, user: UserName<'_>, device: DeviceTag) -> Result<(), MemoryError> {
        self.adopted(user).await?;
        for key in self.all_keys(user) {
            self.told(self.memory.forget_device(key, device).await)?;
        }
        Ok(())
    }

    /// Lists decisions, newest first.
    ///
    /// # Errors
    ///
    /// Memory failed.
    pub async fn decisions(&self, search: Search<'_>) -> Result<Page, MemoryError> {
        let listed = self.memory.decisions(&self.query(search, self.clock.now())).await;
        self.told(listed)
    }

    fn query(&self, search: Search<'_>, now: Timestamp) -> Query {
        let Search { tenant, user_id, action, since, before, limit } = search;
        let anchor = user_id.map(|id| self.key.anchor(tenant, id));
        let user = anchor.map(|anchor| self.key.user_of(anchor));
        let user_before = anchor.and_then(|anchor| self.key.replaced_user_of(anchor));
        Query { tenant: tenant.to_owned(), user, user_before, action, since, before, only_open: false, limit, now }
    }

    pub(super) fn told<T>(&self, result: Result<T, MemoryError>) -> Result<T, MemoryError> {
        result.inspect_err(|error| self.failed(error))
    }
}
