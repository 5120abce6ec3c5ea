//! One server: its connection, and the breaker before it.
//!
//! A published connection is the closed breaker. Three calls that come too late, or one error that says that the server cannot do
//! its work, open it: the connection goes, and every call is refused at once. A task of the node then connects again and probes,
//! one at a time, and publishes only what took a write within the time that a call has.

use super::connect::{Connector, Opened};
use super::names::Tag;
use crate::memory::MemoryError;
use ::redis::{Cmd, ConnectionAddr, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Calls that may come too late in a row.
const LATE_MAX: u32 = 3;
/// Between two attempts, growing to the second.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(1_000)];
/// Between two looks at a connection that nobody uses.
const LOOK: Duration = Duration::from_millis(1_000);

/// A server, and what leads to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: ConnectionAddr,
    current: ArcSwapOption<Opened>,
    late: AtomicU32,
    broken: Notify,
    is_retired: AtomicBool,
    state: watch::Sender<State>,
}

/// What a node's task last found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing yet.
    Unknown,
    /// It serves.
    Up,
    /// It does not answer, or cannot work.
    Away(String),
    /// It is not to be used.
    Refused(String),
}

/// Why a call gave no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The breaker is open.
    Away,
    /// It took longer than a call may.
    Late,
    /// It answered something that was not asked.
    Odd,
    /// What the server or the connection said.
    Error(RedisError),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Error(error)
    }
}

impl From<Trouble> for MemoryError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(match trouble {
            Trouble::Away => "Redis is away".to_owned(),
            Trouble::Late => "Redis is late (memory.timeout_ms)".to_owned(),
            Trouble::Odd => "Redis: an answer of another kind".to_owned(),
            Trouble::Error(error) => format!("Redis: {error}"),
        })
    }
}

impl Node {
    pub(super) fn new(address: ConnectionAddr) -> Self {
        Self {
            address,
            current: ArcSwapOption::empty(),
            late: AtomicU32::new(0),
            broken: Notify::new(),
            is_retired: AtomicBool::new(false),
            state: watch::Sender::new(State::Unknown),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.current.load().is_some()
    }

    pub(super) fn opened(&self) -> Option<Arc<Opened>> {
        self.current.load_full()
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// It is no part of the cluster any more.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
        self.broken.notify_one();
    }

    /// One command; for a slot that is on its way here, with the word that lets it in.
    pub(super) async fn send(&self, command: &Cmd, is_asking: bool) -> Result<Value, Trouble> {
        let mut connection = self.opened().ok_or(Trouble::Away)?.connection.clone();
        let sent = if is_asking {
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.cmd("ASKING").add_command(command.clone());
            let answers = connection.send_packed_commands(&pipeline, 1, 1).await;
            answers.map(|mut answers| answers.pop().unwrap_or(Value::Nil))
        } else {
            connection.send_packed_command(command).await
        };
        self.heard(sent.and_then(Value::extract_error))
    }

    /// Many commands at once.
    pub(super) async fn send_all(&self, pipeline: &Pipeline, count: usize) -> Result<Vec<Value>, Trouble> {
        let mut connection = self.opened().ok_or(Trouble::Away)?.connection.clone();
        let answers = connection.send_packed_commands(pipeline, 0, count).await;
        self.heard(answers.and_then(|answers| answers.into_iter().map(Value::extract_error).collect()))
    }

    fn heard<T>(&self, answer: Result<T, RedisError>) -> Result<T, Trouble> {
        match &answer {
            Err(error) if cannot_work(error) => self.trip(),
            Ok(_) | Err(_) => self.late.store(0, Ordering::Relaxed),
        }
        Ok(answer?)
    }

    /// A call to this node came too late.
    pub(super) fn was_late(&self) {
        if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_MAX {
            self.trip();
        }
    }

    /// Opens the breaker.
    pub(super) fn trip(&self) {
        if self.current.swap(None).is_some() {
            self.broken.notify_one();
        }
    }

    /// Keeps the connection up for as long as the node is part of the store. `found` is told what became of it.
    pub(super) async fn keep(&self, connector: &Connector, probe: impl Fn() -> Option<Tag>, found: impl Fn(bool)) {
        let [shortest, longest] = PAUSE;
        let mut pause = shortest;
        while !self.is_retired.load(Ordering::Relaxed) {
            match connector.open(&self.address, probe()).await {
                Ok(opened) => {
                    let (lost, opened) = (Arc::clone(&opened.lost), Arc::new(opened));
                    self.late.store(0, Ordering::Relaxed);
                    self.current.store(Some(Arc::clone(&opened)));
                    self.tell(State::Up);
                    found(true);
                    pause = shortest;
                    self.watch(connector, opened, &lost).await;
                    self.current.store(None);
                    found(false);
                    if !self.is_retired.load(Ordering::Relaxed) {
                        self.tell(State::Away("the connection broke, or answers came too late".to_owned()));
                    }
                }
                Err(state) => self.tell(state),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Until the connection is of no use any more.
    async fn watch(&self, connector: &Connector, opened: Arc<Opened>, lost: &Notify) {
        let connection = opened.connection.clone();
        drop(opened);
        loop {
            tokio::select! {
                () = self.broken.notified() => return,
                () = lost.notified() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let mut connection = connection.clone();
            let ping = ::redis::cmd("PING");
            match tokio::time::timeout(connector.deadline, connection.send_packed_command(&ping)).await {
                Ok(answer) => drop(self.heard(answer.and_then(Value::extract_error))),
                Err(_late) => self.was_late(),
            }
        }
    }

    fn tell(&self, state: State) {
        let address = &self.address;
        self.state.send_if_modified(|before| {
            let is_new = *before != state;
            match &state {
                State::Up if is_new => tracing::info!(%address, "Redis serves"),
                State::Away(why) if is_new => tracing::warn!(%address, why, "Redis is away; what is learnt waits"),
                State::Refused(why) if is_new => tracing::error!(%address, why, "this Redis is not to be used"),
                State::Unknown | State::Up | State::Away(_) | State::Refused(_) => {}
            }
            *before = state;
            is_new
        });
    }
}

/// Whether the server, or what leads to it, is of no use for the next call, either.
fn cannot_work(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::NoPerm,
        ) => true,
        _ => matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "NOAUTH")),
    }
}
