//! All servers of the store: which of them has a tag, and one call to it within the time that a call has.

use super::connect::{Connector, StartError};
use super::names::{SLOTS, Tag};
use super::node::{Node, State, Trouble};
use super::scripts::Invocation;
use crate::clock::Clock;
use crate::keyed_hash::HashKey;
use ::redis::{Cmd, ConnectionAddr, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often a call follows a slot that moves, or comes back with the text of its script.
const REDIRECTS_MAX: usize = 6;
/// Between two looks at a slot that is on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(2);
/// Before another look at whose the store is, where nobody answered.
const AGAIN: Duration = Duration::from_millis(100);
/// Between two looks at who holds what, beside those that a redirect asks for.
const REFRESH: Duration = Duration::from_secs(5);
/// For the first connections.
const START: Duration = Duration::from_secs(5);

/// The servers, as one.
#[derive(Debug)]
pub(super) struct Nodes {
    connector: Connector,
    routes: ArcSwap<Routes>,
    refresh: Notify,
    refreshed: Notify,
    /// Told when a node comes and goes.
    changed: Notify,
    clock: Clock,
}

/// Who holds which slots.
#[derive(Debug, Default)]
struct Routes {
    /// By their last slot.
    ranges: Vec<(u16, Arc<Node>)>,
    nodes: Vec<Arc<Node>>,
    is_cluster: bool,
}

impl Routes {
    fn node(&self, slot: u16) -> Option<&Arc<Node>> {
        let at = self.ranges.partition_point(|(last, _)| *last < slot);
        self.ranges.get(at).map(|(_, node)| node)
    }
}

impl Nodes {
    pub(super) fn new(connector: Connector, clock: Clock) -> Self {
        Self {
            connector,
            routes: ArcSwap::default(),
            refresh: Notify::new(),
            refreshed: Notify::new(),
            changed: Notify::new(),
            clock,
        }
    }

    /// Connects to every server, once, and goes on looking after them. `told` hears when one serves, and when one was lost. Gives the key of the
    /// store.
    ///
    /// # Errors
    ///
    /// One of them is not to be used, or does not answer.
    pub(super) async fn start(
        self: &Arc<Self>,
        told: impl Fn(bool) + Clone + Send + Sync + 'static,
    ) -> Result<HashKey, StartError> {
        let seed = self.connector.info.addr().clone();
        let unreachable = |why: &str| StartError::new(format_args!("Redis at {seed} cannot be used: {why}"));
        let found = self.connector.cluster(&seed).await.map_err(|error| unreachable(&error.to_string()))?;
        self.route(found.as_deref(), &told);
        let started = self.clock.start();
        for node in &self.routes.load().nodes {
            let mut state = node.state();
            loop {
                let found = state.borrow_and_update().clone();
                match found {
                    State::Up => break,
                    State::Refused(why) => return Err(unreachable(&why)),
                    State::Away(why) if started.elapsed() >= START => return Err(unreachable(&why)),
                    State::Unknown | State::Away(_) => {}
                }
                let changed = tokio::time::timeout(START.saturating_sub(started.elapsed()), state.changed()).await;
                if changed.is_err() && matches!(*state.borrow(), State::Unknown) {
                    return Err(unreachable("it does not answer"));
                }
            }
        }
        if found.is_some() {
            tokio::spawn(Arc::clone(self).keep_routes(told));
        }
        tokio::spawn(Arc::clone(self).keep_out());
        let opened = self.connector.opened.get().ok_or_else(|| unreachable("no node has its first slots"))?;
        Ok(opened.key.clone())
    }

    /// Takes what a cluster says of itself, or that there is one server.
    fn route(self: &Arc<Self>, slots: Option<&[Value]>, told: &(impl Fn(bool) + Clone + Send + Sync + 'static)) {
        let before = self.routes.load_full();
        let mut routes = Routes { is_cluster: slots.is_some(), ..Routes::default() };
        let ranges = slots.map_or_else(
            || vec![(SLOTS - 1, self.connector.info.addr().clone())],
            |slots| slots.iter().filter_map(|range| self.range(range)).collect(),
        );
        let mut fresh = Vec::new();
        for (last, address) in ranges {
            let known = routes.nodes.iter().chain(&before.nodes).find(|node| node.address == address).cloned();
            let node = known.unwrap_or_else(|| {
                let node = Arc::new(Node::new(address));
                fresh.push(Arc::clone(&node));
                node
            });
            if !routes.nodes.iter().any(|known| Arc::ptr_eq(known, &node)) {
                routes.nodes.push(Arc::clone(&node));
            }
            routes.ranges.push((last, node));
        }
        routes.ranges.sort_by_key(|(last, _)| *last);
        before
            .nodes
            .iter()
            .filter(|old| !routes.nodes.iter().any(|new| Arc::ptr_eq(old, new)))
            .for_each(|old| old.retire());
        self.routes.store(Arc::new(routes));
        for node in fresh {
            let (nodes, told) = (Arc::clone(self), told.clone());
            tokio::spawn(async move {
                let probe = || nodes.probe(&node);
                let found = |is_up: bool| {
                    told(is_up);
                    if !is_up {
                        nodes.refresh.notify_one();
                    }
                    nodes.changed.notify_one();
                };
                node.keep(&nodes.connector, probe, found).await;
            });
        }
        self.refreshed.notify_waiters();
    }

    /// `[first, last, [host, port, …], …]`: the master stands first.
    fn range(&self, range: &Value) -> Option<(u16, ConnectionAddr)> {
        let Value::Array(parts) = range else { return None };
        let [_, Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
        let [host, Value::Int(port), ..] = master.as_slice() else { return None };
        let host = match host {
            Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
            Value::SimpleString(host) => host.clone(),
            _ => String::new(),
        };
        Some((u16::try_from(*last).ok()?, self.address(&host, u16::try_from(*port).ok()?)))
    }

    /// A server beside the one that was named, reached the same way. One that does not know its own host is on the same.
    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        match self.connector.info.addr() {
            ConnectionAddr::TcpTls { host: named, tls_params, .. } => {
                let host = if host.is_empty() { named } else { host };
                ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: tls_params.clone() }
            }
            ConnectionAddr::Tcp(named, _) => {
                ConnectionAddr::Tcp(if host.is_empty() { named.clone() } else { host.to_owned() }, port)
            }
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        }
    }

    /// A tag that this node holds: that of the meta key, if it does.
    fn probe(&self, node: &Arc<Node>) -> Option<Tag> {
        let routes = self.routes.load();
        Tag::all().find(|tag| routes.node(tag.slot()).is_some_and(|holder| Arc::ptr_eq(holder, node)))
    }

    async fn keep_routes(self: Arc<Self>, told: impl Fn(bool) + Clone + Send + Sync + 'static) {
        loop {
            // A timer that ran out is a reason to look, too.
            let _asked = tokio::time::timeout(REFRESH, self.refresh.notified()).await;
            let known = self.routes.load_full();
            for node in &known.nodes {
                if let Ok(Some(slots)) = self.connector.cluster(&node.address).await {
                    self.route(Some(&slots), &told);
                    break;
                }
            }
            // Whoever is redirected asks again and again until it is known everywhere.
            tokio::time::sleep(ON_ITS_WAY).await;
        }
    }

    /// Stops this process where another replica has had the store go on to a key that this one does not have: what it would write, nobody
    /// would find.
    async fn keep_out(self: Arc<Self>) {
        let (tag, meta) = Tag::meta();
        loop {
            self.connector.meta_changed.notified().await;
            let mut look = ::redis::cmd("GET");
            look.arg(&meta);
            let Ok(found) = self.command(tag, look).await else {
                tokio::time::sleep(AGAIN).await;
                self.connector.meta_changed.notify_one();
                continue;
            };
            // A store that was emptied is begun anew with the same key.
            if let Value::BulkString(found) = found
                && let Err(why) = self.connector.judge_meta(&found)
            {
                tracing::error!(
                    why,
                    "this replica is shut out of the store; it is to be started with the keys of the others"
                );
                self.connector.shut.store(Some(Arc::new(why)));
                self.routes.load().nodes.iter().for_each(|node| node.trip());
            }
        }
    }

    /// Runs a script on the node that has the tag; one that does not know it is told.
    pub(super) async fn script(&self, tag: Tag, invocation: Invocation<'_>) -> Result<Value, Trouble> {
        self.within(tag, self.follow(tag, invocation.short(), || invocation.long())).await
    }

    /// Runs one command on the node that has the tag.
    pub(super) async fn command(&self, tag: Tag, command: Cmd) -> Result<Value, Trouble> {
        let again = command.clone();
        self.within(tag, self.follow(tag, command, || again.clone())).await
    }

    async fn follow(&self, tag: Tag, mut command: Cmd, long: impl Fn() -> Cmd) -> Result<Value, Trouble> {
        let mut node = self.routes.load().node(tag.slot()).cloned().ok_or(Trouble::Away)?;
        let (mut is_asking, mut redirects) = (false, 0);
        // A slot that is on its way is waited for, as long as the call may take.
        while redirects < REDIRECTS_MAX {
            let error = match node.send(&command, is_asking).await {
                Err(Trouble::Error(error)) => error,
                answer => return answer,
            };
            match error.kind() {
                ErrorKind::Server(ServerErrorKind::NoScript) => command = long(),
                ErrorKind::Server(ServerErrorKind::Moved) => {
                    (node, is_asking) = (self.moved(&error).await?, false);
                }
                ErrorKind::Server(ServerErrorKind::Ask) => {
                    (node, is_asking) = (self.redirected(&error).ok_or(Trouble::Away)?, true);
                }
                ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => {
                    self.refresh.notify_one();
                    tokio::time::sleep(ON_ITS_WAY).await;
                    continue;
                }
                _ => return Err(error.into()),
            }
            redirects += 1;
        }
        Err(Trouble::Late)
    }

    /// The node to which a slot moved, once it is known.
    async fn moved(&self, error: &RedisError) -> Result<Arc<Node>, Trouble> {
        self.refresh.notify_one();
        for _ in 0..REDIRECTS_MAX {
            let refreshed = self.refreshed.notified();
            if let Some(node) = self.redirected(error).filter(|node| node.is_up()) {
                return Ok(node);
            }
            refreshed.await;
        }
        Err(Trouble::Away)
    }

    /// `host:port` of a redirect, whose host has colons of its own where it is an IPv6 address.
    fn redirected(&self, error: &RedisError) -> Option<Arc<Node>> {
        let (named, _slot) = error.redirect_node()?;
        let (host, port) = named.rsplit_once(':')?;
        let address = self.address(host, port.parse().ok()?);
        self.routes.load().nodes.iter().find(|node| node.address == address).cloned()
    }

    async fn within<T>(&self, tag: Tag, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        match tokio::time::timeout(self.connector.deadline, call).await {
            Ok(answer) => answer,
            Err(_late) => {
                if let Some(node) = self.routes.load().node(tag.slot()) {
                    node.was_late();
                }
                Err(Trouble::Late)
            }
        }
    }

    /// Runs commands for many tags, in their order; those of one node go at once.
    pub(super) async fn commands(&self, commands: &[(Tag, Cmd)]) -> Result<Vec<Value>, Trouble> {
        let routes = self.routes.load_full();
        if commands.iter().any(|(tag, _)| routes.node(tag.slot()).is_none()) {
            return Err(Trouble::Away);
        }
        let mut answers = vec![Value::Nil; commands.len()];
        for node in &routes.nodes {
            let is_here = |tag: Tag| routes.node(tag.slot()).is_some_and(|holder| Arc::ptr_eq(holder, node));
            let here: Vec<usize> = (0..commands.len()).filter(|at| is_here(commands[*at].0)).collect();
            let Some(first) = here.first() else { continue };
            let mut pipeline = Pipeline::with_capacity(here.len());
            here.iter().for_each(|at| {
                pipeline.add_command(commands[*at].1.clone());
            });
            let sent = self.within(commands[*first].0, node.send_all(&pipeline, here.len())).await;
            match sent {
                Ok(found) => here.into_iter().zip(found).for_each(|(at, answer)| answers[at] = answer),
                // A slot moved: one by one, each to where it is.
                Err(Trouble::Error(_)) if routes.is_cluster => {
                    for at in here {
                        let (tag, command) = &commands[at];
                        answers[at] = self.command(*tag, command.clone()).await?;
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(answers)
    }

    /// Every server.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.routes.load().nodes.clone()
    }

    /// Runs one command on this server, whatever it holds.
    pub(super) async fn at(&self, node: &Node, command: &Cmd) -> Result<Value, Trouble> {
        tokio::time::timeout(self.connector.deadline, node.send(command, false)).await.unwrap_or_else(|_late| {
            node.was_late();
            Err(Trouble::Late)
        })
    }

    /// What was acknowledged of this tag is on the disk, as far as the server can tell.
    pub(super) async fn durable(&self, tag: Tag) -> Result<(), Trouble> {
        let opened = self.routes.load().node(tag.slot()).and_then(|node| node.opened()).ok_or(Trouble::Away)?;
        match &opened.fence {
            Some(fence) => fence.passed().await,
            None => Ok(()),
        }
    }

    /// For one call.
    pub(super) fn deadline(&self) -> Duration {
        self.connector.deadline
    }

    /// Whether the node of this tag serves.
    pub(super) fn serves(&self, tag: Tag) -> bool {
        self.routes.load().node(tag.slot()).is_some_and(|node| node.is_up())
    }

    /// Whether all nodes serve.
    pub(super) fn all_serve(&self) -> bool {
        self.routes.load().nodes.iter().all(|node| node.is_up())
    }

    /// Until a node comes or goes.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
