//! Numbers of the configuration that say their range when they are out of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// A default; one out of range does not compile.
    #[must_use]
    pub const fn of<const VALUE: u32>() -> Self {
        const { assert!(MIN <= VALUE && VALUE <= MAX) };
        Self(VALUE)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, to count things in memory with.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for Bounded<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        match u32::try_from(value) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(serde::de::Error::custom(format_args!("{value} is out of range, allowed is {MIN}..={MAX}"))),
        }
    }
}

/// A finite number from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundedFloat<const MIN: u32, const MAX: u32>(f64);

impl<const MIN: u32, const MAX: u32> BoundedFloat<MIN, MAX> {
    /// A default; one out of range does not compile.
    #[must_use]
    pub const fn of<const VALUE: u32>() -> Self {
        const { assert!(MIN <= VALUE && VALUE <= MAX) };
        Self(VALUE as f64)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for BoundedFloat<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for BoundedFloat<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if (f64::from(MIN)..=f64::from(MAX)).contains(&value) {
            Ok(Self(value))
        } else {
            Err(serde::de::Error::custom(format_args!("{value} is out of range, allowed is {MIN}..={MAX}")))
        }
    }
}
