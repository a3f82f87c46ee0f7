//! Decides where load may go: to this machine, and nowhere else.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use mio::{Interest, Registry, Token, event::Source, net};

#[derive(Clone, Debug)]
pub enum Target {
    Tcp(SocketAddr),
    /// A TCP port that speaks TLS, and the file of the authority that is trusted.
    Tls(SocketAddr, PathBuf),
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    /// Parses `127.0.0.1:8480`, `[::1]:8480`, `unix:/path`, or `tls:127.0.0.1:8480@/ca.pem`. Other machines
    /// are refused: a load generator that can be pointed at them is a weapon.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(text) = text.strip_prefix("tls:") {
            let (address, ca) = text
                .split_once('@')
                .ok_or_else(|| format!("`{text}` names no authority: tls:ip:port@/ca.pem"))?;
            return match address.parse()? {
                Self::Tcp(address) => Ok(Self::Tls(address, ca.into())),
                _ => Err(format!("`{address}` is not ip:port")),
            };
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| format!("`{text}` is neither ip:port nor unix:/path"))?;
        if !address.ip().is_loopback() {
            return Err(format!("`{text}` is not this machine"));
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address, ca) => write!(f, "tls:{address}@{}", ca.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Begins TLS with a server at this address.
fn session(ca: &Path, host: IpAddr) -> io::Result<ClientConnection> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
    roots.add(authority).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A server of HTTP/1.1 accepts a client that names no protocol.
    config.alpn_protocols = Vec::new();
    ClientConnection::new(Arc::new(config), ServerName::from(host)).map_err(io::Error::other)
}

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(net::TcpStream),
    /// Reads and writes are of the plain text.
    Tls(Box<StreamOwned<ClientConnection, net::TcpStream>>),
    Unix(net::UnixStream),
}

impl Socket {
    /// Writes as much as the socket accepts; the rest stays in `outbox`.
    pub(super) fn send(&mut self, outbox: &mut Vec<u8>) -> Result<(), String> {
        while !outbox.is_empty() {
            match self.write(outbox) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => drop(outbox.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("a write failed: {e}")),
            }
        }
        // What TLS has encrypted may still wait to be sent.
        match self.flush() {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(format!("a write failed: {e}")),
            _ => Ok(()),
        }
    }

    /// Appends all that has arrived.
    pub(super) fn receive(
        &mut self,
        inbox: &mut Vec<u8>,
        scratch: &mut [u8],
    ) -> Result<(), String> {
        loop {
            let n = match self.read(scratch) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("a read failed: {e}")),
            };
            inbox.extend_from_slice(scratch.get(..n).unwrap_or_default());
            // TLS gives one record at a time, and may hold more.
            if n < scratch.len() && !matches!(self, Self::Tls(_)) {
                break;
            }
        }
        Ok(())
    }

    /// Connects to the target. The connection is ready when this returns, so that its set-up isn't
    /// measured.
    pub(super) fn connect(target: &Target) -> io::Result<Self> {
        Ok(match target {
            Target::Tcp(address) => {
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Self::Tcp(net::TcpStream::from_std(stream))
            }
            Target::Tls(address, ca) => {
                let mut stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                let mut session = session(ca, address.ip())?;
                while session.is_handshaking() {
                    session.complete_io(&mut stream)?;
                }
                stream.set_nonblocking(true)?;
                let stream = net::TcpStream::from_std(stream);
                Self::Tls(Box::new(StreamOwned::new(session, stream)))
            }
            Target::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Self::Unix(net::UnixStream::from_std(stream))
            }
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(s) => s.register(registry, token, interest),
            Self::Tls(s) => s.sock.register(registry, token, interest),
            Self::Unix(s) => s.register(registry, token, interest),
        }
    }
}

impl io::Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.read(buf),
            Self::Tls(s) => s.read(buf),
            Self::Unix(s) => s.read(buf),
        }
    }
}

impl io::Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.write(buf),
            Self::Tls(s) => s.write(buf),
            Self::Unix(s) => s.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(s) => s.flush(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for fine in [
            "127.0.0.1:1",
            "[::1]:1",
            "unix:/s",
            "tls:127.0.0.1:1@/ca.pem",
        ] {
            assert_eq!(fine.parse::<Target>().unwrap().to_string(), fine);
        }
        for refused in [
            "10.0.0.1:1",
            "0.0.0.0:1",
            "example.org:1",
            "localhost:1",
            "[::]:1",
            "tls:10.0.0.1:1@/ca.pem",
            "tls:127.0.0.1:1",
        ] {
            assert!(refused.parse::<Target>().is_err(), "{refused}");
        }
    }
}
