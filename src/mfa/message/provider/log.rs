//! Messages in the log of this service, for trying things out: whoever reads the log passes.

use super::Refused;
use crate::mfa::message::Message;
use crate::mfa::message::templates::Written;

#[derive(Debug)]
pub(in crate::mfa::message) struct Log {
    name: String,
}

impl Log {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// At a level that no configuration but `error` hides.
    #[expect(clippy::unnecessary_wraps, reason = "it takes part in what may fail")]
    pub(super) fn send(&self, message: &Message<'_>, written: &Written) -> Result<(), Refused> {
        let (connector, to, text) = (self.name.as_str(), message.to.masked(), written.text.as_str());
        tracing::warn!(connector, to, text, "a message");
        Ok(())
    }
}
