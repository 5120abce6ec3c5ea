//! Facts and distances.

use crate::support::{SplitMix, USER_AGENTS};
use askance::clock::Clock;
use askance::context::agent::Agents;
use askance::context::geoip::{self, GeoIp};
use askance::context::ip_lists::{Category, Format, IpLists, ListSettings};
use askance::context::phone::Phones;
use askance::geodesy::{geodesic, great_circle};
use askance::keyed_hash::HashKey;
use askance::units::Coordinates;
use criterion::Criterion;
use std::fmt::Write;
use std::hint::black_box;
use std::net::IpAddr;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut random = SplitMix(1);
    let addresses: Vec<IpAddr> = (0..1_000_000).map(|_| random.address().into()).collect();
    let mut turn = addresses.iter().cycle().copied();
    let mut group = criterion.benchmark_group("lookup");

    if let Ok(geoip) = GeoIp::open(&geoip::Settings::default()) {
        group.bench_function("geoip, 1 M random addresses", |b| {
            b.iter(|| turn.next().map(|ip| black_box(geoip.look_up(ip))));
        });
    }
    if let Some(lists) = lists(100_000, &mut random) {
        let now = Clock.now();
        group.bench_function("list of 100,000 prefixes", |b| {
            b.iter(|| turn.next().map(|ip| black_box(lists.look_up(ip, None, now))));
        });
    }
    let agents = Agents::new();
    let mut texts = USER_AGENTS.iter().cycle().copied();
    group.bench_function("agent, cached", |b| b.iter(|| black_box(agents.look_up(texts.next(), None))));
    let mut serial = 0_u64;
    group.bench_function("agent, parsed", |b| {
        b.iter(|| {
            serial += 1;
            black_box(agents.look_up(Some(&format!("{} {serial}", USER_AGENTS[0])), None))
        });
    });
    let phones = Phones::new();
    group.bench_function("phone, cached", |b| b.iter(|| black_box(phones.look_up(Some("+819012345678"), None))));
    let key = HashKey::fixed([1; 16]);
    group.bench_function("keyed hash of a user", |b| b.iter(|| black_box(key.user("default", "user-0000001"))));
    if let (Some(a), Some(b)) = (Coordinates::new(40.7, -74.0), Coordinates::new(51.5, -0.1)) {
        group.bench_function("distance, great circle", |bench| bench.iter(|| great_circle(black_box(a), black_box(b))));
        group.bench_function("distance, geodesic", |bench| bench.iter(|| geodesic(black_box(a), black_box(b))));
    }
    group.finish();
}

fn lists(count: usize, random: &mut SplitMix) -> Option<IpLists> {
    let mut text = String::new();
    for _ in 0..count {
        writeln!(text, "{}/{}", random.address(), 20 + random.below(13)).ok()?;
    }
    let directory = tempfile::tempdir().ok()?;
    let path = directory.path().join("bench.netset");
    std::fs::write(&path, text).ok()?;
    let settings = ListSettings {
        name: "bench".to_owned(),
        path,
        format: Format::Netset,
        category: Category::Abuse,
        max_age_h: 48,
        hard: None,
    };
    IpLists::load(&[settings], &[], Clock).ok()
}
