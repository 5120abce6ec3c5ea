//! The generator's side of TLS: a certificate for askance, made by the `openssl` command, and who believes it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Failure;

/// Nobody's authority; `openssl req` has to be told what not to add.
const REQUEST: &str = "[req]\ndistinguished_name=name\nx509_extensions=server\nprompt=no\n[name]\nCN=bench\n\
                       [server]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";

/// A certificate with its key, which last as long as this.
pub(crate) struct Certificate {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Speaks TLS 1.3 to whoever shows that certificate; a clone shares it.
    pub(crate) connector: TlsConnector,
    _directory: TempDir,
}

impl Certificate {
    /// # Errors
    /// When there is no `openssl`.
    pub(crate) fn new() -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let [request, cert, key] = ["request.cnf", "cert.pem", "key.pem"].map(|name| directory.path().join(name));
        fs::write(&request, REQUEST)?;
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .arg("-config")
            .arg(&request)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("openssl cannot be run: {error}"))?;
        if !made.success() {
            return Err(format!("openssl made no certificate: {made}").into());
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&cert)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { cert, key, connector: TlsConnector::from(Arc::new(config)), _directory: directory })
    }
}
