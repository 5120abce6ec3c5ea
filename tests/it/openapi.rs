//! docs/openapi.json: well-formed, served, and neither kinder nor stricter than the server. That every exchange of every
//! test keeps to it is `support::contract`'s to see; here stands what ordinary tests would not reach.

mod document;
mod errors;
mod factors;
mod limits;
mod mutations;
mod proofs;
mod reference;
