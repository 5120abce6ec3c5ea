//! The configuration: a file, variables over it, a preset under it.
//!
//! Only this module reads settings. Every tunable is defined beside the code that it tunes; here they are put together,
//! and whatever is unknown, mistyped or out of range is an error that names its key.

use crate::context::geoip;
use crate::{device_token, memory, mfa, pages, privacy, server, signals, telemetry, verdict, webhooks};
use serde::{Deserialize, Serialize};
use serde_path_to_error::Segment;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Defaults other than ours; an explicit key wins over them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Listeners, limits and clients.
    pub server: server::Settings,
    /// Doors for reverse proxies.
    pub hooks: server::hooks::Settings,
    /// How challenge pages look.
    pub pages: pages::Settings,
    /// Device cookies.
    pub device_token: device_token::Settings,
    /// GeoIP databases.
    pub geoip: geoip::Settings,
    /// The checks.
    pub signals: signals::Settings,
    /// The decision.
    pub verdict: verdict::Settings,
    /// What is to be done beside what the decision says.
    pub rules: verdict::rules::Rules,
    /// What is remembered.
    pub memory: memory::Settings,
    /// Asking for factors.
    pub mfa: mfa::Settings,
    /// Proofs within a session.
    pub step_up: mfa::step_up::Settings,
    /// Who is told of events.
    pub webhooks: Vec<webhooks::Settings>,
    /// What may be known of people, and for how long.
    pub privacy: privacy::Settings,
    /// The log.
    pub telemetry: telemetry::Settings,
    /// The file it was read from, for errors that show only later.
    #[serde(skip)]
    pub origin: String,
}

/// Defaults of another engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Auth0's averaging, and its travel without radius, slack or floor.
    Auth0,
    /// Logto's four rules, any of which triggers: a new country, travel, inactivity, and what the edge says.
    Logto,
}

impl Preset {
    /// The keys that it sets. **Source:** signals.md; Auth0 documents the two days and publishes no other number; Logto's
    /// 900 km/h, 180 and 30 days are in its source, and are the defaults here.
    fn table(self) -> &'static str {
        match self {
            Self::Auth0 => {
                "verdict.aggregator = 'auth0_mean'
                [signals.impossible_travel]
                radius_factor = 0.0
                country_radius_factor = 0.0
                slack_s = 0
                distance_km_min = 0.0
                location_days = 2"
            }
            Self::Logto => {
                "[verdict]
                aggregator = 'any'
                any_of = ['NewCountry', 'ImpossibleTravel', 'Inactivity', 'UntrustedIP']
                [signals.untrusted_ip]
                judges = ['edge']
                [signals.impossible_travel]
                radius_factor = 0.0
                country_radius_factor = 0.0
                slack_s = 0
                distance_km_min = 0.0"
            }
        }
    }
}

/// Variables that override keys begin so; `__` stands between tables.
const VARIABLE_PREFIX: &str = "ASKANCE__";
/// The file that is used when none is named, if it is there.
const DEFAULT_FILE: &str = "config.toml";
/// A file with more mistakes than this is not our configuration.
const PROBLEMS_MAX: usize = 32;

/// What is wrong with a configuration: everything, not only the first.
#[derive(Debug)]
pub struct ConfigError {
    origin: String,
    problems: Vec<String>,
}

impl ConfigError {
    /// One thing that is wrong.
    pub fn one(origin: &str, problem: impl fmt::Display) -> Self {
        Self { origin: origin.to_owned(), problems: vec![problem.to_string()] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {problem}", self.origin)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where the configuration comes from, so that it can be read again.
#[derive(Debug, Clone)]
pub struct Source {
    file: Option<PathBuf>,
    variables: Vec<(String, String)>,
    /// Where the service manager wants state to be.
    state_directory: Option<String>,
}

/// The API key with which commands call a running service, if the environment has one.
#[must_use]
pub fn client_key() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one reader of settings")]
    std::env::var("ASKANCE_KEY").ok()
}

/// A secret that the environment has under this name, if it has one.
#[must_use]
pub fn secret(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one reader of settings")]
    std::env::var(variable).ok().filter(|secret| !secret.is_empty())
}

impl Source {
    /// `file` if one is named, else `config.toml` if there is one, else the built-in defaults; and this process's
    /// variables.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
        #[expect(clippy::disallowed_methods, reason = "the one reader of settings")]
        let variables = std::env::vars().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).collect();
        #[expect(clippy::disallowed_methods, reason = "the one reader of settings")]
        let state_directory = std::env::var("STATE_DIRECTORY").ok();
        Self { file: file.or_else(default), variables, state_directory }
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no TOML; or all keys that are unknown, mistyped or out of range.
    pub fn read(&self) -> Result<Config, ConfigError> {
        let origin = self.file.as_deref().map_or("built-in defaults".into(), Path::to_string_lossy);
        let text = match &self.file {
            Some(path) => std::fs::read_to_string(path).map_err(|error| ConfigError::one(&origin, error))?,
            None => String::new(),
        };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::one(&origin, error))?;
        for (name, value) in &self.variables {
            override_key(&mut table, name, value).map_err(|problem| ConfigError::one(name, problem))?;
        }
        // systemd may name several, of which the first is ours.
        let state_directory = self.state_directory.as_deref().and_then(|paths| paths.split(':').next());
        parse(with_state_directory(table, state_directory), &origin)
    }
}

impl Config {
    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// As [`Source::read`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let origin = "configuration";
        parse(text.parse().map_err(|error: toml::de::Error| ConfigError::one(origin, error))?, origin)
    }
}

fn parse(mut table: Table, origin: &str) -> Result<Config, ConfigError> {
    let (mut problems, mut taken_out, mut gone) = (Vec::new(), Vec::new(), Gone::default());
    if let Some(preset) = table.get("preset").and_then(|preset| Preset::deserialize(preset.clone()).ok()) {
        let below: Table = preset.table().parse().map_err(|error| ConfigError::one(origin, error))?;
        table = merge(below, table);
    }
    loop {
        match serde_path_to_error::deserialize::<_, Config>(table.clone()) {
            Ok(mut config) if problems.is_empty() => {
                config.origin.push_str(origin);
                let refused = config.server.refuse_open_doors();
                let refused = refused.and_then(|()| config.server.refuse_unknowable_clients());
                let refused = refused.and_then(|()| config.hooks.refuse_dead_ends());
                let refused = refused.and_then(|()| config.verdict.refuse_crossed_thresholds());
                let refused = refused.and_then(|()| config.mfa.refuse_contradictions());
                let refused = refused.and_then(|()| webhooks::Settings::refuse_twins(&config.webhooks));
                refused.map_err(|problem| ConfigError::one(origin, problem))?;
                return Ok(config);
            }
            Ok(_) => return Err(ConfigError { origin: origin.to_owned(), problems }),
            Err(error) => {
                let segments: Vec<Segment> = error.path().iter().cloned().collect();
                let path = gone.written(&segments);
                let message = error.into_inner().message().to_owned();
                let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
                // What was taken out below is missed here, and was named already.
                if !missing.is_some_and(|name| taken_out.contains(&format!("{path}.{name}"))) {
                    let rule = rule_name(&table, &segments).map(|name| format!("rule `{name}`: ")).unwrap_or_default();
                    problems.push(format!("{path}: {rule}{message}"));
                }
                taken_out.push(path);
                // Without this key, the next mistake shows.
                match remove(&mut table, &segments).and_then(|length| segments.get(..length)) {
                    Some(removed) if taken_out.len() < PROBLEMS_MAX => gone.add(removed),
                    Some(_) | None => return Err(ConfigError { origin: origin.to_owned(), problems }),
                }
            }
        }
    }
}

/// The state directory, where no other path of memory is set.
fn with_state_directory(table: Table, directory: Option<&str>) -> Table {
    let Some(directory) = directory.filter(|directory| !directory.is_empty()) else { return table };
    let memory = Table::from_iter([("path".to_owned(), Value::String(directory.to_owned()))]);
    merge(Table::from_iter([("memory".to_owned(), Value::Table(memory))]), table)
}

/// The name of the rule that the path leads into.
fn rule_name(table: &Table, path: &[Segment]) -> Option<String> {
    let [Segment::Map { key }, Segment::Seq { index }, ..] = path else { return None };
    let rules = table.get(key).filter(|_| key == "rules")?;
    Some(rules.get(*index)?.get("name")?.as_str()?.to_owned())
}

/// Entries of arrays that were taken out: those behind them have other numbers than in the file.
#[derive(Debug, Default)]
struct Gone(Vec<(String, usize)>);

impl Gone {
    /// The path as it is in the file.
    fn written(&self, path: &[Segment]) -> String {
        let mut written = String::new();
        for segment in path {
            if let Segment::Seq { index } = segment {
                let mut gone: Vec<usize> = self.0.iter().filter(|(of, _)| *of == written).map(|(_, at)| *at).collect();
                gone.sort_unstable();
                let index = gone.into_iter().fold(*index, |index, at| index + usize::from(at <= index));
                written.push_str(&format!("[{index}]"));
            } else {
                let dot = if written.is_empty() { "" } else { "." };
                written.push_str(&format!("{dot}{segment}"));
            }
        }
        if written.is_empty() { ".".to_owned() } else { written }
    }

    fn add(&mut self, path: &[Segment]) {
        if !matches!(path.last(), Some(Segment::Seq { .. })) {
            return;
        }
        let written = self.written(path);
        let entry =
            written.rsplit_once('[').and_then(|(of, at)| Some((of.to_owned(), at.strip_suffix(']')?.parse().ok()?)));
        self.0.extend(entry);
    }
}

/// Takes out the entry that the path leads to, or as much of the path as there is: so many segments of it.
fn remove(table: &mut Table, path: &[Segment]) -> Option<usize> {
    let (Segment::Map { key }, rest) = path.split_first()? else { return None };
    let below = match table.get_mut(key) {
        Some(Value::Table(inner)) => remove(inner, rest),
        Some(Value::Array(entries)) => remove_entry(entries, rest),
        Some(_) | None => None,
    };
    below.map(|segments| segments + 1).or_else(|| table.remove(key).map(|_| 1))
}

fn remove_entry(entries: &mut Vec<Value>, path: &[Segment]) -> Option<usize> {
    let (Segment::Seq { index }, rest) = path.split_first()? else { return None };
    let below = entries.get_mut(*index)?.as_table_mut().and_then(|inner| remove(inner, rest));
    below.map(|segments| segments + 1).or_else(|| {
        entries.remove(*index);
        Some(1)
    })
}

/// `over` on top of `under`, table by table.
fn merge(mut under: Table, over: Table) -> Table {
    for (key, value) in over {
        match (under.remove(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                under.insert(key, Value::Table(merge(below, above)));
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
    under
}

/// Sets `ASKANCE__SERVER__LISTEN=…` as `server.listen`. A value that is TOML is taken as such, anything else as text.
fn override_key(table: &mut Table, name: &str, value: &str) -> Result<(), String> {
    let path = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name).to_ascii_lowercase();
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let (tables, key) =
        path.rsplit_once("__").map_or((Vec::new(), path.as_str()), |(tables, key)| (tables.split("__").collect(), key));
    let mut inner = table;
    for name in tables {
        let entry = inner.entry(name).or_insert_with(|| Value::Table(Table::new()));
        inner = entry.as_table_mut().ok_or_else(|| format!("{name} is no table"))?;
    }
    inner.insert(key.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Config::parse(text).map(|_| Vec::new()).unwrap_or_else(|error| error.problems)
    }

    #[test]
    fn every_mistake_is_named_with_its_key_and_range() {
        let found = problems(
            "colour = 'red'
            [server]
            listen = '0.0.0.0'
            drain_s = -1
            [signals.new_device]
            window_days = 366
            window = 3
            [signals.impossible_travel]
            speed_kmph_max = nan
            [[signals.untrusted_ip.lists]]
            name = 'one'
            path = 'one.netset'
            category = 'nice'",
        );
        for expected in [
            "colour: unknown field `colour`",
            "server.listen: \"0.0.0.0\" is no address",
            "server.drain_s: -1 is out of range, allowed is 0..=3600",
            "signals.new_device.window_days: 366 is out of range, allowed is 1..=365",
            "signals.new_device.window: unknown field `window`",
            "signals.impossible_travel.speed_kmph_max: NaN is out of range, allowed is 1..=100000",
            "signals.untrusted_ip.lists[0].category: unknown variant `nice`",
        ] {
            assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}\n{found:#?}");
        }
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn an_explicit_key_wins_over_the_preset() -> Result<(), ConfigError> {
        let config = Config::parse("preset = 'auth0'\n[signals.impossible_travel]\nslack_s = 60")?;
        assert_eq!(config.signals.impossible_travel.slack_s.get(), 60);
        assert_eq!(config.signals.impossible_travel.location_days.get(), 2);
        assert_eq!(config.verdict.aggregator, verdict::aggregate::Aggregator::Auth0Mean);
        Ok(())
    }

    #[test]
    fn a_wrong_rule_is_named_with_its_key_and_its_number_in_the_file() {
        let rule = |name: &str, rest: &str| format!("[[rules]]\nname = '{name}'\n{rest}\n");
        let good = "when = 'true'\neffect = 'tag'";
        let found = problems(
            &[
                rule("good", good),
                rule("bomb", "when = '1 + + 1'\neffect = 'deny'"),
                rule("typo", "when = 'event.usr.id == \"x\"'\neffect = 'deny'"),
                rule("ever", "when = 'true'\neffect = 'bypass'"),
                rule("late", "when = 'true'\neffect = 'deny'\nuntil = 'tomorrow'"),
                rule("odd", "when = 'true'\neffect = 'drop'"),
                rule("more", &format!("{good}\nwhy = 'x'")),
                rule("a b", good),
            ]
            .concat(),
        );
        let expected = [
            "rules[1].when: rule `bomb`: no CEL: ",
            "rules[2].when: rule `typo`: unknown name `event.usr.id`, the nearest known is `event.user.id`",
            "rules[3]: rule `ever`: effect `bypass` must have `until`",
            "rules[4].until: rule `late`: must be an RFC 3339 time",
            "rules[5].effect: rule `odd`: unknown variant `drop`",
            "rules[6].why: rule `more`: unknown field `why`",
            "rules[7].name: rule `a b`: \"a b\" is no name of a rule",
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        let twice = problems(&[rule("good", good), rule("good", good)].concat());
        assert_eq!(twice, ["rules: the name `good` stands twice"]);
    }

    #[test]
    fn the_end_of_a_rule_is_a_time_of_either_form() -> Result<(), Box<dyn std::error::Error>> {
        for until in ["2027-01-01T00:00:00Z", "'2027-01-01T01:00:00+01:00'"] {
            let text = format!("[[rules]]\nname = 'r'\nwhen = 'true'\neffect = 'bypass'\nuntil = {until}");
            let config = Config::parse(&text)?;
            let end = config.rules.all().first().and_then(|rule| rule.until).map(|until| until.0.to_string());
            assert_eq!(end.as_deref(), Some("2027-01-01T00:00:00Z"));
            assert_eq!(Config::parse(&toml::to_string(&config)?)?.rules, config.rules, "as it is written out");
        }
        Ok(())
    }

    #[test]
    fn doors_stay_shut_without_clients() {
        let open = "server.listen = '0.0.0.0:8470'";
        assert!(problems(open)[0].starts_with("server.listen = 0.0.0.0:8470 can be reached"));
        assert!(problems("server.admin_listen = '[::]:1'")[0].starts_with("server.admin_listen"));
        let client = format!("{open}\n[[server.clients]]\nname='a'\nscopes=['score']\nkey_sha256='{}'", "0".repeat(64));
        assert_eq!(problems(&client), [""; 0]);
    }

    #[test]
    fn the_state_directory_is_where_memory_is_unless_it_is_told_otherwise() -> Result<(), Box<dyn std::error::Error>> {
        for (text, directory, expected) in [
            ("", None, "askance-state"),
            ("", Some(""), "askance-state"),
            ("", Some("/var/lib/askance"), "/var/lib/askance"),
            ("memory.flush_ms = 500", Some("/var/lib/askance"), "/var/lib/askance"),
            ("memory.path = '/data'", Some("/var/lib/askance"), "/data"),
        ] {
            let config = parse(with_state_directory(text.parse()?, directory), "test")?;
            assert_eq!(config.memory.path, Path::new(expected), "{text} {directory:?}");
        }
        Ok(())
    }

    #[test]
    fn variables_override_keys() -> Result<(), String> {
        let mut table = Table::new();
        override_key(&mut table, "ASKANCE__SERVER__LISTEN", "127.0.0.1:0")?;
        override_key(&mut table, "ASKANCE__SERVER__DRAIN_S", "3")?;
        override_key(&mut table, "ASKANCE__PRESET", "auth0")?;
        let config = parse(table, "variables").map_err(|error| error.to_string())?;
        assert_eq!((config.server.drain_s.get(), config.preset), (3, Some(Preset::Auth0)));
        Ok(())
    }
}
