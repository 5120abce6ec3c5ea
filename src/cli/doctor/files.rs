//! Who may read and change what the service keeps secret, and what it believes.

use super::Finding;
use crate::config::Config;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What nobody else may do with a file.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// Read it, or change it.
    Secret,
    /// The same, but for a group that reads it.
    SecretOfGroup,
    /// Change it.
    Believed,
}

impl Kept {
    fn forbidden(self) -> u32 {
        match self {
            Self::Secret => 0o077,
            Self::SecretOfGroup => 0o037,
            Self::Believed => 0o022,
        }
    }

    fn mend(self, is_directory: bool) -> &'static str {
        match (self, is_directory) {
            (Self::Secret, false) => "chmod 600 it",
            (Self::Secret, true) => "chmod 700 it",
            (Self::SecretOfGroup, _) => "chmod 600 or 640 it",
            (Self::Believed, _) => "chmod go-w it",
        }
    }
}

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let (mut bad, mut good) = (Vec::new(), 0);
    for (key, path, kept, must_exist) in named(config) {
        match fs::metadata(&path) {
            Ok(about) if may_others(&about, kept) => {
                let text =
                    format!("{key}: others may {} {} (mode {:03o})", word(kept), path.display(), about.mode() & 0o777);
                let mend = kept.mend(about.is_dir());
                // What is in a directory that others see is closed by itself.
                let is_open = !about.is_dir() && !matches!(kept, Kept::Believed);
                bad.push(if is_open {
                    Finding::error("files", text, mend)
                } else {
                    Finding::warning("files", text, mend)
                });
            }
            Ok(_) => good += 1,
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
            Err(error) => {
                bad.push(Finding::error(
                    "files",
                    format!("{key}: {}: {error}", path.display()),
                    "bring it back, or name another",
                ));
            }
        }
    }
    bad.extend(foreign(config));
    if bad.is_empty() {
        vec![Finding::ok("files", format!("{good} of them: nobody may read or change what they should not"))]
    } else {
        bad
    }
}

fn may_others(about: &Metadata, kept: Kept) -> bool {
    about.mode() & kept.forbidden() != 0
}

fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Secret | Kept::SecretOfGroup => "read or change",
        Kept::Believed => "change",
    }
}

/// Files by the setting that names them, and whether they must be there.
fn named(config: &Config) -> Vec<(&'static str, PathBuf, Kept, bool)> {
    let mut all = Vec::new();
    let mut add = |key, path: &Path, kept, must_exist| all.push((key, path.to_owned(), kept, must_exist));
    add("--config", Path::new(&config.origin), Kept::Believed, false);
    for path in config.privacy.pseudonymise_key_file.as_slice() {
        add("privacy.pseudonymise_key_file", path, Kept::Secret, true);
    }
    for path in &config.device_token.key_files {
        add("device_token.key_files", path, Kept::Secret, true);
    }
    if let Some(path) = &config.memory.redis.password_file {
        add("memory.redis.password_file", path, Kept::Secret, true);
    }
    if let Some(tls) = &config.server.tls {
        add("server.tls.key", &tls.key, Kept::SecretOfGroup, true);
        add("server.tls.cert", &tls.cert, Kept::Believed, true);
        tls.client_ca.iter().for_each(|path| add("server.tls.client_ca", path, Kept::Believed, true));
    }
    let geoip = &config.geoip;
    for (key, paths) in [("geoip.city", &geoip.city), ("geoip.asn", &geoip.asn), ("geoip.anonymous", &geoip.anonymous)]
    {
        paths.as_slice().iter().for_each(|path| add(key, path, Kept::Believed, true));
    }
    for list in &config.signals.untrusted_ip.lists {
        add("signals.untrusted_ip.lists", &list.path, Kept::Believed, true);
    }
    add("memory.path", &config.memory.path, Kept::Secret, false);
    for name in ["askance.redb", "pseudonymise.key", "device-token.key"] {
        add("memory.path", &config.memory.path.join(name), Kept::Secret, false);
    }
    let backups = crate::memory::embedded::backups::backups(&config.memory).unwrap_or_default();
    for backup in backups {
        add("memory.backup_path", &backup.path, Kept::Secret, true);
    }
    all
}

/// What somebody else left in the directory of the store, such as root, the service may not be able to use.
fn foreign(config: &Config) -> Vec<Finding> {
    let Ok(owner) = fs::metadata(&config.memory.path).map(|about| about.uid()) else { return Vec::new() };
    let backups = crate::memory::embedded::backups::backups(&config.memory).unwrap_or_default();
    let ours =
        ["askance.redb", "lock", "pseudonymise.key", "device-token.key"].map(|name| config.memory.path.join(name));
    let foreign = |path: &Path| fs::metadata(path).ok().filter(|about| about.uid() != owner);
    let all = ours.into_iter().chain(backups.into_iter().map(|backup| backup.path));
    let told = all.filter_map(|path| {
        let uid = foreign(&path)?.uid();
        let text = format!("{} belongs to user {uid}, and the store to user {owner}", path.display());
        Some(Finding::error("files", text, "chown it, and run commands as the service's user"))
    });
    told.collect()
}
