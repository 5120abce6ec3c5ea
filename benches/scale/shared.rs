//! What one login costs a real Redis, and what a user takes there: measured with one askance over one `redis-server`.

use crate::random::SplitMix;
use crate::service::{self, Connection};
use crate::{Failure, Measured};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// What Redis says of itself.
struct Info(String);

impl Info {
    fn of(port: u16) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"INFO everything\r\n")?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        reader.read_line(&mut head)?;
        let length: usize = head.trim_start_matches('$').trim_end().parse()?;
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        Ok(Self(String::from_utf8(text)?))
    }

    fn number(&self, name: &str) -> Result<f64, Failure> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.ok_or_else(|| format!("Redis does not tell {name}"))?.trim().parse()?)
    }

    /// Calls of a command and the microseconds that they took.
    fn calls(&self, command: &str) -> (f64, f64) {
        let prefix = format!("cmdstat_{command}:");
        let line = self.0.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let field = |name: &str| {
            let value = line.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
        };
        (field("calls"), field("usec"))
    }
}

/// Makes `users` known with two devices, two networks and one place each, lets `logins` of them in, and says what that took.
pub(crate) fn measure(users: usize, logins: usize) -> Result<Measured, Failure> {
    let directory = tempfile::tempdir()?;
    let (_redis, redis_port) = service::redis(directory.path())?;
    let memory = format!("[memory]\nbackend = \"redis\"\nurl = \"redis://127.0.0.1:{redis_port}\"\ntimeout_ms = 1000");
    let askance = service::askance(directory.path(), "workers = 1", &memory)?;
    let port = askance.port;
    let empty = Info::of(redis_port)?.number("used_memory")?;
    service::import(port, 0..users, service::BERLIN)?;
    let before = Info::of(redis_port)?;
    let mut random = SplitMix(0x5ca1_e001);
    let mut connection = Connection::open(port)?;
    let mut times_us = Vec::with_capacity(logins);
    for _ in 0..logins {
        let user = usize::try_from(random.below(u64::try_from(users)?))?;
        let started = Instant::now();
        connection.score(user)?;
        times_us.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let after = Info::of(redis_port)?;
    times_us.sort_by(f64::total_cmp);
    let count = as_f64(logins);
    let scripts = ["evalsha", "eval", "fcall"].map(|name| {
        let ((calls, us), (calls_before, us_before)) = (after.calls(name), before.calls(name));
        (calls - calls_before, us - us_before)
    });
    let reads = ["get", "mget", "hmget", "hgetall"].map(|name| after.calls(name).0 - before.calls(name).0);
    let grown = |name: &str| -> Result<f64, Failure> { Ok((after.number(name)? - before.number(name)?) / count) };
    Ok(Measured {
        bytes_per_user: (before.number("used_memory")? - empty) / as_f64(users),
        bytes_per_decision: grown("used_memory")?,
        scripts_per_login: scripts.iter().map(|(calls, _)| calls).sum::<f64>() / count,
        script_us: scripts.iter().map(|(_, us)| us).sum::<f64>() / count,
        reads_per_login: reads.iter().sum::<f64>() / count,
        bytes_in_per_login: grown("total_net_input_bytes")?,
        bytes_out_per_login: grown("total_net_output_bytes")?,
        redis_cpu_us: (cpu_s(&after)? - cpu_s(&before)?) * 1e6 / count,
        login_us_p50: times_us.get(times_us.len() / 2).copied().unwrap_or_default(),
    })
}

fn cpu_s(info: &Info) -> Result<f64, Failure> {
    Ok(info.number("used_cpu_sys")? + info.number("used_cpu_user")?)
}

fn as_f64(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
    let count = count as f64;
    count
}
