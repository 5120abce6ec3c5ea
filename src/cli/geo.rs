//! `askance geo IP…`.

use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::config::Source;
use crate::context::geoip::CityNames;
use crate::context::network::NetworkKinds;
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
    asn: Option<u32>,
    as_organization: Option<String>,
    kinds: Vec<&'static str>,
    kinds_from: Option<String>,
    lists: Vec<String>,
}

/// Prints what the databases and lists say of each address.
pub(super) fn run(source: &Source, addresses: &[IpAddr], json: bool) -> Result<(), Box<dyn Error>> {
    let config = source.read().map_err(AppError::from)?;
    let loaded = app::load(&config, Clock).map_err(AppError::from)?;
    let names = CityNames::open(&config.geoip)?;
    let mut out = std::io::stdout().lock();
    for ip in addresses {
        let facts = facts(&loaded, &names, ip.to_canonical());
        if json {
            writeln!(out, "{}", serde_json::to_string(&facts)?)?;
        } else {
            writeln!(out, "{}", line(&facts))?;
        }
    }
    Ok(())
}

fn facts(loaded: &Loaded, names: &CityNames, ip: IpAddr) -> Facts {
    let (found, network) = loaded.geoip.describe(ip);
    let place = match found.location {
        Location::Known(place) => Some(place),
        Location::Missing | Location::Unusable | Location::Failed => None,
    };
    let hits = loaded.lists.describe(ip, found.asn);
    Facts {
        ip,
        network: network.map(|network| network.to_string()),
        city: network.and_then(|_| names.look_up(ip)),
        country: found.country.map(|country| country.as_str().to_owned()),
        latitude: place.map(|place| place.at.latitude()),
        longitude: place.map(|place| place.at.longitude()),
        radius_km: place.map(|place| place.radius.value()),
        resolution: place.map(|place| match place.grain {
            Grain::Country => "country",
            Grain::City => "city",
        }),
        asn: found.asn,
        as_organization: found.as_organization.map(|name| name.to_string()),
        kinds: NetworkKinds::ALL.into_iter().filter(|kind| found.kinds.has(*kind)).map(|kind| kind.as_str()).collect(),
        kinds_from: found.kinds_from.map(|from| format!("{} {}", from.source, from.matches)),
        lists: hits.iter().map(|hit| format!("{} {} ({})", hit.source, hit.matches, hit.category.as_str())).collect(),
    }
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
    let system = facts.asn.map(|asn| format!("AS{asn} {}  ", facts.as_organization.as_deref().unwrap_or("")));
    let kinds = facts.kinds_from.as_ref().map(|from| format!("{} by {from}  ", facts.kinds.join(", ")));
    let lists = if facts.lists.is_empty() { "on no list".to_owned() } else { format!("on {}", facts.lists.join(", ")) };
    let network = facts.network.as_deref().unwrap_or("-");
    let (system, kinds) = (system.unwrap_or_default(), kinds.unwrap_or_default());
    format!("{}  {name}  {place}  [{network}]  {system}{kinds}{lists}", facts.ip)
}
