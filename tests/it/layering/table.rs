//! Which module may use which: the table of `docs/ARCHITECTURE.md` as data. A module that is not here fails the test.

/// One module of `src`, or one submodule of `context`, whose lookups stand above its facts.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    /// A module uses modules of lower levels only, and its own submodules.
    pub(crate) level: u8,
    /// Modules beyond that. Each is a decision, so each has its reason beside it.
    pub(crate) also: &'static [&'static str],
}

const fn module(level: u8, name: &'static str, also: &'static [&'static str]) -> Module {
    Module { name, level, also }
}

pub(crate) const MODULES: &[Module] = &[
    // 0: values.
    module(0, "units", &[]),
    module(0, "clock", &[]),
    module(0, "bounded", &[]),
    module(0, "keyed_hash", &[]),
    // Of memory, by its addresses.
    module(0, "prefetch", &[]),
    // Its settings are bounded.
    module(0, "privacy", &["bounded"]),
    module(0, "signing", &[]),
    // A token is used by a device and from a network, as memory names them; its secrets also sign what goes out and comes back.
    module(0, "device_token", &["keyed_hash", "signing"]),
    // An event has a time, and coordinates.
    module(0, "event", &["clock", "units"]),
    // Distances are between coordinates, in kilometres.
    module(0, "geodesy", &["units"]),
    // 1: data and pure functions.
    module(1, "context", &[]),
    // A history remembers places as the context describes them.
    module(1, "history", &["context"]),
    // How pages look: a view goes in, bytes come out.
    module(1, "pages", &[]),
    // 2: judgement, pure and synchronous; lookups, synchronous and in memory.
    module(2, "signals", &[]),
    // A verdict is made of assessments.
    module(2, "verdict", &["signals"]),
    // Both read versions of browsers the same way.
    module(2, "context::agent", &["context::client_hints"]),
    module(2, "context::client_hints", &["context::agent"]),
    module(2, "context::data_file", &[]),
    // Databases are files of data, and say what networks are used for.
    module(2, "context::geoip", &["context::data_file", "context::network"]),
    // Both read files that others write.
    module(2, "context::ip_lists", &["context::data_file"]),
    module(2, "context::network", &[]),
    module(2, "context::phone", &[]),
    // What is counted of many logins, in memory.
    module(2, "velocity", &[]),
    // The same of those who passed a factor.
    module(2, "familiar", &[]),
    // Usable from level 3 up; label values come from the closed sets of signals and verdict.
    module(2, "telemetry", &["signals", "verdict"]),
    // 3: I/O behind traits.
    module(3, "memory", &[]),
    // Calls to others, held to rules.
    module(3, "outbound", &[]),
    // Others are told, by calls, from a queue that lasts.
    module(3, "webhooks", &["memory", "outbound"]),
    // 4: the only sequencer.
    module(4, "pipeline", &[]),
    // Asks for factors, and settles what they prove.
    module(4, "mfa", &["pipeline"]),
    // 5: HTTP.
    module(5, "server", &[]),
    // 6: wiring.
    module(6, "config", &[]),
    module(6, "app", &["config"]),
    // Builds a pipeline as the service does, and sits beside it.
    module(6, "replay", &["app", "config"]),
    // 7: the terminal.
    module(7, "cli", &[]),
];

/// What a lookup finds, and how it is set: data of level 1, though it is defined beside the lookup, which is not.
pub(crate) const FACTS: &[&str] = &[
    "context::agent::Agent",
    "context::agent::AgentFamily",
    "context::geoip::OrganizationName",
    "context::ip_lists::Entry",
    "context::ip_lists::Category",
    "context::ip_lists::CategoryConfidence",
    "context::ip_lists::Hit",
    "context::ip_lists::ListFinding",
    "context::ip_lists::ListSettings",
    "context::network::NetworkKind",
    "context::network::NetworkKinds",
    "context::phone::LineType",
    "context::phone::Number",
    "context::phone::Phone",
    "familiar::Confirmed",
    "familiar::FamiliarNetworks",
    "velocity::Finding",
    "velocity::Scope",
    "velocity::Settings",
];
pub(crate) const FACTS_LEVEL: u8 = 1;

/// Files that name modules of every level because wiring is what they do.
pub(crate) const WIRING: &[&str] = &["lib.rs", "main.rs"];

/// A path that only one module may name, though others may use what lies around it: inner types have no wire format.
pub(crate) const PRIVATE: &[(&str, &str)] = &[("server::wire", "server")];

/// A word that only some files may hold.
#[derive(Debug)]
pub(crate) struct Ban {
    /// Identifiers and punctuation, as they follow each other in the source, whatever the spacing.
    pub(crate) words: &'static str,
    pub(crate) files: Files,
    pub(crate) why: &'static str,
}

#[derive(Debug)]
pub(crate) enum Files {
    /// Banned in files whose path starts so.
    In(&'static [&'static str]),
    /// Banned everywhere but in files whose path starts so.
    OutsideOf(&'static [&'static str]),
}

const PURE: Files = Files::In(&["signals", "verdict"]);

const fn ban(words: &'static str, files: Files, why: &'static str) -> Ban {
    Ban { words, files, why }
}

pub(crate) const BANS: &[Ban] = &[
    ban("async", PURE, "judgement is synchronous"),
    ban("SystemTime", PURE, "judgement has no clock: `now` is a parameter"),
    ban("Instant", PURE, "judgement has no clock: `now` is a parameter"),
    ban("tracing::", PURE, "judgement returns data instead of logging"),
    ban("metrics::", PURE, "judgement returns data instead of counting"),
    ban("SystemTime::now", Files::OutsideOf(&["clock.rs"]), "only the clock reads time"),
    ban("Instant::now", Files::OutsideOf(&["clock.rs"]), "only the clock reads time"),
    ban("now_utc", Files::OutsideOf(&["clock.rs"]), "only the clock reads time"),
    ban("DashMap", Files::OutsideOf(&["memory"]), "no guard of the map leaves memory"),
    ban("process::exit", Files::OutsideOf(&["main.rs"]), "only main exits"),
    ban("ExitCode", Files::OutsideOf(&["main.rs"]), "only main exits"),
];
