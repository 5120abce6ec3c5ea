//! From files to what a handshake needs; all of it fits, or nothing is taken.

use super::{Serving, Settings};
use crate::clock::{Clock, Timestamp};
use crate::context::data_file::{self, ReadError};
use std::fmt;
use std::fs::File;
use std::io::{Read, Take};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, version};

/// MiB. Bundles of authorities are some 200 kB; no file here is more.
const FILE_MIB_MAX: u32 = 4;

/// Why the files of certificates do not serve. What is in a key file is never named.
#[derive(Debug)]
pub struct TlsError {
    key: &'static str,
    file: PathBuf,
    why: String,
}

impl TlsError {
    fn new(key: &'static str, file: &Path, why: impl Into<String>) -> Self {
        Self { key, file: file.to_owned(), why: why.into() }
    }

    /// The key of the configuration that names the file.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file.display(), self.why)
    }
}

impl std::error::Error for TlsError {}

const CERT: &str = "server.tls.cert";
const KEY: &str = "server.tls.key";
const CLIENT_CA: &str = "server.tls.client_ca";

pub(super) fn load(settings: &Settings, clock: Clock) -> Result<Serving, TlsError> {
    let chain = certificates(CERT, &settings.cert)?;
    let expires = chain.first().and_then(expiry);
    let key = private_key(&settings.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(clock))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| TlsError::new(CERT, &settings.cert, error.to_string()))?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unfit(settings, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if settings.client_ca.is_some() {
        // Who resumes a session is not verified again; a certificate that expired meanwhile would serve on.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Serving { config: Arc::new(config), expires })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (pem, _) = data_file::read(path, FILE_MIB_MAX).map_err(|error| unread(key, path, &error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| TlsError::new(key, path, format!("is no valid PEM: {error}")))?;
    if chain.is_empty() { Err(TlsError::new(key, path, "holds no certificate in PEM")) } else { Ok(chain) }
}

/// Bits of a file's mode that nobody else may have: a group may read, as what renews certificates, or mounts them, often
/// lets one.
const FORBIDDEN_MODE: u32 = 0o037;

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let refused = |why: String| TlsError::new(KEY, path, why);
    let read = |mut source: Take<&File>| {
        let mode = source.get_ref().metadata()?.permissions().mode();
        let mut pem = Vec::new();
        source.read_to_end(&mut pem).map(|_| (mode, pem))
    };
    let (read, _) = data_file::read_with(path, FILE_MIB_MAX, read).map_err(|error| unread(KEY, path, &error))?;
    let (mode, pem) = read.map_err(|error| unread(KEY, path, &error.into()))?;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(refused(format!(
            "can be read or changed by others (mode {:03o}); chmod 600 or 640 it",
            mode & 0o777
        )));
    }
    // Nothing of the cause: it could show a part of the key.
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| refused("holds no private key in PEM, or one with a password".into()))
}

fn verifier(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refused = |why: String| TlsError::new(CLIENT_CA, path, why);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CLIENT_CA, path)? {
        roots.add(certificate).map_err(|error| refused(format!("holds what is no certificate: {error}")))?;
    }
    // Who shows none can have a key, or ask for health.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| refused(error.to_string()))
}

fn unread(key: &'static str, path: &Path, error: &ReadError) -> TlsError {
    TlsError::new(key, path, error.to_string())
}

fn unfit(settings: &Settings, error: &rustls::Error) -> TlsError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a foreign enum that grows; what is not told apart is the key's"
    )]
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::new(KEY, &settings.key, "is not the key of the certificate"),
        rustls::Error::InvalidCertificate(_) => {
            TlsError::new(CERT, &settings.cert, format!("holds what is no certificate: {error}"))
        }
        _ => TlsError::new(KEY, &settings.key, format!("holds a key that cannot be used: {error}")),
    }
}

/// Until when a certificate is valid. Dates are checked before everything else about a path, so a check at the end of
/// time fails by them, and tells; which spares us a parser of our own.
fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let usage = webpki::KeyUsage::server_auth();
    match certificate.verify_for_usage(&[], &[], &[], end_of_time, usage, None, None) {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            i64::try_from(not_after.as_secs()).ok()?.checked_mul(1000).and_then(Timestamp::from_unix_ms)
        }
        Ok(_) | Err(_) => None,
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.now().unix_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}
