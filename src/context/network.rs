//! What a network is used for, as far as databases know.

use std::fmt;

/// A use that makes an address say little about its user, or about where the user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// An anonymiser of a kind that is not told.
    Anonymizer,
    /// A commercial or private VPN.
    Vpn,
    /// An open proxy.
    PublicProxy,
    /// A proxy through somebody's home line.
    ResidentialProxy,
    /// A Tor exit.
    Tor,
    /// A relay of a browser or system vendor.
    Relay,
    /// Hosting: servers, not people.
    Hosting,
    /// A satellite link, whose address is where its ground station is.
    Satellite,
}

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkKinds(u8);

impl NetworkKinds {
    /// Nothing is known.
    pub const NONE: Self = Self(0);

    const ALL: [NetworkKind; 8] = [
        NetworkKind::Anonymizer,
        NetworkKind::Vpn,
        NetworkKind::PublicProxy,
        NetworkKind::ResidentialProxy,
        NetworkKind::Tor,
        NetworkKind::Relay,
        NetworkKind::Hosting,
        NetworkKind::Satellite,
    ];

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: NetworkKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `kind` is in it.
    #[must_use]
    pub const fn has(self, kind: NetworkKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether who uses the address hides where they are: VPN, proxy, relay or Tor.
    #[must_use]
    pub fn is_anonymizer(self) -> bool {
        Self::ALL.into_iter().any(|kind| {
            self.has(kind)
                && match kind {
                    NetworkKind::Anonymizer
                    | NetworkKind::Vpn
                    | NetworkKind::PublicProxy
                    | NetworkKind::ResidentialProxy
                    | NetworkKind::Tor
                    | NetworkKind::Relay => true,
                    NetworkKind::Hosting | NetworkKind::Satellite => false,
                }
        })
    }
}

impl NetworkKind {
    /// The word that stands in the output of `askance geo`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymizer => "anonymizer",
            Self::Vpn => "vpn",
            Self::PublicProxy => "public_proxy",
            Self::ResidentialProxy => "residential_proxy",
            Self::Tor => "tor",
            Self::Relay => "relay",
            Self::Hosting => "hosting",
            Self::Satellite => "satellite",
        }
    }
}

impl fmt::Debug for NetworkKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::ALL.into_iter().filter(|kind| self.has(*kind))).finish()
    }
}
