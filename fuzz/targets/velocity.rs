//! What is kept of velocity.

use askance::clock::Timestamp;
use askance::keyed_hash::HashKey;
use askance::velocity::{Failed, PARTS, Part, Settings, Told, Velocity};
use std::net::Ipv4Addr;

/// A row of sources, as a disk, Redis, or another replica has it.
///
/// It is refused as a whole, or what it holds is given back by the rows that are written of it; and counting goes on.
pub fn velocity_row(bytes: &[u8]) {
    let (now, settings) = (Timestamp::from_unix_s(1_790_000_000), Settings::default());
    let [velocity, again, told] = [(); 3].map(|()| Velocity::new(settings));
    let Ok(batch) = Told::read(bytes) else {
        assert!(velocity.load(0, bytes, now).is_err() && velocity.held() == 0, "what is refused is refused everywhere");
        return;
    };
    velocity.load(0, bytes, now).expect("it is read as a batch");
    let (rows, is_all) = velocity.take_changed(usize::MAX);
    assert!(is_all && velocity.held() <= batch.len());
    for row in rows {
        assert_eq!(again.load(row, &velocity.row(row, now), now), Ok(true), "row {row} is not in its place");
    }
    assert_eq!(again.held(), velocity.held());
    told.hear(&batch, now);
    assert_eq!(told.held(), velocity.held());
    for number in (0..PARTS).filter(|number| batch.is_of(*number)) {
        let mut part = Part::empty(number);
        part.add(&batch, now);
        let kept = Part::read(number, &part.write(now)).expect("it was written");
        velocity.take_over(&kept, now);
    }
    let sources = HashKey::fixed([1; 16]).sources("default", Ipv4Addr::LOCALHOST.into(), Some(64_500));
    velocity.failed(&Failed { user: None, is_unknown: true, sources }, now, &settings);
    let _found = velocity.look_up(&sources, now, &settings);
}
