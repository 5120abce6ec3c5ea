//! Shares with intervals, by cohort and group, and the tables made of them.

use crate::events::{Circumstances, Cohort, Truth};
use crate::world::World;
use std::collections::HashMap;

/// A share, counted user by user: logins of one user are alike, so that they are worth less than as many users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share {
    users: HashMap<(u64, u32), (f64, f64)>,
}

impl Share {
    pub(crate) fn count(&mut self, user: (u64, u32), is_hit: bool) {
        let (logins, hits) = self.users.entry(user).or_default();
        *logins += 1.0;
        *hits += if is_hit { 1.0 } else { 0.0 };
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.users.extend(other.users);
    }

    pub(crate) fn logins(&self) -> f64 {
        self.users.values().map(|(logins, _)| logins).sum()
    }

    pub(crate) fn value(&self) -> f64 {
        self.users.values().map(|(_, hits)| hits).sum::<f64>() / self.logins().max(1.0)
    }

    /// Wilson's interval at 95 %, with as many logins as would spread like these users do.
    pub(crate) fn interval(&self) -> [f64; 2] {
        let (logins, share) = (self.logins(), self.value());
        let spread: f64 = self.users.values().map(|(logins, hits)| (hits - share * logins).powi(2)).sum();
        #[expect(clippy::cast_precision_loss, reason = "some thousand users")]
        let users = self.users.len() as f64;
        let worth = if spread > 0.0 { (share * (1.0 - share) * logins.powi(2) / spread).min(logins) } else { users };
        let (z, n) = (1.96, worth.max(1.0));
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
        [(middle - half).max(0.0), (middle + half).min(1.0)]
    }

    /// By how much this share is greater than that one of the same logins, and its interval at 95 %, user by user.
    pub(crate) fn difference(&self, other: &Self) -> [f64; 3] {
        let (logins, difference) = (self.logins().max(1.0), self.value() - other.value());
        let of_user = |(user, (logins, hits)): (&(u64, u32), &(f64, f64))| {
            let (_, theirs) = other.users.get(user).copied().unwrap_or_default();
            (hits - theirs - difference * logins).powi(2)
        };
        let half = 1.96 * self.users.iter().map(of_user).sum::<f64>().sqrt() / logins;
        [difference, difference - half, difference + half]
    }

    pub(crate) fn cell(&self) -> String {
        let [low, high] = self.interval();
        format!("{:.1} [{:.1}–{:.1}]", self.value() * 100.0, low * 100.0, high * 100.0)
    }
}

/// Groups of honest logins for which a share of its own is told.
pub(crate) const GROUPS: [&str; 10] = [
    "history 0",
    "history 1–2",
    "history 3–9",
    "history 10+",
    "mobile",
    "abroad",
    "on a VPN",
    "VPN users",
    "cookie cleaners",
    "browser updated",
];

/// How one scorer did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Results {
    /// Honest logins of users with history.
    pub(crate) honest: Share,
    pub(crate) groups: [Share; GROUPS.len()],
    pub(crate) cohorts: [Share; Cohort::ALL.len()],
}

/// One login that is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evaluated {
    pub(crate) at: usize,
    pub(crate) truth: Truth,
    pub(crate) history: u32,
    pub(crate) user: u32,
}

/// The logins of a world that count, with how many their user had before.
pub(crate) fn evaluated(world: &World) -> Vec<Evaluated> {
    let mut histories: HashMap<u32, u32> = HashMap::new();
    let mut all = Vec::new();
    for (at, event) in world.events.iter().enumerate().filter(|(_, event)| !event.is_failure()) {
        let history = histories.entry(event.user).or_default();
        if event.time_ms >= world.evaluated_from_ms {
            all.push(Evaluated { at, truth: event.truth, history: *history, user: event.user });
        }
        *history += u32::from(!event.is_attack());
    }
    all
}

impl Results {
    /// Counts the logins of a world, of which those above the threshold are asked.
    pub(crate) fn count(&mut self, seed: u64, evaluated: &[Evaluated], risks: &[f64], threshold: f64) {
        for Evaluated { at, truth, history, user } in evaluated {
            let (user, asked) = ((seed, *user), risks[*at] > threshold);
            match truth {
                Truth::Failure => {}
                Truth::Attack(cohort) => self.cohorts[cohort.index()].count(user, asked),
                Truth::Honest(circumstances) => {
                    if *history > 0 {
                        self.honest.count(user, asked);
                    }
                    for (group, is_in) in self.groups.iter_mut().zip(groups(*circumstances, *history)) {
                        if is_in {
                            group.count(user, asked);
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.honest.add(other.honest);
        self.groups.iter_mut().zip(other.groups).for_each(|(mine, theirs)| mine.add(theirs));
        self.cohorts.iter_mut().zip(other.cohorts).for_each(|(mine, theirs)| mine.add(theirs));
    }
}

fn groups(circumstances: Circumstances, history: u32) -> [bool; GROUPS.len()] {
    let Circumstances { abroad, vpn, vpn_user, cleaner, mobile, updated } = circumstances;
    let known = history > 0;
    [
        !known,
        (1..3).contains(&history),
        (3..10).contains(&history),
        history >= 10,
        known && mobile,
        known && abroad,
        known && vpn,
        known && vpn_user,
        known && cleaner,
        known && updated,
    ]
}

/// The threshold above which at most this share of honest logins lies.
pub(crate) fn threshold(mut honest: Vec<f64>, share: f64) -> f64 {
    honest.sort_by(|a, b| b.total_cmp(a));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some thousand"
    )]
    let at = (honest.len() as f64 * share) as usize;
    honest.get(at).copied().unwrap_or(f64::MAX)
}

/// Detection by cohort, in Markdown; percent, with intervals.
pub(crate) fn main_table(rows: &[(String, Results)]) -> String {
    let cohorts: Vec<&str> = Cohort::ALL.into_iter().map(Cohort::name).collect();
    let mut table =
        format!("| scorer | honest asked (PCR) | {} |\n|{}\n", cohorts.join(" | "), " --- |".repeat(2 + cohorts.len()));
    for (name, results) in rows {
        let cells: Vec<String> = results.cohorts.iter().map(Share::cell).collect();
        table.push_str(&format!("| {name} | {} | {} |\n", results.honest.cell(), cells.join(" | ")));
    }
    if let Some((_, results)) = rows.first() {
        let counts: Vec<String> = results.cohorts.iter().map(|share| format!("{:.0}", share.logins())).collect();
        table.push_str(&format!("| n | {:.0} | {} |\n", results.honest.logins(), counts.join(" | ")));
    }
    table
}

/// Who pays, in Markdown.
pub(crate) fn group_table(rows: &[(String, Results)]) -> String {
    let mut table = format!("| scorer | {} |\n|{}\n", GROUPS.join(" | "), " --- |".repeat(1 + GROUPS.len()));
    for (name, results) in rows {
        let cells: Vec<String> = results.groups.iter().map(|share| format!("{:.1}", share.value() * 100.0)).collect();
        table.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    if let Some((_, results)) = rows.first() {
        let counts: Vec<String> = results.groups.iter().map(|share| format!("{:.0}", share.logins())).collect();
        table.push_str(&format!("| n | {} |\n", counts.join(" | ")));
    }
    table
}

/// By how much the first scorer detects more than each of the others, in Markdown; percentage points, with intervals.
pub(crate) fn difference_table((first, ours): &(String, Results), others: &[&(String, Results)]) -> String {
    let cohorts: Vec<&str> = Cohort::ALL.into_iter().map(Cohort::name).collect();
    let mut table = format!("| {first} less | {} |\n|{}\n", cohorts.join(" | "), " --- |".repeat(1 + cohorts.len()));
    for (name, theirs) in others {
        let cells = ours.cohorts.iter().zip(&theirs.cohorts).map(|(ours, theirs)| {
            let [difference, low, high] = ours.difference(theirs).map(|share| share * 100.0);
            format!("{difference:+.1} [{low:+.1} to {high:+.1}]")
        });
        table.push_str(&format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
    table
}
