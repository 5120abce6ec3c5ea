//! The files that an assessment reads: made once, and kept below `target/bench-data`.

use crate::Failure;
use crate::generate;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) city_networks: u64,
    pub(crate) city_rows: u64,
    pub(crate) asn_networks: u64,
    pub(crate) asn_rows: u64,
    pub(crate) users: u64,
}

impl Size {
    /// What a release is held to.
    pub(crate) const FULL: Self = Self {
        name: "full",
        city_networks: 1_500_000,
        city_rows: 200_000,
        asn_networks: 80_000,
        asn_rows: 50_000,
        users: 1_000_000,
    };
    /// Enough for every branch to be taken, and quick to make.
    pub(crate) const SMALL: Self = Self {
        name: "small",
        city_networks: 20_000,
        city_rows: 5_000,
        asn_networks: 4_000,
        asn_rows: 2_000,
        users: 10_000,
    };
}

/// Prefixes on the list, at any size: it is made in no time.
pub(crate) const PREFIXES: u64 = 100_000;
/// The argument that makes this program the one that makes files; the name of a size follows.
pub(crate) const MAKE: &str = "--make";

/// Where the files are.
pub(crate) struct Inputs {
    pub(crate) city: PathBuf,
    pub(crate) asn: PathBuf,
    pub(crate) list: PathBuf,
}

impl Inputs {
    /// Has made what is not there yet, by a process of its own: making takes gigabytes, and what it leaves of them
    /// behind would be in every figure of memory.
    pub(crate) fn of(size: &Size) -> Result<Self, Failure> {
        let inputs = Self::at(size);
        if [&inputs.city, &inputs.asn, &inputs.list].into_iter().all(|path| path.exists()) {
            return Ok(inputs);
        }
        let status = Command::new(std::env::current_exe()?).args([MAKE, size.name]).status()?;
        if status.success() { Ok(inputs) } else { Err(format!("making the files ended with {status}").into()) }
    }

    /// Makes what is not there yet.
    pub(crate) fn make(name: &str) -> Result<(), Failure> {
        let size = [Size::FULL, Size::SMALL].into_iter().find(|size| size.name == name);
        let size = size.ok_or_else(|| format!("{name}: no size of that name"))?;
        generate::make(&Self::at(&size), &size)
    }

    fn at(size: &Size) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data");
        let file = |what: &str| directory.join(format!("{}-{:016x}-{what}", size.name, generate::version(size)));
        Self { city: file("city.mmdb"), asn: file("asn.mmdb"), list: file("list.netset") }
    }
}
