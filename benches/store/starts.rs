//! From the start of the program to its first right answer, with everything that a release is held to: a city database and one of
//! systems, a list of 100,000 prefixes, and users in the store, as a stop leaves it and as a crash does. And what of memory that takes.

use crate::inputs::{Inputs, PREFIXES};
use crate::service::{self, Connection, Program};
use crate::{Failure, Plan};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const STORE_FILE: &str = "askance.redb";
/// Users of one import.
const IMPORT_USERS: usize = 20_000;
const SMALL_CITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test-city.mmdb");
/// How a store may be left.
const LEFT_BY: [&str; 2] = ["a stop", "a crash"];

/// What there is to start with.
struct Bench {
    home: PathBuf,
    inputs: Inputs,
    users: usize,
}

/// One start.
struct Start {
    took_s: f64,
    cpu_s: f64,
    resident: u64,
}

/// Where `kept` names a directory, the store is made there once: two builds are compared over the same one.
pub(crate) fn measure(plan: &Plan, kept: Option<&Path>) -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let home = kept.unwrap_or(temporary.path()).to_owned();
    let bench = Bench { home, inputs: Inputs::of(&plan.files)?, users: plan.started_users };
    bench.prepare()?;
    bench.memory()?;
    let mut starts: [Vec<Start>; 2] = Default::default();
    for _ in 0..plan.starts {
        // In turn, so that whatever else the machine does is the same for both.
        for (left_by, starts) in LEFT_BY.into_iter().zip(&mut starts) {
            starts.push(bench.start(left_by)?);
        }
    }
    for (left_by, starts) in LEFT_BY.into_iter().zip(&mut starts) {
        let (took_s, cpu_s) =
            (quartiles(starts.iter().map(|start| start.took_s)), starts.iter().map(|start| start.cpu_s));
        println!(
            "from the start to the first right answer after {left_by}, {} users, {} starts: {took_s} s (must 3), {} s of CPU",
            bench.users,
            starts.len(),
            quartiles(cpu_s)
        );
    }
    Ok(())
}

impl Bench {
    /// The store as a crash leaves it, with everything on the disk, and as a stop does.
    fn prepare(&self) -> Result<(), Failure> {
        let [stopped, crashed] = LEFT_BY.map(|left_by| self.left_by(left_by));
        if stopped.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.home)?;
        let running = self.serve(&self.databases())?;
        for first in (0..self.users).step_by(IMPORT_USERS) {
            let users = first..self.users.min(first + IMPORT_USERS);
            service::import(running.port, users, service::BY_ADDRESS)?;
        }
        service::eventually("the store", || running.gauge("askance_memory_unwritten").filter(|left| *left == 0.0))?;
        running.kill()?;
        fs::copy(self.store(), crashed)?;
        let running = self.serve(&self.databases())?;
        self.score(&running)?;
        running.stop()?;
        let new = stopped.with_extension("new");
        fs::copy(self.store(), &new)?;
        Ok(fs::rename(new, stopped)?)
    }

    /// Every resident byte is of one of three: of the program, of databases and lists, of the users. A database of a few networks is as
    /// good as none.
    fn memory(&self) -> Result<(), Failure> {
        let empty = |databases: String| -> Result<(u64, u64), Failure> {
            drop(fs::remove_file(self.store()));
            let running = self.serve(&databases)?;
            Ok((running.resident_bytes("VmRSS:")?, running.resident_bytes("RssFile:")?))
        };
        let small = format!("[geoip]\ncity = '{SMALL_CITY}'\n");
        let ((program, of_file), (country, of_country)) = (empty(small)?, empty(String::new())?);
        let (files, _) = empty(self.databases())?;
        let all = self.start(LEFT_BY[0])?.resident;
        let users = all.saturating_sub(files) as f64 / self.users as f64;
        println!(
            "resident with nobody known: {} MiB (must 40 MB), {} of them in the file of the program; {} and {} with the embedded country \
             data; {} with city and systems and {PREFIXES} prefixes",
            program >> 20,
            of_file >> 20,
            country >> 20,
            of_country >> 20,
            files >> 20
        );
        println!("resident after a start with {} users: {users:.0} B a user more (must 256)", self.users);
        Ok(())
    }

    fn start(&self, left_by: &str) -> Result<Start, Failure> {
        fs::copy(self.left_by(left_by), self.store())?;
        // Else the first sync of the start writes the copy.
        fs::File::open(self.store())?.sync_all()?;
        let started = Instant::now();
        let running = self.serve(&self.databases())?;
        self.score(&running)?;
        let took_s = started.elapsed().as_secs_f64();
        Ok(Start { took_s, cpu_s: running.cpu_seconds()?, resident: running.resident_bytes("VmRSS:")? })
    }

    /// The last one who came into the store must be let in.
    fn score(&self, running: &Program) -> Result<(), Failure> {
        Connection::open(running.port)?.score(self.users - 1)
    }

    /// The program on its defaults over this store.
    fn serve(&self, databases: &str) -> Result<Program, Failure> {
        let memory = format!("[memory]\npath = '{}'\n", self.home.join("state").display());
        service::askance(&self.home, "", &format!("{memory}{databases}"))
    }

    fn databases(&self) -> String {
        let Inputs { city, asn, list } = &self.inputs;
        format!(
            "[geoip]\ncity = '{}'\nasn = '{}'\n[[signals.untrusted_ip.lists]]\nname = \"bench\"\npath = '{}'\n\
             format = \"netset\"\ncategory = \"abuse\"\nmax_age_h = 10000\n",
            city.display(),
            asn.display(),
            list.display()
        )
    }

    fn store(&self) -> PathBuf {
        self.home.join("state").join(STORE_FILE)
    }

    fn left_by(&self, what: &str) -> PathBuf {
        self.home.join(format!("{}-{}.redb", self.users, what.replace(' ', "-")))
    }
}

/// The median, and between what half of them are.
fn quartiles(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |quarters: usize| values[(values.len() - 1) * quarters / 4];
    format!("{:.2} [{:.2} to {:.2}]", at(2), at(1), at(3))
}
