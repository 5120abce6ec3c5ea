//! Attackers. Each has the password of somebody who has logged in before, and comes some hours or days after that.

use crate::events::{BEGINS_MS, Cohort, DAY_MS, Event, Truth};
use crate::networks::Networks;
use crate::parameters::Parameters;
use crate::people::Person;
use crate::random::Random;
use std::net::Ipv4Addr;
use std::rc::Rc;

/// Accounts that one run of stuffing opens, and tries for each of these that fail.
const OPENED: usize = 80;
const FAILURES_EACH: usize = 99;
/// Addresses of one run.
const SOURCES: usize = 16;

/// Writes all attacks into the log. Nobody is attacked twice.
pub(crate) fn attack(
    people: &[Person],
    parameters: &Parameters,
    networks: &Networks,
    random: &mut Random,
    log: &mut Vec<Event>,
) {
    let begins = parameters.days * (1.0 - parameters.evaluated);
    let mut victims: Vec<&Person> =
        people.iter().filter(|person| person.logins.iter().any(|login| login.day >= begins)).collect();
    shuffle(&mut victims, random);
    let mut victims = victims.into_iter();
    for cohort in Cohort::ALL {
        // A run of stuffing may come at any time, and whom it finds has logged in before.
        let is_fit = |victim: &&Person| cohort != Cohort::Stuffing || victim.logins[0].day < begins;
        let victims: Vec<&Person> = victims.by_ref().filter(is_fit).take(parameters.attacks).collect();
        let scene = Scene { people, networks, begins, parameters };
        if cohort == Cohort::Stuffing {
            victims.chunks(OPENED).for_each(|victims| scene.stuff(victims, random, log));
        } else {
            log.extend(victims.into_iter().map(|victim| scene.single(cohort, victim, random)));
        }
    }
}

fn shuffle<T>(all: &mut [T], random: &mut Random) {
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
}

struct Scene<'a> {
    people: &'a [Person],
    networks: &'a Networks,
    begins: f64,
    parameters: &'a Parameters,
}

impl Scene<'_> {
    fn single(&self, cohort: Cohort, victim: &Person, random: &mut Random) -> Event {
        let logins: Vec<_> = victim.logins.iter().filter(|login| login.day >= self.begins).collect();
        let login = *random.pick(&logins);
        let day = login.day + random.between(2.0, 72.0) / 24.0;
        let theirs = || login.agent.clone();
        let home = victim.home;
        let (ip, agent) = match cohort {
            Cohort::Naive | Cohort::Stuffing => (self.anywhere(random), self.some_agent(day, None, random)),
            Cohort::Vpn => (self.in_country(home[0], random), self.some_agent(day, Some(home[0]), random)),
            Cohort::Aitm => (self.hosted(random), theirs()),
            Cohort::Targeted => (self.near(home, random), theirs()),
            Cohort::Mimic => (self.networks.fixed(home, random), theirs()),
            Cohort::StolenElsewhere => (self.anywhere(random), theirs()),
            Cohort::StolenInCountry => {
                (self.networks.fixed(self.networks.somewhere_in(home[0], random), random), theirs())
            }
        };
        let cookie = match cohort {
            Cohort::StolenElsewhere | Cohort::StolenInCountry => login.cookie,
            Cohort::Naive | Cohort::Stuffing | Cohort::Vpn | Cohort::Aitm | Cohort::Targeted | Cohort::Mimic => {
                random.next()
            }
        };
        Event { time_ms: at(day), user: victim.id, ip, agent, cookie, truth: Truth::Attack(cohort) }
    }

    /// One run: a few hours, a few addresses, thousands of accounts, nearly half of which do not exist.
    fn stuff(&self, victims: &[&Person], random: &mut Random, log: &mut Vec<Event>) {
        let sources: Vec<Ipv4Addr> = (0..SOURCES).map(|_| self.anywhere(random)).collect();
        let agents: Vec<Rc<str>> = (0..3).map(|_| self.some_agent(self.begins, None, random)).collect();
        let starts = random.between(self.begins + 1.0, self.parameters.days - 1.0);
        let lasts = random.between(2.0, 6.0) / 24.0;
        let mut attempt = |user: u32, truth| {
            let (ip, agent) = (*random.pick(&sources), random.pick(&agents).clone());
            let time_ms = at(starts + random.unit() * lasts);
            log.push(Event { time_ms, user, ip, agent, cookie: random.next(), truth });
            random.next()
        };
        for victim in victims {
            let mut dice = attempt(victim.id, Truth::Attack(Cohort::Stuffing));
            for _ in 0..FAILURES_EACH {
                let known = u32::try_from(dice % self.people.len() as u64).unwrap_or(0);
                let unknown = 1_000_000_000 + known;
                dice = attempt(if dice >> 32 & 0xff < 115 { unknown } else { known }, Truth::Failure);
            }
        }
    }

    /// A proxy in somebody's home, mostly where most people are; else a hosted server or a VPN.
    fn anywhere(&self, random: &mut Random) -> Ipv4Addr {
        if random.chance(0.6) {
            let home = if random.chance(0.6) {
                self.networks.home(random)
            } else {
                self.networks.somewhere_in(random.below(self.networks.countries.len()), random)
            };
            self.networks.fixed(home, random)
        } else {
            self.hosted(random)
        }
    }

    fn hosted(&self, random: &mut Random) -> Ipv4Addr {
        let block = *random.pick(&self.networks.hosting);
        self.networks.address(block, 250, random)
    }

    /// Half of them by a VPN's exit, where there is one.
    fn in_country(&self, country: usize, random: &mut Random) -> Ipv4Addr {
        let exits = &self.networks.countries[country].vpn;
        if !exits.is_empty() && random.chance(0.5) {
            return self.networks.address(*random.pick(exits), 40, random);
        }
        self.networks.fixed(self.networks.somewhere_in(country, random), random)
    }

    fn near(&self, [country, city, isp]: [usize; 3], random: &mut Random) -> Ipv4Addr {
        let elsewhere = self.networks.somewhere_in(country, random);
        let city = if random.chance(0.5) { city } else { elsewhere[1] };
        let isp = if random.chance(0.35) { isp } else { elsewhere[2] };
        self.networks.fixed([country, city, isp], random)
    }

    /// The browser of somebody, perhaps of this country.
    fn some_agent(&self, day: f64, country: Option<usize>, random: &mut Random) -> Rc<str> {
        loop {
            let other = random.pick(self.people);
            if country.is_none_or(|country| other.home[0] == country) {
                return random.pick(&other.devices).agent(day);
            }
        }
    }
}

fn at(day: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "some 2⁴⁵")]
    let ms = (day * DAY_MS) as i64;
    BEGINS_MS + ms
}
