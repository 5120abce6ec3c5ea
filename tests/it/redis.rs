//! Memory that replicas share, against a real Redis.

mod replica;
mod start;
mod together;
