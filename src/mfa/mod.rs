//! Asking for a second factor: factors, challenges, enrolment, step-up.
//!
//! What a user has and has been sent is one record of the vault ([`crate::memory::vault`]), sealed, read and put with its
//! version: each call reads it, decides on it purely, and puts it, again where somebody else was faster.
