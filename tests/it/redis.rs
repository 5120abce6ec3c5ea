//! Memory that replicas share, against a real Redis.

mod between;
mod clock;
mod cluster;
mod faults;
mod figures;
mod outcomes;
mod processes;
mod rekey;
mod replica;
mod start;
mod strangers;
mod tls;
mod together;
mod vault;
mod velocity;
