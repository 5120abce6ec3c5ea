//! The tunables of one webhook.

use super::EventKind;
use crate::bounded::Bounded;
use crate::outbound::{Networks, Target};
use crate::privacy::KeyFiles;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whom to tell, and of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where events are posted.
    pub url: Target,
    /// Of what it is told; of everything where that is not said.
    #[serde(default)]
    pub events: Kinds,
    /// Files with its secrets: the one in use, and one that it replaces or that is to replace it.
    pub secret_files: KeyFiles,
    /// Networks that may be reached there, though they are not public.
    #[serde(default)]
    pub allow_private: Networks,
    /// The authorities that may have signed its certificate; without it, those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Hours after which an event that is not taken is given up.
    #[serde(default = "a_day")]
    pub give_up_h: Bounded<1, 168>,
}

impl Settings {
    /// Events wait for whoever they are for by the URL.
    ///
    /// # Errors
    ///
    /// Names the URL that stands twice.
    pub fn refuse_twins(all: &[Self]) -> Result<(), String> {
        let twin = all.iter().enumerate().find(|(at, one)| all[..*at].iter().any(|other| other.url == one.url));
        twin.map_or(Ok(()), |(at, _)| Err(format!("webhooks[{at}].url: it stands twice; name all its events in one")))
    }
}

fn a_day() -> Bounded<1, 168> {
    Bounded::of::<24>()
}

/// Kinds of events, none twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<EventKind>")]
pub struct Kinds(Vec<EventKind>);

impl Kinds {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = EventKind> + '_ {
        self.0.iter().copied()
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self(EventKind::ALL.to_vec())
    }
}

impl TryFrom<Vec<EventKind>> for Kinds {
    type Error = String;

    fn try_from(kinds: Vec<EventKind>) -> Result<Self, String> {
        if kinds.is_empty() {
            return Err("none is named: leave it out for all of them".to_owned());
        }
        match kinds.iter().enumerate().find(|(at, kind)| kinds[..*at].contains(kind)) {
            Some((at, _)) => Err(format!("the one at {at} stands twice")),
            None => Ok(Self(kinds)),
        }
    }
}
