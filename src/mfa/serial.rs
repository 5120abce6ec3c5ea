//! How values of ours stand in what is sealed: a module for each, for `#[serde(with = "…")]`.

/// A time, as milliseconds.
pub mod time {
    use crate::clock::Timestamp;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.unix_ms())
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let ms = i64::deserialize(deserializer)?;
        Timestamp::from_unix_ms(ms).ok_or_else(|| D::Error::custom("no time"))
    }
}

/// A time that may not be known.
pub mod time_if_any {
    use crate::clock::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::unix_ms).serialize(serializer)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.and_then(Timestamp::from_unix_ms))
    }
}

/// Bytes, as base64url.
pub mod bytes {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// They are none, or not so many.
    pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| D::Error::custom("no base64url"))?;
        T::try_from(bytes).map_err(|_| D::Error::custom("not so many bytes"))
    }
}

/// A set of factors, as its bits.
pub mod factors {
    use crate::event::FactorSet;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(factors: &FactorSet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(factors.bits())
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FactorSet, D::Error> {
        u8::deserialize(deserializer).map(FactorSet::from_bits)
    }
}

/// The id of a decision, as text.
pub mod decision {
    use crate::memory::decisions::DecisionId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(id: &DecisionId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(id.encode(&mut [0; 36]))
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DecisionId, D::Error> {
        let text = String::deserialize(deserializer)?;
        DecisionId::parse(&text).ok_or_else(|| D::Error::custom("no id of a decision"))
    }
}

/// Which client, as the number that it has.
pub mod client {
    use crate::memory::decisions::ClientTag;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(client: &ClientTag, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(client.0)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClientTag, D::Error> {
        u64::deserialize(deserializer).map(ClientTag)
    }
}
