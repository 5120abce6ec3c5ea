//! Each layer by itself, and the whole assessment in process.
//!
//! Inputs are seeded and made here or come with the repository. Wall time is for people: compare lines of one run, not
//! runs of two machines.

mod assess;
mod lookups;
mod memory;
mod support;

fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    lookups::bench(&mut criterion);
    memory::bench(&mut criterion);
    assess::bench(&mut criterion);
    criterion.final_summary();
}
