//! What the kernel says of the memory of this process.

use crate::Failure;
use std::fs;

/// Bytes that are resident now.
pub(crate) fn resident_bytes() -> Result<u64, Failure> {
    field("VmRSS:")
}

/// The most bytes that ever were resident.
pub(crate) fn resident_bytes_max() -> Result<u64, Failure> {
    field("VmHWM:")
}

fn field(name: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let value = value.ok_or_else(|| format!("the kernel does not tell {name}"))?;
    Ok(value.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
