//! A line of a log of logins: a line of `POST /v1/score` with `result` and `label`.
//!
//! `label` is taken out on the way, so that what judges live logins has no member that only logs have.

use super::login::LoginBody;
use super::{Object, Word};
use crate::server::logged::Label;
use serde::Deserialize;
use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The login, and whose it was.
#[derive(Debug)]
pub(in crate::server) struct LoggedBody<'a> {
    pub(in crate::server) login: LoginBody<'a>,
    pub(in crate::server) label: Option<Label>,
}

impl<'de: 'a, 'a> Deserialize<'de> for LoggedBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut label = None;
        let Object(login) = Object::<LoginBody<'a>>::deserialize(Labelled { inner: deserializer, label: &mut label })?;
        Ok(Self { login, label })
    }
}

/// A deserializer of an object, which keeps its member `label` for itself.
struct Labelled<'l, T> {
    inner: T,
    label: &'l mut Option<Label>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Labelled<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Labelled { inner: visitor, label: self.label })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Labelled<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Labelled { inner: map, label: self.label })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Labelled<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.inner.next_key()? {
            if key != "label" {
                return seed.deserialize(CowStrDeserializer::new(key)).map(Some);
            }
            let Word(label) = self.inner.next_value()?;
            if self.label.replace(label).is_some() {
                return Err(A::Error::duplicate_field("label"));
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

/// A member's name, borrowed where it holds no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(super::TextVisitor).map(Self)
    }
}
