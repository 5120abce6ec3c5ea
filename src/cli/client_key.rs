//! `askance client-key NAME`.

use crate::server::KeyDigest;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;

/// Prints a new key of 256 random bits, and the stanza that knows only its digest.
pub(super) fn run(name: &str) -> Result<(), Box<dyn Error>> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random)?;
    let mut key = "askance_".to_owned();
    random.iter().try_for_each(|byte| write!(key, "{byte:02x}"))?;
    let digest = KeyDigest::of(&key);
    let name = toml::Value::from(name);
    writeln!(
        std::io::stdout(),
        "# The key is shown only now. The client sends it as: Authorization: Bearer {key}\n\n\
         [[server.clients]]\nname = {name}\nkey_sha256 = \"{digest}\"\nscopes = [\"score\", \"history\"]"
    )?;
    Ok(())
}
