//! What every login counts, in numbers of our own: a handle of the exporter takes two locked additions and a search, ten times a login, and its
//! histograms keep every sample until somebody drains them.

use crate::signals::{Assessments, Code, Signal};
use crate::verdict::{Action, Mode, Verdict};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Microseconds, up to and including. From well below a usual score up to the point where callers give up.
const BUCKETS_US: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];
const CODES: usize = Code::AssessmentNotAvailable as usize + 1;
const ACTIONS: [Action; 4] = [Action::Allow, Action::Challenge, Action::VerifyEmail, Action::Deny];

/// Numbers that only grow.
type Counts<const LENGTH: usize> = [AtomicU64; LENGTH];

/// Logins by what was said of them, and how long that took.
#[derive(Debug)]
pub(super) struct Logins {
    assessments: [Counts<CODES>; Signal::ALL.len()],
    actions: Counts<{ ACTIONS.len() }>,
    would_be: Counts<{ ACTIONS.len() }>,
    /// One by one, the last of them for what took longer than all bounds.
    buckets: Counts<{ BUCKETS_US.len() + 1 }>,
    sum_ns: AtomicU64,
}

impl Logins {
    pub(super) fn new() -> Self {
        Self {
            assessments: std::array::from_fn(|_| zeros()),
            actions: zeros(),
            would_be: zeros(),
            buckets: zeros(),
            sum_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn count(&self, assessments: &Assessments, verdict: &Verdict, took: Duration) {
        for (signal, counts) in Signal::ALL.into_iter().zip(&self.assessments) {
            add(&counts[assessments.of(signal).code as usize], 1);
        }
        add(&self.actions[verdict.action as usize], 1);
        if verdict.mode == Mode::Observe {
            add(&self.would_be[verdict.would_be as usize], 1);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|us| ns <= us * 1_000).unwrap_or(BUCKETS_US.len());
        add(&self.buckets[bucket], 1);
        add(&self.sum_ns, ns);
    }

    /// Writes them as the exposition format wants it.
    pub(super) fn render(&self, text: &mut String) {
        begin(text, "askance_assessments_total", "counter", "Assessments by signal and code");
        for (signal, counts) in Signal::ALL.into_iter().zip(&self.assessments) {
            for code in signal.codes() {
                let labels = format!("signal=\"{}\",code=\"{}\"", signal.as_str(), code.as_str());
                line(text, "askance_assessments_total", &labels, read(&counts[*code as usize]));
            }
        }
        let would_be = "In mode observe: decisions by the action that would have been";
        for (name, help, counts) in [
            ("askance_decisions_total", "Decisions by the action that was answered", &self.actions),
            ("askance_observed_total", would_be, &self.would_be),
        ] {
            begin(text, name, "counter", help);
            for action in ACTIONS {
                line(text, name, &format!("action=\"{}\"", action.as_str()), read(&counts[action as usize]));
            }
        }
        begin(text, "askance_score_duration_seconds", "histogram", "Seconds from a parsed login to its verdict");
        let mut so_far = 0;
        let bounds = BUCKETS_US.iter().map(|us| Duration::from_micros(*us).as_secs_f64().to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.buckets) {
            so_far += read(count);
            line(text, "askance_score_duration_seconds_bucket", &format!("le=\"{bound}\""), so_far);
        }
        let sum_s = Duration::from_nanos(read(&self.sum_ns)).as_secs_f64();
        // Writing to a text cannot fail.
        let _written = writeln!(text, "askance_score_duration_seconds_sum {sum_s}");
        let _written = writeln!(text, "askance_score_duration_seconds_count {so_far}\n");
    }
}

fn zeros<const LENGTH: usize>() -> Counts<LENGTH> {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn begin(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a text cannot fail.
    let _written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    let _written = writeln!(text, "{name}{{{labels}}} {value}");
}
