//! Names that nobody has: what is resident while millions of them come, be it that they complete a login or that they do not.

use crate::embedded::{Bench, login};
use crate::process::resident_bytes;
use crate::{Failure, Plan};
use askance::bounded::Bounded;
use askance::clock::{Clock, Timestamp};
use askance::event::{Factor, FactorSet, FirstFactor};
use askance::history::Lesson;
use askance::keyed_hash::{HashKey, Secrets, UserKey};
use askance::memory::decisions::{ClientTag, Decision, Given, IdSource, Name, Pending, Teaches};
use askance::memory::volatile::Volatile;
use askance::memory::{Memory, Settings};
use askance::signals::{Code, Signal};
use askance::telemetry::Meters;
use askance::units::Confidence;
use askance::verdict::aggregate::Aggregator;
use askance::verdict::{Action, DecidedBy, Mode};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The argument that makes this program the one that measures them alone.
pub(crate) const STRANGERS: &str = "--strangers";
/// Between two looks at what memory has to sweep; of those who complete a login an eighth of the room may come meanwhile.
const SWEEP_EACH: u32 = 20_000;
/// Looks at what is resident.
const STEPS: u32 = 6;
const EXPIRES_MS: i64 = 900_000;

/// What becomes of their logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    /// A factor is asked for, and they are not heard of again.
    LeftUnmet,
    /// They are let in, so that they are users from then on.
    Completed,
}

/// By a process of its own: what others leave of memory would be used again, and hide what they take.
pub(crate) fn measure_apart(arguments: &[String]) -> Result<(), Failure> {
    let status = Command::new(std::env::current_exe()?).args(arguments).arg(STRANGERS).status()?;
    if status.success() { Ok(()) } else { Err(format!("strangers ended with {status}").into()) }
}

pub(crate) fn measure(plan: &Plan) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let settings = Settings {
        users_max: Bounded::of::<200_000>(),
        // As soon as the disk can: a flood in the process is faster than one over the network.
        flush_ms: Bounded::of::<10>(),
        path: directory.path().join("state"),
        ..Settings::default()
    };
    println!("\nstrangers, with room for {} users; resident after each of {STEPS} parts:", settings.users_max.get());
    for login in [Login::LeftUnmet, Login::Completed] {
        let (memory, key) = (Volatile::new(&settings), HashKey::random()?);
        let sweep = || {
            memory.sweep(Clock.now());
            Ok(())
        };
        flood("volatile", &memory, &key, (login, plan.strangers), sweep)?;
    }
    for login in [Login::LeftUnmet, Login::Completed] {
        over_a_store(&settings, login, plan)?;
    }
    Ok(())
}

/// Whoever completed a login is in the store for good, and in memory it is known that there is one.
fn over_a_store(settings: &Settings, login: Login, plan: &Plan) -> Result<(), Failure> {
    let bench = Bench { meters: Meters::new(), secrets: Secrets::random()?, settings: settings.clone() };
    let path: &Path = &settings.path;
    let (memory, key) = bench.open(path)?;
    // A user can leave memory once the disk has them. What is decided is bounded without that.
    let settle = || match login {
        Login::Completed => bench.settle_down(&memory).map(drop),
        Login::LeftUnmet => {
            memory.sweep(Clock.now());
            Ok(())
        }
    };
    let count = if login == Login::Completed { plan.strangers / 3 } else { plan.strangers };
    flood("embedded", &memory, &key, (login, count), settle)?;
    memory.close()?;
    drop(memory);
    Ok(std::fs::remove_dir_all(path)?)
}

fn flood<M: Memory>(
    what: &str,
    memory: &M,
    key: &HashKey,
    (login, count): (Login, u32),
    settle: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (ids, started) = (IdSource::new(HashKey::random()?), Instant::now());
    let mut resident_mib = vec![resident_bytes()? >> 20];
    for step in 0..STEPS {
        for number in count / STEPS * step..count / STEPS * (step + 1) {
            come(memory, key, &ids, (login, number))?;
            if (number + 1).is_multiple_of(SWEEP_EACH) {
                settle()?;
            }
        }
        settle()?;
        resident_mib.push(resident_bytes()? >> 20);
    }
    let counts = memory.counts();
    println!(
        "{what}, {login:?}: {resident_mib:?} MiB; of {count} names {} are known and {} decisions wait; {:.1} s",
        counts.users,
        counts.pending,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// One stranger comes.
fn come<M: Memory>(memory: &M, key: &HashKey, ids: &IdSource, (how, number): (Login, u32)) -> Result<(), Failure> {
    let (name, now) = (format!("stranger-{number}"), Clock.now());
    let user = key.user("default", &name);
    let lesson = (how == Login::Completed).then(|| Lesson::Completed(login(0)));
    memory.visit(user, |_| ((), lesson)).map_err(|unvisited| format!("{unvisited:?}"))?;
    if how == Login::LeftUnmet {
        memory.keep(memory.name(ids.decision(now), user), demand(user, &name, now)?, false)?;
    }
    Ok(())
}

fn demand(user: UserKey, name: &str, now: Timestamp) -> Result<Decision, Failure> {
    let given = Given {
        user,
        name: Name::new("default", name),
        client: ClientTag(1),
        login: login(0),
        ip: None,
        codes: [Code::InitialLogin; Signal::ALL.len()],
        action: Action::Challenge,
        would_be: Action::Challenge,
        mode: Mode::Enforce,
        confidence: Confidence::Low,
        decided_by: DecidedBy::Aggregator(Aggregator::Strict),
    };
    let expires = Timestamp::from_unix_ms(now.unix_ms() + EXPIRES_MS).ok_or("the clock is out of range")?;
    Ok(Decision::Pending(Box::new(Pending {
        visit: None,
        given,
        first_factor: FirstFactor::Pwd,
        offered: FactorSet::EMPTY.with(Factor::Totp),
        demanded: true,
        teaches: Teaches::WithFactor,
        expires,
        forgets_device: false,
    })))
}
