//! Whom a call believes that it has reached the right place.

use crate::clock::Clock;
use hyper_rustls::ConfigBuilderExt;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

/// Who may have signed the certificate of a place that is called.
#[derive(Debug, Clone, Copy)]
pub enum Authorities<'a> {
    /// Those that the system trusts.
    System,
    /// These, in PEM, and nobody else.
    Pem(&'a [u8]),
}

/// Why there is nobody to believe.
#[derive(Debug)]
pub struct TrustError(String);

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrustError {}

/// TLS 1.2 and 1.3 towards a place whose certificate one of `authorities` signed.
///
/// # Errors
///
/// There is no authority, or what is given is none.
pub fn tls_client(authorities: Authorities<'_>, clock: Clock) -> Result<Arc<ClientConfig>, TrustError> {
    let builder = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), Arc::new(clock))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| TrustError(error.to_string()))?;
    let builder = match authorities {
        Authorities::System => builder
            .try_with_platform_verifier()
            .map_err(|error| TrustError(format!("the authorities of the system cannot be had: {error}")))?,
        Authorities::Pem(pem) => builder.with_root_certificates(roots(pem)?),
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| TrustError("no certificate in PEM".to_owned()))?;
        roots.add(certificate).map_err(|error| TrustError(format!("no authority: {error}")))?;
    }
    if roots.is_empty() { Err(TrustError("no certificate in PEM".to_owned())) } else { Ok(roots) }
}
