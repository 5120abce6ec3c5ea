//! Every limit of the contract's table of codes is a key of the configuration, with the default of the table and an end on both sides.

use crate::support::{repository, run};
use serde_json::Value;
use tempfile::TempDir;

/// Key, default, and the ends of its range. **Source:** mfa.md, "Codes"; where it has no number ("a finite default"), `config.toml`.
const LIMITS: [(&str, u64, u64, u64); 17] = [
    ("mfa.code_ttl_s", 600, 60, 3_600),
    ("mfa.codes.tries_max", 10, 1, 100),
    ("mfa.codes.resend_s", 60, 1, 3_600),
    ("mfa.codes.sends_10min_max", 10, 1, 1_000),
    ("mfa.codes.sends_day_max", 20, 1, 1_000),
    ("mfa.sms.budget.source_10min_max", 50, 1, 1_000_000),
    ("mfa.sms.budget.source_day_max", 200, 1, 1_000_000),
    ("mfa.sms.budget.prefix_10min_max", 100, 1, 1_000_000),
    ("mfa.sms.budget.prefix_day_max", 500, 1, 1_000_000),
    ("mfa.sms.budget.country_10min_max", 1_000, 1, 10_000_000),
    ("mfa.sms.budget.country_day_max", 5_000, 1, 10_000_000),
    ("mfa.email.budget.source_10min_max", 50, 1, 1_000_000),
    ("mfa.email.budget.source_day_max", 500, 1, 1_000_000),
    ("mfa.failures.known_max", 100, 1, 1_000),
    ("mfa.failures.other_max", 20, 1, 1_000),
    ("mfa.failures.window_s", 3_600, 60, 86_400),
    ("mfa.failures.locked_s", 3_600, 60, 86_400),
];

#[test]
fn every_limit_of_codes_is_a_key_with_its_default_and_its_ends() {
    let directory = TempDir::new().unwrap();
    let check = |text: &str| {
        std::fs::write(directory.path().join("given.toml"), text).unwrap();
        run(directory.path(), &["--config", "given.toml", "check-config", "--json"], &[])
    };
    let default: Value = serde_json::from_str(&check("").stdout).unwrap();
    let value = |of: &Value, key: &str| key.split('.').fold(of.clone(), |value, part| value[part].clone());
    let documented: toml::Table =
        std::fs::read_to_string(repository().join("config.toml")).unwrap().parse().expect("it is TOML");
    let documented = serde_json::to_value(documented).unwrap();
    for (key, expected, ..) in LIMITS {
        assert_eq!(value(&default, key), expected, "{key}");
        assert_eq!(value(&documented, key), expected, "{key} in config.toml");
    }
    // All of them at an end are taken; each beyond its end is named with its range.
    for (at, beyond) in [(0, -1_i64), (1, 1)] {
        let end = |limit: &(&str, u64, u64, u64)| i64::try_from(if at == 0 { limit.2 } else { limit.3 }).unwrap();
        let lines =
            |add: i64| LIMITS.iter().map(|limit| format!("{} = {}\n", limit.0, end(limit) + add)).collect::<String>();
        let taken = check(&lines(0));
        assert_eq!(taken.code, Some(0), "{}", taken.output());
        let refused = check(&lines(beyond));
        assert_eq!(refused.code, Some(2), "{}", refused.output());
        for (key, _, from, to) in LIMITS {
            assert!(refused.stderr.contains(&format!("{key}: ")), "{key}: {}", refused.output());
            assert!(refused.stderr.contains(&format!("allowed is {from}..={to}")), "{key}: {}", refused.output());
        }
    }
}
