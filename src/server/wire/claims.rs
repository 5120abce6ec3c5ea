//! What a caller claims of a login for rules alone: groups of the user, and attributes of any name.

use super::Text;
use crate::event::Scalar;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// At most 64 texts of at most 256 bytes.
#[derive(Debug, Default)]
pub(in crate::server) struct Groups<'a>(pub(in crate::server) Vec<Cow<'a, str>>);

/// At most 64 scalars by name, names and texts of at most 256 bytes. `null` is the same as none.
#[derive(Debug, Default)]
pub(in crate::server) struct Attributes<'a>(pub(in crate::server) Vec<(Cow<'a, str>, Scalar<'a>)>);

const ENTRIES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 256;

type Short<'a> = Text<'a, 0, TEXT_BYTES_MAX>;

fn too_many<E: Error>() -> E {
    E::custom(format_args!("at most {ENTRIES_MAX} entries are allowed"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Groups<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Groups<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Groups<'de>, A::Error> {
                let mut groups = Vec::new();
                while let Some(Text(group)) = entries.next_element::<Short<'de>>()? {
                    if groups.len() == ENTRIES_MAX {
                        return Err(too_many());
                    }
                    groups.push(group);
                }
                Ok(Groups(groups))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Attributes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of scalars")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Attributes<'de>, A::Error> {
                let (mut attributes, mut count) = (Vec::<(Cow<'de, str>, Scalar<'de>)>::new(), 0);
                while let Some(Text(name)) = entries.next_key::<Short<'de>>()? {
                    // Of two values a rule would see one, and nobody could say which.
                    if attributes.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    let Given(value) = entries.next_value()?;
                    count += 1;
                    if count > ENTRIES_MAX {
                        return Err(too_many());
                    }
                    attributes.extend(value.map(|value| (name, value)));
                }
                Ok(Attributes(attributes))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The value of an attribute; `None` for `null`.
struct Given<'a>(Option<Scalar<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Given<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl Value {
    fn text<'a, E: Error>(text: Cow<'a, str>) -> Result<Given<'a>, E> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(E::custom(format_args!("at most {TEXT_BYTES_MAX} bytes are allowed")));
        }
        Ok(Given(Some(Scalar::Text(text))))
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar of at most 256 bytes")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Given<'de>, E> {
        Self::text(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Given<'de>, E> {
        Self::text(Cow::Owned(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Given<'de>, E> {
        Ok(Given(Some(Scalar::Bool(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Given<'de>, E> {
        // Beyond what a rule can write as a whole number, it is one like any other.
        #[expect(clippy::cast_precision_loss, reason = "JSON promises no more than a double")]
        let scalar = i64::try_from(value).map_or(Scalar::Number(value as f64), Scalar::Integer);
        Ok(Given(Some(scalar)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Given<'de>, E> {
        Ok(Given(Some(Scalar::Integer(value))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Given<'de>, E> {
        Ok(Given(Some(Scalar::Number(value))))
    }

    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("nested values are not allowed"))
    }
}
