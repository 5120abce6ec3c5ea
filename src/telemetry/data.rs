//! Gauges of databases, lists and the certificate.

use std::fmt::Write as _;

/// A value of one data file. Its labels are a role, a small number or a name of the configuration; never a path.
#[derive(Debug, Clone)]
pub struct DataGauge {
    /// What is measured.
    pub metric: DataMetric,
    /// Of which file: label and value.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: i64,
}

/// What is measured of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataMetric {
    /// Seconds since a database was built.
    DatabaseAge,
    /// Networks of a database.
    DatabaseNetworks,
    /// Seconds since the file of a list was written.
    ListAge,
    /// Entries of a list.
    ListEntries,
    /// Seconds until the certificate of the listeners expires.
    CertificateExpiry,
    /// Networks that many users log in from.
    FamiliarNetworks,
}

impl DataMetric {
    const ALL: [Self; 6] = [
        Self::DatabaseAge,
        Self::DatabaseNetworks,
        Self::ListAge,
        Self::ListEntries,
        Self::CertificateExpiry,
        Self::FamiliarNetworks,
    ];

    fn name_and_help(self) -> (&'static str, &'static str) {
        match self {
            Self::DatabaseAge => ("askance_database_age_seconds", "Seconds since a database was built"),
            Self::DatabaseNetworks => ("askance_database_networks", "Networks of a database"),
            Self::ListAge => ("askance_list_age_seconds", "Seconds since the file of a list was written"),
            Self::ListEntries => ("askance_list_entries", "Entries of a list"),
            Self::FamiliarNetworks => {
                ("askance_familiar_networks", "Networks that many users log in from, proposed or confirmed")
            }
            Self::CertificateExpiry => {
                ("askance_certificate_expires_in_seconds", "Seconds until the certificate of server.tls expires")
            }
        }
    }
}

/// Writes the gauges, metric by metric, as the exposition format wants it.
pub(super) fn render(text: &mut String, gauges: &[DataGauge]) {
    for metric in DataMetric::ALL {
        let (name, help) = metric.name_and_help();
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for DataGauge { labels, value, .. } in gauges.iter().filter(|gauge| gauge.metric == metric) {
            let labels: Vec<String> =
                labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            // Writing to a text cannot fail.
            let _written = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
        }
        text.push('\n');
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_the_format() {
        let mut text = String::new();
        let labels = vec![("list", "a\"} 1\n\\".to_owned())];
        render(&mut text, &[DataGauge { metric: DataMetric::ListAge, labels, value: -3 }]);
        assert!(text.contains("askance_list_age_seconds{list=\"a\\\"} 1\\n\\\\\"} -3\n"), "{text}");
    }
}
