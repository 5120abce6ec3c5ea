//! Dependencies inside `src` point one way, and each invariant that a search can hold is held by one.

mod source;
mod table;

use crate::support::repository;
use std::path::{Path, PathBuf};
use table::{BANS, Ban, FACTS, FACTS_LEVEL, Files, MODULES, Module, PRIVATE, WIRING};

#[test]
fn every_module_keeps_to_its_level() {
    let root = repository().join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty(), "no source files");
    let mut breaches = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).expect("a source file is text");
        let relative = path.strip_prefix(&root).expect("the file is below src");
        breaches.extend(check(&relative.to_string_lossy(), &text));
    }
    assert!(breaches.is_empty(), "{} breaches:\n  {}", breaches.len(), breaches.join("\n  "));
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).expect("the sources are part of the repository");
    for entry in entries {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// What is wrong with one file, given by its path below `src`.
fn check(file: &str, text: &str) -> Vec<String> {
    // Tests in a file of their own are declared under `#[cfg(test)]` by their parent; tests may use what they like.
    if file == "tests.rs" || file.ends_with("/tests.rs") || file.contains("/tests/") {
        return Vec::new();
    }
    let words = source::words(text);
    let mut breaches: Vec<String> = BANS.iter().filter_map(|ban| check_ban(ban, file, &words)).collect();
    if !WIRING.contains(&file) {
        breaches.extend(check_paths(file, &words));
    }
    breaches
}

fn check_ban(ban: &Ban, file: &str, words: &[String]) -> Option<String> {
    let banned_here = match ban.files {
        Files::In(places) => places.iter().any(|place| is_below(file, place)),
        Files::OutsideOf(places) => !places.iter().any(|place| is_below(file, place)),
    };
    let sequence = source::words(ban.words);
    let found = words.windows(sequence.len()).any(|window| window == sequence);
    (banned_here && found).then(|| format!("{file}: `{}` ({})", ban.words, ban.why))
}

/// `signals` holds `signals.rs`, `signals/mod.rs` and `signals/new_device.rs`, but not `signals_old.rs`.
fn is_below(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

fn check_paths(file: &str, words: &[String]) -> Vec<String> {
    let own_path = module_path(file);
    let Some(own) = module_of(&own_path) else {
        return vec![format!("{file}: the module is not in the table")];
    };
    let mut breaches = Vec::new();
    for path in source::crate_paths(words, &own_path) {
        let text = path.join("::");
        if PRIVATE.iter().any(|(private, owner)| starts_with_path(&text, private) && own.name != *owner) {
            breaches.push(format!("{file}: `crate::{text}`: private to its module"));
        }
        match module_of(&path) {
            Some(used) if may_use(own, used, &text) => {}
            Some(used) => breaches.push(format!(
                "{file}: `crate::{text}`: {} (level {}) may not use {} (level {})",
                own.name, own.level, used.name, used.level
            )),
            // The crate's root re-exports for users of the library; inside, it would hide the direction.
            None => breaches.push(format!("{file}: `crate::{text}`: no module of the table")),
        }
    }
    breaches.dedup();
    breaches
}

fn may_use(own: &Module, used: &Module, path: &str) -> bool {
    let is_fact = FACTS.iter().any(|fact| starts_with_path(path, fact));
    own.name == used.name
        || used.level < own.level
        || (is_fact && FACTS_LEVEL <= own.level)
        || own.also.iter().any(|also| starts_with_path(path, also))
}

fn starts_with_path(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// `context/agent.rs` is `context::agent`, `signals/mod.rs` is `signals`.
fn module_path(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").expect("a source file");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').map(str::to_owned).collect()
}

/// The longest entry of the table that the path is, or lies below.
fn module_of(path: &[String]) -> Option<&'static Module> {
    (1..=path.len().min(2)).rev().find_map(|length| {
        let name = path[..length].join("::");
        MODULES.iter().find(|module| module.name == name)
    })
}

/// The checker itself, on sources that break each rule once.
mod checker {
    use super::{MODULES, check};

    fn refuses(file: &str, text: &str, part: &str) {
        let breaches = check(file, text);
        assert!(breaches.iter().any(|breach| breach.contains(part)), "{file}: {text}: {breaches:?}");
    }

    fn accepts(file: &str, text: &str) {
        assert_eq!(check(file, text), Vec::<String>::new(), "{file}: {text}");
    }

    #[test]
    fn upward_paths_are_refused() {
        refuses("signals/mod.rs", "use crate::memory::Memory;", "signals (level 2) may not use memory (level 3)");
        refuses("signals/new_device.rs", "use crate::{units::Kilometres, pipeline};", "may not use pipeline");
        refuses("units.rs", "fn f() { crate::config::load() }", "may not use config");
        refuses("signals/new_device.rs", "use super::super::server::error;", "may not use server");
        refuses("event.rs", "use crate::keyed_hash::HashKey;", "event (level 0) may not use keyed_hash (level 0)");
        refuses("event.rs", "use crate::context::phone::Phone;", "event (level 0) may not use context::phone");
        refuses("context/mod.rs", "pub mod geoip; use geoip::Database;", "may not use context::geoip");
        refuses("verdict/policy.rs", "use crate::telemetry;", "may not use telemetry");
        refuses("memory/mod.rs", "use crate::Verdict;", "no module of the table");
    }

    #[test]
    fn downward_paths_and_agreed_exceptions_are_accepted() {
        accepts("signals/mod.rs", "use crate::context::LoginContext; use crate::history::UserHistory;");
        accepts("signals/new_device.rs", "use super::Assessment; use crate::context::phone::Phone;");
        accepts("verdict/aggregate.rs", "use crate::signals::Assessment; use super::Verdict;");
        accepts("server/api.rs", "use crate::pipeline::Pipeline; use crate::server::wire::Score; use super::wire;");
        accepts("main.rs", "use crate::memory; fn main() -> std::process::ExitCode { std::process::exit(1) }");
        accepts("signals/tests.rs", "use crate::server::wire;");
        accepts("units.rs", "#[cfg(test)] mod tests { use crate::server::wire; async fn f() {} }");
    }

    #[test]
    fn modules_outside_the_table_are_refused() {
        refuses("blockchain.rs", "", "the module is not in the table");
        refuses("context/horoscope.rs", "use crate::memory::Memory;", "may not use memory");
        refuses("signals/mod.rs", "use crate::blockchain::Block;", "no module of the table");
    }

    #[test]
    fn banned_words_are_refused() {
        refuses("signals/new_device.rs", "pub async fn f() {}", "`async`");
        refuses("verdict/mod.rs", "use std::time::SystemTime;", "`SystemTime`");
        refuses("verdict.rs", "use std::time::Instant;", "`Instant`");
        refuses("signals/mod.rs", "fn f() { tracing::info!(\"x\") }", "`tracing::`");
        refuses("signals/mod.rs", "fn f() { metrics::counter!(\"x\") }", "`metrics::`");
        refuses("pipeline.rs", "let now = SystemTime::now();", "`SystemTime::now`");
        refuses("server/mod.rs", "let now = tokio::time::Instant::now();", "`Instant::now`");
        refuses("memory/local.rs", "OffsetDateTime::now_utc()", "`now_utc`");
        refuses("pipeline.rs", "use dashmap::DashMap;", "`DashMap`");
        refuses("cli/mod.rs", "use crate::server::{wire::Score};", "private to its module");
        refuses("cli/mod.rs", "std::process::exit(2)", "`process::exit`");
        refuses("app.rs", "fn f() -> std::process::ExitCode {}", "`ExitCode`");
    }

    #[test]
    fn banned_words_are_allowed_where_they_belong() {
        accepts("clock.rs", "fn f() { SystemTime::now(); Instant::now(); }");
        accepts("memory/local.rs", "use dashmap::DashMap;");
        accepts("signals/mod.rs", "/// Not async, and `tracing::` is only mentioned.\nfn asynchronous() {}");
    }

    #[test]
    fn the_table_names_each_module_once() {
        for (index, module) in MODULES.iter().enumerate() {
            assert!(MODULES[..index].iter().all(|earlier| earlier.name != module.name), "{} stands twice", module.name);
        }
    }
}
