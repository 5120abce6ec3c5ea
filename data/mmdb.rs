//! What the two builders share: where files are, how a database is opened and closed, and what `--check` means.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use maxminddb::{PathElement, Reader};
use mmdb_writer::Writer;
use sha2::{Digest, Sha256};

/// Time written into both databases: when the ranges were generated, 2026-06-25 04:33:59 UTC by the source's header.
///
/// Fixed, because the writer would otherwise put in the present and no two builds would be alike.
const BUILD_EPOCH_S: u64 = 1_782_362_039;

/// Returns the path of a file in `data/`, wherever the builder is started from.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// Opens a database for both families. The description may not be empty: readers that verify refuse that.
pub(crate) fn writer(database_type: &str, description: &str) -> Writer {
    Writer::builder(database_type)
        .description(&[("en", description)])
        .build_epoch(UNIX_EPOCH + Duration::from_secs(BUILD_EPOCH_S))
        .build()
}

/// Reads the country of each address as any user of the file would, and fails on the first surprise.
pub(crate) fn probe(database: &[u8], probes: &[(&str, Option<&str>)]) -> Result<(), Box<dyn Error>> {
    let reader = Reader::from_source(database)?;
    reader.verify()?;
    for &(address, expected) in probes {
        let country = [PathElement::Key("country"), PathElement::Key("iso_code")];
        let found: Option<&str> = reader.lookup(address.parse()?)?.decode_path(&country)?;
        if found != expected {
            return Err(format!("{address} is {found:?}, expected {expected:?}").into());
        }
    }
    Ok(())
}

/// Writes the database, or with `--check` fails unless the committed file has the same bytes.
///
/// # Errors
///
/// With `--check` also when `README.md` does not name the SHA-256 of the database and of each input: it is the record
/// of what was built from what, and would go stale unseen.
pub(crate) fn settle(name: &str, database: &[u8], inputs: &[&str]) -> Result<(), Box<dyn Error>> {
    println!("{}  {name}  {} bytes", hex(database), database.len());
    if !std::env::args().any(|argument| argument == "--check") {
        return Ok(std::fs::write(path(name), database)?);
    }
    if std::fs::read(path(name))? != database {
        return Err(format!("data/{name} is not what its inputs build").into());
    }
    let readme = std::fs::read_to_string(path("README.md"))?;
    for file in inputs.iter().copied().chain([name]) {
        if !readme.contains(&hex(&std::fs::read(path(file))?)) {
            return Err(format!("data/README.md does not name the SHA-256 of {file}").into());
        }
    }
    Ok(())
}

fn hex(content: &[u8]) -> String {
    let digits = Sha256::digest(content).into_iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}
