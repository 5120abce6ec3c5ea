//! How long a login takes over each memory, from request to answer: one client, one login after the other, all memories in turn.

use crate::service::{self, Connection};
use crate::support::SplitMix;
use crate::{Failure, Plan};
use std::time::Instant;

/// One memory, and the times of logins over it, in microseconds.
struct Subject {
    name: &'static str,
    connection: Connection,
    times_us: Vec<f64>,
}

impl Subject {
    fn score(&mut self, user: usize) -> Result<(), Failure> {
        let started = Instant::now();
        self.connection.score(user)?;
        self.times_us.push(started.elapsed().as_secs_f64() * 1e6);
        Ok(())
    }

    fn quantile(&mut self, share: f64) -> f64 {
        self.times_us.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let at = (self.times_us.len() as f64 * share) as usize;
        self.times_us.get(at).copied().unwrap_or_default()
    }
}

pub(crate) fn measure(plan: &Plan) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let (_redis, redis_port) = service::redis(directory.path())?;
    let redis = format!("[memory]\nbackend = \"redis\"\nurl = \"redis://127.0.0.1:{redis_port}\"\ntimeout_ms = 1000");
    let embedded = format!("[memory]\nbackend = \"embedded\"\npath = '{}'", directory.path().join("state").display());
    let mut running = Vec::new();
    let mut subject = |name, memory: &str, imports| -> Result<Subject, Failure> {
        let home = directory.path().join(name);
        std::fs::create_dir(&home)?;
        let program = service::askance(&home, "workers = 1", memory)?;
        let port = program.port;
        running.push(program);
        if imports {
            service::import(port, 0..plan.known_users, service::BERLIN)?;
        }
        Ok(Subject { name, connection: Connection::open(port)?, times_us: Vec::new() })
    };
    let mut volatile = subject("volatile", "[memory]\nbackend = \"volatile\"", true)?;
    let mut embedded = subject("embedded", &embedded, true)?;
    let mut warm = subject("redis, near", &redis, true)?;
    // Its near cache loses a user whenever the other one lets them in.
    let mut cold = subject("redis, far", &redis, false)?;
    let mut random = SplitMix(0x5ca1_e002);
    for _ in 0..plan.logins {
        let user = usize::try_from(random.below(u64::try_from(plan.known_users)?))?;
        volatile.score(user)?;
        embedded.score(user)?;
        // The first one brings the user back from the other.
        warm.connection.score(user)?;
        warm.score(user)?;
        cold.score(user)?;
    }
    let volatile_us = volatile.quantile(0.5);
    println!("\na login from request to answer, {} of {} users, one after the other:", plan.logins, plan.known_users);
    for mut subject in [volatile, embedded, warm, cold] {
        let (median, high) = (subject.quantile(0.5), subject.quantile(0.99));
        println!(
            "{:>14}: {median:>7.0} us by median, {high:>7.0} at p99; {:.2} of volatile",
            subject.name,
            median / volatile_us
        );
    }
    Ok(())
}
