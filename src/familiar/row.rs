//! A lane as it is kept: little-endian, behind a version byte.
//!
//! ```text
//! version u8 | networks u16 | each: key u64, users u8, tenant_bytes u16 (or 0xFFFF: not proposed, and no name), name, users
//! name: tenant, 4 or 6 u8, the first 3 or 6 bytes of the address     user: tag u32, last_day u16
//! ```

use super::network::{Name, Network, User};
use super::network_of;
use crate::keyed_hash::SourceKey;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;

const VERSION: u8 = 1;
const UNNAMED: u16 = u16::MAX;

/// Bytes that are no lane: cut short, too long, of another version, or holding what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRow;

pub(super) fn write(networks: &[(SourceKey, &Network)]) -> Vec<u8> {
    let mut out = Vec::new();
    if networks.is_empty() {
        return out;
    }
    out.push(VERSION);
    out.extend(u16::try_from(networks.len()).unwrap_or(u16::MAX).to_le_bytes());
    for (key, Network { users, name }) in networks {
        out.extend(key.0.get().to_le_bytes());
        out.push(u8::try_from(users.len()).unwrap_or(u8::MAX));
        let name = name.as_ref().filter(|name| name.tenant.len() < UNNAMED.into());
        out.extend(name.map_or(UNNAMED, |name| u16::try_from(name.tenant.len()).unwrap_or(0)).to_le_bytes());
        if let Some(Name { tenant, network }) = name {
            out.extend(tenant.as_bytes());
            match network.addr() {
                IpAddr::V4(v4) => out.extend([4].into_iter().chain(v4.octets().into_iter().take(3))),
                IpAddr::V6(v6) => out.extend([6].into_iter().chain(v6.octets().into_iter().take(6))),
            }
        }
        for User { tag, day } in users {
            out.extend(tag.to_le_bytes());
            out.extend(day.to_le_bytes());
        }
    }
    out
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<(SourceKey, Network)>, BadRow> {
    let mut reader = Reader(bytes);
    if reader.take::<1>()? != [VERSION] {
        return Err(BadRow);
    }
    let count = u16::from_le_bytes(reader.take()?);
    let networks = (0..count).map(|_| reader.network()).collect::<Result<_, _>>()?;
    if reader.0.is_empty() { Ok(networks) } else { Err(BadRow) }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadRow> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(BadRow)?;
        self.0 = rest;
        Ok(*head)
    }

    fn network(&mut self) -> Result<(SourceKey, Network), BadRow> {
        let key = SourceKey(NonZeroU64::new(u64::from_le_bytes(self.take()?)).ok_or(BadRow)?);
        let [users] = self.take()?;
        let tenant_bytes = u16::from_le_bytes(self.take()?);
        let name = if tenant_bytes == UNNAMED { None } else { Some(self.name(tenant_bytes.into())?) };
        let user = |_| Ok(User { tag: u32::from_le_bytes(self.take()?), day: u16::from_le_bytes(self.take()?) });
        let users = (0..users).map(user).collect::<Result<_, _>>()?;
        Ok((key, Network { users, name }))
    }

    fn name(&mut self, tenant_bytes: usize) -> Result<Name, BadRow> {
        let (tenant, rest) = self.0.split_at_checked(tenant_bytes).ok_or(BadRow)?;
        self.0 = rest;
        let tenant = std::str::from_utf8(tenant).map_err(|_| BadRow)?.into();
        let address: IpAddr = match self.take()? {
            [4] => {
                let [a, b, c] = self.take()?;
                Ipv4Addr::new(a, b, c, 0).into()
            }
            [6] => {
                let [a, b, c, d, e, f] = self.take()?;
                Ipv6Addr::from([a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).into()
            }
            _ => return Err(BadRow),
        };
        Ok(Name { tenant, network: network_of(address) })
    }
}
