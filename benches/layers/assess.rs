//! The whole assessment in process: from a parsed login to its verdict, memory included, over 1 M known users.

use crate::support::{SplitMix, login, now, pipeline};
use askance::clock::Clock;
use askance::memory::decisions::ClientTag;
use criterion::{BatchSize, Criterion};
use std::hint::black_box;

const USERS: u64 = 1_000_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let Ok(pipeline) = pipeline() else { return };
    let mut random = SplitMix(3);
    let time = Clock.now();
    for number in 0..USERS {
        now(pipeline.import(&login(number, random.address(), time), true, time)).unwrap_or_default();
    }
    let mut group = criterion.benchmark_group("assess");
    group.bench_function("score, 1 M users, any address", |b| {
        b.iter_batched(
            || login(random.below(USERS), random.address(), Clock.now()),
            |event| black_box(now(pipeline.score(ClientTag(0), &event, event.time)).verdict.action),
            BatchSize::SmallInput,
        );
    });
    let home = std::net::Ipv4Addr::new(81, 2, 69, 142);
    let usual = login(USERS, home, Clock.now());
    now(pipeline.import(&usual, true, time)).unwrap_or_default();
    group.bench_function("score, a usual login, all in cache", |b| {
        b.iter(|| black_box(now(pipeline.score(ClientTag(0), &usual, usual.time)).verdict.action));
    });
    group.finish();
}
