//! Familiar networks: where many users of a tenant log in, each proved by a factor. What is new to one user is not new there.
//!
//! A user counts for a network (/24 or /48) with a login that was completed with a factor, from an address against which nothing is known, and
//! who had logged in on some days before. Each counts once, however often and on however many days. A network with enough of them
//! within 30 days is proposed; an operator confirms it, unless `signals.familiar_networks` says that a proposal is enough. Who has
//! stolen passwords passes no factors, so that they count for nothing; who registers accounts by the dozen can have a network
//! proposed, which is why an operator is asked.
//!
//! Nothing is kept of a user but 32 bits of a hash and the day, and nothing of a network but a keyed hash, until it is proposed: then it is
//! told in clear, since it is nobody's own. Networks are held in lanes of their own locks, which no login without a factor touches. What two
//! processes counted is joined by the later day of each user, so that neither order nor repetition matters.

mod confirmed;
mod lanes;
mod network;
mod row;

pub use confirmed::{Confirmed, ConfirmedNetwork};
pub use lanes::{Familiar, LANES};
pub use network::Proposal;

use crate::keyed_hash::{SourceKey, UserKey};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What makes a network familiar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FamiliarNetworks {
    /// The operator's word.
    #[default]
    Confirm,
    /// That it is proposed.
    Auto,
}

/// A user who counts for a network.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Who.
    pub user: UserKey,
    /// The network, as all users of the tenant share it.
    pub prefix: SourceKey,
    /// The same in clear, and whose users they are.
    pub network: IpNet,
    /// The tenant.
    pub tenant: &'a str,
}

/// The /24 or /48 of an address.
#[must_use]
pub fn network_of(address: IpAddr) -> IpNet {
    let length = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, length).unwrap_or_else(|_| address.into()).trunc()
}

#[cfg(test)]
mod tests;
