//! What is measured beside the main tables, of the default configuration: what an update of the browser costs, when a device is known,
//! what an attacker can teach, and what a copied cookie is worth.

use crate::copies::Copies;
use crate::events::{Event, Truth};
use crate::figures::{Share, evaluated};
use crate::parameters::Parameters;
use crate::scorers::Scorer;
use crate::trainers::Trainers;
use crate::world::World;
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

/// Of all worlds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    updating: Share,
    frozen: Share,
    /// Second logins of a user, on the device of the first.
    same_device: Share,
    /// The same from the first one's /24.
    same_place: Share,
    trainers: Trainers,
    copies: Copies,
}

impl Beside {
    pub(crate) fn add(&mut self, other: Self) {
        self.updating.add(other.updating);
        self.frozen.add(other.frozen);
        self.same_device.add(other.same_device);
        self.same_place.add(other.same_place);
        self.trainers.add(other.trainers);
        self.copies.add(other.copies);
    }

    /// Of one seed.
    pub(crate) fn measure(seed: u64, usual: &Parameters) -> Result<Self, Box<dyn Error>> {
        let mut all = Self::default();
        run(seed, usual, |world, data| {
            let risks = Scorer::ALL[0].judge(world, data)?;
            asked(seed, world, &risks, &mut all.updating);
            all.second_logins(seed, world, &risks);
            Ok(())
        })?;
        run(seed, &Parameters { frozen_browsers: true, ..usual.clone() }, |world, data| {
            asked(seed, world, &Scorer::ALL[0].judge(world, data)?, &mut all.frozen);
            Ok(())
        })?;
        let quiet = Parameters { attacks: 0, ..usual.clone() };
        run(seed, &quiet, |world, data| {
            all.trainers = Trainers::measure(seed, world, &quiet, data)?;
            all.copies = Copies::measure(seed, world, data)?;
            Ok(())
        })?;
        Ok(all)
    }

    fn second_logins(&mut self, seed: u64, world: &World, risks: &[f64]) {
        let mut logins: HashMap<u32, Vec<(usize, &Event)>> = HashMap::new();
        for (at, event) in world.events.iter().enumerate() {
            let of_user = logins.entry(event.user).or_default();
            // What a browser sends twice is one login.
            let is_again = of_user.last().is_some_and(|(_, last)| event.time_ms - last.time_ms < 60_000);
            if matches!(event.truth, Truth::Honest(_)) && of_user.len() < 2 && !is_again {
                of_user.push((at, event));
            }
        }
        for (user, of_user) in logins {
            if let [(_, first), (at, second)] = of_user[..]
                && first.cookie == second.cookie
            {
                self.same_device.count((seed, user), risks[at] > 0.5);
                if first.ip.to_bits() >> 8 == second.ip.to_bits() >> 8 {
                    self.same_place.count((seed, user), risks[at] > 0.5);
                }
            }
        }
    }

    /// In Markdown; percent, with intervals.
    pub(crate) fn text(&self) -> String {
        let [difference, low, high] = self.updating.difference(&self.frozen).map(|share| share * 100.0);
        format!(
            "| honest logins asked | n | percent |\n| --- | --- | --- |\n\
             | of users with history, browsers update | {:.0} | {} |\n| the same, browsers never update | {:.0} | {} |\n\
             | what updates cost, in points | | {difference:+.2} [{low:+.2} to {high:+.2}] |\n\
             | a user's second login, on the device of the first | {:.0} | {} |\n\
             | the same, from the same network | {:.0} | {} |\n\n{}\n{}",
            self.updating.logins(),
            self.updating.cell(),
            self.frozen.logins(),
            self.frozen.cell(),
            self.same_device.logins(),
            self.same_device.cell(),
            self.same_place.logins(),
            self.same_place.cell(),
            self.trainers.table(),
            self.copies.table(),
        )
    }
}

fn asked(seed: u64, world: &World, risks: &[f64], share: &mut Share) {
    for login in evaluated(world).into_iter().filter(|login| login.history > 0) {
        if matches!(login.truth, Truth::Honest(_)) {
            share.count((seed, login.user), risks[login.at] > 0.5);
        }
    }
}

fn run(
    seed: u64,
    parameters: &Parameters,
    see: impl FnOnce(&World, &Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let world = World::new(seed, parameters);
    let data = tempfile::tempdir()?;
    world.write_data(data.path())?;
    see(&world, data.path())
}
