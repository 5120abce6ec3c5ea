//! Binding, accepting, keeping house, and stopping without losing a request.

use super::api::Service;
use super::connection::{self, Limits};
use super::hooks::Hooks;
use super::limits::Connections;
use super::listen::{Accepted, Bound, Listen, Listener};
use super::tls::Certificates;
use super::worker::{Front, Handover, Worker};
use super::{Settings, admin};
use crate::clock::Clock;
use crate::memory::Memory;
use crate::mfa::Mfa;
use crate::pipeline::Pipeline;
use crate::telemetry::Meters;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Connections of the admin listener at a time: probes and scrapes, apart from those of logins.
const ADMIN_CONNECTIONS_MAX: usize = 256;
/// Samples of histograms are drained, and memory is swept, this often.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// After an accept that failed (no file descriptors, mostly), the next one waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Said to a connection for which there is no room.
const REFUSAL: &str = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"code\":\"server.overloaded\",\"detail\":\"too many connections at a time (server.connections_max)\"}";

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Server<M> {
    service: Arc<Service<M>>,
    settings: Settings,
    main: Vec<Bound>,
    hooks: Vec<Bound>,
    grpc: Vec<Bound>,
    admin: Bound,
}

/// A listener that cannot be had.
#[derive(Debug)]
pub struct BindError {
    listen: Listen,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.listen)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl<M: Memory> Server<M> {
    /// Binds every listener. With certificates, those on TCP speak TLS.
    ///
    /// # Errors
    ///
    /// The first address that cannot be had; those bound before are given back.
    pub fn bind(
        settings: &Settings,
        hooks: Hooks,
        certificates: Option<Arc<Certificates>>,
        pipeline: Arc<Pipeline<M>>,
        mfa: Option<Arc<Mfa<M>>>,
        meters: Arc<Meters>,
        clock: Clock,
    ) -> Result<Self, BindError> {
        let bind = |listen: &Listen| Bound::bind(listen).map_err(|source| BindError { listen: listen.clone(), source });
        Ok(Self {
            main: settings.listen.0.iter().map(bind).collect::<Result<_, _>>()?,
            hooks: hooks.listen().map(bind).collect::<Result<_, _>>()?,
            grpc: hooks.listen_grpc().map(bind).collect::<Result<_, _>>()?,
            admin: bind(&settings.admin_listen)?,
            service: Arc::new(Service::new(pipeline, mfa, settings, hooks, certificates, meters, clock)),
            settings: settings.clone(),
        })
    }

    /// The addresses as bound, in the order of the configuration: main, hooks, those of gRPC, and the admin
    /// listener's last.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<Listen>> {
        self.main.iter().chain(&self.hooks).chain(&self.grpc).chain([&self.admin]).map(Bound::address).collect()
    }

    /// Serves until `stop` is over, then lets requests under way finish. SIGHUP calls `reload`. Blocks the thread.
    ///
    /// # Errors
    ///
    /// A thread or a runtime cannot be had.
    pub fn run(self, stop: impl Future<Output = ()>, reload: impl Fn()) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (drain_sender, drain) = watch::channel(false);
        let workers = self.start_workers(&drain)?;
        let stopped = runtime.block_on(self.serve(stop, reload, &workers, drain_sender, drain));
        // Whatever could still hand a connection to a worker goes with the runtime, so that the workers end.
        drop(runtime);
        let (connections, threads): (Vec<_>, Vec<_>) =
            workers.into_iter().map(|worker| (worker.connections, worker.thread)).unzip();
        drop(connections);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker died");
            }
        }
        stopped
    }

    fn start_workers(&self, drain: &watch::Receiver<bool>) -> io::Result<Vec<Worker>> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = Some(self.settings.workers.as_usize()).filter(|count| *count > 0).unwrap_or_else(cores);
        let start = |number| Worker::start(number, Arc::clone(&self.service), self.limits(), drain.clone());
        (0..count).map(start).collect()
    }

    fn limits(&self) -> Limits {
        Limits {
            request_timeout: Duration::from_millis(self.settings.request_timeout_ms.get().into()),
            idle_timeout: Duration::from_secs(self.settings.idle_timeout_s.get().into()),
            head_bytes_max: self.settings.head_bytes_max.as_usize(),
        }
    }

    async fn serve(
        self,
        stop: impl Future<Output = ()>,
        reload: impl Fn(),
        workers: &[Worker],
        drain_sender: watch::Sender<bool>,
        drain: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (limits, drain_time) = (self.limits(), Duration::from_secs(self.settings.drain_s.get().into()));
        // Signals have their handlers before anybody is told that the service listens: without one they kill it.
        let hangup = signal(SignalKind::hangup())?;
        let mut stop = pin!(stop);
        tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            () = std::future::ready(()) => {}
        }
        let connections = Connections::new(self.settings.connections_max.as_usize());
        let service = self.service;
        let admin_address = self.admin.address()?;
        let admin = self.admin.into_listener()?;
        let mut dispatches = Vec::new();
        let fronts = [(self.main, Front::Main), (self.hooks, Front::Hooks), (self.grpc, Front::Grpc)];
        for (bound, front) in fronts.into_iter().flat_map(|(all, front)| all.into_iter().map(move |one| (one, front))) {
            let address = bound.address()?;
            let dispatch = Dispatch {
                workers: workers.iter().map(|worker| worker.connections.clone()).collect(),
                connections: connections.clone(),
                service: Arc::clone(&service),
                front,
            };
            dispatches.push(tokio::spawn(dispatch.run(bound.into_listener()?, drain.clone())));
            tracing::info!(listener = front.as_str(), %address, "listening");
        }
        let admin_service = Arc::clone(&service);
        let administer = tokio::spawn(serve_admin(admin, admin_service, limits, drain));
        tracing::info!(listener = "admin", address = %admin_address, "listening");

        keep_house(&service, &connections, stop, hangup, reload).await;

        service.drain();
        drain_sender.send_replace(true);
        tracing::info!(connections = connections.open(), "draining");
        let done = async {
            // They hand over what was accepted already, and only then is it known what there is to wait for.
            for dispatch in dispatches {
                dispatch.await.unwrap_or_else(|error| tracing::error!(%error, "a listener died"));
            }
            connections.closed().await;
        };
        if tokio::time::timeout(drain_time, done).await.is_err() {
            tracing::warn!(connections = connections.open(), "cut off: not done within server.drain_s");
        }
        administer.abort();
        Ok(())
    }
}

/// Hands the connections of one listener to the workers in turn.
struct Dispatch<M> {
    workers: Vec<mpsc::Sender<Handover>>,
    connections: Connections,
    service: Arc<Service<M>>,
    front: Front,
}

impl<M: Memory> Dispatch<M> {
    async fn run(self, listener: Listener, mut drain: watch::Receiver<bool>) {
        let mut turns = self.workers.iter().cycle();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = drain.wait_for(|draining| *draining) => break,
            };
            match accepted {
                Ok(accepted) => self.hand_over(accepted, turns.next()).await,
                Err(error) => {
                    tracing::warn!(%error, "accepting failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What the system accepted before the listener closes is served, too.
        while let Some(Ok(accepted)) = now_or_never(listener.accept()).await {
            self.hand_over(accepted, turns.next()).await;
        }
    }

    async fn hand_over(&self, accepted: Accepted, worker: Option<&mpsc::Sender<Handover>>) {
        match (self.connections.enter(), worker) {
            (Some(place), Some(worker)) => {
                // A worker that is gone takes the connection with it.
                worker.send((accepted, place, self.front)).await.unwrap_or_default();
            }
            _ => {
                self.service.meters.connections_refused.increment(1);
                refuse(accepted, &self.service);
            }
        }
    }
}

/// Says why, as far as the socket takes it without waiting. Within TLS, that would need a handshake first.
fn refuse<M: Memory>(accepted: Accepted, service: &Service<M>) {
    if service.certificates.is_some() && matches!(accepted, Accepted::Tcp(_)) {
        return;
    }
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\nx-request-id: {:032x}\r\ncontent-length: {}\r\n\r\n{REFUSAL}",
        service.pipeline.ids().request(),
        REFUSAL.len()
    );
    let written = match accepted {
        Accepted::Tcp(mut stream) => stream.write(answer.as_bytes()),
        Accepted::Unix(mut stream) => stream.write(answer.as_bytes()),
    };
    written.map(drop).unwrap_or_default();
}

async fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

async fn serve_admin<M: Memory>(
    listener: Listener,
    service: Arc<Service<M>>,
    limits: Limits,
    drain: watch::Receiver<bool>,
) {
    let connections = Connections::new(ADMIN_CONNECTIONS_MAX);
    loop {
        let Ok(accepted) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = connections.enter() else {
            refuse(accepted, &service);
            continue;
        };
        let service = Arc::clone(&service);
        let certificates = service.certificates.clone();
        let handle = move |request, certified| {
            let service = Arc::clone(&service);
            async move { admin::handle(&service, request, certified).await }
        };
        if let Err(error) = connection::start(accepted, certificates.as_ref(), handle, limits, drain.clone(), place) {
            tracing::warn!(%error, "an admin connection was lost");
        }
    }
}

/// Until it is time to stop: sweeps memory, drains histograms, sets gauges, and reads things again on SIGHUP.
async fn keep_house<M: Memory>(
    service: &Service<M>,
    connections: &Connections,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    mut hangup: Signal,
    reload: impl Fn(),
) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = hangup.recv() => reload(),
            _ = tick.tick() => {
                let now = service.clock.now();
                let memory = service.pipeline.memory();
                memory.sweep(now);
                service.retries.sweep();
                let counts = memory.counts();
                service.meters.users.set(gauge(counts.users));
                service.meters.decisions_pending.set(gauge(counts.pending));
                service.meters.velocity_sources.set(gauge(service.pipeline.velocity().held()));
                service.meters.connections.set(gauge(connections.open()));
                service.meters.lists_stale.set(gauge(service.pipeline.loaded().lists.stale(now).count()));
            }
        }
    }
}

fn gauge(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let value = count as f64;
    value
}
