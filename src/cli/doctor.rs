//! `askance doctor`: looks at a deployment, and says what is well, what is not, and what mends it. It changes nothing.
//!
//! Each part gives findings, from the configuration alone or from the files that it names; a part that cannot look says so as a finding, so
//! that the others are told all the same.

mod data;
mod files;
mod service;
mod store;
mod through;

use crate::clock::Clock;
use crate::config::Source;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::io::Write;

/// How it is told, and of which service.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArguments {
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Sends requests that forge who and where they are through the proxy at URL, and says which of it reached the hooks
    #[arg(long, value_name = "URL")]
    through: Option<String>,
    /// A header that goes with them, such as "Cookie: session=…" of somebody who is logged in; may be repeated
    #[arg(long, value_name = "NAME: VALUE", requires = "through")]
    header: Vec<String>,
    #[command(flatten)]
    target: super::target::TargetArguments,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// It works, and not as well or as long as it could.
    Warning,
    /// Something does not work, or not after the next start.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    subject: &'static str,
    text: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, text: text.into(), mend: None }
    }

    fn warning(subject: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject, text: text.into(), mend: Some(mend.into()) }
    }

    fn error(subject: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Error, subject, text: text.into(), mend: Some(mend.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(f, "{level:<8} {:<12} {}", self.subject, self.text)?;
        self.mend.as_ref().map_or(Ok(()), |mend| write!(f, "; {mend}"))
    }
}

/// Looks at everything; an error of what was found is one of the command.
pub(super) fn run(source: &Source, arguments: &DoctorArguments) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let (mut errors, mut warnings) = (0, 0);
    for finding in findings(source, arguments) {
        match finding.level {
            Level::Ok => {}
            Level::Warning => warnings += 1,
            Level::Error => errors += 1,
        }
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(&finding)?)?;
        } else {
            writeln!(out, "{finding}")?;
        }
    }
    if errors == 0 { Ok(()) } else { Err(format!("errors: {errors}, warnings: {warnings}").into()) }
}

/// A further part is a module with a function that gives findings, and a line here.
fn findings(source: &Source, arguments: &DoctorArguments) -> Vec<Finding> {
    let config = match source.read() {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::error("config", error.to_string(), "`askance check-config` says when it is good")];
        }
    };
    let now = Clock.now();
    let mut all = vec![Finding::ok("config", format!("{} is good", config.origin))];
    all.extend(files::findings(&config));
    all.extend(data::findings(&config, now));
    all.extend(store::findings(&config, now));
    all.extend(service::findings(&config, &arguments.target));
    all.extend(
        arguments
            .through
            .iter()
            .flat_map(|url| through::findings(&config, &arguments.target, (url, &arguments.header))),
    );
    all
}

/// Days and hours, as people say them.
fn ago(ms: i64) -> String {
    let hours = ms / 3_600_000;
    if hours < 48 { format!("{hours} h ago") } else { format!("{} days ago", hours / 24) }
}

/// An error, and what lies behind it.
fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_of_its_level_its_subject_and_what_mends_it() {
        let fine = Finding::ok("lists", "none");
        assert_eq!(fine.to_string(), "ok       lists        none");
        let bad = Finding::error("store", "it is gone", "bring it back");
        assert_eq!(bad.to_string(), "error    store        it is gone; bring it back");
        let json = serde_json::to_string(&bad).unwrap_or_default();
        assert_eq!(json, r#"{"level":"error","subject":"store","text":"it is gone","mend":"bring it back"}"#);
        assert_eq!([ago(3_599_999), ago(7_200_000), ago(200 * 3_600_000)], ["0 h ago", "2 h ago", "8 days ago"]);
    }
}
