//! TLS on TCP listeners: certificates that are read again when they change, and whose certificate a client shows.
//!
//! What a client may do is for `auth` to say; here is only found which one it is.

mod load;
mod name;

pub use load::TlsError;
pub use name::CertName;

use crate::clock::{Clock, Timestamp};
use crate::context::data_file::Stamp;
use arc_swap::ArcSwap;
use metrics::Counter;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// Where the certificates are, each file in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The certificate, then those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients' certificates; without them, clients are not asked for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// The certificates in use, and what was seen of their files. One for the process: the listeners and the thread that
/// looks at files share it through an `Arc`.
#[derive(Debug)]
pub struct Certificates {
    settings: Settings,
    /// Names of clients' certificates, each with its client's place in the configuration.
    names: Vec<(CertName, Certified)>,
    serving: ArcSwap<Serving>,
    files: Mutex<Files>,
    handshakes_failed: Counter,
    clock: Clock,
}

/// What a handshake needs. Connections keep what they began with.
#[derive(Debug)]
struct Serving {
    config: Arc<ServerConfig>,
    /// Until when the certificate is valid; `None` when that is beyond our times.
    expires: Option<Timestamp>,
}

/// The files as they are, and what came of reading them.
#[derive(Debug)]
struct Files {
    /// The state that was dealt with last, well or badly.
    done: States,
    /// The state at the last look.
    seen: States,
    /// Why the last state that was read does not serve.
    refused: Option<String>,
}

/// One stamp a file; `None` where there is none.
type States = [Option<Stamp>; 3];

/// The place in the configuration of the client whose certificate was shown and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Certified(pub(super) usize);

/// How the certificate is, for those who watch.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) file: String,
    pub(super) expires: Option<Timestamp>,
    /// Why the files, as they are now, do not serve.
    pub(super) refused: Option<String>,
}

impl Certificates {
    /// Reads the files. `names` are those of the clients' certificates, one a client in the order of the configuration;
    /// `handshakes_failed` counts the connections that never came to speak HTTP.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is none of certificates or keys, or the key is not the certificate's.
    pub fn load(
        settings: &Settings,
        names: impl IntoIterator<Item = Option<CertName>>,
        handshakes_failed: Counter,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        // Asked before they are read, so that a change in between shows at the next look.
        let states = states(settings);
        let serving = load::load(settings, clock)?;
        let named = |(place, name): (usize, Option<CertName>)| Some((name?, Certified(place)));
        let certificates = Self {
            settings: settings.clone(),
            names: names.into_iter().enumerate().filter_map(named).collect(),
            serving: ArcSwap::from_pointee(serving),
            files: Mutex::new(Files { done: states, seen: states, refused: None }),
            handshakes_failed,
            clock,
        };
        certificates.warn_of_expiry();
        Ok(certificates)
    }

    /// Reads the files if there is a new state of them that is the same at two looks, so that nobody is writing just
    /// now. Once a state; `None` when there is nothing to do. New handshakes use what they say, and connections that are
    /// open go on; an error is as that of [`Self::load`], and what served before serves on.
    pub fn look(&self) -> Option<Result<(), TlsError>> {
        let now = states(&self.settings);
        let mut files = self.files();
        let is_stable = now == files.seen;
        files.seen = now;
        let is_new = is_stable && now != files.done;
        drop(files);
        is_new.then(|| self.read())
    }

    /// The same without waiting for a second look, for somebody who asks; what was refused is read again, too.
    pub fn look_at_once(&self) -> Option<Result<(), TlsError>> {
        let files = self.files();
        let is_due = states(&self.settings) != files.done || files.refused.is_some();
        drop(files);
        is_due.then(|| self.read())
    }

    fn read(&self) -> Result<(), TlsError> {
        let states = states(&self.settings);
        let loaded = load::load(&self.settings, self.clock);
        let mut files = self.files();
        (files.done, files.seen) = (states, states);
        files.refused = loaded.as_ref().err().map(ToString::to_string);
        drop(files);
        self.serving.store(Arc::new(loaded?));
        self.warn_of_expiry();
        Ok(())
    }

    /// Shakes hands. `None` when that fails, which is the client's loss alone; it is told by an alert.
    pub(super) async fn accept<S>(&self, stream: S) -> Option<(TlsStream<S>, Option<Certified>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.serving.load().config);
        match TlsAcceptor::from(config).accept(stream).await {
            Ok(stream) => {
                let certified = stream.get_ref().1.peer_certificates().and_then(|chain| self.client_of(chain.first()?));
                Some((stream, certified))
            }
            Err(error) => {
                self.handshakes_failed.increment(1);
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
        }
    }

    /// Until when the certificate is valid, if it tells.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.serving.load().expires
    }

    pub(super) fn status(&self) -> Status {
        let file = self.settings.cert.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Status { file, expires: self.serving.load().expires, refused: self.files().refused.clone() }
    }

    /// Whose certificate it is: of the first client in the configuration that it names.
    fn client_of(&self, certificate: &tokio_rustls::rustls::pki_types::CertificateDer<'_>) -> Option<Certified> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        self.names.iter().find(|(name, _)| name.is_on(&certificate)).map(|(_, client)| *client)
    }

    /// An expired certificate serves: some clients do not look at the date, and none is helped by a closed port.
    fn warn_of_expiry(&self) {
        let expires = self.serving.load().expires;
        if let Some(expires) = expires.filter(|expires| *expires < self.clock.now()) {
            tracing::warn!(%expires, cert = %self.settings.cert.display(), "the certificate has expired");
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn states(settings: &Settings) -> States {
    let state = |path: &Path| Stamp::of(path).ok();
    [state(&settings.cert), state(&settings.key), settings.client_ca.as_deref().and_then(state)]
}
