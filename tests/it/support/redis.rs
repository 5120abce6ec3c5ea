//! A real `redis-server` on a loopback port, in a directory of its own, ended by its process id.

use super::eventually;
use super::secrets::{self, Searched};
use redis::{Client, Cmd, Connection, FromRedisValue};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What a server needs so that it is taken: a file behind what it acknowledges, and no forgetting.
const DURABLE: &[&str] = &["--appendonly", "yes", "--maxmemory-policy", "noeviction"];

/// Ended when dropped.
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(DURABLE)
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let directory = TempDir::new().unwrap();
        eventually("a port that nobody took first", || {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = spawn(port, &directory, &arguments);
            answers(port, &mut child).then_some((child, port))
        })
        .with(directory, arguments)
    }

    /// A port for the bus of a cluster lies 10,000 above that of the clients.
    pub(crate) fn start_node() -> Self {
        let arguments = [DURABLE, &["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]].concat();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let directory = TempDir::new().unwrap();
        eventually("two ports that nobody took first", || {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let low = 10_000 + port % 20_000;
            TcpListener::bind(("127.0.0.1", low)).ok()?;
            TcpListener::bind(("127.0.0.1", low + 10_000)).ok()?;
            let mut child = spawn(low, &directory, &arguments);
            answers(low, &mut child).then_some((child, low))
        })
        .with(directory, arguments)
    }

    /// One that speaks TLS on another port, too; gives that port. Both are on loopback.
    pub(crate) fn start_tls(cert: &Path, key: &Path, authority: &Path) -> (Self, u16) {
        let directory = TempDir::new().unwrap();
        let files = [("--tls-cert-file", cert), ("--tls-key-file", key), ("--tls-ca-cert-file", authority)];
        let files = files.map(|(name, path)| [name.to_owned(), path.to_str().expect("a UTF-8 path").to_owned()]);
        let (started, tls_port, arguments) = eventually("two ports that nobody took first", || {
            let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let [port, tls_port] = listeners.map(|listener| listener.local_addr().unwrap().port());
            let words = ["--tls-auth-clients", "no", "--tls-port", &tls_port.to_string()].map(str::to_owned);
            let durable = DURABLE.iter().map(|word| (*word).to_owned());
            let arguments: Vec<String> = durable.chain(words).chain(files.iter().flatten().cloned()).collect();
            let mut child = spawn(port, &directory, &arguments);
            answers(port, &mut child).then_some(((child, port), tls_port, arguments))
        });
        (started.with(directory, arguments), tls_port)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Another client of the same server.
    pub(crate) fn connect(&self) -> Connection {
        connect(self.port).expect("the server answers")
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        command(words).query(&mut self.connect()).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// As a machine that loses its power.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same server again, with what is on its disk.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.directory, &self.arguments);
        assert!(answers(self.port, &mut self.child), "the port was taken meanwhile");
    }

    /// Searches what it holds and what it wrote for every secret that was noted.
    pub(crate) fn search(&self) -> Searched {
        self.search_with(self.held().unwrap_or_default())
    }

    fn search_with(&self, held: Vec<u8>) -> Searched {
        secrets::assert_unseen("redis", "", &[held, secrets::bytes_below(self.directory.path())].concat())
    }

    /// Every key with what it holds, as bytes one after another.
    fn held(&self) -> redis::RedisResult<Vec<u8>> {
        let mut connection = connect(self.port)?;
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection)?;
        let mut held = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection)?;
            let ask = match kind.as_str() {
                "string" => redis::cmd("GET").arg(&key).take(),
                "hash" => redis::cmd("HGETALL").arg(&key).take(),
                "stream" => redis::cmd("XRANGE").arg(&key).arg("-").arg("+").take(),
                "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).take(),
                "set" => redis::cmd("SMEMBERS").arg(&key).take(),
                // What went away meanwhile.
                "none" => continue,
                other => panic!("a {other} in Redis: nothing here reads it"),
            };
            held.extend(key);
            gather(&ask.query(&mut connection)?, &mut held);
        }
        Ok(held)
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

/// What a started server becomes.
trait Started {
    fn with(self, directory: TempDir, arguments: Vec<String>) -> RedisServer;
}

impl Started for (Child, u16) {
    fn with(self, directory: TempDir, arguments: Vec<String>) -> RedisServer {
        RedisServer { child: self.0, port: self.1, directory, arguments }
    }
}

impl Drop for RedisServer {
    /// What was written to it lies in its directory, in the words in which it came; what it holds is read besides, as far as it answers.
    fn drop(&mut self) {
        // One that is stopped would be waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("CONT");
        }
        let held = (!std::thread::panicking()).then(|| self.held().unwrap_or_default());
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(held) = held {
            self.search_with(held);
        }
    }
}

/// All texts of an answer.
fn gather(answer: &redis::Value, into: &mut Vec<u8>) {
    if let redis::Value::BulkString(bytes) = answer {
        into.extend(bytes);
    } else if let redis::Value::SimpleString(text) = answer {
        into.extend(text.as_bytes());
    } else if let redis::Value::Array(parts) | redis::Value::Set(parts) = answer {
        parts.iter().for_each(|part| gather(part, into));
    } else if let redis::Value::Map(pairs) = answer {
        pairs.iter().flat_map(|(key, value)| [key, value]).for_each(|part| gather(part, into));
    }
}

pub(crate) fn command(words: &str) -> Cmd {
    let mut words = words.split_whitespace();
    let mut command = redis::cmd(words.next().expect("a command has a name"));
    words.for_each(|word| {
        command.arg(word);
    });
    command
}

fn spawn(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

fn connect(port: u16) -> redis::RedisResult<Connection> {
    Client::open(("127.0.0.1", port))?.get_connection_with_timeout(Duration::from_secs(5))
}

/// False when the server ended, since somebody else has the port.
fn answers(port: u16, child: &mut Child) -> bool {
    let ready = eventually("redis-server is ready", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let pong = connect(port).and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
        pong.is_ok().then_some(true)
    });
    // Another server may have answered.
    ready && child.try_wait().unwrap().is_none()
}
