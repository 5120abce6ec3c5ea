//! What stands on the wire. These types stay in `server`; everything behind them is parsed and valid.

pub(super) mod answer;
mod claims;
pub(super) mod decisions;
pub(super) mod export;
pub(super) mod failures;
pub(super) mod import;
mod json;
pub(super) mod logged;
pub(super) mod login;
mod members;
pub(super) mod mfa;
pub(super) mod onboard;
pub(super) mod outcome;
pub(super) mod step_up;
pub(super) mod users;

use super::error::Failure;
use crate::clock::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::error::Category;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Parses a body. The UTF-8 of the whole is checked once, so that texts can be borrowed unchecked afterwards.
///
/// Only a failure is parsed a second time, to find the path of the field that is wrong.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::MalformedJson("it is not UTF-8".to_owned()))?;
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Eof => Failure::Truncated,
        Category::Io | Category::Syntax => Failure::MalformedJson(error.to_string()),
        Category::Data => invalid::<T>(text, &error),
    })
}

fn invalid<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> Failure {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let traced = serde_path_to_error::deserialize::<_, T>(&mut deserializer);
    let detail = without_position(&error.to_string());
    let path = traced.err().map(|traced| traced.path().to_string());
    Failure::Invalid { field: field(path.as_deref(), &detail), detail }
}

/// serde names a missing or unknown field in its message, and its parent in the path.
fn field(path: Option<&str>, detail: &str) -> Option<String> {
    let path = path.filter(|path| *path != ".");
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| detail.strip_prefix(start))
        // A name that a client chose may hold the mark that ends it; the list of ours follows.
        .and_then(|named| named.split_once("`, ").or_else(|| named.split_once('`')))
        .map(|(name, _)| name);
    match (path, named) {
        (Some(path), Some(name)) if path == name || path.ends_with(&format!(".{name}")) => Some(path.to_owned()),
        (Some(path), Some(name)) => Some(format!("{path}.{name}")),
        (Some(path), None) => Some(path.to_owned()),
        (None, name) => name.map(str::to_owned),
    }
}

/// The message without serde_json's " at line 1 column 7", which says nothing about a field.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message).to_owned()
}

/// RFC 3339 in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.encode(&mut [0; 24]))
    }
}

/// A JSON object. serde would take an array of the members' values for one, too.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// One of some words. serde would take `{"word": null}` for one, too.
#[derive(Debug, Default)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = deserializer.deserialize_str(TextVisitor)?;
        T::deserialize(word.into_deserializer()).map(Word)
    }
}

/// A text of `MIN` to `MAX` bytes, borrowed where it holds no escapes.
#[derive(Debug)]
pub(super) struct Text<'a, const MIN: usize, const MAX: usize>(pub(super) Cow<'a, str>);

/// Texts of the contract: 1 to 256 bytes.
pub(super) type ShortText<'a> = Text<'a, 1, 256>;
/// Texts that are judged, whatever they are, and bounded by the body alone.
pub(super) type AnyText<'a> = Text<'a, 0, { usize::MAX }>;

impl<'de: 'a, 'a, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<'a, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(TextVisitor)?;
        if (MIN..=MAX).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format_args!("{} bytes are out of range, allowed is {MIN}..={MAX}", text.len())))
        }
    }
}

/// A whole number of at most `MAX`. `71.0` is one: JSON has but one kind of numbers, and JSON Schema calls it an integer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<const MAX: u32>(pub(super) u32);

impl<'de, const MAX: u32> Deserialize<'de> for Whole<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MAX: u32>;
        impl<const MAX: u32> Visitor<'_> for Number<MAX> {
            type Value = Whole<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number, 0..={MAX}")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
                let whole = u32::try_from(value).ok().filter(|whole| *whole <= MAX);
                whole.map(Whole).ok_or_else(|| E::custom(format_args!("{value} is out of range, allowed is 0..={MAX}")))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Err(E::custom(format_args!("{value} is out of range, allowed is 0..={MAX}")))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
                if value.fract() != 0.0 || !(0.0..=f64::from(MAX)).contains(&value) {
                    return Err(E::custom(format_args!("{value} is no whole number of 0..={MAX}")));
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and from 0 to MAX")]
                let whole = value as u32;
                Ok(Whole(whole))
            }
        }
        deserializer.deserialize_u64(Number)
    }
}

/// Borrows what serde's own `Cow` inside an `Option` would copy.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
