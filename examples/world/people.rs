//! Honest users: where they live and work, how they travel, and their logins.

use crate::devices::{Device, Loss};
use crate::events::{BEGINS_MS, Circumstances, DAY_MS, Event, Truth};
use crate::networks::Networks;
use crate::parameters::Parameters;
use crate::random::Random;
use std::net::Ipv4Addr;
use std::rc::Rc;

/// A user, as an attacker could have come to know them.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) id: u32,
    /// Country, city, ISP.
    pub(crate) home: [usize; 3],
    pub(crate) devices: Vec<Device>,
    pub(crate) logins: Vec<Seen>,
    carrier: [usize; 3],
    line: Ipv4Addr,
    work: Option<Ipv4Addr>,
    uses_vpn: bool,
    trip: Option<Trip>,
}

/// What a phisher or a thief could have seen of a login.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) day: f64,
    pub(crate) agent: Rc<str>,
    pub(crate) cookie: u64,
}

#[derive(Debug, Clone, Copy)]
struct Trip {
    to: [usize; 3],
    until_day: f64,
}

const LOGINS_MAX: f64 = 500.0;

/// The whole life of a user, and what stands of it in the log.
pub(crate) fn live(
    id: u32,
    parameters: &Parameters,
    networks: &Networks,
    random: &mut Random,
    log: &mut Vec<Event>,
) -> Person {
    let mut person = Person::new(id, parameters, networks, random);
    for day in person.days(parameters, random) {
        person.login(day, parameters, networks, random, log);
    }
    person
}

impl Person {
    fn new(id: u32, parameters: &Parameters, networks: &Networks, random: &mut Random) -> Self {
        let home = networks.home(random);
        let carrier = networks.somewhere_in(home[0], random);
        let companies = &networks.countries[home[0]].cities[home[1]].companies;
        Self {
            id,
            home,
            devices: (0..=random.weighted(&[0.35, 0.45, 0.2])).map(|_| Device::new(parameters, random)).collect(),
            logins: Vec::new(),
            carrier: [home[0], home[1], carrier[2]],
            line: networks.fixed(home, random),
            work: random.chance(parameters.work).then(|| networks.office(companies, parameters, random)),
            uses_vpn: random.chance(parameters.vpn_users),
            trip: None,
        }
    }

    /// Days of logins, in order.
    fn days(&self, parameters: &Parameters, random: &mut Random) -> Vec<f64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most LOGINS_MAX")]
        let count =
            random.log_normal(parameters.logins_median, parameters.logins_sigma).clamp(1.0, LOGINS_MAX) as usize;
        let begins = random.between(0.0, parameters.days * 0.6);
        let mut days: Vec<f64> = (0..count)
            .map(|_| {
                // By day from eight to eight, at night a quarter as often.
                let hour =
                    if random.chance(0.8) { random.between(8.0, 20.0) } else { random.between(20.0, 32.0) % 24.0 };
                random.between(begins, parameters.days).floor() + hour / 24.0
            })
            .collect();
        days.sort_by(f64::total_cmp);
        days
    }

    fn login(
        &mut self,
        day: f64,
        parameters: &Parameters,
        networks: &Networks,
        random: &mut Random,
        log: &mut Vec<Event>,
    ) {
        self.travel(day, parameters, networks, random);
        if random.chance(parameters.lease_change) {
            self.line = networks.fixed(self.home, random);
        }
        let at = if self.devices.len() == 1 || random.chance(parameters.primary_device) {
            0
        } else {
            1 + random.below(self.devices.len() - 1)
        };
        if random.chance(parameters.replacement) {
            self.devices[at] = Device::new(parameters, random);
        }
        let mut borrowed = random.chance(parameters.borrowed).then(|| Device::new(parameters, random));
        let is_own = borrowed.is_none();
        let device = borrowed.as_mut().unwrap_or(&mut self.devices[at]);
        device.use_on(day, random);
        let agent = device.agent(day);
        let before = device.last_agent.replace(agent.clone());
        let device = device.clone();
        if is_own {
            self.logins.push(Seen { day, agent: agent.clone(), cookie: device.cookie });
        }
        let (ip, vpn) = self.network(&device, parameters, networks, random);
        let circumstances = Circumstances {
            abroad: self.trip.is_some_and(|trip| trip.to[0] != self.home[0]),
            vpn,
            vpn_user: self.uses_vpn,
            cleaner: device.loss == Loss::Always,
            mobile: device.is_mobile,
            updated: before.is_some_and(|before| before != agent),
        };
        #[expect(clippy::cast_possible_truncation, reason = "some 2⁴⁵")]
        let mut time_ms = BEGINS_MS + (day * DAY_MS) as i64;
        let mut event = Event { time_ms, user: self.id, ip, agent, cookie: device.cookie, truth: Truth::Failure };
        while random.chance(parameters.failures) {
            event.time_ms = time_ms;
            log.push(event.clone());
            time_ms += 20_000;
        }
        // One in a hundred comes late, one in a thousand twice.
        let delay_ms = if random.chance(0.01) { random.between(0.0, 600_000.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "ten minutes")]
        let late = Event { time_ms: time_ms + delay_ms as i64, truth: Truth::Honest(circumstances), ..event };
        if random.chance(0.001) {
            log.push(Event { time_ms: late.time_ms + 2_000, ..late.clone() });
        }
        log.push(late);
    }

    fn travel(&mut self, day: f64, parameters: &Parameters, networks: &Networks, random: &mut Random) {
        self.trip = self.trip.filter(|trip| day < trip.until_day);
        if self.trip.is_none() && random.chance(parameters.trip) {
            let home = self.home[0];
            let is_domestic = random.chance(parameters.trip_domestic);
            let country = if is_domestic { home } else { networks.abroad(home, random) };
            let until_day = day + random.exponential(parameters.trip_days);
            self.trip = Some(Trip { to: networks.somewhere_in(country, random), until_day });
        }
    }

    /// The address, and whether it is a VPN's.
    fn network(
        &self,
        device: &Device,
        parameters: &Parameters,
        networks: &Networks,
        random: &mut Random,
    ) -> (Ipv4Addr, bool) {
        if self.uses_vpn && random.chance(parameters.vpn_logins) {
            let home = self.home[0];
            let country = if random.chance(parameters.vpn_abroad) { networks.abroad(home, random) } else { home };
            if let [_, ..] = networks.countries[country].vpn[..] {
                let exit = *random.pick(&networks.countries[country].vpn);
                return (networks.address(exit, 40, random), true);
            }
        }
        let on_carrier = device.is_mobile && random.chance(parameters.carrier);
        let address = match self.trip {
            // Abroad, half of the carriers bring their customers home first.
            Some(trip) if on_carrier && trip.to[0] != self.home[0] && random.chance(0.5) => {
                networks.mobile(trip.to, random)
            }
            Some(_) if on_carrier => networks.mobile(self.carrier, random),
            Some(trip) => networks.fixed(trip.to, random),
            None if on_carrier => networks.mobile(self.carrier, random),
            None => self.work.filter(|_| random.chance(0.5)).unwrap_or(self.line),
        };
        (address, false)
    }
}
