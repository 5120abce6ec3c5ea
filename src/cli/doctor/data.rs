//! Databases, lists, certificates, and the clock that their ages are read by.

use super::{Finding, ago, with_cause};
use crate::app;
use crate::clock::{Clock, DAY_MS, Timestamp};
use crate::config::Config;
use crate::context::geoip::{About, GeoIp};
use crate::context::ip_lists::IpLists;
use std::path::Path;

/// A database that is older misplaces whoever moved. **Source:** the free ones of the vendors come monthly.
const DATABASE_DAYS: i64 = 45;
/// The country-level data in the binary comes with a release; countries move slowly.
const EMBEDDED_DAYS: i64 = 365;
/// A certificate that expires sooner should have been renewed. **Source:** ACME clients renew a third before the end, 30 of 90 days.
const CERTIFICATE_DAYS: i64 = 14;
/// What is further in the future was not written by a clock like ours.
const CLOCK_MS: i64 = 300_000;
/// Where systemd says that the clock was set.
const TIMESYNC: &str = "/run/systemd/timesync";

pub(super) fn findings(config: &Config, now: Timestamp) -> Vec<Finding> {
    let (mut all, mut newest) = (Vec::new(), None);
    match GeoIp::open(&config.geoip) {
        Ok(geoip) => {
            if geoip.is_country_level() {
                let mend = "name a city database in geoip.city";
                all.push(Finding::warning("databases", "travel is judged between countries only", mend));
            }
            for status in geoip.status() {
                let is_file = config.geoip.city.as_slice().len() > status.index || status.role.as_str() != "city";
                all.push(database(status.role.as_str(), status.about, is_file, now));
                newest = newest.max(Some(status.about.built));
            }
        }
        Err(error) => {
            let text = format!("{}: {}", error.key(), with_cause(&error));
            all.push(Finding::error("databases", text, "put a good file there: without it the service does not start"));
        }
    }
    all.extend(lists(config, now));
    all.extend(certificate(config, now));
    all.push(clock(now, newest));
    all
}

fn database(role: &str, about: &About, is_file: bool, now: Timestamp) -> Finding {
    let age_days = now.ms_since(about.built) / DAY_MS;
    let text = format!("geoip.{role}: {}, {} networks, built {}", about.origin, about.networks, about.built);
    match is_file {
        true if age_days > DATABASE_DAYS => Finding::warning(
            "databases",
            format!("{text}, {age_days} days ago"),
            "have a newer one brought each week or month",
        ),
        false if age_days > EMBEDDED_DAYS => Finding::warning(
            "databases",
            format!("{text}, {age_days} days ago"),
            "take a newer release, or name a database",
        ),
        _ => Finding::ok("databases", text),
    }
}

fn lists(config: &Config, now: Timestamp) -> Vec<Finding> {
    let untrusted_ip = &config.signals.untrusted_ip;
    let lists = match IpLists::load(&untrusted_ip.lists, &untrusted_ip.allow, Clock) {
        Ok(lists) => lists,
        Err(error) => {
            let text = format!("signals.untrusted_ip.lists: {}", with_cause(&error));
            return vec![Finding::error("lists", text, "put a good file there: without it the service does not start")];
        }
    };
    let found = lists.health(now).map(|list| {
        let written = list.modified.map_or_else(String::new, |at| format!(", written {}", ago(now.ms_since(at))));
        let text = format!("{}: {} entries{written}", list.name, list.entries);
        if list.is_stale {
            Finding::warning(
                "lists",
                format!("{text}, too old to tell anything"),
                "have it brought more often, or raise max_age_h",
            )
        } else {
            Finding::ok("lists", text)
        }
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() { vec![Finding::ok("lists", "none is named")] } else { found }
}

fn certificate(config: &Config, now: Timestamp) -> Option<Finding> {
    let loaded = app::certificates(config, metrics::Counter::noop(), Clock);
    let expires = match loaded {
        Ok(certificates) => certificates?.expires(),
        Err(error) => {
            return Some(Finding::error(
                "certificate",
                error.to_string(),
                "without good files the service does not start",
            ));
        }
    };
    Some(match expires {
        None => {
            Finding::warning("certificate", "it does not say until when it is valid", "look at it with `openssl x509`")
        }
        Some(at) if at < now => Finding::error("certificate", format!("it has expired on {at}"), "renew it"),
        Some(at) if at.ms_since(now) < CERTIFICATE_DAYS * DAY_MS => {
            Finding::warning("certificate", format!("it expires on {at}"), "see why it was not renewed yet")
        }
        Some(at) => Finding::ok("certificate", format!("it is valid until {at}")),
    })
}

/// A clock that is behind a database's was set wrong; whether it is right, only its source knows.
fn clock(now: Timestamp, newest: Option<Timestamp>) -> Finding {
    match newest {
        Some(built) if built.ms_since(now) > CLOCK_MS => {
            let text = format!("it says {now}, and a database was built on {built}");
            return Finding::error("clock", text, "set it: codes, ages and cookies go by it");
        }
        Some(_) | None => {}
    }
    let timesync = Path::new(TIMESYNC);
    if timesync.is_dir() && !timesync.join("synchronized").exists() {
        return Finding::warning(
            "clock",
            format!("it says {now}, and systemd-timesyncd has not set it"),
            "see `timedatectl`",
        );
    }
    Finding::ok("clock", format!("it says {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn a_clock_behind_the_data_is_wrong() {
        let now = Timestamp::from_unix_s(1_790_000_000);
        let later = |ms| Timestamp::from_unix_ms(now.unix_ms() + ms);
        for (newest, is_wrong) in
            [(None, false), (later(0), false), (later(CLOCK_MS), false), (later(CLOCK_MS + 1), true)]
        {
            assert_eq!(clock(now, newest).level == Level::Error, is_wrong, "{newest:?}");
        }
    }
}
