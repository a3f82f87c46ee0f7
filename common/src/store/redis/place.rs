//! This file decides which addresses of Redis there are, and what each says: one server, the sentinels
//! that know the primary, or nodes of a cluster. It also says by which user, password and certificates
//! this process shows itself. It must not know how anything is connected.

use std::{net::IpAddr, path::PathBuf};

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::store::redis::options::OpenError;

/// More addresses than this in one URL are a mistake.
const MOST_HOSTS: usize = 32;
const SENTINEL_PORT: u16 = 26379;

/// A host, as a name or an address, and its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl Host {
    pub(super) fn is_local(&self) -> bool {
        let ip = self.name.parse::<IpAddr>();
        self.name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }
}

/// Whom to ask for the server that a realm's keys are written to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Servers {
    /// There is only this one.
    One(ConnectionAddr),
    /// These sentinels know the primary that they watch under this name.
    Sentinel { sentinels: Vec<Host>, name: String },
    /// These nodes know which node has the realm's slot.
    Cluster { seeds: Vec<Host> },
}

/// The settings beside the URL with which a process shows itself. Files are read again for each new
/// connection, so that a rotation needs no restart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RedisAccess {
    /// The user, in place of the URL's.
    pub user: Option<String>,
    /// A file that holds the user's password, in place of the URL's.
    pub password_file: Option<PathBuf>,
    /// The user at the sentinels, who have users of their own.
    pub sentinel_user: Option<String>,
    /// A file that holds the password at the sentinels.
    pub sentinel_password_file: Option<PathBuf>,
    /// The files for TLS, which only a `rediss` URL uses.
    pub tls: RedisTlsFiles,
    /// Refuses a server off this machine that sentinels or a cluster name, unless TLS protects it.
    pub stay_local: bool,
}

/// Where the certificates of connections by TLS are, each a PEM file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RedisTlsFiles {
    /// The authorities that may have signed a server's certificate; `None`: the machine's.
    pub ca: Option<PathBuf>,
    /// This process' certificate with its chain, where servers ask for one.
    pub certificate: Option<PathBuf>,
    /// The private key of that certificate.
    pub key: Option<PathBuf>,
}

/// Where a realm's Redis is, and how this process shows itself there. Its text never shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisPlace {
    pub(super) servers: Servers,
    pub(super) tls: bool,
    pub(super) database: i64,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) access: RedisAccess,
}

impl std::fmt::Debug for RedisPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RedisPlace");
        shown
            .field("servers", &self.servers)
            .field("tls", &self.tls);
        shown.field("database", &self.database);
        shown.field("access", &self.access).finish_non_exhaustive()
    }
}

/// What the library made of a URL of one server.
struct Parsed {
    addr: ConnectionAddr,
    settings: RedisConnectionInfo,
}

fn parsed(url: &str) -> Result<Parsed, OpenError> {
    // The library's own errors are not shown, because they may quote the URL, which holds a password.
    let wrong = || {
        OpenError::Url(
            "write redis://user@host:port/db, redis+unix:///path, \
             redis+sentinel://host,host,host/name/db or redis+cluster://host,host/",
        )
    };
    let info = url.into_connection_info().map_err(|_| wrong())?;
    let addr = info.addr().clone();
    if let ConnectionAddr::TcpTls { insecure: true, .. } = addr {
        return Err(OpenError::Url(
            "a server's certificate is always checked: leave #insecure away",
        ));
    }
    Ok(Parsed {
        addr,
        settings: info.redis_settings().clone(),
    })
}

impl RedisPlace {
    /// Reads a URL of one server, of sentinels or of a cluster. An error never shows the URL.
    pub fn parse(url: &str, access: RedisAccess) -> Result<Self, OpenError> {
        if access.tls.certificate.is_some() != access.tls.key.is_some() {
            return Err(OpenError::Url("a certificate and its key go together"));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (servers, parsed) = match scheme {
            "redis+sentinel" | "rediss+sentinel" => sentinels(rest)?,
            "redis+cluster" | "rediss+cluster" => cluster(rest)?,
            _ => {
                let parsed = parsed(url)?;
                (Servers::One(parsed.addr.clone()), parsed)
            }
        };
        let tls = scheme.starts_with("rediss");
        if !tls && access.tls != RedisTlsFiles::default() {
            return Err(OpenError::Url("only a rediss URL has certificates"));
        }
        let is_sentinel = matches!(servers, Servers::Sentinel { .. });
        if !is_sentinel
            && (access.sentinel_user.is_some() || access.sentinel_password_file.is_some())
        {
            return Err(OpenError::Url("only a redis+sentinel URL has sentinels"));
        }
        Ok(Self {
            servers,
            tls,
            database: parsed.settings.db(),
            user: parsed.settings.username().map(str::to_owned),
            password: parsed.settings.password().map(str::to_owned),
            access,
        })
    }

    /// Returns the hosts that are connected to first; a Unix socket has none.
    pub fn hosts(&self) -> Vec<&str> {
        match &self.servers {
            Servers::One(ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) => {
                vec![host]
            }
            Servers::One(_) => Vec::new(),
            Servers::Sentinel {
                sentinels: hosts, ..
            }
            | Servers::Cluster { seeds: hosts } => {
                hosts.iter().map(|host| host.name.as_str()).collect()
            }
        }
    }

    /// Whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.tls
    }

    /// Whether a replica takes over by itself when the primary fails.
    pub fn fails_over(&self) -> bool {
        !matches!(self.servers, Servers::One(_))
    }

    /// Whether sentinels name the primary, which makes no sense with one data node.
    pub fn has_sentinels(&self) -> bool {
        matches!(self.servers, Servers::Sentinel { .. })
    }
}

/// Splits `user:password@host,host/path` into the hosts, and the path after its first slash. What the
/// user's part and the database mean is left to the library.
fn hosts_of(rest: &str, port: u16) -> Result<(&str, Vec<Host>, &str), OpenError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let texts: Vec<&str> = hosts.split(',').collect();
    if texts.len() > MOST_HOSTS {
        return Err(OpenError::Url("at most 32 hosts"));
    }
    let mut all = Vec::with_capacity(texts.len());
    for text in texts {
        let wrong = || OpenError::Url("write each host as host:port, with commas between them");
        let has_port = text.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let whole = if has_port {
            format!("redis://{text}")
        } else {
            format!("redis://{text}:{port}")
        };
        match parsed(&whole).map_err(|_| wrong())?.addr {
            ConnectionAddr::Tcp(name, port) => all.push(Host { name, port }),
            _ => return Err(wrong()),
        }
    }
    Ok((user, all, path))
}

/// Has the library read the user, the password and the database.
fn login(user: &str, database: &str) -> Result<Parsed, OpenError> {
    let at = if user.is_empty() { "" } else { "@" };
    parsed(&format!("redis://{user}{at}localhost/{database}"))
}

fn sentinels(rest: &str) -> Result<(Servers, Parsed), OpenError> {
    let (user, sentinels, path) = hosts_of(rest, SENTINEL_PORT)?;
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || !name.bytes().all(named) {
        return Err(OpenError::Url(
            "the primary's name at the sentinels is missing: redis+sentinel://host,host,host/name",
        ));
    }
    let name = name.to_owned();
    Ok((
        Servers::Sentinel { sentinels, name },
        login(user, database)?,
    ))
}

fn cluster(rest: &str) -> Result<(Servers, Parsed), OpenError> {
    let (user, seeds, path) = hosts_of(rest, 6379)?;
    if !path.is_empty() && path != "0" {
        return Err(OpenError::Url("a cluster has only database 0"));
    }
    Ok((Servers::Cluster { seeds }, login(user, "")?))
}

/// What can be read as a place: a URL, or a place.
pub trait IntoPlace {
    /// Reads the place; the error never shows the text.
    fn into_place(self) -> Result<RedisPlace, OpenError>;
}

impl IntoPlace for &RedisPlace {
    fn into_place(self) -> Result<RedisPlace, OpenError> {
        Ok(self.clone())
    }
}

impl IntoPlace for &str {
    fn into_place(self) -> Result<RedisPlace, OpenError> {
        RedisPlace::parse(self, RedisAccess::default())
    }
}

impl IntoPlace for &String {
    fn into_place(self) -> Result<RedisPlace, OpenError> {
        self.as_str().into_place()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, port: u16) -> Host {
        let name = name.to_owned();
        Host { name, port }
    }

    #[test]
    fn errors_of_urls_hide_the_password() {
        for url in [
            "http://:hunter2@localhost",
            "redis://:hunter2@localhost:notaport",
            "rediss://:hunter2@localhost/#insecure",
            "redis+sentinel://u:hunter2@a,b",
            "redis+sentinel://u:hunter2@a:x,b/main",
            "redis+cluster://u:hunter2@a,b/7",
            "redis+cluster://u:hunter2@",
        ] {
            let error = url.into_place().map(|_| ()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let place = "redis://u:hunter2@a".into_place().unwrap();
        assert!(!format!("{place:?}").contains("hunter2"));
    }

    #[test]
    fn each_shape_is_read() {
        let place = "redis+sentinel://u:p%40@a,b:1,[::1]:2/main/3"
            .into_place()
            .unwrap();
        assert_eq!(
            place.servers,
            Servers::Sentinel {
                sentinels: vec![host("a", 26379), host("b", 1), host("::1", 2)],
                name: "main".into(),
            }
        );
        assert_eq!((place.database, place.tls), (3, false));
        assert_eq!(place.user.as_deref(), Some("u"));
        assert_eq!(place.password.as_deref(), Some("p@"));
        assert_eq!(place.hosts(), ["a", "b", "::1"]);
        let place = "rediss+cluster://a,b:1/".into_place().unwrap();
        assert!(place.tls && place.fails_over() && !place.has_sentinels());
        let seeds = vec![host("a", 6379), host("b", 1)];
        assert_eq!(place.servers, Servers::Cluster { seeds });
        let place = "redis+unix:///run/s?db=2".into_place().unwrap();
        assert_eq!((place.hosts().len(), place.database), (0, 2));
        assert!("rediss://db:1".into_place().unwrap().tls);
    }

    #[test]
    fn settings_that_a_url_does_not_use_are_refused() {
        let tls = RedisTlsFiles {
            ca: Some("/ca".into()),
            ..RedisTlsFiles::default()
        };
        let half = RedisTlsFiles {
            key: Some("/key".into()),
            ..RedisTlsFiles::default()
        };
        let with_tls = |tls| RedisAccess {
            tls,
            ..RedisAccess::default()
        };
        let sentinels = RedisAccess {
            sentinel_user: Some("s".into()),
            ..RedisAccess::default()
        };
        assert!(RedisPlace::parse("redis://a", with_tls(tls.clone())).is_err());
        assert!(RedisPlace::parse("rediss://a", with_tls(half)).is_err());
        assert!(RedisPlace::parse("rediss://a", with_tls(tls)).is_ok());
        assert!(RedisPlace::parse("redis://a", sentinels.clone()).is_err());
        assert!(RedisPlace::parse("redis+sentinel://a/x", sentinels).is_ok());
    }
}
