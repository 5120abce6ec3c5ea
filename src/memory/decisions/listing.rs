//! Lists of decisions, newest first; and what goes through all of them to forget.

use super::walk::{Held, Visitor};
use super::{DecisionId, Given, LoginResult};
use crate::clock::Timestamp;
use crate::event::Factor;
use crate::keyed_hash::{DeviceTag, UserKey};
use crate::verdict::Action;
use std::collections::BTreeMap;

/// Which decisions are asked for. All conditions hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of this tenant.
    pub tenant: String,
    /// Of this user.
    pub user: Option<UserKey>,
    /// The same user under the key that is being replaced: theirs are those of either.
    pub user_before: Option<UserKey>,
    /// That told this.
    pub action: Option<Action>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Older than this one: what follows it in a list.
    pub before: Option<DecisionId>,
    /// Whose outcome is awaited.
    pub only_open: bool,
    /// At most so many.
    pub limit: usize,
    /// When it is asked, which tells what is open.
    pub now: Timestamp,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first: ids sort by time.
    pub decisions: Vec<Listed>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<DecisionId>,
}

/// A decision as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its id, which also says when it was made.
    pub id: DecisionId,
    /// What was decided, of whom.
    pub given: Given,
    /// What became of it; `None` where nobody told.
    pub result: Option<LoginResult>,
    /// The factor that was passed.
    pub factor: Option<Factor>,
    /// While its outcome is awaited: until when.
    pub expires: Option<Timestamp>,
}

/// Gathers one page. Only what may be on it is copied: the list keeps no more than that, and what is older than all of it
/// is passed over by its id.
#[derive(Debug)]
pub(in crate::memory) struct Listing<'a> {
    query: &'a Query,
    found: BTreeMap<DecisionId, Listed>,
}

impl<'a> Listing<'a> {
    pub(in crate::memory) fn new(query: &'a Query) -> Self {
        Self { query, found: BTreeMap::new() }
    }

    /// Whether a newer decision only could change the page.
    pub(in crate::memory) fn is_full(&self) -> bool {
        self.found.len() > self.query.limit
    }

    pub(in crate::memory) fn page(mut self) -> Page {
        let is_more = self.found.len() > self.query.limit;
        if is_more {
            self.found.pop_first();
        }
        let next = self.found.first_key_value().map(|(id, _)| *id).filter(|_| is_more);
        Page { decisions: self.found.into_values().rev().collect(), next }
    }
}

impl Visitor for Listing<'_> {
    fn wants(&self, id: DecisionId) -> bool {
        let Query { since, before, .. } = *self.query;
        before.is_none_or(|before| id < before)
            && since.is_none_or(|since| id.time() >= since)
            && (!self.is_full() || self.found.first_key_value().is_none_or(|(oldest, _)| id >= *oldest))
    }

    fn visit(&mut self, id: DecisionId, held: Held<'_>) -> bool {
        let (query, given) = (self.query, held.given());
        let (result, factor, expires) = match &held {
            Held::Waiting(pending) => (None, None, Some(pending.expires).filter(|expires| query.now <= *expires)),
            Held::Settled(settled) => (settled.result, settled.factor, None),
        };
        let is_asked_for = query.user.is_none_or(|user| user == given.user || query.user_before == Some(given.user))
            && query.action.is_none_or(|action| action == given.action)
            && (!query.only_open || expires.is_some())
            && given.name.tenant() == query.tenant;
        if is_asked_for {
            // What was settled on the way is met twice: the later look counts.
            self.found.insert(id, Listed { id, given: given.clone(), result, factor, expires });
            if self.found.len() > query.limit + 1 {
                self.found.pop_first();
            }
        } else {
            self.found.remove(&id);
        }
        true
    }
}

/// Takes away what was decided before this time.
#[derive(Debug)]
pub(super) struct Aged(pub(super) Timestamp);

impl Visitor for Aged {
    fn wants(&self, id: DecisionId) -> bool {
        id.time() < self.0
    }

    fn visit(&mut self, _: DecisionId, _: Held<'_>) -> bool {
        false
    }
}

/// Takes all decisions of a user away.
#[derive(Debug)]
pub(in crate::memory) struct Eraser(pub(in crate::memory) UserKey);

impl Visitor for Eraser {
    fn wants(&self, _: DecisionId) -> bool {
        true
    }

    fn visit(&mut self, _: DecisionId, held: Held<'_>) -> bool {
        held.given().user != self.0
    }
}

/// Sees to it that no login under way makes a user's device known again.
#[derive(Debug)]
pub(in crate::memory) struct DeviceForgetter(pub(in crate::memory) UserKey, pub(in crate::memory) DeviceTag);

impl Visitor for DeviceForgetter {
    fn wants(&self, _: DecisionId) -> bool {
        true
    }

    fn visit(&mut self, _: DecisionId, held: Held<'_>) -> bool {
        if let Held::Waiting(pending) = held
            && pending.given.user == self.0
            && pending.given.login.is_on(self.1)
        {
            pending.forgets_device = true;
        }
        true
    }
}

#[cfg(test)]
mod tests;
