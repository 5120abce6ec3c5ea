//! What an attacker can teach: trainers, who have a password and log in with it once a day for twenty days, from one place and by one
//! browser of theirs, beside an owner who goes on as before. Whoever is asked has nothing of it, and comes again the next day.

use crate::events::{BEGINS_MS, Cohort, DAY_MS, Event, Truth};
use crate::figures::Share;
use crate::parameters::Parameters;
use crate::random::Random;
use crate::scorers::EVIDENCE;
use crate::world::{World, configuration};
use askance::config::Config;
use askance::replay::Replay;
use askance::server::logged::{self, Logged};
use askance::verdict::Action;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::rc::Rc;

const DAYS: usize = 20;
/// The days that are told of.
const TOLD: [usize; 5] = [1, 2, 5, 10, 20];
const KINDS: [&str; 2] = ["browser of their own", "the victim's browser"];

/// How many trainers were asked on each day, of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trainers([[Share; DAYS]; KINDS.len()]);

struct Try {
    event: Event,
    kind: usize,
    day: usize,
}

impl Trainers {
    pub(crate) fn add(&mut self, other: Self) {
        let days = self.0.iter_mut().flatten().zip(other.0.into_iter().flatten());
        days.for_each(|(mine, theirs)| mine.add(theirs));
    }

    /// Runs a world without other attackers, with one trainer in five users.
    pub(crate) fn measure(
        seed: u64,
        world: &World,
        parameters: &Parameters,
        data: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let mut replay = Replay::new(Config::parse(&configuration(data, EVIDENCE))?)?;
        let tries = tries(world, parameters, &mut Random::new(seed).fork(6));
        let mut tries = tries.into_iter().peekable();
        let mut all = Self::default();
        for event in &world.events {
            while let Some(Try { event, kind, day }) = tries.next_if(|due| due.event.time_ms < event.time_ms) {
                let is_asked = replayed(&mut replay, &event)?.is_some_and(|action| action != Action::Allow);
                all.0[kind][day].count((seed, event.user), is_asked);
            }
            replayed(&mut replay, event)?;
        }
        Ok(all)
    }

    /// In Markdown; percent, with intervals.
    pub(crate) fn table(&self) -> String {
        let days: Vec<String> = TOLD.iter().map(|day| format!("asked on day {day}")).collect();
        let mut table = format!("| trainers with | n | {} |\n|{}\n", days.join(" | "), " --- |".repeat(2 + TOLD.len()));
        for (name, shares) in KINDS.iter().zip(&self.0) {
            let cells: Vec<String> = TOLD.iter().map(|day| shares[day - 1].cell()).collect();
            table.push_str(&format!("| {name} | {:.0} | {} |\n", shares[0].logins(), cells.join(" | ")));
        }
        table
    }
}

fn replayed(replay: &mut Replay, event: &Event) -> Result<Option<Action>, Box<dyn Error>> {
    let line = event.line();
    Ok(match logged::read(line.as_bytes()).map_err(|error| format!("{error:?}: {line}"))? {
        Logged::Failure(failure, time) => {
            replay.failure(&failure, time);
            None
        }
        Logged::Login(login, label) => Some(replay.login(&login, label).verdict.action),
    })
}

/// Each begins some hours or days after a login of the victim, from a home of the victim's country, early enough to come on all days.
fn tries(world: &World, parameters: &Parameters, random: &mut Random) -> Vec<Try> {
    let days = |days: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "some 2⁴⁵")]
        let ms = (days * DAY_MS) as i64;
        ms
    };
    #[expect(clippy::cast_precision_loss, reason = "twenty")]
    let latest_ms = BEGINS_MS + days(parameters.days - DAYS as f64 - 4.0);
    let mut logins: BTreeMap<u32, Vec<&Event>> = BTreeMap::new();
    let mut agents: Vec<(&'static str, Rc<str>)> = Vec::new();
    for event in world.events.iter().filter(|event| matches!(event.truth, Truth::Honest(_))) {
        agents.push((world.networks.block_of(event.ip).row.country, event.agent.clone()));
        if event.time_ms >= world.evaluated_from_ms && event.time_ms < latest_ms {
            logins.entry(event.user).or_default().push(event);
        }
    }
    let mut all = Vec::new();
    for (user, logins) in logins.into_iter().filter(|(user, _)| user % 5 == 0) {
        let login = *random.pick(&logins);
        let code = world.networks.block_of(login.ip).row.country;
        let country = world.networks.countries.iter().position(|country| country.code == code).unwrap_or(0);
        let ip = world.networks.fixed(world.networks.somewhere_in(country, random), random);
        let kind = random.below(KINDS.len());
        let own = loop {
            let (of, agent) = random.pick(&agents);
            if *of == code {
                break agent.clone();
            }
        };
        let agent = if kind == 0 { own } else { login.agent.clone() };
        let (cookie, begins) = (random.next(), login.time_ms + days(random.between(2.0, 72.0) / 24.0));
        for day in 0..DAYS {
            #[expect(clippy::cast_precision_loss, reason = "twenty")]
            let time_ms = begins + days(day as f64 + random.between(0.0, 0.2));
            let truth = Truth::Attack(Cohort::Targeted);
            all.push(Try { event: Event { time_ms, user, ip, agent: agent.clone(), cookie, truth }, kind, day });
        }
    }
    all.sort_by_key(|due| (due.event.time_ms, due.event.user));
    all
}
