//! Which lists to load, and what a hit on them is worth.

use crate::context::network::{NetworkKind, NetworkKinds};
use crate::units::Confidence;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A list to load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ListSettings {
    /// How answers call it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// How the file is written.
    pub format: Format,
    /// What its addresses are.
    pub category: Category,
    /// Hours after which the file (by its modification time) says nothing any more.
    pub max_age_h: u32,
    /// Forces low confidence under the aggregator `evidence`; default only for `unroutable` and `drop_json`.
    pub hard: Option<bool>,
}

/// How a list is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// One address or CIDR a line; `#` and `;` begin comments.
    #[default]
    Netset,
    /// Spamhaus DROP and ASN-DROP: one JSON object a line.
    DropJson,
    /// Tor's list of exits, with or without its blocks.
    Tor,
    /// A table with a header; addresses and CIDRs stand in one column.
    Csv {
        /// The name of that column in the header.
        column: String,
    },
}

impl ListSettings {
    /// Whether a hit is evidence that stands by itself.
    pub(super) fn is_hard(&self) -> bool {
        self.hard.unwrap_or(self.category == Category::Unroutable || self.format == Format::DropJson)
    }
}

/// The stanza as it is written. `format` and `column` are two keys there, and one fact here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    path: PathBuf,
    #[serde(default)]
    format: FormatWord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    category: Category,
    #[serde(default = "default_max_age_h")]
    max_age_h: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hard: Option<bool>,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormatWord {
    #[default]
    Netset,
    DropJson,
    Tor,
    Csv,
}

fn default_max_age_h() -> u32 {
    48
}

impl TryFrom<Written> for ListSettings {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let format = match (written.format, written.column) {
            (FormatWord::Csv, Some(column)) => Format::Csv { column },
            (FormatWord::Csv, None) => {
                return Err("column: missing; the format csv needs the name of the column to read");
            }
            (_, Some(_)) => return Err("column: only the format csv has columns"),
            (FormatWord::Netset, None) => Format::Netset,
            (FormatWord::DropJson, None) => Format::DropJson,
            (FormatWord::Tor, None) => Format::Tor,
        };
        let Written { name, path, category, max_age_h, hard, .. } = written;
        Ok(Self { name, path, format, category, max_age_h, hard })
    }
}

impl From<ListSettings> for Written {
    fn from(settings: ListSettings) -> Self {
        let ListSettings { name, path, format, category, max_age_h, hard } = settings;
        let (format, column) = match format {
            Format::Netset => (FormatWord::Netset, None),
            Format::DropJson => (FormatWord::DropJson, None),
            Format::Tor => (FormatWord::Tor, None),
            Format::Csv { column } => (FormatWord::Csv, Some(column)),
        };
        Self { name, path, format, column, category, max_age_h, hard }
    }
}

/// What the addresses of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Seen attacking.
    Abuse,
    /// VPN, proxy, relay or Tor.
    Anonymizer,
    /// Hosting.
    Datacenter,
    /// A bad neighbourhood.
    Reputation,
    /// Address space that nobody may use.
    Unroutable,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 5] = [Self::Abuse, Self::Anonymizer, Self::Datacenter, Self::Reputation, Self::Unroutable];

    /// What it says of a network's use.
    pub(super) fn kinds(self) -> NetworkKinds {
        match self {
            Self::Anonymizer => NetworkKinds::NONE.with(NetworkKind::Anonymizer),
            Self::Datacenter => NetworkKinds::NONE.with(NetworkKind::Hosting),
            Self::Abuse | Self::Reputation | Self::Unroutable => NetworkKinds::NONE,
        }
    }

    /// The word that stands in answers and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abuse => "abuse",
            Self::Anonymizer => "anonymizer",
            Self::Datacenter => "datacenter",
            Self::Reputation => "reputation",
            Self::Unroutable => "unroutable",
        }
    }
}

/// What a hit of each category is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategoryConfidence {
    /// Default low.
    pub abuse: Confidence,
    /// Default low.
    pub anonymizer: Confidence,
    /// Default medium.
    pub datacenter: Confidence,
    /// Default low.
    pub reputation: Confidence,
    /// Default low.
    pub unroutable: Confidence,
}

impl Default for CategoryConfidence {
    fn default() -> Self {
        Self {
            abuse: Confidence::Low,
            anonymizer: Confidence::Low,
            datacenter: Confidence::Medium,
            reputation: Confidence::Low,
            unroutable: Confidence::Low,
        }
    }
}

impl CategoryConfidence {
    /// Of one category.
    #[must_use]
    pub fn of(self, category: Category) -> Confidence {
        match category {
            Category::Abuse => self.abuse,
            Category::Anonymizer => self.anonymizer,
            Category::Datacenter => self.datacenter,
            Category::Reputation => self.reputation,
            Category::Unroutable => self.unroutable,
        }
    }
}
