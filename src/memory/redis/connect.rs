//! Making a connection, and seeing to it that the server at its end may be used.

use super::RedisUrl;
use super::fence::Fence;
use super::names::Tag;
use super::node::State;
use super::scripts::{Invocation, Scripts};
use crate::keyed_hash::{HashKey, SecretError, Secrets, Unlocked, UserKey};
use crate::memory::MemoryError;
use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, ProtocolVersion, PushInfo,
    PushKind, RedisError, TlsCertificates, Value,
};
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;

/// The format of everything in Redis. Another one is another program's.
const FORMAT: u32 = 1;
/// Before it, in the meta key.
const HEAD: &str = "askance format=";
/// Where it is told who was erased: what is near others is to go, too, and not only to be fetched anew before it is used.
const ERASED: &str = "askance:erased";
/// For what is done once a connection.
const SETUP: Duration = Duration::from_millis(1_000);
/// Commands that may wait for one connection; then callers wait.
const BUFFER: usize = 1_024;

/// What a server tells unasked.
pub(super) type Pushed = Arc<dyn Fn(Told) + Send + Sync>;

/// What became of keys that were read here.
#[derive(Debug)]
pub(super) enum Told {
    /// These were changed by somebody else.
    Changed(Vec<Vec<u8>>),
    /// All of them.
    Everything,
    /// This user was erased, and is to be nowhere.
    Erased(UserKey),
}

/// All that is needed to connect to any server of the deployment.
pub(super) struct Connector {
    pub(super) info: ConnectionInfo,
    pub(super) certificates: TlsCertificates,
    pub(super) deadline: Duration,
    pub(super) durable: Duration,
    pub(super) takes_weak: bool,
    pub(super) must_exist: bool,
    /// The deployment's, by which it is told whether what is there is ours.
    pub(super) secrets: Secrets,
    /// What the store is opened with; the same for as long as the process lives.
    pub(super) opened: OnceLock<Greeted>,
    /// Why this process may write nothing: the store has gone on to a key that it does not have. No node is used until that is over.
    pub(super) shut: ArcSwapOption<String>,
    /// Told when the meta key was changed by another replica.
    pub(super) meta_changed: Arc<Notify>,
    pub(super) scripts: Arc<Scripts>,
    pub(super) pushed: Pushed,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("address", self.info.addr()).finish_non_exhaustive()
    }
}

/// What a store keeps of its key, and what follows from it.
#[derive(Debug)]
pub(super) struct Greeted {
    kept: Vec<u8>,
    pub(super) key: HashKey,
}

/// A connection that may be used.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    /// Tells when the connection ended.
    pub(super) lost: Arc<Notify>,
    /// Where the server can say what is on its disk.
    pub(super) fence: Option<Fence>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("fence", &self.fence.is_some()).finish_non_exhaustive()
    }
}

/// What a server says of itself.
struct About(HashMap<String, String>);

impl About {
    fn parse(text: &str) -> Self {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|found| found == value)
    }
}

impl Connector {
    /// Connects, and asks everything that must be so. `probe` is a tag that this server holds.
    pub(super) async fn open(&self, address: &ConnectionAddr, probe: Option<Tag>) -> Result<Opened, State> {
        let away = |error: RedisError| State::Away(error.to_string());
        let lost = Arc::new(Notify::new());
        // What the connection itself does not wait for breaks it: no sooner than a call may end.
        let patience = self.deadline.max(SETUP);
        let mut connection = self.connect(address, Some(&lost), patience).await.map_err(away)?;
        let about = about(&mut connection).await.map_err(away)?;
        self.judge(&about)?;
        run(&mut connection, ::redis::cmd("CLIENT").arg("TRACKING").arg("ON").arg("NOLOOP")).await.map_err(away)?;
        connection.subscribe(ERASED).await.map_err(away)?;
        for script in self.scripts.all() {
            run(&mut connection, &script.load()).await.map_err(away)?;
        }
        let (meta_tag, _) = Tag::meta();
        if about.is("cluster_enabled", "0") || probe == Some(meta_tag) {
            let greeted = self.greet(&mut connection).await;
            match &greeted {
                Ok(()) => self.shut.store(None),
                Err(State::Refused(why)) => self.shut.store(Some(Arc::new(why.clone()))),
                Err(_) => {}
            }
            greeted?;
        } else if let Some(why) = self.shut.load_full() {
            return Err(State::Refused(String::clone(&why)));
        }
        if let Some(tag) = probe {
            let probe = tag.probe();
            let write = ::redis::cmd("SET").arg(&probe).arg(1).arg("PX").arg(1_000).to_owned();
            match tokio::time::timeout(self.deadline, run(&mut connection, &write)).await {
                Ok(written) => drop(written.map_err(away)?),
                Err(_late) => return Err(State::Away("a write takes longer than memory.timeout_ms".to_owned())),
            }
        }
        let fence = match probe {
            Some(tag) if self.tells_what_is_durable(&mut connection).await.map_err(away)? => {
                let own = self.connect(address, None, self.durable + SETUP).await.map_err(away)?;
                Some(Fence::new(own, tag, self.durable))
            }
            Some(_) | None => None,
        };
        Ok(Opened { connection, lost, fence })
    }

    /// The nodes of a cluster as `address` tells them; `None` where it is no cluster.
    pub(super) async fn cluster(&self, address: &ConnectionAddr) -> Result<Option<Vec<Value>>, RedisError> {
        let mut connection = self.connect(address, None, SETUP).await?;
        if about(&mut connection).await?.is("cluster_enabled", "0") {
            return Ok(None);
        }
        let slots = run(&mut connection, ::redis::cmd("CLUSTER").arg("SLOTS")).await?;
        Ok(Some(Vec::<Value>::from_redis_value(slots)?))
    }

    async fn connect(
        &self,
        address: &ConnectionAddr,
        lost: Option<&Arc<Notify>>,
        patience: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let redis = self.info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = self.info.clone().set_addr(address.clone()).set_redis_settings(redis);
        let client = match address {
            ConnectionAddr::TcpTls { .. } => Client::build_with_tls(info, self.certificates.clone())?,
            _ => Client::open(info)?,
        };
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(SETUP))
            .set_response_timeout(Some(patience))
            .set_pipeline_buffer_size(BUFFER);
        if let Some(lost) = lost {
            let (lost, pushed) = (Arc::clone(lost), Arc::clone(&self.pushed));
            config = config.set_push_sender(move |info| {
                hear(info, &lost, &pushed);
                Ok::<(), ::redis::aio::SendError>(())
            });
        }
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Whether what the server acknowledges is as safe as was asked for.
    fn judge(&self, about: &About) -> Result<(), State> {
        if !about.is("role", "master") {
            return Err(State::Away("it is a replica, which takes no writes".to_owned()));
        }
        if self.takes_weak {
            return Ok(());
        }
        if !about.is("maxmemory_policy", "noeviction") {
            return Err(State::Refused(
                "maxmemory-policy is not noeviction: it would forget users when it is full \
                 (memory.redis.danger_weak_durability = true takes it all the same)"
                    .to_owned(),
            ));
        }
        if !about.is("aof_enabled", "1") {
            return Err(State::Refused(
                "it keeps no append-only file: a restart would take back what was acknowledged \
                 (memory.redis.danger_weak_durability = true takes it all the same)"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Whose it is, and in which format. An empty store is begun, with a key of its own that only ours opens.
    async fn greet(&self, connection: &mut MultiplexedConnection) -> Result<(), State> {
        let away = |error: RedisError| State::Away(error.to_string());
        let refused = |error: SecretError| State::Refused(error.to_string());
        let (_, meta) = Tag::meta();
        let begun = match self.opened.get() {
            Some(Greeted { kept, .. }) => kept.clone(),
            None => self.secrets.unlock(None).map_err(refused)?.keep.unwrap_or_default(),
        };
        let ours = head_with(&begun);
        let may_begin: &[u8] = if self.must_exist { b"0" } else { b"1" };
        let greeting = Invocation { script: &self.scripts.greet, keys: &[&meta], arguments: &[&ours, may_begin] };
        let found = run(connection, &greeting.long()).await.map_err(away)?;
        let found = Vec::<u8>::from_redis_value(found).map_err(|error| State::Refused(error.to_string()))?;
        let kept = kept(&found).map_err(State::Refused)?;
        let Unlocked { key, keep } = self.secrets.unlock(Some(kept)).map_err(refused)?;
        if self.opened.get().is_some_and(|opened| opened.key.unforeseeable(b"same") != key.unforeseeable(b"same")) {
            return Err(State::Refused("it was emptied, and begun anew with another key: start again".to_owned()));
        }
        if let Some(keep) = keep.as_ref().filter(|_| self.opened.get().is_none()) {
            // The pseudonymisation key is being replaced. Where another replica did so first, it is done. At the start only: replicas
            // that have the two keys in another order would go on taking turns.
            let resealed = head_with(keep);
            let replace = Invocation { script: &self.scripts.replace, keys: &[&meta], arguments: &[&found, &resealed] };
            run(connection, &replace.long()).await.map_err(away)?;
            // Whoever changes a key is told of further changes only after another look at it.
            run(connection, ::redis::cmd("EXISTS").arg(&meta)).await.map_err(away)?;
        }
        let kept = keep.unwrap_or_else(|| kept.to_vec());
        self.opened.get_or_init(|| Greeted { kept, key });
        Ok(())
    }

    /// Whether what the meta key holds is still this process's to open; why not.
    pub(super) fn judge_meta(&self, found: &[u8]) -> Result<(), String> {
        let kept = kept(found)?;
        self.secrets.unlock(Some(kept)).map(drop).map_err(|error| error.to_string())
    }

    /// Redis since 7.2.
    async fn tells_what_is_durable(&self, connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        let known = run(connection, ::redis::cmd("COMMAND").arg("INFO").arg("WAITAOF")).await?;
        Ok(matches!(known, Value::Array(commands) if commands.iter().any(|command| *command != Value::Nil)))
    }
}

/// What the meta key holds.
fn head_with(kept: &[u8]) -> Vec<u8> {
    [format!("{HEAD}{FORMAT}\n").as_bytes(), kept].concat()
}

/// What it holds of the key, if all of it is in our format.
fn kept(found: &[u8]) -> Result<&[u8], String> {
    if found.is_empty() {
        return Err("nothing is there, and memory.must_exist says that there is".to_owned());
    }
    let rest = found.strip_prefix(HEAD.as_bytes());
    let end = rest.and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
    let Some((format, kept)) = rest.zip(end).map(|(rest, end)| (&rest[..end], &rest[end + 1..])) else {
        return Err("askance:{000}:meta is not ours".to_owned());
    };
    let format = String::from_utf8_lossy(format);
    if format != FORMAT.to_string() {
        return Err(format!("what is there has format {format}, and this program knows format {FORMAT}"));
    }
    Ok(kept)
}

async fn run(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    connection.send_packed_command(command).await.and_then(Value::extract_error)
}

async fn about(connection: &mut MultiplexedConnection) -> Result<About, RedisError> {
    let text = run(connection, &::redis::cmd("INFO")).await?;
    Ok(About::parse(&String::from_redis_value(text)?))
}

fn hear(info: PushInfo, lost: &Notify, pushed: &Pushed) {
    match info.kind {
        PushKind::Disconnection => lost.notify_one(),
        PushKind::Invalidate => match info.data.into_iter().next() {
            Some(Value::Array(keys)) => {
                let keys = keys.into_iter().filter_map(|key| match key {
                    Value::BulkString(key) => Some(key),
                    _ => None,
                });
                pushed(Told::Changed(keys.collect()));
            }
            // A server that was emptied.
            _ => pushed(Told::Everything),
        },
        PushKind::Message => {
            let user = match info.data.as_slice() {
                [_, Value::BulkString(user)] => user.first_chunk().copied().map(u128::from_be_bytes),
                _ => None,
            };
            user.map(UserKey).into_iter().for_each(|user| pushed(Told::Erased(user)));
        }
        _ => {}
    }
}

/// Why the store cannot be used from the start.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    /// Says why.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// What an address and what is known of it must be to each other.
    pub(super) fn of_address(url: &RedisUrl, has_password: bool, takes_weak: bool) -> Result<(), Self> {
        if !url.is_remote() || takes_weak {
            return Ok(());
        }
        if !url.is_encrypted() {
            return Err(Self("memory.url leaves this machine without TLS: use rediss://".to_owned()));
        }
        if !has_password {
            return Err(Self(
                "memory.url leaves this machine without a password: memory.redis.password_file".to_owned(),
            ));
        }
        Ok(())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<MemoryError> for StartError {
    fn from(error: MemoryError) -> Self {
        Self(error.to_string())
    }
}
