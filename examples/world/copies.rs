//! What a copied cookie is worth once cookies rotate: honest logins of a world with device tokens in place of ids, and thieves among them.
//!
//! A thief has a copy of some generation, comes hours or days later from a home of the victim's country, with the victim's browser, and
//! again once a day with whatever cookie was the answer. The owner goes on as if nothing had happened.

use crate::events::{DAY_MS, Event, Truth};
use crate::figures::Share;
use crate::random::Random;
use crate::scorers::EVIDENCE;
use crate::world::{World, configuration};
use askance::config::Config;
use askance::pipeline::{Presented, Scored};
use askance::replay::Replay;
use askance::server::logged::{self, Logged};
use askance::verdict::Action;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::error::Error;
use std::path::Path;

/// How many logins of the owner lie between the copy and the theft.
const BEHIND: [(usize, &str); 4] = [
    (0, "the owner's latest, not yet used again"),
    (1, "one login older"),
    (2, "two logins older"),
    (5, "five logins older"),
];
/// Logins of the owner's device before it is copied.
const LOGINS_MIN: usize = 6;
/// Days on which a thief comes.
const VISITS: u32 = 5;

/// What became of the thefts of one kind.
#[derive(Debug, Clone, Default)]
struct Kind {
    /// The first visit was asked for a factor, for whatever reason.
    asked: Share,
    /// It was told to be a copy.
    at_once: Share,
    /// It, or one of the next four visits, or one of the owner's logins in between, was.
    within_days: Share,
}

/// Of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copies([Kind; BEHIND.len()]);

/// Somebody's browser, as the service knows it.
#[derive(Default)]
struct Browser {
    /// All that it was given, the last one in use.
    tokens: Vec<String>,
}

struct Thief {
    kind: usize,
    cookie: u64,
    event: Event,
    token: String,
    visits: u32,
    is_told: bool,
    was_asked: bool,
    at_once: bool,
}

impl Copies {
    pub(crate) fn add(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            mine.asked.add(theirs.asked);
            mine.at_once.add(theirs.at_once);
            mine.within_days.add(theirs.within_days);
        }
    }

    /// Runs a world. Each user is stolen from once at most.
    pub(crate) fn measure(seed: u64, world: &World, data: &Path) -> Result<Self, Box<dyn Error>> {
        let mut run = Run {
            replay: Replay::new(Config::parse(&configuration(data, EVIDENCE))?)?,
            random: Random::new(seed).fork(5),
            browsers: HashMap::new(),
            thieves: HashMap::new(),
            due: BinaryHeap::new(),
        };
        for event in world.events.iter().filter(|event| matches!(event.truth, Truth::Honest(_))) {
            let is_due = |due: &&Reverse<(_, _)>| due.0.0 < event.time_ms;
            while run.due.peek().filter(is_due).is_some()
                && let Some(Reverse((at, user))) = run.due.pop()
            {
                run.visit(at, user)?;
            }
            run.owner(world, event)?;
        }
        let mut all = Self::default();
        for (user, thief) in run.thieves.into_iter().filter(|(_, thief)| thief.visits > 0) {
            let kind = &mut all.0[thief.kind];
            kind.asked.count((seed, user), thief.was_asked);
            kind.at_once.count((seed, user), thief.at_once);
            kind.within_days.count((seed, user), thief.is_told);
        }
        Ok(all)
    }

    /// In Markdown; percent, with intervals.
    pub(crate) fn table(&self) -> String {
        let mut table =
            "| the copy is | n | asked at the first visit | told to be a copy there | told within five days |\n\
                         | --- | --- | --- | --- | --- |\n"
                .to_owned();
        for ((_, name), kind) in BEHIND.iter().zip(&self.0) {
            let [asked, at_once, within] = [&kind.asked, &kind.at_once, &kind.within_days].map(Share::cell);
            table.push_str(&format!("| {name} | {:.0} | {asked} | {at_once} | {within} |\n", kind.asked.logins()));
        }
        table
    }
}

struct Run {
    replay: Replay,
    random: Random,
    browsers: HashMap<u64, Browser>,
    thieves: HashMap<u32, Thief>,
    /// When whose thief comes.
    due: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Run {
    fn owner(&mut self, world: &World, event: &Event) -> Result<(), Box<dyn Error>> {
        let token = self.browsers.get(&event.cookie).and_then(|browser| browser.tokens.last()).cloned();
        let (given, presented, _) = self.login(event, token.as_deref())?;
        let browser = self.browsers.entry(event.cookie).or_default();
        if presented == Presented::Copied
            && let Some(thief) = self.thieves.get_mut(&event.user).filter(|thief| thief.cookie == event.cookie)
        {
            thief.is_told |= thief.visits > 0 && thief.visits <= VISITS;
        }
        if presented != Presented::Good {
            browser.tokens.clear();
        }
        browser.tokens.push(given);
        let is_evaluated = event.time_ms >= world.evaluated_from_ms;
        if is_evaluated && browser.tokens.len() > LOGINS_MIN && !self.thieves.contains_key(&event.user) {
            let kind = self.random.below(BEHIND.len());
            let token = browser.tokens[browser.tokens.len() - 1 - BEHIND[kind].0].clone();
            self.steal(world, event, kind, token);
        }
        Ok(())
    }

    fn steal(&mut self, world: &World, event: &Event, kind: usize, token: String) {
        let networks = &world.networks;
        let code = networks.block_of(event.ip).row.country;
        let country = networks.countries.iter().position(|country| country.code == code).unwrap_or(0);
        let ip = networks.fixed(networks.somewhere_in(country, &mut self.random), &mut self.random);
        #[expect(clippy::cast_possible_truncation, reason = "three days")]
        let later_ms = (self.random.between(2.0, 72.0) / 24.0 * DAY_MS) as i64;
        self.due.push(Reverse((event.time_ms + later_ms, event.user)));
        let (event, cookie) = (Event { ip, ..event.clone() }, event.cookie);
        let user = event.user;
        let thief = Thief { kind, cookie, event, token, visits: 0, is_told: false, was_asked: false, at_once: false };
        self.thieves.insert(user, thief);
    }

    fn visit(&mut self, time_ms: i64, user: u32) -> Result<(), Box<dyn Error>> {
        let Some(thief) = self.thieves.get(&user) else { return Ok(()) };
        let event =
            Event { time_ms, truth: Truth::Attack(crate::events::Cohort::StolenInCountry), ..thief.event.clone() };
        let token = thief.token.clone();
        let (given, presented, is_asked) = self.login(&event, Some(&token))?;
        let Some(thief) = self.thieves.get_mut(&user) else { return Ok(()) };
        thief.visits += 1;
        let is_told = presented == Presented::Copied;
        if thief.visits == 1 {
            (thief.was_asked, thief.at_once) = (is_asked, is_told);
        }
        thief.is_told |= is_told;
        if !is_asked {
            // Whoever is asked gets no further, and has no other cookie.
            thief.token = given;
        }
        if thief.visits < VISITS {
            #[expect(clippy::cast_possible_truncation, reason = "a day")]
            self.due.push(Reverse((time_ms + DAY_MS as i64, user)));
        }
        Ok(())
    }

    /// The next cookie, what became of the one that was presented, and whether a factor was demanded.
    fn login(&mut self, event: &Event, token: Option<&str>) -> Result<(String, Presented, bool), Box<dyn Error>> {
        let line = event.line_with_token(token);
        match logged::read(line.as_bytes()).map_err(|error| format!("{error:?}: {line}"))? {
            Logged::Failure(..) => Err("an honest login is no failure".into()),
            Logged::Login(login, label) => {
                let scored: Scored<'_> = self.replay.login(&login, label);
                let is_asked = scored.verdict.action != Action::Allow;
                Ok((scored.cookie.as_str().to_owned(), scored.presented, is_asked))
            }
        }
    }
}
