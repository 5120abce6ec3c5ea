//! Reverse proxies: what they are answered, whom they may name, and what a verdict on a request depends on.

mod assurance;
mod deciding;
mod doors;
mod support;
