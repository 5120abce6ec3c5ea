//! One world of one seed: its log, and the files that askance reads.

use crate::attackers;
use crate::events::{Cohort, Event, Truth};
use crate::networks::{Block, Kind, Networks};
use crate::parameters::Parameters;
use crate::people::{self, Person};
use crate::random::Random;
use ipnet::Ipv4Net;
use mmdb_writer::{Value, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A world, and all that happens in it, in order.
pub(crate) struct World {
    pub(crate) networks: Networks,
    pub(crate) events: Vec<Event>,
    /// Milliseconds from which on logins are evaluated.
    pub(crate) evaluated_from_ms: i64,
    abuse: BTreeSet<Ipv4Addr>,
}

impl World {
    pub(crate) fn new(seed: u64, parameters: &Parameters) -> Self {
        let random = Random::new(seed);
        let networks = Networks::new(parameters, &mut random.fork(1));
        let mut events = Vec::new();
        let people: Vec<Person> = (0..u32::try_from(parameters.users).unwrap_or(u32::MAX))
            .map(|id| people::live(id, parameters, &networks, &mut random.fork(1_000 + u64::from(id)), &mut events))
            .collect();
        attackers::attack(&people, parameters, &networks, &mut random.fork(2), &mut events);
        events.sort_by_key(|event| (event.time_ms, event.user));
        let abuse = abuse_list(&events, parameters, &networks, &mut random.fork(3));
        #[expect(clippy::cast_possible_truncation, reason = "some 2⁴⁵")]
        let evaluated = (parameters.days * (1.0 - parameters.evaluated) * crate::events::DAY_MS) as i64;
        Self { networks, events, evaluated_from_ms: crate::events::BEGINS_MS + evaluated, abuse }
    }

    pub(crate) fn is_listed(&self, address: Ipv4Addr) -> bool {
        self.abuse.contains(&address)
    }

    /// Writes databases, list and configurations.
    pub(crate) fn write_data(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let rows: [(&str, &str, Describe); 3] = [
            ("city.mmdb", "World-City", city),
            ("asn.mmdb", "World-ASN", asn),
            ("anonymous.mmdb", "World-Anonymous-IP", anonymous),
        ];
        // What nobody came from need not be told of.
        let used: BTreeSet<u32> = self.events.iter().map(|event| event.ip.to_bits() & !0xff).collect();
        for (file, kind, row) in rows {
            let mut writer = Writer::builder(kind)
                .description(&[("en", "synthetic, made by examples/world")])
                .build_epoch(UNIX_EPOCH + Duration::from_secs(1_767_571_200))
                .build();
            for block in self.networks.blocks.iter().filter(|block| used.contains(&block.first)) {
                if let Some(row) = row(block) {
                    writer.insert_value(ipnet::IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(block.first), 24)?), row)?;
                }
            }
            std::fs::write(directory.join(file), writer.to_bytes()?)?;
        }
        let abuse: String = self.abuse.iter().map(|address| format!("{address}\n")).collect();
        Ok(std::fs::write(directory.join("abuse.netset"), abuse)?)
    }
}

/// What a database has of a block, if anything.
type Describe = fn(&Block) -> Option<Value>;

/// A configuration over the files of a directory.
pub(crate) fn configuration(directory: &Path, verdict: &str) -> String {
    let path = |file: &str| directory.join(file).display().to_string();
    let [city, asn, anonymous, abuse] = ["city.mmdb", "asn.mmdb", "anonymous.mmdb", "abuse.netset"].map(path);
    format!(
        "{verdict}\n[geoip]\ncity = '{city}'\nasn = '{asn}'\nanonymous = '{anonymous}'\n\
         [[signals.untrusted_ip.lists]]\nname = 'world-abuse'\ncategory = 'abuse'\npath = '{abuse}'\n"
    )
}

/// Who was seen attacking elsewhere: each cohort by its own chance, honest addresses by mistake.
///
/// **Source:** list hits among takeovers and among usual logins of the public data set; the split by cohort is an assumption.
fn abuse_list(
    events: &[Event],
    parameters: &Parameters,
    networks: &Networks,
    random: &mut Random,
) -> BTreeSet<Ipv4Addr> {
    let mut chances: BTreeMap<Ipv4Addr, f64> = BTreeMap::new();
    for event in events {
        let chance = match event.truth {
            Truth::Failure => continue,
            Truth::Honest(_) if networks.block_of(event.ip).kind == Kind::Vpn => parameters.listed_vpn,
            Truth::Honest(_) => parameters.listed,
            Truth::Attack(cohort) => match cohort {
                Cohort::Naive | Cohort::StolenElsewhere => 0.35,
                Cohort::Stuffing => 0.8,
                Cohort::Vpn => 0.15,
                Cohort::Aitm => 0.2,
                Cohort::Targeted | Cohort::StolenInCountry => 0.05,
                Cohort::Mimic => 0.0,
            },
        };
        let highest = chances.entry(event.ip).or_default();
        *highest = highest.max(chance);
    }
    chances.into_iter().filter(|(_, chance)| random.chance(*chance)).map(|(address, _)| address).collect()
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[expect(clippy::unnecessary_wraps, reason = "one of three")]
fn city(block: &Block) -> Option<Value> {
    let row = &block.row;
    let location = map([
        ("latitude", Value::Double(row.at.0)),
        ("longitude", Value::Double(row.at.1)),
        ("accuracy_radius", Value::U16(row.radius_km)),
    ]);
    Some(map([("country", map([("iso_code", Value::from(row.country))])), ("location", location)]))
}

fn asn(block: &Block) -> Option<Value> {
    let number = Value::U32(block.row.asn?);
    Some(map([("autonomous_system_number", number), ("autonomous_system_organization", Value::from("World Net"))]))
}

fn anonymous(block: &Block) -> Option<Value> {
    let flag = match block.row.known_as? {
        Kind::Vpn => "is_anonymous_vpn",
        Kind::Hosting => "is_hosting_provider",
        Kind::Fixed | Kind::Mobile => return None,
    };
    Some(map([("is_anonymous", Value::Bool(true)), (flag, Value::Bool(true))]))
}
