//! What each evaluated login contributed, line by line: for trying weights without running a world for each.

use crate::events::Truth;
use crate::figures::evaluated;
use crate::scorers::replay;
use crate::world::World;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

/// What the columns are.
pub(crate) const HEAD: &str = "seed,user,history,who,abroad,vpn,cleaner,mobile,updated,hard,score,contributions\n";

/// The logins of a world with history, under aggregator `evidence`.
pub(crate) fn lines(seed: u64, world: &World, data: &Path) -> Result<String, Box<dyn Error>> {
    let mut lines = String::new();
    let mut counted = evaluated(world).into_iter().filter(|login| login.history > 0).peekable();
    let mut at = 0;
    replay(world, data, "verdict.aggregator = 'evidence'", |event, scored| {
        if let Some(login) = counted.next_if(|login| login.at == at)
            && let Some(evidence) = scored.and_then(|scored| scored.verdict.evidence.as_ref())
        {
            let (who, circumstances) = match event.truth {
                Truth::Failure => return,
                Truth::Honest(circumstances) => ("honest", Some(circumstances)),
                Truth::Attack(cohort) => (cohort.name(), None),
            };
            let groups = circumstances.map_or([false; 5], |it| [it.abroad, it.vpn, it.cleaner, it.mobile, it.updated]);
            let groups = groups.map(|is_in| if is_in { "1" } else { "0" }).join(",");
            let causes: Vec<&str> = evidence.contributions.iter().map(|it| it.cause.as_str()).collect();
            let (user, history, hard) = (login.user, login.history, u8::from(evidence.is_hard));
            let causes = causes.join(" ");
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{seed},{user},{history},\"{who}\",{groups},{hard},{:.2},{causes}", evidence.score);
        }
        at += 1;
    })?;
    Ok(lines)
}
