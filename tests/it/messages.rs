//! Messages through connectors, with providers of our own that misbehave on demand: they hang, refuse, tear, flood and redirect.

mod budget;
mod commands;
pub(crate) mod http_fake;
mod limits;
mod mail;
mod order;
mod providers;
mod smtp_fake;

use askance::app;
use askance::clock::Clock;
use askance::config::Config;
use askance::context::phone::Phones;
use askance::mfa::codes::Code;
use askance::mfa::message::{Message, Messenger, SendError, Usage};
use askance::mfa::recipient::Recipient;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NUMBER: &str = "+819012345678";
const ADDRESS: &str = "bob@example.org";
const CODE: &str = "000007";

/// Connectors as the configuration has them.
fn messenger(connectors: &str) -> Messenger {
    let config = Config::parse(connectors).unwrap_or_else(|error| panic!("{error}"));
    app::messenger(&config, &config.mfa.connectors, Clock).unwrap_or_else(|error| panic!("{error}"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn phone() -> Recipient {
    Recipient::phone(&Phones::new(), NUMBER, None).unwrap()
}

fn code() -> Code {
    Code::draw(|| Some(7)).unwrap()
}

/// Sends the code, in German, good for ten minutes.
async fn send(messenger: &Messenger, to: &Recipient, usage: Usage) -> Result<(), SendError> {
    let ip = Some("192.0.2.7".parse().unwrap());
    messenger.send(&Message { to, usage, locale: Some("de"), code: &code(), minutes: 10, ip }).await
}

/// A file that only its owner may read.
fn secret(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}
