//! A real issuer on a real store, in this process and on a runtime of its own. Clients call it over
//! loopback like any other issuer.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};
use tokenward_common::{
    clock::{Clock, SystemClock},
    id::KeyId,
    process::{DrainTimes, ListenAddress, Shutdown, TlsConfig},
    store::{
        Feed, Retention,
        grpc::{Credential, GrpcFeed},
        redis::{OpenOptions, RedisAccess, RedisFeed, RedisPlace},
    },
    token::{Prefix, SigningKey, VerifyKeys},
};
use tokenward_issuer::{
    caller::{CredentialEntry, CredentialsFile, Role, new_credential},
    config::{Config, StoreChoice},
    keys::{KeyFile, KeySource},
    run::Running,
    stores::{self, CreateError, Opened},
};
use tokenward_proto::v1::{
    CreateTokenRequest, directory_service_client::DirectoryServiceClient,
    token_service_client::TokenServiceClient,
};
use tokio::runtime::Runtime;
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use super::hub::{ISSUER, REALM, user_id};

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum StoreKind {
    Redis,
    Embedded,
}

/// A redis-server of the bench's own that syncs every write.
struct Redis {
    server: Child,
    url: String,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Redis {
    fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let server = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server")?;
        Ok(Self {
            server,
            url: format!("redis://127.0.0.1:{port}"),
        })
    }
}

pub struct Realm {
    folder: PathBuf,
    redis: Option<Redis>,
    runtime: Runtime,
    running: Option<(Running, Opened)>,
    shutdown: Shutdown,
    operator: String,
    follower: String,
    pub(super) keys: VerifyKeys,
    pub address: String,
    pub keys_url: String,
}

pub type Bearer = InterceptedService<Channel, Authorize>;

#[derive(Clone)]
pub struct Authorize(AsciiMetadataValue);

impl tonic::service::Interceptor for Authorize {
    fn call(&mut self, mut call: Request<()>) -> Result<Request<()>, Status> {
        call.metadata_mut().insert("authorization", self.0.clone());
        Ok(call)
    }
}

impl Realm {
    /// Starts a realm. The folder must be empty.
    pub fn start(kind: StoreKind, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let redis = match kind {
            StoreKind::Redis => Some(Redis::start(folder)?),
            StoreKind::Embedded => None,
        };
        let store = match &redis {
            Some(redis) => StoreChoice::Redis {
                place: Box::new(RedisPlace::parse(&redis.url, RedisAccess::default())?),
                nodes: 1,
            },
            None => StoreChoice::Embedded(folder.join("realm.redb")),
        };
        let (operator, operator_digest) = new_credential()?;
        let (follower, follower_digest) = new_credential()?;
        let key = SigningKey::generate(KeyId::parse("bench")?)?;
        let config = config(
            folder,
            store,
            &key,
            vec![
                entry("operator", operator_digest, Role::Admin),
                entry("follower", follower_digest, Role::Feed),
            ],
        )?;
        // The issuer's program builds its runtime in the same way.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let (running, opened, shutdown) = runtime.block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let shutdown = Shutdown::start(config.drain);
            let mut tries = 0;
            // The redis-server may still be starting.
            while let Err(error) = stores::create(
                &config.store,
                REALM,
                OpenOptions::default(),
                Arc::clone(&clock),
            )
            .await
            {
                match error {
                    CreateError::Known => break,
                    error if tries == 50 => return Err(error.into()),
                    CreateError::Other(_) => tries += 1,
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let mut tries = 0;
            let opened = loop {
                match stores::open(&config, Arc::clone(&clock)).await {
                    Ok(opened) => break opened,
                    // The redis-server may still be starting.
                    Err(error) if tries == 50 => return Err(error),
                    Err(_) => tries += 1,
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            let tls = config.tls.read()?;
            let running =
                tokenward_issuer::run::start(&config, opened.store(), &tls, clock, &shutdown)
                    .await?;
            while running.replica().age().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok((running, opened, shutdown))
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            redis,
            runtime,
            operator,
            follower,
            keys: VerifyKeys::new([key.public().clone()])?,
            address: format!("http://{}", running.grpc_address()),
            keys_url: format!("http://{}/.well-known/jwks.json", running.http_address()),
            running: Some((running, opened)),
            shutdown,
        })
    }

    /// Writes the credential file that a verifier needs to follow.
    pub fn follower_file(&self) -> Result<PathBuf> {
        let path = self.folder.join("follower.credential");
        fs::write(&path, &self.follower)?;
        Ok(path)
    }

    /// Returns the seconds of CPU that issuer, caller and store have used.
    pub(super) fn cpu(&self) -> f64 {
        let server = self.redis.as_ref().map(|redis| redis.server.id());
        super::cpu([std::process::id()].into_iter().chain(server))
    }

    /// Returns the feed that a verifier's program would use for this store.
    pub(super) fn feed(&self) -> Result<Arc<dyn Feed>> {
        // A channel must be created within a runtime, though it isn't bound to it before it connects.
        let _within = self.runtime.enter();
        Ok(match &self.redis {
            Some(redis) => Arc::new(RedisFeed::new(&redis.url, REALM)?),
            None => {
                let endpoint = Endpoint::from_shared(self.address.clone())?;
                Arc::new(GrpcFeed::new(endpoint, Credential::bearer(&self.follower)?))
            }
        })
    }

    pub(super) async fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(self.address.clone())?
            .tcp_nodelay(true)
            .connect()
            .await?)
    }

    fn authorize(&self) -> Result<Authorize> {
        Ok(Authorize(format!("Bearer {}", self.operator).parse()?))
    }

    pub(super) async fn tokens(&self) -> Result<TokenServiceClient<Bearer>> {
        Ok(TokenServiceClient::with_interceptor(
            self.channel().await?,
            self.authorize()?,
        ))
    }

    pub(super) async fn directory(&self) -> Result<DirectoryServiceClient<Bearer>> {
        Ok(DirectoryServiceClient::with_interceptor(
            self.channel().await?,
            self.authorize()?,
        ))
    }

    /// Mints a token for each of these users, and returns secret and id in the users' order.
    pub async fn mint(
        &self,
        users: impl IntoIterator<Item = u64>,
        in_flight: usize,
    ) -> Result<Vec<(String, String)>> {
        let client = self.tokens().await?;
        let minted: Vec<_> = stream::iter(users.into_iter().enumerate())
            .map(|(index, user)| {
                let mut client = client.clone();
                async move {
                    let request = CreateTokenRequest {
                        owner_id: user_id(user),
                        name: format!("token-{index}"),
                        role: tokenward_proto::v1::Role::Read.into(),
                        ..CreateTokenRequest::default()
                    };
                    let made = client.create_token(request).await?.into_inner();
                    let id = made.token.map(|token| token.id).unwrap_or_default();
                    Ok::<_, Status>((made.secret, id))
                }
            })
            .buffered(in_flight)
            .collect()
            .await;
        Ok(minted.into_iter().collect::<Result<_, _>>()?)
    }

    /// Ends the issuer, then closes the store.
    pub fn end(mut self) -> Result<()> {
        self.shutdown.drain();
        if let Some((running, opened)) = self.running.take() {
            self.runtime.block_on(async {
                running.ended().await?;
                opened.close().await;
                anyhow::Ok(())
            })?;
        }
        Ok(())
    }
}

fn entry(name: &str, digest: String, role: Role) -> CredentialEntry {
    CredentialEntry {
        name: name.into(),
        sha256: vec![digest],
        certificates: Vec::new(),
        roles: vec![role],
        owner: None,
    }
}

fn config(
    folder: &Path,
    store: StoreChoice,
    key: &SigningKey,
    credentials: Vec<CredentialEntry>,
) -> Result<Config> {
    let kid = key.kid().clone();
    let key_file = folder.join("bench.pem");
    fs::write(&key_file, key.to_pkcs8_pem()?.as_bytes())?;
    let path = folder.join("credentials.json");
    fs::write(&path, serde_json::to_vec(&CredentialsFile { credentials })?)?;
    let local = || ListenAddress::Tcp {
        host: "127.0.0.1".into(),
        port: 0,
    };
    Ok(Config {
        listen: local(),
        http_listen: local(),
        admin_listen: local(),
        address_connections: None,
        store,
        allow_volatile: false,
        managed: false,
        realm: REALM.into(),
        issuer: ISSUER.into(),
        prefix: Prefix::parse("tw_")?,
        traces: None,
        tls: TlsConfig::default(),
        keys: KeySource::Files(vec![KeyFile {
            kid,
            path: key_file,
        }]),
        credentials: path,
        retention: Retention {
            time: Duration::from_secs(3600),
            entries: 1_000_000,
            bytes: 512 << 20,
        },
        drain: DrainTimes {
            delay: Duration::ZERO,
            limit: Duration::from_secs(2),
        },
    })
}
