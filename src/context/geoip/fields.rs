//! What a database is for, and what it tells.

use super::schema::RawRow;
use std::fmt;

/// What a database serves for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where addresses are.
    City,
    /// Whose they are.
    Asn,
    /// Who hides behind them.
    Anonymous,
}

impl Role {
    /// Every role, in the order of the configuration.
    pub const ALL: [Self; 3] = [Self::City, Self::Asn, Self::Anonymous];

    /// The key of the configuration, and the label of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Asn => "asn",
            Self::Anonymous => "anonymous",
        }
    }

    /// What a file must tell to be of use here: any of these.
    pub(super) fn needs(self) -> Fields {
        match self {
            Self::City => Fields(Fields::COORDINATES | Fields::COUNTRY),
            Self::Asn => Fields(Fields::ASN),
            Self::Anonymous => Fields(Fields::KINDS),
        }
    }
}

/// The logical fields that a file has a value for in some row.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u8);

impl Fields {
    const COUNTRY: u8 = 1;
    const CITY: u8 = 1 << 1;
    const COORDINATES: u8 = 1 << 2;
    const RADIUS: u8 = 1 << 3;
    const ASN: u8 = 1 << 4;
    const ORGANIZATION: u8 = 1 << 5;
    const KINDS: u8 = 1 << 6;

    /// The names, as `/readyz` shows them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let names = [
            (Self::COUNTRY, "country"),
            (Self::CITY, "city"),
            (Self::COORDINATES, "coordinates"),
            (Self::RADIUS, "radius"),
            (Self::ASN, "asn"),
            (Self::ORGANIZATION, "organization"),
            (Self::KINDS, "kinds"),
        ];
        names.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name).collect()
    }

    /// Notes what a row tells.
    pub(super) fn note(&mut self, row: &RawRow<'_>) {
        for (bit, is_there) in [
            (Self::COUNTRY, row.country.is_some()),
            (Self::CITY, row.city.is_some()),
            (Self::COORDINATES, row.latitude.is_some() && row.longitude.is_some()),
            (Self::RADIUS, row.radius_km.is_some()),
            (Self::ASN, row.asn.is_some()),
            (Self::ORGANIZATION, row.organization.is_some()),
            (Self::KINDS, row.tells_kinds),
        ] {
            self.0 |= if is_there { bit } else { 0 };
        }
    }

    pub(super) fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in both.
    pub(super) fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this one only.
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
