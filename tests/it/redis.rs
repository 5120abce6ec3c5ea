//! Memory that replicas share, against a real Redis.

mod cluster;
mod faults;
mod outcomes;
mod replica;
mod start;
mod together;
