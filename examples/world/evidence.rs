//! What each fact that askance has of a login says: how much likelier it is of an attacker than of the user, as the logarithm of that
//! ratio. What weights can be made of; from tuning seeds only.

use crate::events::{Cohort, Event, Truth};
use crate::figures::evaluated;
use crate::scorers::replay;
use crate::world::World;
use askance::pipeline::Scored;
use askance::signals::{Code, Details, Leg};
use askance::verdict::Action;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// Counts of a fact: of honest logins first, then of each cohort.
type Counts = [f64; 1 + Cohort::ALL.len()];

/// Families of facts of which exactly one holds of a login, and how often it did.
#[derive(Default)]
pub(crate) struct Evidence(BTreeMap<&'static str, BTreeMap<String, Counts>>);

/// What a user's logins showed so far, as the databases tell it.
#[derive(Default)]
struct Seen {
    addresses: HashSet<IpAddr>,
    prefixes: HashSet<u32>,
    systems: HashSet<u32>,
    countries: HashSet<String>,
    /// When each cookie was last seen.
    cookies: HashMap<u64, i64>,
}

const DAY_MS: i64 = 86_400_000;
/// Under which aggregator the log is run: it says who is let in, hence what is learnt.
const VERDICT: &str = "verdict.aggregator = 'strict'";

impl Evidence {
    /// Counts the facts of a world.
    pub(crate) fn count(&mut self, world: &World, data: &Path) -> Result<(), Box<dyn Error>> {
        let mut seen: HashMap<u32, Seen> = HashMap::new();
        let mut counted = evaluated(world).into_iter().peekable();
        let mut at = 0;
        replay(world, data, VERDICT, |event, scored| {
            if let Some(scored) = scored {
                let user = seen.entry(event.user).or_default();
                if let Some(evaluated) = counted.next_if(|evaluated| evaluated.at == at)
                    && evaluated.history > 0
                {
                    self.login(event, scored, user);
                }
                if !event.is_attack() || scored.verdict.action == Action::Allow {
                    user.learn(event, scored);
                }
            }
            at += 1;
        })
    }

    fn login(&mut self, event: &Event, scored: &Scored<'_>, user: &Seen) {
        let whose = match event.truth {
            Truth::Failure => return,
            Truth::Honest(_) => 0,
            Truth::Attack(cohort) => 1 + cohort.index(),
        };
        let assessments = &scored.assessments;
        let legs = &assessments.new_device.details;
        let (device, agent) = if let Details::Legs { device, useragent } = legs {
            (*device, *useragent)
        } else {
            (Leg::Unknown, Leg::Unknown)
        };
        let word = |leg| if leg == Leg::Known { "known" } else { "new" };
        let address = &scored.context.address;
        let network = user.network(event.ip, scored);
        let travel = assessments.impossible_travel.code.as_str().replace("_from_last_login", "").to_owned();
        let is_listed =
            matches!(&assessments.untrusted_ip.details, Details::Listed { source, .. } if &**source == "world-abuse");
        let listed = if is_listed { "on the abuse list" } else { "on no list" };
        let kind =
            match (address.kinds.has(askance::context::network::NetworkKind::Hosting), address.kinds.is_anonymizer()) {
                (true, _) => "hosting",
                (_, true) => "VPN or proxy",
                _ => "neither",
            };
        let velocity = address.velocity.map_or("nothing", |finding| match finding.scope {
            askance::velocity::Scope::Address => "address",
            askance::velocity::Scope::Prefix => "prefix",
            askance::velocity::Scope::System => "system",
        });
        let cookie = match user.cookies.get(&event.cookie).map(|last| (event.time_ms - last) / DAY_MS) {
            None => "d never",
            Some(..30) => "a within 30 days",
            Some(30..90) => "b within 90 days",
            Some(_) => "c longer ago",
        };
        let legs = format!("device {}, agent {}", word(device), word(agent));
        let is_anonymous = assessments.impossible_travel.code == Code::AnonymousProxy;
        let mut fact = |family, fact: &str| {
            let counts: &mut Counts = self.0.entry(family).or_default().entry(fact.to_owned()).or_default();
            counts[whose] += 1.0;
        };
        fact("1 device and agent", &legs);
        fact("2 network", network);
        let families = if device == Leg::Known {
            ["2a network, device known", "3a travel, device known", "4a list, device known", "5a kind, device known"]
        } else {
            ["2b network, device new", "3b travel, device new", "4b list, device new", "5b kind, device new"]
        };
        fact(families[0], network);
        if !is_anonymous {
            fact(families[1], &travel);
        }
        fact(families[2], listed);
        fact(families[3], kind);
        if device == Leg::Unknown {
            fact("1b agent, device new", word(agent));
            fact("6b velocity, device new", velocity);
        }
        fact("1c cookie last seen", cookie);
    }

    /// In Markdown: the share of honest logins in percent, and for each cohort the logarithm of the ratio of shares.
    pub(crate) fn table(&self) -> String {
        let cohorts: Vec<&str> = Cohort::ALL.into_iter().map(Cohort::name).collect();
        let mut table =
            format!("| fact | honest % | {} |\n|{}\n", cohorts.join(" | "), " --- |".repeat(2 + cohorts.len()));
        for (family, facts) in &self.0 {
            let mut totals: Counts = Default::default();
            facts.values().for_each(|counts| totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count));
            let totals_of = Cohort::ALL.iter().enumerate().map(|(at, _)| format!("n={:.0}", totals[at + 1]));
            table.push_str(&format!(
                "| **{family}** | n={:.0} | {} |\n",
                totals[0],
                totals_of.collect::<Vec<_>>().join(" | ")
            ));
            for (fact, counts) in facts {
                let ratio = |at: usize| match (counts[at], totals[at]) {
                    // Too few to say anything.
                    (_, ..20.0) => "·".to_owned(),
                    (count, total) => {
                        let [theirs, honest] = [(count, total), (counts[0], totals[0])]
                            .map(|(count, total)| (count + 0.5) / (total + 1.0));
                        format!("{:+.1}", (theirs / honest).ln())
                    }
                };
                let ratios: Vec<String> = (1..counts.len()).map(ratio).collect();
                let share = counts[0] / totals[0].max(1.0) * 100.0;
                table.push_str(&format!("| {fact} | {share:.2} | {} |\n", ratios.join(" | ")));
            }
        }
        table
    }
}

impl Seen {
    fn learn(&mut self, event: &Event, scored: &Scored<'_>) {
        self.addresses.insert(event.ip.into());
        self.prefixes.insert(prefix(event.ip));
        self.systems.extend(scored.context.address.asn);
        self.countries.extend(scored.context.country.map(|country| country.as_str().to_owned()));
        self.cookies.insert(event.cookie, event.time_ms);
    }

    /// The closest that is known.
    fn network(&self, ip: Ipv4Addr, scored: &Scored<'_>) -> &'static str {
        let country = scored.context.country.map(|country| country.as_str().to_owned());
        if has(&self.addresses, &ip.into()) {
            "a address known"
        } else if has(&self.prefixes, &prefix(ip)) {
            "b prefix known"
        } else if scored.context.address.asn.is_none() {
            "f system not told"
        } else if scored.context.address.asn.is_some_and(|asn| has(&self.systems, &asn)) {
            "c system known"
        } else if country.is_some_and(|country| has(&self.countries, &country)) {
            "d country known"
        } else {
            "e country new"
        }
    }
}

fn has<T: Eq + Hash>(set: &HashSet<T>, value: &T) -> bool {
    set.contains(value)
}

fn prefix(ip: Ipv4Addr) -> u32 {
    ip.to_bits() >> 8
}
