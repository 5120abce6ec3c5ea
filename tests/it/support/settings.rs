//! Configuration files for one test, built key by key.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A configuration: ephemeral loopback ports, a volatile memory, logs as JSON, and whatever the test sets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    table: Table,
}

impl Settings {
    pub(crate) fn new() -> Self {
        Self { table: Table::new() }
            .set("server.listen", "127.0.0.1:0")
            .set("server.admin_listen", "127.0.0.1:0")
            .set("memory.backend", "volatile")
            .set("telemetry.log_format", "json")
    }

    /// Sets a dotted key, making the tables on its way.
    pub(crate) fn set(mut self, dotted: &str, value: impl Into<Value>) -> Self {
        let (tables, key) = dotted.rsplit_once('.').unwrap_or(("", dotted));
        let mut table = &mut self.table;
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            table = table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .unwrap_or_else(|| panic!("{dotted}: {name} is no table"));
        }
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Appends to the array of tables at a dotted key.
    pub(crate) fn push(self, dotted: &str, entry: Table) -> Self {
        let mut entries = match self.lookup(dotted) {
            Some(Value::Array(entries)) => entries.clone(),
            _ => Vec::new(),
        };
        entries.push(Value::Table(entry));
        self.set(dotted, entries)
    }

    pub(crate) fn client(self, client: &ApiClient) -> Self {
        self.push("server.clients", client.entry())
    }

    /// Adds a netset list of category `abuse`; the file is written by the caller.
    pub(crate) fn abuse_list(self, path: &Path) -> Self {
        let mut entry = Table::new();
        entry.insert("name".to_owned(), "lab-abuse".into());
        entry.insert("path".to_owned(), path.to_str().expect("a UTF-8 path").into());
        entry.insert("format".to_owned(), "netset".into());
        entry.insert("category".to_owned(), "abuse".into());
        entry.insert("max_age_h".to_owned(), 48.into());
        self.push("signals.untrusted_ip.lists", entry)
    }

    /// How many `listening` lines a start prints: one for each main address, one for hooks, one for gRPC, one
    /// for the admin listener.
    pub(crate) fn listeners(&self) -> usize {
        let main = match self.lookup("server.listen") {
            Some(Value::Array(addresses)) => addresses.len(),
            _ => 1,
        };
        let hooks = ["hooks.listen", "hooks.grpc_listen"].into_iter().filter(|key| self.lookup(key).is_some()).count();
        main + hooks + 1
    }

    /// The directory of what outlives the process, as the configuration names it.
    pub(crate) fn store(&self) -> Option<&str> {
        match self.lookup("memory.backend")?.as_str()? {
            "embedded" => Some(self.lookup("memory.path").and_then(Value::as_str).unwrap_or("askance-state")),
            _ => self.lookup("memory.path")?.as_str(),
        }
    }

    pub(crate) fn write_to(&self, directory: &Path) -> PathBuf {
        let path = directory.join("askance.toml");
        let text = toml::to_string(&self.table).expect("a table has a TOML form");
        std::fs::write(&path, text).expect("the temporary directory is writable");
        path
    }

    fn lookup(&self, dotted: &str) -> Option<&Value> {
        let (first, rest) = dotted.split_once('.').unwrap_or((dotted, ""));
        let mut value = self.table.get(first)?;
        for name in rest.split('.').filter(|name| !name.is_empty()) {
            value = value.as_table()?.get(name)?;
        }
        Some(value)
    }
}

/// One entry of `[[server.clients]]`, with the key that the configuration only knows by its hash.
#[derive(Debug, Clone)]
pub(crate) struct ApiClient {
    pub(crate) key: String,
    has_key: bool,
    cert_name: Option<String>,
    name: String,
    scopes: Vec<String>,
    tenants: Option<Vec<String>>,
    trust_edge: bool,
}

impl ApiClient {
    pub(crate) fn new(name: &str, scopes: &[&str]) -> Self {
        Self {
            key: format!("key-of-{name}-0123456789abcdef"),
            has_key: true,
            cert_name: None,
            name: name.to_owned(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            tenants: None,
            trust_edge: false,
        }
    }

    pub(crate) fn tenants(mut self, tenants: &[&str]) -> Self {
        self.tenants = Some(tenants.iter().map(ToString::to_string).collect());
        self
    }

    /// A name on the certificate that the client may show instead of its key.
    pub(crate) fn cert_name(mut self, name: &str) -> Self {
        self.cert_name = Some(name.to_owned());
        self
    }

    /// The configuration knows no key of this client.
    pub(crate) fn without_key(mut self) -> Self {
        self.has_key = false;
        self
    }

    /// Another key than the one derived from the name.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    pub(crate) fn trust_edge(mut self) -> Self {
        self.trust_edge = true;
        self
    }

    fn entry(&self) -> Table {
        let mut entry = Table::new();
        entry.insert("name".to_owned(), self.name.as_str().into());
        if self.has_key {
            entry.insert("key_sha256".to_owned(), sha256_hex(&self.key).into());
        }
        if let Some(name) = &self.cert_name {
            entry.insert("cert_name".to_owned(), name.as_str().into());
        }
        entry.insert("scopes".to_owned(), self.scopes.clone().into());
        if let Some(tenants) = &self.tenants {
            entry.insert("tenants".to_owned(), tenants.clone().into());
        }
        if self.trust_edge {
            entry.insert("trust_edge".to_owned(), true.into());
        }
        entry
    }
}

pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}
