//! How fast past logins are taken: one connection, one worker, beside bare parsing of the same lines in the same round.

use std::fmt;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;
use crate::load::Address;
use crate::process::{Askance, Cores, CpuTime, Doors};
use crate::report::Spread;
use crate::requests;

/// What every round measured.
pub(crate) struct Imports {
    line_bytes_mean: f64,
    plain: Vec<Imported>,
    gzip: Vec<Imported>,
}

/// One file of lines.
struct Imported {
    lines_per_s: f64,
    cpu_us_per_line: f64,
    /// What the cheapest check that each line is JSON costs, in the generator.
    bare_us_per_line: f64,
}

/// Sends `lines_count` lines `rounds` times, plain and as gzip, to a server of its own, whose memory begins empty.
pub(crate) async fn measure(cores: Option<Cores>, lines_count: usize, rounds: usize) -> Result<Imports, Failure> {
    let askance = Askance::start(Doors { keyed: false, certificate: None }, cores)?;
    let lines = requests::past_logins(lines_count);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(lines.as_bytes())?;
    let gzip = encoder.finish()?;
    let line_bytes_mean = lines.len() as f64 / lines_count as f64;
    let mut imports = Imports { line_bytes_mean, plain: Vec::new(), gzip: Vec::new() };
    for _ in 0..rounds {
        imports.plain.push(import(&askance, &lines, lines.as_bytes(), "identity").await?);
        imports.gzip.push(import(&askance, &lines, &gzip, "gzip").await?);
    }
    Ok(imports)
}

async fn import(askance: &Askance, lines: &str, body: &[u8], encoding: &str) -> Result<Imported, Failure> {
    let before = CpuTime::of_generator()?;
    let mut lines_count = 0_usize;
    for line in lines.lines() {
        black_box(serde_json::from_str::<IgnoredAny>(line)?);
        lines_count += 1;
    }
    let bare = CpuTime::of_generator()?.since(&before);

    let Address::Tcp(address) = &askance.tcp else { return Err("askance listens on TCP".into()) };
    let mut stream = TcpStream::connect(address).await?;
    let before = askance.server.cpu_time()?;
    let started = Instant::now();
    let head = format!(
        "POST /v1/import HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n\
         content-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let elapsed = started.elapsed();
    let cpu = askance.server.cpu_time()?.since(&before);

    let (_, summary) = answer.split_once("\r\n\r\n").ok_or("an import without an answer")?;
    let summary: Value = serde_json::from_str(summary)?;
    if summary["recorded"] != lines_count {
        return Err(format!("of {lines_count} lines: {summary}").into());
    }
    let lines_count = lines_count as f64;
    Ok(Imported {
        lines_per_s: lines_count / elapsed.as_secs_f64(),
        cpu_us_per_line: cpu.as_secs_f64() * 1e6 / lines_count,
        bare_us_per_line: bare.as_secs_f64() * 1e6 / lines_count,
    })
}

/// **Source:** the contract's 100,000 lines a second on two cores.
const LINES_PER_S_MIN: f64 = 100_000.0;

impl fmt::Display for Imports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["lines/s", "CPU µs/line", "CPU: import ÷ bare parsing"];
        writeln!(formatter, "\nImport, one connection, one worker, {:.0} B a line:", self.line_bytes_mean)?;
        writeln!(formatter, "{:<24}{:>26}{:>24}{:>30}", "", titles[0], titles[1], titles[2])?;
        for (name, rounds) in [("plain", &self.plain), ("gzip", &self.gzip)] {
            let spread = |figure: fn(&Imported) -> f64| Spread::of(rounds.iter().map(figure));
            let (lines_per_s, cpu_us) = (spread(|round| round.lines_per_s), spread(|round| round.cpu_us_per_line));
            let ratio = spread(|round| round.cpu_us_per_line / round.bare_us_per_line);
            write!(formatter, "{name:<24}{lines_per_s:>26.0}{cpu_us:>24.2}{ratio:>30.2}")?;
            let verdict = if lines_per_s.median < LINES_PER_S_MIN { "  below 100,000" } else { "" };
            writeln!(formatter, "{verdict}")?;
        }
        Ok(())
    }
}
