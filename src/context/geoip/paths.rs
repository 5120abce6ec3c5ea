//! Which files: one, or several in the order in which they are asked.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// Files of one role. A look-up asks every one of them, so that there is no room for many.
pub const FILES_MAX: usize = 8;

/// Files of one role, written as a path or as a list of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths(Vec<PathBuf>);

impl Paths {
    /// The files, first asked first.
    #[must_use]
    pub fn as_slice(&self) -> &[PathBuf] {
        &self.0
    }
}

impl From<&str> for Paths {
    fn from(path: &str) -> Self {
        Self(vec![path.into()])
    }
}

impl Serialize for Paths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            more => more.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Paths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a list of paths")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Paths, E> {
                paths(vec![path.into()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Paths, A::Error> {
                let mut all = Vec::new();
                while let Some(path) = entries.next_element::<PathBuf>()? {
                    all.push(path);
                }
                paths(all)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn paths<E: Error>(all: Vec<PathBuf>) -> Result<Paths, E> {
    if all.len() > FILES_MAX {
        return Err(E::custom(format_args!("{} files, allowed is 0..={FILES_MAX}", all.len())));
    }
    if all.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(E::custom("a path is empty"));
    }
    Ok(Paths(all))
}
