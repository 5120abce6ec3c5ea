//! Time and memory, for people.

use crate::Failure;
use crate::inputs::{Inputs, PREFIXES, Size};
use crate::logins::{People, any_address, open_databases, open_list};
use crate::process::{resident_bytes, resident_bytes_max};
use crate::support::SplitMix;
use askance::clock::Clock;
use askance::context::geoip::GeoIp;
use askance::event::LoginEvent;
use askance::keyed_hash::Secrets;
use askance::memory::decisions::ClientTag;
use askance::memory::embedded::{Embedded, StateDirectory};
use askance::memory::store::Store;
use askance::memory::{Memory, Settings};
use askance::pipeline::{Loaded, Look};
use askance::telemetry::Meters;
use askance::verdict::Action;
use maxminddb::Reader;
use serde::Deserialize;
use std::fmt;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Operations whose time is taken together: well below the time slice of a busy machine, so that most batches are not
/// interrupted. Making the inputs of the next one in between takes from the caches what other work takes in a server.
const BATCH: usize = 100;
const BATCHES: usize = 4_000;
const BATCHES_IN_TEST: usize = 10;
/// Logins whose action is counted.
const SAMPLE: usize = 1_000;

/// Measures and prints all there is; fails only when users are not recognised, for then the figures mean nothing.
pub(crate) fn print(size: &Size, claims: bool) -> Result<(), Failure> {
    let inputs = Inputs::of(size)?;
    let batches = if claims { BATCHES } else { BATCHES_IN_TEST };
    if !claims {
        println!("a test: too small and too short for figures");
    }
    // Before the databases, in whose left-over memory it would hide.
    let (lists, list) = load(|| open_list(&inputs))?;
    let (geoip, databases) = load(|| open_databases(&inputs))?;
    let most_bytes = resident_bytes_max()?;
    let networks: usize = geoip.status().map(|status| status.about.networks).sum();
    let file_bytes = fs::metadata(&inputs.city)?.len() + fs::metadata(&inputs.asn)?.len();
    println!("list of {PREFIXES} prefixes: {list}");
    println!("databases of {networks} networks, files of {}: {databases}", mib(file_bytes));
    println!("  at most {} resident meanwhile", mib(most_bytes));
    look_ups(&geoip, &inputs, batches)?;

    let people = People::strangers((geoip, lists), &Settings::default(), size.users)?;
    let before = resident_bytes()?;
    people.become_known()?;
    let users = people.pipeline.memory().counts().users;
    let each = resident_bytes()?.saturating_sub(before) / users.max(1) as u64;
    println!("{users} users with 2 devices, 2 networks, 1 place: {each} resident bytes each");
    scores(&people, batches)?;
    let counts = people.pipeline.memory().counts();
    println!("in the end {} decisions wait, {} resident in all", counts.pending, mib(resident_bytes()?));
    let loaded = people.pipeline.loaded();
    drop(people);
    over_a_store(Loaded::clone(&loaded), size.users, batches)
}

/// The same over the embedded store, whose writer works meanwhile, at the rate of one core's logins.
fn over_a_store(loaded: Loaded, users_count: u64, batches: usize) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state");
    let settings = Settings { path: path.clone(), ..Settings::default() };
    let (taken, meters) = (StateDirectory::take(&path, false)?, Arc::new(Meters::new()));
    let store = meters.store.clone();
    let opened = Embedded::start(taken, &settings, &Secrets::random()?, store, (Clock, 3), &|_, _| {})?;
    let people = People::over((Store::Embedded(opened.0), opened.1), loaded, meters, users_count);
    people.become_known()?;
    settle_down(&people)?;
    println!("over the embedded store:");
    scores(&people, batches)?;
    println!("everything of it was on the disk {} ms later", settle_down(&people)?.as_millis());
    Ok(people.pipeline.memory().close()?)
}

/// Until the writer has nothing to do.
fn settle_down(people: &People) -> Result<Duration, Failure> {
    let started = Instant::now();
    loop {
        people.pipeline.memory().sweep(Clock.now());
        let metrics = people.meters.render(&[]);
        if metrics.contains("\naskance_memory_unwritten 0\n") {
            return Ok(started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn scores(people: &People, batches: usize) -> Result<(), Failure> {
    let score = |event: &LoginEvent<'_>| {
        let scored = people.pipeline.score(ClientTag(0), event, event.time, Look::default());
        black_box(scored.as_ref().map(|scored| scored.verdict.action).ok())
    };
    let mut random = SplitMix(7);
    let one = people.usual(1, &mut random);
    let again = || one.iter().cycle().take(BATCH).cloned().collect();
    println!(
        "score, one user again and again: {}",
        Times::take(batches, again, |event| {
            score(event);
        })
    );
    for (name, make) in [("usual login", People::usual as Make), ("any address", People::anywhere)] {
        let times = Times::take(
            batches,
            || make(people, BATCH, &mut random),
            |event| {
                score(event);
            },
        );
        let allowed =
            make(people, SAMPLE, &mut random).iter().filter(|event| score(event) == Some(Action::Allow)).count();
        println!("score, {name}: {times}; {allowed} of {SAMPLE} allowed");
        if name == "usual login" && allowed < SAMPLE * 9 / 10 {
            return Err("usual logins are not allowed: these are not the users that they should be".into());
        }
    }
    Ok(())
}

type Make = fn(&People, usize, &mut SplitMix) -> Vec<LoginEvent<'static>>;

/// How long it took to load something, and what of memory it keeps.
fn load<T>(open: impl FnOnce() -> Result<T, Failure>) -> Result<(T, String), Failure> {
    let (before, started) = (resident_bytes()?, Instant::now());
    let loaded = open()?;
    let (took, bytes) = (started.elapsed(), resident_bytes()?.saturating_sub(before));
    Ok((loaded, format!("loaded in {} ms, keeps {}", took.as_millis(), mib(bytes))))
}

/// Our tables beside the library that reads the tree of the file each time, asked for the same facts.
fn look_ups(geoip: &GeoIp, inputs: &Inputs, batches: usize) -> Result<(), Failure> {
    let (city, asn) = (Reader::open_readfile(&inputs.city)?, Reader::open_readfile(&inputs.asn)?);
    let mut random = SplitMix(6);
    let mut addresses = || (0..BATCH).map(|_| any_address(&mut random)).collect::<Vec<_>>();
    let ours = Times::take(batches, &mut addresses, |&ip| {
        black_box(geoip.look_up(ip));
    });
    let theirs = Times::take(batches, &mut addresses, |&ip| {
        black_box(city.lookup(ip).and_then(|found| found.decode::<CityRow<'_>>())).ok();
        black_box(asn.lookup(ip).and_then(|found| found.decode::<AsnRow<'_>>())).ok();
    });
    println!("look-up in both databases: {ours}");
    println!("  maxminddb on the files: {theirs}, {:.1} times ours", theirs.median_ns / ours.median_ns);
    Ok(())
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded only to see what it costs")]
struct CityRow<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    location: Option<Location>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded only to see what it costs")]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded only to see what it costs")]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
    accuracy_radius: Option<u16>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded only to see what it costs")]
struct AsnRow<'a> {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'a str>,
}

/// Nanoseconds of one operation, by batches.
struct Times {
    median_ns: f64,
    /// One batch in twenty was faster than this.
    fast_ns: f64,
    /// One batch in twenty was slower than this.
    slow_ns: f64,
}

impl Times {
    fn take<I>(batches: usize, mut make: impl FnMut() -> Vec<I>, mut run: impl FnMut(&I)) -> Self {
        let mut batch = || {
            let inputs = make();
            let started = Instant::now();
            inputs.iter().for_each(&mut run);
            started.elapsed().as_nanos() as f64 / inputs.len() as f64
        };
        let mut times: Vec<f64> = std::iter::repeat_with(&mut batch).take(batches).collect();
        times.sort_by(f64::total_cmp);
        let at = |twentieths: usize| times[(times.len() - 1) * twentieths / 20];
        Self { median_ns: at(10), fast_ns: at(1), slow_ns: at(19) }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} ns [{:.0} to {:.0}]", self.median_ns, self.fast_ns, self.slow_ns)
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
