//! The fuzz targets on the stable toolchain: each holds for its seeds, and for the same few thousand mutations of them
//! on every run. Finding what is new is the business of `cargo fuzz`; this keeps what holds from being lost.

#[path = "../../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "it is also a library, that of cargo-fuzz")]
mod targets;

use crate::support::repository;
use std::collections::BTreeSet;
use std::path::Path;
use targets::{TARGETS, Target};

/// Of all seeds of a target together.
const MUTATIONS: usize = 20_000;
/// Of targets whose code takes longer, unoptimised: a configuration takes 3 ms, an expression of a rule 2, a user agent 1.7, a list of addresses 0.2.
const MUTATIONS_OF_SLOW: &[(&str, usize)] = &[
    ("client_hints", 5_000),
    ("config_file", 500),
    ("database_file", 1_000),
    ("device_cookie", 1_000),
    ("list_file", 2_000),
    ("login_body", 5_000),
    ("past_login", 5_000),
    ("phone_number", 2_000),
    ("rule_source", 1_000),
    ("user_agent", 2_000),
    ("velocity_row", 5_000),
];
/// Longer inputs cost time and reach no further: the caps of all targets are below.
const INPUT_BYTES_MAX: usize = 4096;
/// Bytes with a meaning in some format.
const INTERESTING: &[u8] = b"\0\x01\x7f\x80\xff\t\n \"\\,;:=.%[]/_-+09aF";

#[test]
fn every_seed_and_its_mutations_hold() {
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            scope.spawn(|| replay(name, *target));
        }
    });
}

fn replay(name: &str, target: Target) {
    let seeds = seeds(name);
    for (file, seed) in &seeds {
        hold(name, target, seed, file);
    }
    let mut random = SplitMix(1);
    let mutations = MUTATIONS_OF_SLOW.iter().find(|(slow, _)| *slow == name).map_or(MUTATIONS, |(_, count)| *count);
    for count in 0..mutations {
        let (file, seed) = &seeds[random.below(seeds.len())];
        let (_, other) = &seeds[random.below(seeds.len())];
        let input = mutated(seed, other, &mut random);
        hold(name, target, &input, &format!("mutation {count}, of {file}"));
    }
}

/// Names the input that a target does not hold for: escaped, it can be made a seed.
fn hold(name: &str, target: Target, input: &[u8], origin: &str) {
    let held = std::panic::catch_unwind(|| target(input));
    assert!(held.is_ok(), "{name} does not hold for b\"{}\" ({origin})", input.escape_ascii());
}

fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let paths = files(&repository().join("fuzz/seeds").join(name));
    assert!(!paths.is_empty(), "{name} has no seeds");
    let read = |file: String| {
        let bytes = std::fs::read(repository().join("fuzz/seeds").join(name).join(&file)).unwrap();
        (file, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Names of what a directory holds, in order.
fn files(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn mutated(seed: &[u8], other: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(32) + 1);
        let interesting = INTERESTING[random.below(INTERESTING.len())];
        match (random.below(6), input.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(byte)) => *byte = interesting,
            (0..=2, _) => input.insert(at, interesting),
            (3, _) => drop(input.drain(at..end)),
            (4, _) => {
                let again = input[at..end].repeat(1 + random.below(40));
                input.splice(at..at, again);
            }
            _ => {
                let from = random.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied().take(random.below(64)));
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// **Source:** Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % end as u64).expect("it is below a usize")
    }
}

#[test]
fn a_target_is_one_everywhere() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let fuzz = repository().join("fuzz");
    assert_eq!(files(&fuzz.join("seeds")), targets, "directories of seeds");
    let of_sources = files(&fuzz.join("fuzz_targets"));
    assert_eq!(of_sources, targets.iter().map(|name| format!("{name}.rs")).collect(), "programs for libFuzzer");
    let manifest: toml::Table = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap();
    let of_manifest: BTreeSet<String> = programs.iter().map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(of_manifest, targets, "programs in fuzz/Cargo.toml");
}
