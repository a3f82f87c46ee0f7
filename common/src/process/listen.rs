//! This file decides where a process may listen and which addresses are local: without TLS, a listener
//! off this machine is refused unless `--plaintext` is set. It must not know what is served.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::tls::ServerTls;

/// An address to listen on: `host:port` or `unix:/path`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenAddress {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {address}")]
pub struct BindError {
    flag: &'static str,
    address: ListenAddress,
    source: io::Error,
}

/// A bound, non-blocking socket, and how connections to it are protected.
#[derive(Debug)]
pub struct Listener {
    pub(crate) bound: Bound,
    /// `None`: connections are in plain text.
    pub(crate) tls: Option<Arc<ServerTls>>,
}

#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl ListenAddress {
    /// Whether the address can be reached from this machine only.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => host_is_local(host),
        }
    }

    /// Checks the rule for listeners; `Err` names it.
    pub fn permitted(&self, protection: Protection) -> Result<(), String> {
        if protection != Protection::None || self.is_local() {
            Ok(())
        } else {
            Err(format!("`{self}` is {OFF_LOOPBACK}"))
        }
    }

    /// Binds the address for the setting with this flag, which an error names.
    pub fn bind_for(&self, flag: &'static str) -> Result<Listener, BindError> {
        self.bind().map_err(|source| BindError {
            flag,
            address: self.clone(),
            source,
        })
    }

    pub fn bind(&self) -> io::Result<Listener> {
        match self {
            Self::Unix(path) => bind_unix(path),
            Self::Tcp { host, port } => {
                let addresses: Vec<SocketAddr> =
                    (host.as_str(), *port).to_socket_addrs()?.collect();
                // A name that claims to be local must resolve to loopback only.
                if self.is_local() && addresses.iter().any(|a| !a.ip().is_loopback()) {
                    return Err(io::Error::other(format!(
                        "`{host}` resolves to more than loopback"
                    )));
                }
                let listener = TcpListener::bind(addresses.as_slice())?;
                listener.set_nonblocking(true)?;
                Ok(Bound::Tcp(listener).into())
            }
        }
    }
}

/// Checks the same rule for a URL that a program calls: a Redis, a feed, keys, a collector, the server
/// behind a guard. `Err` names the rule but doesn't repeat the URL, which may hold a password.
pub fn url_permitted(url: &str, plaintext: bool) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("not a URL".into());
    };
    // A Unix socket stays on this machine, and these schemes use TLS.
    if scheme.ends_with("unix") || matches!(scheme, "https" | "rediss") {
        return Ok(());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The part before the last @ is a user's name and password.
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.split_once(']') {
        Some((bracketed, _)) => bracketed.trim_start_matches('['),
        None => host.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        Err("the URL has no host".into())
    } else if plaintext || host_is_local(host) {
        Ok(())
    } else {
        Err(OFF_LOOPBACK.into())
    }
}

const OFF_LOOPBACK: &str =
    "off loopback, and there is no TLS: set it up, or say --plaintext if the network is trusted";

/// Why connections may leave this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// They may not.
    None,
    /// They are encrypted.
    Tls,
    /// The operator says that the network is trusted.
    Trusted,
}

/// Whether the host is a loopback address or the name `localhost`.
pub fn host_is_local(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Binds a Unix socket. It replaces the socket file of a killed process, but not one that still
/// answers.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let bound = match UnixListener::bind(path) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }?;
    bound.set_nonblocking(true)?;
    Ok(Bound::Unix(bound).into())
}

/// Whether a socket file is abandoned. `ECONNREFUSED` also comes from other files, which must stay.
fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(format!(
                    "`{text}`: a Unix socket is written unix:/absolute/path"
                ))
            };
        }
        let wrong = || format!("`{text}` is neither host:port nor unix:/path");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            // An IPv6 address without brackets is ambiguous.
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        Ok(Self::Tcp {
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<Bound> for Listener {
    fn from(bound: Bound) -> Self {
        Self { bound, tls: None }
    }
}

impl Listener {
    /// Lets connections begin by a TLS handshake, except on a Unix socket.
    #[must_use]
    pub fn with_tls(self, tls: Option<&Arc<ServerTls>>) -> Self {
        let tls = match &self.bound {
            Bound::Tcp(_) => tls.cloned(),
            Bound::Unix(_) => None,
        };
        Self { tls, ..self }
    }

    /// Returns the bound address, with the port that the system chose for port 0.
    pub fn address(&self) -> io::Result<ListenAddress> {
        Ok(match &self.bound {
            Bound::Tcp(listener) => {
                let address = listener.local_addr()?;
                ListenAddress::Tcp {
                    host: address.ip().to_string(),
                    port: address.port(),
                }
            }
            Bound::Unix(listener) => ListenAddress::Unix(
                listener
                    .local_addr()?
                    .as_pathname()
                    .unwrap_or(Path::new(""))
                    .into(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for (text, local) in [
            ("127.0.0.1:8480", true),
            ("127.9.9.9:1", true),
            ("localhost:0", true),
            ("[::1]:8480", true),
            ("unix:/run/tokenward.sock", true),
            ("0.0.0.0:8480", false),
            ("[::]:8480", false),
            ("10.0.0.1:8480", false),
            ("localhost.example.org:8480", false),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.is_local(), local, "{text}");
            let permitted = |protection| address.permitted(protection).is_ok();
            assert_eq!(permitted(Protection::None), local, "{text}");
            assert!(permitted(Protection::Tls) && permitted(Protection::Trusted));
        }
    }

    #[test]
    fn urls_are_judged_by_the_same_rule() {
        for (url, local) in [
            ("redis://127.0.0.1:6379", true),
            ("redis://user:pass@127.0.0.1:6379/0", true),
            ("redis://:p@ss@localhost", true),
            ("redis://[::1]:6379?x=y", true),
            ("redis+unix:///run/redis.sock", true),
            ("unix:///run/redis.sock", true),
            ("https://tokens.example", true),
            ("http://127.9.9.9/path@x", true),
            ("redis://db.example:6379", false),
            ("redis://user:pass@10.0.0.1:6379", false),
            ("redis://127.0.0.1@db.example", false),
            ("redis://db.example?@127.0.0.1", false),
            ("http://localhost.example.org", false),
            ("http://[fe80::1]:80", false),
            ("http://0.0.0.0:1", false),
        ] {
            assert_eq!(url_permitted(url, false).is_ok(), local, "{url}");
            assert!(url_permitted(url, true).is_ok(), "{url}");
        }
        for none in [
            "",
            "db.example:6379",
            "redis://",
            "http:///path",
            "http://user@",
        ] {
            assert!(url_permitted(none, true).is_err(), "{none}");
        }
        let told = url_permitted("redis://u:hunter2@db", false).unwrap_err();
        assert!(
            !told.contains("hunter2") && told.contains("--plaintext"),
            "{told}"
        );
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "8480",
            ":8480",
            "::1:8480",
            "[::1:8480",
            "host:",
            "host:65536",
            "http://host:1",
            "unix:",
            "unix:relative",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_abandoned_socket_is_taken_over_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix(dir.path().join("s"));
        let first = address.bind().unwrap();
        assert_eq!(address.bind().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let again = address.bind().unwrap();
        assert_eq!(again.address().unwrap(), address);

        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert!(ListenAddress::Unix(file.clone()).bind().is_err());
        assert!(file.exists());
    }
}
