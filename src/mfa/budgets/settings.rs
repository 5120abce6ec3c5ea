//! How much may be sent. What goes to one recipient is a limit of codes ([`crate::mfa::codes::Settings`]).

use crate::bounded::Bounded;
use serde::{Deserialize, Serialize};

/// `mfa.sms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsSettings {
    /// How much may be sent.
    pub budget: SmsBudget,
}

/// `mfa.email`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailSettings {
    /// How much may be sent.
    pub budget: EmailBudget,
}

/// Text messages, which cost their sender money, and their receiving network brings some: floods aim at a prefix or a country.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsBudget {
    /// From one address in any ten minutes.
    pub source_10min_max: Bounded<1, 1_000_000>,
    /// From one address in any 24 hours.
    pub source_day_max: Bounded<1, 1_000_000>,
    /// To numbers with the same first six digits in any ten minutes.
    pub prefix_10min_max: Bounded<1, 1_000_000>,
    /// To numbers with the same first six digits in any 24 hours.
    pub prefix_day_max: Bounded<1, 1_000_000>,
    /// To numbers of one country in any ten minutes.
    pub country_10min_max: Bounded<1, 10_000_000>,
    /// To numbers of one country in any 24 hours.
    pub country_day_max: Bounded<1, 10_000_000>,
}

impl Default for SmsBudget {
    /// Assumptions, for a service of some ten thousand users. An office behind one address: a hundred people, of whom half are asked on
    /// one morning. A prefix: ten thousand to a million numbers, of which one in a hundred is asked in ten minutes. A country: at 0.05 to
    /// 0.30 dollars a message, no more than 250 to 1,500 dollars a day are lost to a flood that nobody sees.
    fn default() -> Self {
        Self {
            source_10min_max: Bounded::of::<50>(),
            source_day_max: Bounded::of::<200>(),
            prefix_10min_max: Bounded::of::<100>(),
            prefix_day_max: Bounded::of::<500>(),
            country_10min_max: Bounded::of::<1_000>(),
            country_day_max: Bounded::of::<5_000>(),
        }
    }
}

/// Mail, which costs next to nothing but the sender's name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmailBudget {
    /// From one address in any ten minutes.
    pub source_10min_max: Bounded<1, 1_000_000>,
    /// From one address in any 24 hours.
    pub source_day_max: Bounded<1, 1_000_000>,
}

impl Default for EmailBudget {
    /// Assumptions: as for text messages, and more over a day, since a mail costs no money.
    fn default() -> Self {
        Self { source_10min_max: Bounded::of::<50>(), source_day_max: Bounded::of::<500>() }
    }
}
