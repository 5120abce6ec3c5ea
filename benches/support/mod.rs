//! What benches share: the program's allocator, seeded numbers, and browsers.

mod allocator;
mod random;

pub(crate) use random::SplitMix;
use std::net::Ipv4Addr;

pub(crate) const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
];

impl SplitMix {
    /// Any address between 1.0.0.0 and 223.255.255.255.
    pub(crate) fn address(&mut self) -> Ipv4Addr {
        let [b, c, d, ..] = self.next().to_le_bytes();
        Ipv4Addr::new(u8::try_from(1 + self.below(223)).unwrap_or(1), b, c, d)
    }
}
