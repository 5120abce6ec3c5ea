//! Challenge pages: how they look. Pure: a [`View`] goes in, bytes come out; what is to be shown is decided in `server::hooks::page`.

mod view;

pub use view::{Choice, Dead, EnterCode, Notice, Passkey, Screen, View};
