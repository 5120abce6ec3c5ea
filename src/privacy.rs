//! What is remembered of people may be no more than it must be.

use crate::bounded::Bounded;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// The tunables of privacy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Files with the secret from which all keys of memory follow: the one in use, and behind it the one that it replaces.
    /// Without any, one is made beside the store.
    pub pseudonymise_key_file: KeyFiles,
    /// Days for which what is not used any more is kept.
    pub retention_days: RetentionDays,
    /// Decimals of a degree with which coordinates leave the process: 3 are some 100 m.
    pub coordinate_decimals: Bounded<0, 7>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pseudonymise_key_file: KeyFiles::default(),
            retention_days: RetentionDays::default(),
            coordinate_decimals: Bounded::of::<3>(),
        }
    }
}

/// Days for which what is not used any more is kept, by kind. **Source:** memory.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionDays {
    /// Devices and browsers.
    pub devices: Bounded<1, 3650>,
    /// Places.
    pub places: Bounded<1, 3650>,
    /// Networks and countries.
    pub networks: Bounded<1, 3650>,
    /// Decisions.
    pub decisions: Bounded<1, 3650>,
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self {
            devices: Bounded::of::<180>(),
            places: Bounded::of::<90>(),
            networks: Bounded::of::<180>(),
            decisions: Bounded::of::<30>(),
        }
    }
}

/// A secret in use, and the one that it replaces.
const FILES_MAX: usize = 2;

/// Files of one secret each, the newest first, written as a path or as a list of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles(Vec<PathBuf>);

impl KeyFiles {
    /// The files, the newest first.
    #[must_use]
    pub fn as_slice(&self) -> &[PathBuf] {
        &self.0
    }
}

impl Serialize for KeyFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            more => more.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for KeyFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = KeyFiles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<KeyFiles, E> {
                files(vec![path.into()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<KeyFiles, A::Error> {
                let mut all = Vec::new();
                while let Some(path) = entries.next_element::<PathBuf>()? {
                    all.push(path);
                }
                files(all)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn files<E: Error>(all: Vec<PathBuf>) -> Result<KeyFiles, E> {
    if all.len() > FILES_MAX {
        return Err(E::custom(format_args!("{} files, allowed is 0..={FILES_MAX}", all.len())));
    }
    if all.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(E::custom("a path is empty"));
    }
    Ok(KeyFiles(all))
}
