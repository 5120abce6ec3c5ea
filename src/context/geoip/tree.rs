//! The search tree of a database, walked once from end to end.
//!
//! The reader of the crate can walk, too, but follows whatever the nodes say: a small file whose nodes are shared has more
//! paths than there is time, and some of them are skipped without being counted. Here every node may be visited once.

use std::fmt;

/// The bytes of a file, as far as its metadata describe a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a> {
    bytes: &'a [u8],
    nodes: u32,
    record_bits: u16,
    /// 32 or 128.
    address_bits: u8,
    /// Where IPv4 begins: the node at ::/96, or what is found on the way there.
    ipv4: u32,
}

/// A prefix under which IPv4 stands once more, as 6to4 does; the IPv4 address follows the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alias {
    prefix: u128,
    length: u8,
}

/// What is no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeError {
    /// It reaches beyond the file.
    Truncated,
    /// Nodes are reached on several ways, or in circles.
    Shared,
    /// IPv4 stands in more places than there are ways to write it.
    Aliases,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the search tree reaches beyond the file",
            Self::Shared => "the search tree shares nodes or runs in circles",
            Self::Aliases => "the search tree holds IPv4 too many times",
        })
    }
}

/// A network with data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    /// Its first address; of an IPv4 tree, in the low 32 bits.
    pub(super) address: u128,
    pub(super) length: u8,
    /// What the tree says of its data.
    pub(super) pointer: u32,
}

/// Known files have four: mapped, 6to4, Teredo and NAT64. Look-ups try them in turn.
const ALIASES_MAX: usize = 16;
/// Bits of an IPv6 address before the IPv4 address in its end.
pub(super) const IPV4_DEPTH: u8 = 96;

impl<'a> Tree<'a> {
    pub(super) fn new(bytes: &'a [u8], nodes: u32, record_bits: u16, is_ipv6: bool) -> Result<Self, TreeError> {
        let address_bits = if is_ipv6 { 128 } else { 32 };
        let mut tree = Self { bytes, nodes, record_bits, address_bits, ipv4: 0 };
        for _ in 0..IPV4_DEPTH {
            if is_ipv6 && tree.ipv4 < nodes {
                tree.ipv4 = tree.children(tree.ipv4)?.0;
            }
        }
        Ok(tree)
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.address_bits == 128
    }

    /// Calls `found` for every network with data in the order of addresses, IPv4 once, and returns where it stands again.
    pub(super) fn walk(&self, mut found: impl FnMut(Leaf)) -> Result<Vec<Alias>, TreeError> {
        let mut aliases = if self.is_ipv6() { vec![Alias::COMPATIBLE] } else { Vec::new() };
        let mut nodes_left = self.nodes;
        // What is still to do: at most one sibling a level.
        let mut waiting = Vec::with_capacity(usize::from(self.address_bits) + 1);
        waiting.push((0_u32, 0_u128, 0_u8));
        while let Some((record, address, length)) = waiting.pop() {
            if record == self.nodes {
                continue;
            }
            if record > self.nodes {
                found(Leaf { address, length, pointer: record });
                continue;
            }
            if self.is_alias(record, address) {
                if aliases.len() == ALIASES_MAX || length > IPV4_DEPTH {
                    return Err(TreeError::Aliases);
                }
                aliases.push(Alias { prefix: address, length });
                continue;
            }
            if length == self.address_bits || nodes_left == 0 {
                return Err(TreeError::Shared);
            }
            nodes_left -= 1;
            let (zero, one) = self.children(record)?;
            let bit = 1 << (self.address_bits - 1 - length);
            waiting.push((one, address | bit, length + 1));
            waiting.push((zero, address, length + 1));
        }
        Ok(aliases)
    }

    /// Whether IPv4 begins here though its own place is elsewhere.
    fn is_alias(&self, record: u32, address: u128) -> bool {
        self.is_ipv6() && record == self.ipv4 && address >> 32 != 0
    }

    /// What follows on a 0 and on a 1: a node, nothing (as many as there are nodes), or data.
    fn children(&self, node: u32) -> Result<(u32, u32), TreeError> {
        let size = usize::from(self.record_bits) / 4;
        let at = usize::try_from(node).ok().and_then(|node| node.checked_mul(size)).ok_or(TreeError::Truncated)?;
        let bytes = self.bytes.get(at..at + size).ok_or(TreeError::Truncated)?;
        Ok(match *bytes {
            [a, b, c, d, e, f] => (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([0, d, e, f])),
            // 28 bits each; the byte in the middle holds the highest four of both.
            [a, b, c, high, d, e, f] => {
                (u32::from_be_bytes([high >> 4, a, b, c]), u32::from_be_bytes([high & 15, d, e, f]))
            }
            [a, b, c, d, e, f, g, h] => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
            // The reader refuses other sizes before.
            _ => return Err(TreeError::Truncated),
        })
    }
}

impl Alias {
    /// The addresses ::a.b.c.d, which every file with IPv4 answers as a.b.c.d.
    const COMPATIBLE: Self = Self { prefix: 0, length: IPV4_DEPTH };

    /// The IPv4 address inside `address`, where that is under the prefix.
    pub(super) fn carried(self, address: u128) -> Option<u32> {
        let under = self.length == 0 || (address ^ self.prefix) >> (128 - self.length) == 0;
        // The 32 bits after the prefix; the constructor keeps it at 96 bits at most.
        under.then(|| u32::try_from((address << self.length) >> IPV4_DEPTH).unwrap_or(0))
    }
}
