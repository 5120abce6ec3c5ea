//! Histories: the row, and the store.

use crate::support::SplitMix;
use askance::clock::{Clock, Timestamp};
use askance::history::{Lesson, Login, Proof, UserHistory};
use askance::keyed_hash::{DeviceTag, HashKey, NetworkTag, UserKey};
use askance::memory::volatile::Volatile;
use askance::memory::{Memory, Settings};
use criterion::Criterion;
use std::hint::black_box;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory");
    let time = Clock.now();
    let mut history = UserHistory::default();
    for device in [1, 2] {
        history.learn(&Lesson::Completed(login(device, time)));
    }
    let mut row = Vec::new();
    history.write_row(&mut row);
    group.bench_function("read a row", |b| b.iter(|| black_box(UserHistory::read_row(black_box(&row)))));
    group.bench_function("write a row", |b| {
        let mut out = Vec::with_capacity(1024);
        b.iter(|| {
            out.clear();
            history.write_row(&mut out);
            black_box(out.len())
        });
    });

    let memory = Volatile::new(&Settings::default());
    let key = HashKey::fixed([1; 16]);
    let users: Vec<UserKey> = (0..1_000_000).map(|number: u32| key.user("default", &number.to_string())).collect();
    for user in &users {
        learn(&memory, *user, login(1, time));
    }
    let mut random = SplitMix(2);
    group.bench_function("visit and learn, 1 M users", |b| {
        b.iter(|| {
            let user = users[usize::try_from(random.below(1_000_000)).unwrap_or(0)];
            learn(&memory, user, login(1, time));
        });
    });
    group.finish();
}

fn learn(memory: &Volatile, user: UserKey, login: Login) {
    memory.visit(user, |_| ((), Some(Lesson::Completed(login)))).unwrap_or_default();
}

fn login(device: u64, time: Timestamp) -> Login {
    Login {
        time,
        device: Some(DeviceTag(device)),
        agent: None,
        network: Some(NetworkTag(7)),
        asn: None,
        place: None,
        token: None,
        address: None,
        country: None,
        is_anonymous: false,
        proof: Proof::FirstFactor,
    }
}
