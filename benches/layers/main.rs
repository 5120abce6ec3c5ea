//! Each layer by itself; the whole assessment is in `assess`.
//!
//! Inputs are seeded and made here or come with the repository. Wall time is for people: compare lines of one run, not
//! runs of two machines.

mod lookups;
mod memory;
mod pages;
#[path = "../support/mod.rs"]
mod support;

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    lookups::bench(&mut criterion);
    memory::bench(&mut criterion);
    pages::bench(&mut criterion);
    criterion.final_summary();
}
