//! Where askance asks by itself: challenges, enrolment and the management of factors, over HTTP, with a provider of messages on this
//! machine.

mod counted;
pub(crate) mod lab;
mod limits;
mod logins;
mod manage;
mod passkeys;
pub(crate) mod past;
mod whole_life;
