//! Mail by SMTP: over TLS from the first byte, or from STARTTLS on; in clear to this machine only.
//!
//! **Source:** RFC 5321; RFC 8314, which wants TLS from the first byte; RFC 3207 (STARTTLS).

use super::Refused;
use crate::clock::Clock;
use crate::mfa::message::settings::{SmtpSettings, SmtpTls};
use crate::mfa::message::templates::Written;
use crate::mfa::message::{Message, Sources};
use crate::outbound::{Authorities, Capped, Networks, dial, tls_client};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

pub(in crate::mfa::message) struct Smtp {
    host: String,
    port: u16,
    allowed: Networks,
    tls: Tls,
    credentials: Option<Credentials>,
    from: Mailbox,
    clock: Clock,
}

enum Tls {
    Implicit(Arc<ClientConfig>),
    Upgraded(TlsParameters),
    None,
}

/// What was made of a conversation.
type Spoken = Result<(), Refused>;

impl Smtp {
    pub(super) fn new(
        settings: &SmtpSettings,
        allowed: Networks,
        pem: Option<&[u8]>,
        sources: &dyn Sources,
        clock: Clock,
    ) -> Result<Self, String> {
        let credentials = settings.credentials.as_ref().map(|(user, source)| {
            let password = sources.secret(source).map_err(|why| format!("password: {why}"))?;
            Ok::<_, String>(Credentials::new(user.clone(), password))
        });
        let tls = match settings.tls {
            SmtpTls::Implicit => {
                let authorities = pem.map_or(Authorities::System, Authorities::Pem);
                Tls::Implicit(tls_client(authorities, clock).map_err(|error| error.to_string())?)
            }
            SmtpTls::Starttls => Tls::Upgraded(start_tls(&settings.host, pem)?),
            SmtpTls::DangerPlain => Tls::None,
        };
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            allowed,
            tls,
            credentials: credentials.transpose()?,
            from: settings.from.0.clone(),
            clock,
        })
    }

    pub(super) async fn send(&self, message: &Message<'_>, written: &Written, deadline: Duration) -> Spoken {
        let mail = self.mail(message, written)?;
        let spoken = tokio::time::timeout(deadline, self.converse(&mail, deadline)).await;
        spoken.unwrap_or_else(|_| Err(Refused::Failed("it took too long".to_owned())))
    }

    async fn converse(&self, mail: &lettre::Message, deadline: Duration) -> Spoken {
        let mut connection = self.connect(deadline).await?;
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(|error| said(&error))?;
        }
        connection.send(mail.envelope(), &mail.formatted()).await.map_err(|error| said(&error))?;
        // It is taken. Whoever hangs up instead of saying goodbye has taken it, too.
        let _goodbye = connection.quit().await;
        Ok(())
    }

    async fn connect(&self, deadline: Duration) -> Result<AsyncSmtpConnection, Refused> {
        let plain_only = matches!(self.tls, Tls::None);
        let stream = dial(&self.host, self.port, &self.allowed, plain_only, deadline).await?;
        let hello = ClientId::Domain(self.from.email.domain().to_owned());
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::Implicit(config) => {
                let untrusted = || Refused::Failed("its certificate is not trusted, or it speaks no TLS".to_owned());
                let name = ServerName::try_from(self.host.clone()).map_err(|_| untrusted())?;
                let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
                Box::new(Secured(Box::new(secured.map_err(|_| untrusted())?)))
            }
            Tls::Upgraded(_) | Tls::None => Box::new(stream),
        };
        let connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connection.map_err(|error| said(&error))?;
        if let Tls::Upgraded(parameters) = &self.tls {
            // Where it is not offered, this fails: nothing is ever said in clear.
            connection.starttls(parameters.clone(), &hello).await.map_err(|error| said(&error))?;
        }
        Ok(connection)
    }

    fn mail(&self, message: &Message<'_>, written: &Written) -> Result<lettre::Message, Refused> {
        let rejected = |why: &str| Refused::Rejected(why.to_owned());
        let to = message.to.address().parse().map_err(|_| rejected("no address"))?;
        let id = getrandom::u64().map_err(|_| rejected("no randomness"))?;
        let now = Duration::from_millis(u64::try_from(self.clock.now().unix_ms()).unwrap_or(0));
        let built = MessageBuilder::new()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject.clone())
            .date(UNIX_EPOCH + now)
            .message_id(Some(format!("<{id:016x}@{}>", self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(written.text.clone());
        let mut mail = built.map_err(|_| rejected("it cannot be written as mail"))?;
        // Nobody's absence note answers it. **Source:** RFC 3834.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(mail)
    }
}

fn start_tls(host: &str, pem: Option<&[u8]>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = pem {
        let authority = Certificate::from_pem(pem).map_err(|_| "ca_file: no certificate in PEM".to_owned())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|error| format!("the authorities of the system cannot be had: {error}"))
}

/// Its words may name the recipient; its numbers do not.
fn said(error: &lettre::transport::smtp::Error) -> Refused {
    match error.status() {
        Some(code) => Refused::Rejected(format!("status {code}")),
        None if error.is_tls() => Refused::Failed("its certificate is not trusted, or it speaks no TLS".to_owned()),
        None if error.is_client() => Refused::Failed("it does not offer what is needed".to_owned()),
        None => Refused::Failed("the connection broke, or what came is no answer".to_owned()),
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Smtp({}:{})", self.host, self.port)
    }
}

/// A connection behind TLS, as the mail client takes it.
#[derive(Debug)]
struct Secured(Box<TlsStream<Capped>>);

impl AsyncTokioStream for Capped {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Self::peer_addr(self)
    }
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
