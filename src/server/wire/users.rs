//! `GET /v1/users/{id}`: what the user may be shown.

use super::Time;
use super::decisions::DecisionBody;
use crate::context::{Grain, Place};
use crate::history::ValidPlace;
use crate::pipeline::Remembered;
use serde::Serialize;
use std::cmp::Reverse;

/// What is remembered of a user; of one who is not known, three empty lists.
#[derive(Debug, Serialize)]
pub(in crate::server) struct UserBody<'a> {
    /// Last used first.
    devices: Vec<DeviceBody>,
    /// Last visited first.
    places: Vec<PlaceBody<'a>>,
    /// Decisions whose outcome is awaited, newest first.
    open_decisions: Vec<DecisionBody<'a>>,
}

#[derive(Debug, Serialize)]
struct DeviceBody {
    /// 16 hex digits, to be taken as they are: what `DELETE /v1/users/{id}/devices/{device}` takes.
    id: String,
    /// Browser, system and form in words ("Chrome on Windows (pc)"); null where not known.
    family: Option<String>,
    /// To about four minutes.
    first_seen: Time,
    last_seen: Time,
}

#[derive(Debug, Serialize)]
struct PlaceBody<'a> {
    /// ISO 3166-1; null where not known.
    country: Option<&'a str>,
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// When the user was last there.
    time: Time,
    /// The autonomous system, as "AS64500"; absent where not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// `city`, or `country`: the point is the middle of the country then.
    resolution: &'static str,
}

impl<'a> UserBody<'a> {
    pub(in crate::server) fn new(remembered: &'a Remembered) -> Self {
        let history = remembered.history.as_deref();
        let mut devices: Vec<_> = history.into_iter().flat_map(|history| history.devices()).collect();
        devices.sort_unstable_by_key(|device| (Reverse(device.used.last), device.tag.0));
        let mut places: Vec<_> = history.into_iter().flat_map(|history| history.places_kept()).collect();
        places.sort_by_key(|place| Reverse(place.time()));
        let device = |device: &crate::history::HeldDevice| DeviceBody {
            id: device.tag.to_string(),
            family: device.family.map(|family| family.to_string()),
            first_seen: Time(device.first),
            last_seen: Time(device.used.last),
        };
        Self {
            devices: devices.iter().map(device).collect(),
            places: places.into_iter().map(PlaceBody::new).collect(),
            open_decisions: remembered.decisions.iter().map(DecisionBody::new).collect(),
        }
    }
}

impl<'a> PlaceBody<'a> {
    fn new(visit: &'a ValidPlace) -> Self {
        let Place { at, country, grain, .. } = &visit.place;
        Self {
            country: country.as_ref().map(|country| country.as_str()),
            latitude: at.latitude(),
            longitude: at.longitude(),
            time: Time(visit.time()),
            network: visit.asn.map(|asn| format!("AS{asn}")),
            resolution: resolution(*grain),
        }
    }
}

pub(super) fn resolution(grain: Grain) -> &'static str {
    match grain {
        Grain::Country => "country",
        Grain::City => "city",
    }
}
