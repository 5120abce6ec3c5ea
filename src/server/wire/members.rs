//! Objects of many members, read without derived code: the value of each goes straight to its place, where derived code keeps it in
//! a variable and moves all of them at the end, and one piece of code reads all texts. A usual login takes 8,500 instructions in
//! place of 9,600, and a fifth less code.

use super::TextVisitor;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// The name of a member of some object.
pub(super) trait Name<'de>: serde::Deserialize<'de> + Copy {
    /// The name as it stands there.
    fn text(self) -> &'static str;

    /// Where it stands among the names of its object, of which there are at most 32.
    fn number(self) -> u32;
}

/// An object with such members.
pub(super) trait Members<'de> {
    type Name: Name<'de>;

    /// Takes the value of a member, which comes once.
    fn take<A: MapAccess<'de>>(&mut self, name: Self::Name, map: &mut A) -> Result<(), A::Error>;

    /// A member that has to be there and was not.
    fn missing(&self) -> Option<&'static str>;
}

/// Defines the names of an object's members.
macro_rules! names {
    ($names:ident { $($name:ident = $text:literal,)* }) => {
        #[derive(Clone, Copy)]
        enum $names {
            $($name,)*
        }

        impl<'de> $crate::server::wire::members::Name<'de> for $names {
            fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            fn number(self) -> u32 {
                self as u32
            }
        }

        impl<'de> serde::Deserialize<'de> for $names {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Names;
                impl serde::de::Visitor<'_> for Names {
                    type Value = $names;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a field name")
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$names, E> {
                        match text {
                            $($text => Ok($names::$name),)*
                            _ => Err(E::unknown_field(text, &[$($text),*])),
                        }
                    }
                }
                deserializer.deserialize_identifier(Names)
            }
        }
    };
}
pub(super) use names;

/// Reads an object into its place.
pub(super) struct Into<'p, T>(pub(super) &'p mut T);

impl<'de, T: Members<'de>> DeserializeSeed<'de> for Into<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Members<'de>> Visitor<'de> for Into<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = 0_u32;
        while let Some(name) = map.next_key::<T::Name>()? {
            let bit = 1 << name.number();
            if seen & bit != 0 {
                return Err(A::Error::duplicate_field(name.text()));
            }
            seen |= bit;
            self.0.take(name, &mut map)?;
        }
        self.0.missing().map_or(Ok(()), |name| Err(A::Error::missing_field(name)))
    }
}

/// The text of a member that has to have one, of so many bytes; borrowed where it holds no escapes.
pub(super) fn text<'de, A: MapAccess<'de>>(
    map: &mut A,
    bytes: RangeInclusive<usize>,
) -> Result<Option<Cow<'de, str>>, A::Error> {
    map.next_value_seed(Text { bytes, may_be_null: false })
}

/// The same where `null` stands for none.
pub(super) fn text_or_null<'de, A: MapAccess<'de>>(
    map: &mut A,
    bytes: RangeInclusive<usize>,
) -> Result<Option<Cow<'de, str>>, A::Error> {
    map.next_value_seed(Text { bytes, may_be_null: true })
}

struct Text {
    bytes: RangeInclusive<usize>,
    may_be_null: bool,
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.may_be_null { deserializer.deserialize_option(self) } else { self.visit_some(deserializer) }
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let text = deserializer.deserialize_str(TextVisitor)?;
        if self.bytes.contains(&text.len()) {
            return Ok(Some(text));
        }
        let (min, max) = (self.bytes.start(), self.bytes.end());
        Err(D::Error::custom(format_args!("{} bytes are out of range, allowed is {min}..={max}", text.len())))
    }
}
