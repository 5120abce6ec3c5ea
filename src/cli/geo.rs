//! `askance geo IP…`.

use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::Source;
use crate::context::geoip::Description;
use crate::context::{Grain, Location};
use crate::pipeline::Loaded;
use serde::Serialize;
use std::error::Error;
use std::io::Write;
use std::net::IpAddr;

#[derive(Serialize)]
struct Facts {
    ip: IpAddr,
    network: Option<String>,
    city: Option<String>,
    country: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    radius_km: Option<f64>,
    resolution: Option<&'static str>,
    lists: Vec<String>,
}

/// Prints what the databases and lists say of each address.
pub(super) fn run(source: &Source, addresses: &[IpAddr], json: bool) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    let loaded = app::load(&config, Clock).map_err(AppError::from)?;
    let mut out = std::io::stdout().lock();
    for ip in addresses {
        let facts = facts(&loaded, ip.to_canonical())?;
        if json {
            writeln!(out, "{}", serde_json::to_string(&facts)?)?;
        } else {
            writeln!(out, "{}", line(&facts))?;
        }
    }
    Ok(())
}

fn facts(loaded: &Loaded, ip: IpAddr) -> Result<Facts, Box<dyn Error>> {
    let description = loaded.geoip.describe(ip)?;
    let known = |description: &Description| match description.location {
        Location::Known(place) => Some(place),
        Location::Missing | Location::Unusable | Location::Failed => None,
    };
    let place = description.as_ref().and_then(known);
    let hits = loaded.lists.describe(ip, None);
    Ok(Facts {
        ip,
        network: description.as_ref().map(|row| row.network.clone()),
        city: description.as_ref().and_then(|row| row.city.clone()),
        country: description.and_then(|row| row.country).map(|country| country.as_str().to_owned()),
        latitude: place.map(|place| place.at.latitude()),
        longitude: place.map(|place| place.at.longitude()),
        radius_km: place.map(|place| place.radius.value()),
        resolution: place.map(|place| match place.grain {
            Grain::Country => "country",
            Grain::City => "city",
        }),
        lists: hits.iter().map(|hit| format!("{} {} ({})", hit.source, hit.matches, hit.category.as_str())).collect(),
    })
}

fn line(facts: &Facts) -> String {
    let place = match (facts.latitude, facts.longitude, facts.radius_km, facts.resolution) {
        (Some(latitude), Some(longitude), Some(radius), Some(resolution)) => {
            format!("{latitude:.4},{longitude:.4} within {radius:.0} km, by {resolution}")
        }
        _ => "no usable place".to_owned(),
    };
    let name = [facts.city.as_deref(), facts.country.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let name = if name.is_empty() { "not in the database" } else { &name };
    let lists = if facts.lists.is_empty() { "on no list".to_owned() } else { format!("on {}", facts.lists.join(", ")) };
    let network = facts.network.as_deref().unwrap_or("-");
    format!("{}  {name}  {place}  [{network}]  {lists}", facts.ip)
}
