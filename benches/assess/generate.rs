//! Makes the files that an assessment reads: seeded, hence the same on every machine.

use crate::Failure;
use crate::inputs::{Inputs, PREFIXES, Size};
use crate::networks::networks;
use crate::rows;
use crate::support::SplitMix;
use ipnet::IpNet;
use mmdb_writer::{Value, Writer};
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::NamedTempFile;

const SEED: u64 = 0x6173_6b61_6e63_6500;
/// 2026-06-01T00:00:00Z, fixed so that the files are the same whenever they are made.
const BUILT: Duration = Duration::from_secs(1_780_272_000);

/// Tells apart what different versions of this generator make of different sizes.
pub(crate) fn version(size: &Size) -> u64 {
    let mut hasher = DefaultHasher::new();
    [include_str!("generate.rs"), include_str!("networks.rs"), include_str!("rows.rs")].hash(&mut hasher);
    size.hash(&mut hasher);
    hasher.finish()
}

/// Makes what is not there yet. At full size this takes 20 s and 7 GB: the writer keeps every distinct row as a tree of
/// values, twice.
pub(crate) fn make(inputs: &Inputs, size: &Size) -> Result<(), Failure> {
    file(&inputs.city, || database("GeoLite2-City", size.city_networks, size.city_rows, rows::city))?;
    file(&inputs.asn, || database("GeoLite2-ASN", size.asn_networks, size.asn_rows, rows::system))?;
    file(&inputs.list, || list().map(String::into_bytes))
}

/// A file appears complete or not at all, so that an interrupted run leaves nothing wrong behind.
fn file(path: &Path, content: impl FnOnce() -> Result<Vec<u8>, Failure>) -> Result<(), Failure> {
    let directory = path.parent().ok_or("a generated file has no directory")?;
    if path.exists() {
        return Ok(());
    }
    eprintln!("making {}", path.display());
    fs::create_dir_all(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(&content()?)?;
    file.persist(path)?;
    Ok(())
}

/// Neighbours never share a row: the writer would join them, and there would be fewer networks than asked for.
fn database(
    database_type: &str,
    networks_count: u64,
    rows_count: u64,
    row: fn(u64) -> Value,
) -> Result<Vec<u8>, Failure> {
    let mut random = SplitMix(SEED);
    let mut writer = Writer::builder(database_type)
        .description(&[("en", "generated for a benchmark")])
        .build_epoch(UNIX_EPOCH + BUILT)
        .build();
    let mut last = 0;
    for network in networks(networks_count, &mut random) {
        let next = (last + 1 + random.below(rows_count - 1)) % rows_count;
        writer.insert_value::<IpNet>(network, row(next))?;
        last = next;
    }
    Ok(writer.to_bytes()?)
}

fn list() -> Result<String, Failure> {
    let mut random = SplitMix(SEED);
    let mut text = String::new();
    for _ in 0..PREFIXES {
        writeln!(text, "{}/{}", random.address(), 20 + random.below(13))?;
    }
    Ok(text)
}
