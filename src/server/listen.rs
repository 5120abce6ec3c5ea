//! Addresses to listen on: TCP, and Unix sockets that only their owner may open.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

/// Where to listen: `127.0.0.1:8470`, `[::1]:8470`, or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Listen {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: needs a path".to_owned()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!("{text:?} is no address such as 127.0.0.1:8470, [::1]:8470 or unix:/run/askance.sock")
            }),
        }
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// A bound listener, not yet tied to a runtime.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(StdUnixListener, SocketFile),
}

/// A listener of the runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix { listener: tokio::net::UnixListener, _file: SocketFile },
}

/// An accepted connection on its way to the runtime that serves it.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(StdUnixStream),
}

impl Accepted {
    /// Who is at the other end; on a Unix socket, this machine.
    pub(super) fn peer(&self) -> io::Result<IpAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map(|address| address.ip()),
            Self::Unix(_) => Ok(Ipv4Addr::LOCALHOST.into()),
        }
    }
}

/// The file of a Unix socket, removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that is gone already is what is wanted.
        std::fs::remove_file(&self.0).unwrap_or_default();
    }
}

impl Bound {
    /// Binds; what answers at `listen` already is left alone.
    pub(super) fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Listen::Unix(path) => {
                let listener = bind_unix(path)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener, SocketFile(path.clone())))
            }
        }
    }

    /// The address as bound, with the port that the system chose.
    pub(super) fn address(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Self::Unix(_, file) => Ok(Listen::Unix(file.0.clone())),
        }
    }

    /// Ties the listener to the runtime of the caller.
    pub(super) fn into_listener(self) -> io::Result<Listener> {
        match self {
            Self::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Listener::Tcp),
            Self::Unix(listener, file) => {
                tokio::net::UnixListener::from_std(listener).map(|listener| Listener::Unix { listener, _file: file })
            }
        }
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                stream.into_std().map(Accepted::Tcp)
            }
            Self::Unix { listener, .. } => listener.accept().await?.0.into_std().map(Accepted::Unix),
        }
    }
}

/// Creates the socket with mode 0600 from its first instant: inside a directory that only the owner can enter, then
/// moved to its place, where it replaces what a dead process left.
fn bind_unix(path: &Path) -> io::Result<StdUnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket stands there"));
        }
        Ok(_) if StdUnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        Ok(_) | Err(_) => {}
    }
    let mut private = path.as_os_str().to_owned();
    private.push(format!(".{}", std::process::id()));
    let private = PathBuf::from(private);
    std::fs::DirBuilder::new().mode(0o700).create(&private)?;
    let bound = bind_inside(&private, path);
    std::fs::remove_dir(&private).unwrap_or_default();
    bound
}

fn bind_inside(private: &Path, path: &Path) -> io::Result<StdUnixListener> {
    let inside = private.join("socket");
    let listener = StdUnixListener::bind(&inside)?;
    let moved = std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&inside, path));
    if moved.is_err() {
        std::fs::remove_file(&inside).unwrap_or_default();
    }
    moved.map(|()| listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:8470", "[::1]:0", "unix:/run/askance.sock"] {
            assert_eq!(Listen::try_from(good.to_owned()).map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "8470", "localhost:8470", "127.0.0.1", "unix:", "127.0.0.1:99999"] {
            assert!(Listen::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_socket_is_the_owners_alone_and_replaces_only_a_dead_one() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("askance.sock");
        let listen = Listen::Unix(path.clone());
        let first = Bound::bind(&listen)?;
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        assert!(Bound::bind(&listen).is_err(), "somebody listens there");
        drop(first);
        assert!(!path.exists(), "removed with its listener");
        let dead = StdUnixListener::bind(&path)?;
        drop(dead);
        drop(Bound::bind(&listen)?);
        std::fs::write(&path, "data")?;
        assert!(Bound::bind(&listen).is_err(), "never replaces a file");
        assert_eq!(std::fs::read_dir(directory.path())?.count(), 1);
        Ok(())
    }
}
