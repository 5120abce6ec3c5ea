//! The threads that serve: one runtime each, so that a request never changes cores.

use super::api::Service;
use super::connection::{self, Limits};
use super::hooks::Origin;
use super::limits::Place;
use super::listen::Accepted;
use crate::memory::Memory;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, watch};

/// A connection, with its place among those open, and what it came for.
pub(super) type Handover = (Accepted, Place, Front);

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// The API.
    Main,
    /// Reverse proxies.
    Hooks,
    /// Envoy, by gRPC.
    Grpc,
}

impl Front {
    /// How the log calls its listeners.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Hooks => "hooks",
            Self::Grpc => "hooks-grpc",
        }
    }
}

/// Connections that may wait for a worker; the accepting side waits when it is full.
const WAITING_MAX: usize = 256;

/// One thread that serves connections.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) connections: mpsc::Sender<Handover>,
    pub(super) thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker. It ends when nobody can hand it connections any more; what it still serves then is cut off.
    pub(super) fn start<M: Memory>(
        number: usize,
        service: Arc<Service<M>>,
        limits: Limits,
        drain: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, mut waiting) = mpsc::channel::<Handover>(WAITING_MAX);
        let serve = async move {
            while let Some(handover) = waiting.recv().await {
                if let Err(error) = spawn(handover, &service, limits, &drain) {
                    tracing::warn!(%error, "a connection was lost on its way to a worker");
                }
            }
        };
        let thread =
            std::thread::Builder::new().name(format!("askance-{number}")).spawn(move || runtime.block_on(serve))?;
        Ok(Self { connections, thread })
    }
}

fn spawn<M: Memory>(
    (accepted, place, front): Handover,
    service: &Arc<Service<M>>,
    limits: Limits,
    drain: &watch::Receiver<bool>,
) -> io::Result<()> {
    let (service, drain) = (Arc::clone(service), drain.clone());
    let certificates = service.certificates.clone();
    match front {
        Front::Main => {
            let handle = move |request, certified| Arc::clone(&service).handle(request, certified);
            connection::start(accepted, certificates.as_ref(), handle, limits, drain, place)
        }
        Front::Grpc => {
            let (peer, is_unix) = (accepted.peer()?, matches!(accepted, Accepted::Unix(_)));
            let handle = move |request, certified| {
                Arc::clone(&service).handle_grpc(request, Origin { peer, certified, is_unix })
            };
            connection::start(accepted, certificates.as_ref(), handle, limits, drain, place)
        }
        Front::Hooks => {
            let (peer, is_unix) = (accepted.peer()?, matches!(accepted, Accepted::Unix(_)));
            let handle = move |request, certified| {
                Arc::clone(&service).handle_hook(request, Origin { peer, certified, is_unix })
            };
            connection::start(accepted, certificates.as_ref(), handle, limits, drain, place)
        }
    }
}
