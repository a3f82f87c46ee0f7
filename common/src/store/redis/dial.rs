//! This file connects to one server: by whom, with which certificates, and within which time. It must not
//! know how the server was found, nor what is asked of it.

use std::{path::Path, time::Duration};

use crate::{
    file,
    store::redis::{
        place::{Host, RedisTlsFiles},
        trouble::Trouble,
    },
};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates, aio::MultiplexedConnection, cmd,
};

/// Connecting to one server may take at most this long.
pub(super) const CONNECT: Duration = Duration::from_millis(300);
/// A file with a password or certificates may have at most this many bytes.
const MOST_BYTES: u64 = 256 * 1024;
/// What is told of files for TLS that are not PEM, or don't go together.
const UNUSABLE: &str = "the files of TLS to Redis can't be used: --redis-ca-file, \
    --redis-certificate-file and --redis-key-file must hold PEM, and the key must be the certificate's";

/// By whom a connection was made: a changed file is seen by comparing.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// The contents of the files for TLS, each in PEM.
#[derive(Clone, Default)]
pub(super) struct RedisTls {
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

/// How every server of one search is connected to.
pub(super) struct Dial {
    pub(super) tls: Option<RedisTls>,
    pub(super) login: Login,
    pub(super) database: i64,
    pub(super) response: Option<Duration>,
    /// Refuses a server off this machine that was named by another, unless TLS protects it.
    pub(super) stay_local: bool,
}

impl Dial {
    pub(super) async fn connect(
        &self,
        addr: ConnectionAddr,
    ) -> Result<MultiplexedConnection, Trouble> {
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
            None => Client::open(info).map_err(wrong)?,
            // The library's error repeats lines of the files, and one of them is a key.
            Some(tls) => {
                let built = Client::build_with_tls(info, tls.clone().into());
                built.map_err(|_| Trouble::Refused(UNUSABLE.into()))?
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(self.response);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| in_words(&error))
    }

    pub(super) async fn host(&self, host: &Host) -> Result<MultiplexedConnection, Trouble> {
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
    pub(super) async fn primary(&self, host: &Host) -> Result<Found, Trouble> {
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
}

impl RedisTls {
    /// Reads the files as they are now.
    pub(super) async fn read(files: &RedisTlsFiles) -> Result<Self, Trouble> {
        let ca = match &files.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        let certificate = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some((read(certificate).await?, read(key).await?)),
            _ => None,
        };
        Ok(Self { ca, certificate })
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

/// The role is asked for by INFO: a verifier's user has no right to call ROLE, and needs none.
pub(super) async fn ask_replication(
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
pub(super) async fn bounded<T>(asking: impl Future<Output = T>) -> Result<T, Trouble> {
    let asked = tokio::time::timeout(CONNECT, asking).await;
    asked.map_err(|_| Trouble::Refused("no answer in time".into()))
}

pub(super) fn in_words(error: &RedisError) -> Trouble {
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

/// Reads a password from a file.
pub(super) async fn secret(file: Option<&Path>) -> Result<Option<String>, Trouble> {
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
    let (path, shown) = (path.to_owned(), path.display().to_string());
    let named =
        |error: &dyn std::fmt::Display| Trouble::Refused(format!("{shown} can't be read: {error}"));
    let read = tokio::task::spawn_blocking(move || file::read(&path, MOST_BYTES));
    read.await
        .map_err(|error| named(&error))?
        .map_err(|error| named(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parser that quotes a line of the file would quote the key.
    #[tokio::test]
    async fn a_key_in_a_broken_file_is_told_nowhere() {
        let secret = "MIGHAgEAMBMGByqGSM49";
        let mangled = format!("-----BEGIN PRIVATE KEY-----{secret}\n").into_bytes();
        let bytes = format!("{:?}", &secret.as_bytes()[..8]);
        for (ca, certificate) in [
            (Some(mangled.clone()), None),
            (None, Some((mangled.clone(), mangled.clone()))),
        ] {
            let dial = Dial {
                tls: Some(RedisTls { ca, certificate }),
                login: Login::default(),
                database: 0,
                response: None,
                stay_local: true,
            };
            let host = Host {
                name: "127.0.0.1".into(),
                port: 9,
            };
            let told = match dial.host(&host).await {
                Ok(_) => String::new(),
                Err(trouble) => format!("{trouble} {trouble:?}"),
            };
            assert!(told.contains("--redis-key-file"), "{told}");
            assert!(!told.contains(secret) && !told.contains(bytes.trim_matches(['[', ']'])));
        }
    }
}
