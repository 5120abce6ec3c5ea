//! The contract of the API, over real sockets.

mod access;
mod drain;
mod errors;
mod feedback;
mod hostile;
mod import;
mod leniency;
mod limits;
mod operations;
mod outcome;
mod protocol;
