//! This file finds the server that a realm's keys are written to, and connects to it: the one that the
//! URL names, the primary that sentinels name, or the node of a cluster that has the realm's slot. The
//! question is asked anew for each connection, so a connection that is dropped is how a failover is
//! followed. It must not know what is asked of the server.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, Value, aio::MultiplexedConnection, cmd, pipe,
};
use tokio::io::AsyncReadExt;

use crate::store::redis::{
    place::{Host, RedisPlace, Servers},
    reply::{bytes, list, parse_number},
    trouble::Trouble,
};

/// Connecting to one server may take at most this long.
const CONNECT: Duration = Duration::from_millis(300);
/// Finding the server, and connecting to it, may take at most this long.
const LOCATE: Duration = Duration::from_secs(2);
/// A file with a password or certificates may have at most this many bytes.
const MOST_BYTES: u64 = 256 * 1024;
/// This many nodes of a cluster are remembered.
const MOST_NODES: usize = 64;

/// By whom a connection was made: a changed file is seen by comparing.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<String>,
}

/// The contents of the files for TLS, each in PEM.
#[derive(Clone, Default)]
struct RedisTls {
    ca: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// What a server said of its part in the replication.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Replication {
    pub(super) is_primary: bool,
    /// The id of its stream: another primary, or the same one after it was demoted, has another.
    pub(super) stream: Option<String>,
    pub(super) replicas: u64,
}

/// A connection to the server that was found.
pub(super) struct Found {
    pub(super) connection: MultiplexedConnection,
    pub(super) login: Login,
    /// `None`: the server doesn't tell this user.
    pub(super) replication: Option<Replication>,
}

pub(super) struct Locator {
    place: RedisPlace,
    /// A key of the realm: all of them lie in one slot.
    key: String,
    /// The sentinel that is asked first the next time. Each time it is another one, because one that is
    /// cut off from the others names the old primary for as long as it is.
    turn: AtomicUsize,
    /// The nodes of the cluster as they were last told, the slot's own first.
    nodes: Mutex<Vec<Host>>,
}

impl Locator {
    pub(super) fn new(place: RedisPlace, key: String) -> Self {
        Self {
            place,
            key,
            turn: AtomicUsize::new(0),
            nodes: Mutex::default(),
        }
    }

    pub(super) fn fails_over(&self) -> bool {
        self.place.fails_over()
    }

    /// Reads by whom the next connection would be made.
    pub(super) async fn login(&self) -> Result<Login, Trouble> {
        let access = &self.place.access;
        let password = secret(access.password_file.as_deref()).await?;
        Ok(Login {
            user: access.user.clone().or_else(|| self.place.user.clone()),
            password: password.or_else(|| self.place.password.clone()),
        })
    }

    pub(super) async fn connect(&self, response: Option<Duration>) -> Result<Found, Trouble> {
        match tokio::time::timeout(LOCATE, self.find(response)).await {
            Ok(found) => found,
            Err(_) => Err(Trouble::Refused("no server was found in time".into())),
        }
    }

    async fn find(&self, response: Option<Duration>) -> Result<Found, Trouble> {
        let dial = Dial {
            tls: self.read_tls().await?,
            login: self.login().await?,
            database: self.place.database,
            response,
            stay_local: self.place.access.stay_local,
        };
        match &self.place.servers {
            Servers::One(addr) => {
                let mut connection = dial.connect(addr.clone()).await?;
                let replication = match ask_replication(&mut connection).await {
                    Ok(replication) => Some(replication),
                    Err(error) if error.code() == Some("NOPERM") => None,
                    Err(error) => return Err(in_words(&error)),
                };
                Ok(Found {
                    connection,
                    login: dial.login,
                    replication,
                })
            }
            Servers::Sentinel { sentinels, name } => {
                self.by_sentinels(sentinels, name, &dial).await
            }
            Servers::Cluster { seeds } => self.by_cluster(seeds, &dial).await,
        }
    }

    async fn by_sentinels(
        &self,
        sentinels: &[Host],
        name: &str,
        dial: &Dial,
    ) -> Result<Found, Trouble> {
        let access = &self.place.access;
        let to_sentinels = Dial {
            tls: dial.tls.clone(),
            login: Login {
                user: access.sentinel_user.clone(),
                password: secret(access.sentinel_password_file.as_deref()).await?,
            },
            database: 0,
            response: Some(CONNECT),
            stay_local: dial.stay_local,
        };
        let first = self.turn.fetch_add(1, Relaxed) % sentinels.len().max(1);
        let mut why = Trouble::Refused("no sentinel is named".into());
        for sentinel in sentinels.iter().cycle().skip(first).take(sentinels.len()) {
            let found = async {
                let primary = to_sentinels.ask_sentinel(sentinel, name).await?;
                dial.primary(&primary).await
            };
            match found.await {
                Ok(found) => return Ok(found),
                Err(trouble) => why = trouble,
            }
        }
        Err(why)
    }

    async fn by_cluster(&self, seeds: &[Host], dial: &Dial) -> Result<Found, Trouble> {
        let known = self.nodes().clone();
        let mut why = Trouble::Refused("no node is named".into());
        let unseen = seeds.iter().filter(|seed| !known.contains(seed));
        for node in known.iter().chain(unseen) {
            let found = async {
                let nodes = dial.ask_cluster(node, &self.key).await?;
                let Some(owner) = nodes.first().cloned() else {
                    return Err(Trouble::Refused("no node has the realm's slot".into()));
                };
                *self.nodes() = nodes;
                dial.primary(&owner).await
            };
            match found.await {
                Ok(found) => return Ok(found),
                Err(trouble) => why = trouble,
            }
        }
        Err(why)
    }

    async fn read_tls(&self) -> Result<Option<RedisTls>, Trouble> {
        if !self.place.tls {
            return Ok(None);
        }
        let files = &self.place.access.tls;
        let ca = match &files.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let certificate = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some((read(certificate).await?, read(key).await?)),
            _ => None,
        };
        Ok(Some(RedisTls { ca, certificate }))
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<Host>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How every server of one search is connected to.
struct Dial {
    tls: Option<RedisTls>,
    login: Login,
    database: i64,
    response: Option<Duration>,
    stay_local: bool,
}

impl Dial {
    async fn connect(&self, addr: ConnectionAddr) -> Result<MultiplexedConnection, Trouble> {
        let mut settings = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_skip_set_lib_name();
        if let Some(user) = &self.login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.login.password {
            settings = settings.set_password(password);
        }
        // The library's errors here may quote the address, but never a password.
        let wrong = |error: RedisError| Trouble::Refused(error.to_string());
        let info = addr.into_connection_info().map_err(wrong)?;
        let info = info.set_redis_settings(settings);
        let client = match &self.tls {
            None => Client::open(info),
            Some(tls) => Client::build_with_tls(info, tls.clone().into()),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(self.response);
        client
            .map_err(wrong)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| in_words(&error))
    }

    async fn host(&self, host: &Host) -> Result<MultiplexedConnection, Trouble> {
        if self.stay_local && self.tls.is_none() && !host.is_local() {
            return Err(Trouble::Refused(format!(
                "the server that was named, {}, is off this machine, and there is no TLS: say \
                 --plaintext if the network is trusted",
                host.name
            )));
        }
        let (name, port) = (host.name.clone(), host.port);
        self.connect(match self.tls {
            None => ConnectionAddr::Tcp(name, port),
            Some(_) => ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: false,
                tls_params: None,
            },
        })
        .await
    }

    /// Connects to a server that others call the primary, which it must say itself too.
    async fn primary(&self, host: &Host) -> Result<Found, Trouble> {
        let mut connection = self.host(host).await?;
        let asked = bounded(ask_replication(&mut connection)).await?;
        let replication = asked.map_err(|error| in_words(&error))?;
        if !replication.is_primary {
            return Err(Trouble::Refused(
                "the server that was found is no primary".into(),
            ));
        }
        Ok(Found {
            connection,
            login: self.login.clone(),
            replication: Some(replication),
        })
    }

    async fn ask_sentinel(&self, sentinel: &Host, name: &str) -> Result<Host, Trouble> {
        let mut connection = self.host(sentinel).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let told: Value = ask
            .query_async(&mut connection)
            .await
            .map_err(|error| in_words(&error))?;
        let unknown =
            || Trouble::Refused(format!("a sentinel knows no primary of the name {name}"));
        let Ok([host, port]) = <[Value; 2]>::try_from(list(told).map_err(|_| unknown())?) else {
            return Err(unknown());
        };
        host_of(host, port, sentinel).ok_or_else(unknown)
    }

    /// Returns the primaries of a cluster as this node knows them, the one with the key's slot first.
    async fn ask_cluster(&self, node: &Host, key: &str) -> Result<Vec<Host>, Trouble> {
        let mut connection = self.host(node).await?;
        let mut ask = pipe();
        ask.cmd("CLUSTER").arg("KEYSLOT").arg(key);
        ask.cmd("CLUSTER").arg("SLOTS");
        let asked = bounded(ask.query_async::<Vec<Value>>(&mut connection)).await?;
        let answers = asked.map_err(|error| in_words(&error))?;
        let odd = || Trouble::Refused("a node answered CLUSTER SLOTS in an unknown shape".into());
        let Ok([Value::Int(slot), ranges]) = <[Value; 2]>::try_from(answers) else {
            return Err(odd());
        };
        let (mut nodes, mut owner) = (Vec::new(), None);
        for range in list(ranges).map_err(|_| odd())? {
            let mut parts = list(range).map_err(|_| odd())?.into_iter();
            let (Some(Value::Int(first)), Some(Value::Int(last)), Some(primary)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(odd());
            };
            let mut primary = list(primary).map_err(|_| odd())?.into_iter();
            let (host, port) = (primary.next(), primary.next());
            let host = host_of(host.unwrap_or_default(), port.unwrap_or_default(), node);
            let host = host.ok_or_else(odd)?;
            if (first..=last).contains(&slot) {
                owner = Some(host.clone());
            }
            if !nodes.contains(&host) && nodes.len() < MOST_NODES {
                nodes.push(host);
            }
        }
        let Some(owner) = owner else {
            return Err(Trouble::Refused("no node has the realm's slot".into()));
        };
        nodes.retain(|node| *node != owner);
        nodes.insert(0, owner);
        Ok(nodes)
    }
}

impl From<RedisTls> for TlsCertificates {
    fn from(tls: RedisTls) -> Self {
        Self {
            client_tls: tls
                .certificate
                .map(|(client_cert, client_key)| ClientTlsConfig {
                    client_cert,
                    client_key,
                }),
            root_cert: tls.ca,
        }
    }
}

/// A node that doesn't know its own name is at the address by which it was asked.
fn host_of(host: Value, port: Value, asked: &Host) -> Option<Host> {
    let name = match host {
        Value::Nil => String::new(),
        host => String::from_utf8(bytes(host).ok()?).ok()?,
    };
    let port = u16::try_from(parse_number(&bytes(port).ok()?)?).ok()?;
    let name = if name.is_empty() || name == "?" {
        asked.name.clone()
    } else {
        name
    };
    Some(Host { name, port })
}

/// The role is asked for by INFO: a verifier's user has no right to call ROLE, and needs none.
async fn ask_replication(
    connection: &mut MultiplexedConnection,
) -> Result<Replication, RedisError> {
    let info: String = cmd("INFO")
        .arg("replication")
        .query_async(connection)
        .await?;
    let field = |name: &str| {
        let value = info.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::trim)
    };
    Ok(Replication {
        is_primary: field("role:") == Some("master"),
        stream: field("master_replid:").map(str::to_owned),
        replicas: field("connected_slaves:")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0),
    })
}

/// Bounds a question over a connection that may have no bound of its own.
async fn bounded<T>(asking: impl Future<Output = T>) -> Result<T, Trouble> {
    let asked = tokio::time::timeout(CONNECT, asking).await;
    asked.map_err(|_| Trouble::Refused("no answer in time".into()))
}

fn in_words(error: &RedisError) -> Trouble {
    let why = match error.code() {
        Some("NOAUTH") => "Redis wants a user and a password (NOAUTH), and none was given",
        Some("WRONGPASS") => "Redis refused the user or the password (WRONGPASS)",
        _ if error.kind() == ErrorKind::AuthenticationFailed => {
            "Redis refused the user or the password (WRONGPASS)"
        }
        _ => return Trouble::Refused(error.to_string()),
    };
    Trouble::Refused(why.into())
}

async fn secret(file: Option<&Path>) -> Result<Option<String>, Trouble> {
    let Some(path) = file else {
        return Ok(None);
    };
    let named = |rule| Trouble::Refused(format!("the password file {} {rule}", path.display()));
    let text = String::from_utf8(read(path).await?).map_err(|_| named("is no text"))?;
    match text.trim() {
        "" => Err(named("is empty")),
        text => Ok(Some(text.to_owned())),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let read = async {
        let mut bytes = Vec::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let named = |error| Trouble::Refused(format!("{} can't be read: {error}", path.display()));
    read.await.map_err(named)
}
