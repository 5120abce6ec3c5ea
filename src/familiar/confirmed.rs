//! What the operator confirmed.

use super::network_of;
use crate::event::DEFAULT_TENANT;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A network that the operator says is familiar to the users of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmedNetwork {
    /// A /24 or /48, as it was proposed.
    pub network: IpNet,
    /// Whose users.
    #[serde(default = "default_tenant")]
    pub tenant: String,
}

fn default_tenant() -> String {
    DEFAULT_TENANT.to_owned()
}

/// All of them, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ConfirmedNetwork>")]
pub struct Confirmed(Vec<ConfirmedNetwork>);

impl TryFrom<Vec<ConfirmedNetwork>> for Confirmed {
    type Error = String;

    fn try_from(mut networks: Vec<ConfirmedNetwork>) -> Result<Self, String> {
        for ConfirmedNetwork { network, .. } in &networks {
            if *network != network_of(network.addr()) {
                let proposed = network_of(network.addr());
                return Err(format!(
                    "{network} is none that is proposed: those are a /24 or a /48, such as {proposed}"
                ));
            }
        }
        networks.sort();
        networks.dedup();
        Ok(Self(networks))
    }
}

impl Confirmed {
    /// Whether the network of this address is.
    #[must_use]
    pub fn has(&self, tenant: &str, address: IpAddr) -> bool {
        // Nearly nobody has any.
        !self.0.is_empty() && self.has_network(tenant, network_of(address))
    }

    /// Whether this network is.
    #[must_use]
    pub fn has_network(&self, tenant: &str, network: IpNet) -> bool {
        let order =
            |known: &ConfirmedNetwork| known.network.cmp(&network).then_with(|| known.tenant.as_str().cmp(tenant));
        self.0.binary_search_by(order).is_ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
