//! The contract of the API, over real sockets.

mod access;
mod decisions;
mod device_cookie;
mod drain;
mod errors;
mod failures;
mod feedback;
mod hostile;
mod idempotence;
mod import;
mod leniency;
pub(crate) mod limits;
mod operations;
mod outcome;
mod protocol;
mod users;
mod velocity;
