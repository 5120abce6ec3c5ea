//! What rules see of a login: looked up when it is asked for, and borrowed where it is a text.

use super::schema;
use crate::clock::Timestamp;
use crate::context::LoginContext;
use crate::event::Scalar;
use crate::history::UserHistory;
use crate::signals::{Assessments, Recall};
use crate::units::Confidence;
use crate::verdict::evidence::Evidence;
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelString, CelTimestamp};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use chrono::DateTime;
use std::collections::HashMap;

/// `has(a.b)` is read as the name `has a.b`, which no expression can write.
pub(super) const HAS: &str = "has ";

/// One login, before its verdict.
pub(in crate::verdict) struct Facts<'a> {
    pub(in crate::verdict) context: &'a LoginContext<'a>,
    pub(in crate::verdict) assessments: &'a Assessments,
    pub(in crate::verdict) recall: Recall<'a>,
    pub(in crate::verdict) confidence: Confidence,
    pub(in crate::verdict) evidence: Option<&'a Evidence>,
}

/// A value of a fact; it may borrow from the login.
pub(super) type Fact<'b> = CowVal<'b, 'b>;

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<Fact<'b>> {
        match name.strip_prefix(HAS) {
            Some(path) => Some(boolean(schema::find(path)?.read(self).is_some())),
            None => schema::find(name)?.read(self),
        }
    }
}

impl Facts<'_> {
    /// How many of something the history holds; `None` where memory failed.
    pub(super) fn count(&self, of_history: impl FnOnce(&UserHistory) -> usize) -> Option<Fact<'_>> {
        let count = match self.recall {
            Recall::History(history) | Recall::Labelled(history) => of_history(history),
            Recall::Stranger => 0,
            Recall::Failed => return None,
        };
        i64::try_from(count).ok().map(integer)
    }

    /// An attribute by its name.
    pub(super) fn attribute(&self, name: &str) -> Option<Fact<'_>> {
        let (_, value) = self.context.claims.attributes.iter().find(|(known, _)| known == name)?;
        Some(CowVal::Owned(scalar(value)))
    }

    pub(super) fn attributes(&self) -> Fact<'_> {
        let attributes = self.context.claims.attributes.iter();
        let map = attributes.map(|(name, value)| (CelMapKey::from(name.as_ref()), scalar(value)));
        CowVal::owned(CelMap::from(map.collect::<HashMap<_, _>>()))
    }
}

fn scalar<'b>(value: &'b Scalar<'_>) -> Box<dyn Val + 'b> {
    match value {
        Scalar::Bool(value) => Box::new(CelBool::from(*value)),
        Scalar::Integer(value) => Box::new(CelInt::from(*value)),
        Scalar::Number(value) => Box::new(CelDouble::from(*value)),
        Scalar::Text(value) => Box::new(CelString::from(value.as_ref())),
    }
}

pub(super) fn text(value: &str) -> Fact<'_> {
    CowVal::owned(CelString::from(value))
}

pub(super) fn boolean(value: bool) -> Fact<'static> {
    CowVal::owned(CelBool::from(value))
}

pub(super) fn integer(value: impl Into<i64>) -> Fact<'static> {
    CowVal::owned(CelInt::from(value.into()))
}

pub(super) fn number(value: f64) -> Fact<'static> {
    CowVal::owned(CelDouble::from(value))
}

pub(super) fn time(value: Timestamp) -> Option<Fact<'static>> {
    let time = DateTime::from_timestamp_millis(value.unix_ms())?;
    Some(CowVal::owned(CelTimestamp::from(time.fixed_offset())))
}

pub(super) fn texts<'b>(values: impl Iterator<Item = &'b str>) -> Fact<'b> {
    let boxed = |value: &'b str| -> Box<dyn Val + 'b> { Box::new(CelString::from(value)) };
    CowVal::owned(CelList::from(values.map(boxed).collect::<Vec<_>>()))
}
