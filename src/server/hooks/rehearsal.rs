//! One request through a door, with a verdict that is given: the tables of doors, for tests that run them.

use super::door::Door;
use super::ruling;
use super::subject::{Fault, Subject};
use super::{Doors, Settings, address, answer};
use crate::clock::Timestamp;
use crate::event::FactorSet;
use crate::history::Stamp;
use crate::memory::decisions::DecisionId;
use crate::pipeline::request::{Device, HardEvidence, Judged};
use crate::signing::SigningKeys;
use crate::units::Confidence;
use crate::verdict::Action;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use std::net::IpAddr;

/// A verdict, or a failure of ours in its place.
pub type Given = Option<Action>;

/// What a door answers; `None` where there is none.
#[must_use]
pub fn answer(settings: &Settings, request: Request<()>, peer: IpAddr, given: Given) -> Option<Response<Full<Bytes>>> {
    let (head, ()) = request.into_parts();
    let door = Door::find(head.uri.path())?;
    let doors = Doors::new(settings);
    let request = doors.read(door, &head, peer);
    let judged = |action| Judged {
        id: DecisionId::from_bytes([7; 16]),
        action,
        offered: FactorSet::ALL,
        confidence: Confidence::High,
        score: None,
        reasons: Vec::new(),
        hard: HardEvidence::default(),
        is_reported: false,
        stamp: Stamp::of(None),
        device: Device { number: 7, is_fresh: true, is_known: false },
        cookie: None,
    };
    let subject = Subject::of(&request, (settings, None), Timestamp::from_unix_s(0));
    let (user, judged) = match subject {
        Ok(subject) => (subject.event.user.id.into_owned(), given.map(judged).ok_or(Fault::Memory)),
        Err(fault) => (String::new(), Err(fault)),
    };
    let ruling = ruling::conclude(judged, (None, None), settings);
    let keys = SigningKeys::new(&[[7; 32]]);
    let location = address::of_page(settings, &request.original, None, &keys, Timestamp::from_unix_s(0));
    Some(answer::answer(door, &request, (&ruling, &user), location))
}
