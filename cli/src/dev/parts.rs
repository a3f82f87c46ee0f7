//! Starts an issuer and a verifier in this process, connected over loopback.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokenward_common::{
    clock::{Clock, SystemClock},
    id::Revision,
    process::{
        DrainTimes, ListenAddress, Secret, Shutdown, TlsArgs, TlsConfig,
        tls::{ClientFiles, ClientTls, Connector, ServerFiles},
    },
    store::{
        Feed, Retention,
        grpc::{Credential, GrpcFeed},
        guards::Guards,
        redis::{IntoPlace as _, OpenOptions, RedisArgs, RedisFeed},
    },
    token::Prefix,
};
use tokenward_issuer::{
    config::StoreChoice,
    keys::KeySource,
    stores::{self, CreateError, Opened},
};
use tokenward_verifier::config::{Args, Host};
use tonic::transport::Endpoint;

use super::{failed, files::Files};
use crate::exit::Failure;

const REALM: &str = "dev";
const ISSUER: &str = "http://tokenward.localhost";
/// How long a connection to one of the parts may take to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;

/// The listeners, each with its port's distance from the first port.
const PORTS: [(u16, &str); 6] = [
    (0, "the issuer's gRPC"),
    (1, "its public keys"),
    (2, "its metrics"),
    (10, "the verifier's gRPC"),
    (11, "its metrics"),
    (12, "its HTTP"),
];

const OTHER_PORTS: &str = "is another `tokenward dev` running? Give the first of other ports with --port, such as --port 9470";

/// What the user requested: the store, the first port and the token prefix.
pub(super) struct Place<'a> {
    /// `None`: the store is a file in the folder.
    pub(super) redis: Option<&'a str>,
    pub(super) port: u16,
    pub(super) prefix: &'a Prefix,
    pub(super) tls: bool,
}

impl Place<'_> {
    /// Reports each port that is in use already. This runs before anything is started, because the
    /// programs' own messages name settings that `dev` doesn't have.
    pub(super) fn free(&self) -> Result<(), Failure> {
        // All listeners stay open until the last port was tried.
        let mut held = Vec::new();
        let mut taken = Vec::new();
        for (above, whose) in PORTS {
            let port = self.port + above;
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => held.push(listener),
                Err(error) => {
                    let why = match error.kind() {
                        ErrorKind::AddrInUse => "in use".to_owned(),
                        _ => error.to_string(),
                    };
                    taken.push(format!("port {port} ({whose}): {why}"));
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        Err(failed(taken.join("; ")).next(OTHER_PORTS))
    }

    /// Names the store for messages.
    fn store(&self, files: &Files) -> String {
        match self.redis {
            // The URL may hold a password, so messages name only the option.
            Some(_) => "--redis".into(),
            None => files.store().display().to_string(),
        }
    }
}

pub(super) struct Parts {
    issuer: tokenward_issuer::run::Running,
    verifier: tokenward_verifier::run::Running,
    store: Opened,
    in_redis: bool,
    /// `http` or `https`.
    scheme: &'static str,
    peers: Arc<ClientTls>,
}

impl Parts {
    pub(super) fn in_redis(&self) -> bool {
        self.in_redis
    }

    pub(super) async fn start(
        files: &Files,
        place: &Place<'_>,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        place.free()?;
        let config = issuer_config(files, place)?;
        // This is for development only: an empty store is filled with a new realm.
        let options = OpenOptions {
            allow_volatile: config.allow_volatile,
            ..OpenOptions::default()
        };
        match stores::create(&config.store, REALM, options, Arc::clone(&clock)).await {
            Ok(()) | Err(CreateError::Known) => {}
            Err(error) => return Err(failed(format!("{}: {error}", place.store(files)))),
        }
        let store = stores::open(&config, Arc::clone(&clock))
            .await
            // The outer context is advice on the issuer's own settings, which `dev` doesn't have.
            .map_err(|error| failed(format!("{}: {}", place.store(files), error.root_cause())))?;
        // Only now: another `dev` that holds the store uses the files that this would replace.
        if place.tls {
            files.make_certificates()?;
        }
        let tls = config.tls.read().map_err(failed)?;
        let issuer = tokenward_issuer::run::start(
            &config,
            store.store(),
            &tls,
            Arc::clone(&clock),
            shutdown,
        )
        .await
        .map_err(chain)?;
        let scheme = if place.tls { "https" } else { "http" };
        let keys = format!("{scheme}://{}/.well-known/jwks.json", issuer.http_address());
        let issuer_url = format!("{scheme}://{}", issuer.grpc_address());
        let secret = fs::read_to_string(files.follower()).map_err(failed)?;
        let feed: Arc<dyn Feed> = match place.redis {
            Some(url) => Arc::new(RedisFeed::new(url, REALM).map_err(failed)?),
            None => {
                let credential = Credential::bearer(secret.trim()).map_err(failed)?;
                let url = issuer_url.parse().map_err(failed)?;
                let (endpoint, connector) = Connector::endpoint(&url, tls.peers.clone(), CONNECT);
                let connect = |endpoint: Endpoint| endpoint.connect_with_connector_lazy(connector);
                Arc::new(GrpcFeed::connected(endpoint, credential, connect))
            }
        };
        let config = verifier_config(files, &issuer_url, keys, place)?;
        let verifier =
            tokenward_verifier::run::start(&config, feed, &tls, Guards::ALL, clock, shutdown)
                .await
                .map_err(chain)?;
        Ok(Self {
            issuer,
            verifier,
            store,
            in_redis: place.redis.is_some(),
            scheme,
            peers: tls.peers,
        })
    }

    /// Returns the TLS by which the parts are called.
    pub(super) fn peers(&self) -> Arc<ClientTls> {
        Arc::clone(&self.peers)
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == "https"
    }

    pub(super) fn issuer_url(&self) -> String {
        format!("{}://{}", self.scheme, self.issuer.grpc_address())
    }

    pub(super) fn keys_url(&self) -> String {
        let (scheme, address) = (self.scheme, self.issuer.http_address());
        format!("{scheme}://{address}/.well-known/jwks.json")
    }

    pub(super) fn verifier_url(&self) -> String {
        self.url(self.verifier.addresses())
    }

    pub(super) fn door_url(&self) -> String {
        self.url(self.verifier.http_addresses())
    }

    fn url(&self, addresses: &[ListenAddress]) -> String {
        let first = addresses.first().map(ToString::to_string);
        format!("{}://{}", self.scheme, first.unwrap_or_default())
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.verifier.admin_address())
    }

    /// Waits until the issuer can validate.
    pub(super) async fn issuer_ready(&self) {
        while self.issuer.replica().age().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the verifier answers, and has applied all that the issuer has.
    pub(super) async fn fresh(&self) {
        while self.verifier.decider().ready().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let at = self.issuer.replica().cursor();
        self.verifier
            .decider()
            .replica
            .reached(at.log, at.revision)
            .await;
    }

    /// Returns whether nothing was ever written to the store. The view must be fresh.
    pub(super) fn is_new(&self) -> bool {
        self.issuer.replica().cursor().revision == Revision(0)
    }

    pub(super) async fn ended(mut self) -> Result<(), Failure> {
        let verifier = self.verifier.ended().await;
        let issuer = self.issuer.ended().await;
        self.store.close().await;
        verifier.and(issuer).map_err(chain)
    }
}

fn local(port: u16) -> ListenAddress {
    ListenAddress::Tcp {
        host: "127.0.0.1".into(),
        port,
    }
}

fn issuer_config(
    files: &Files,
    place: &Place<'_>,
) -> Result<tokenward_issuer::config::Config, Failure> {
    Ok(tokenward_issuer::config::Config {
        listen: local(place.port),
        http_listen: local(place.port + 1),
        admin_listen: local(place.port + 2),
        address_connections: None,
        store: match place.redis {
            Some(url) => StoreChoice::Redis {
                place: Box::new(url.into_place().map_err(failed)?),
                nodes: 1,
            },
            None => StoreChoice::Embedded(files.store()),
        },
        allow_volatile: true,
        managed: false,
        realm: REALM.into(),
        issuer: ISSUER.into(),
        prefix: place.prefix.clone(),
        traces: None,
        tls: tls_config(files, place),
        keys: KeySource::Files(vec![files.signing_key()?]),
        credentials: files.credentials(),
        retention: Retention {
            time: Duration::from_secs(3600),
            entries: 100_000,
            bytes: 64 * KIB * KIB,
        },
        drain: DrainTimes {
            delay: Duration::ZERO,
            limit: Duration::from_secs(5),
        },
    })
}

/// Client certificates are verified and not required, so that both ways can be tried.
fn tls_config(files: &Files, place: &Place<'_>) -> TlsConfig {
    if !place.tls {
        return TlsConfig::default();
    }
    TlsConfig {
        server: Some(ServerFiles {
            certificate: files.certificate("server"),
            key: files.key("server"),
            client_ca: Some(files.ca()),
            client_optional: true,
        }),
        admin: false,
        peer: ClientFiles {
            ca: Some(files.ca()),
            own: None,
        },
    }
}

fn verifier_config(
    files: &Files,
    issuer: &str,
    keys: String,
    place: &Place<'_>,
) -> Result<tokenward_verifier::config::Config, Failure> {
    use clap::Parser;
    // These are the verifier's own defaults and rules. A field that isn't set below comes from them or
    // from the environment.
    let mut args = Args::try_parse_from(["tokenward-verifier"]).map_err(failed)?;
    // The environment may be meant for another verifier: its files must not be written, nor its proxy
    // started.
    args.feed_file = None;
    args.redis = RedisArgs::default();
    args.jwks_cache = None;
    args.snapshot_dir = None;
    args.guard = None;
    args.guard_listen = Vec::new();
    args.guard_issuer = None;
    args.tls = TlsArgs::default();
    args.token_prefix = place.prefix.as_str().into();
    args.listen = vec![local(place.port + 10).to_string()];
    args.admin_listen = local(place.port + 11).to_string();
    args.http_listen = vec![local(place.port + 12).to_string()];
    args.feed = Some(Secret::new(issuer.to_owned()));
    args.feed_credential_file = Some(files.follower());
    // `check --explain` needs the operators' credentials.
    args.operators = Some(files.credentials());
    args.realm = Some(REALM.into());
    args.issuer = Some(ISSUER.into());
    args.jwks = vec![keys];
    args.name = Some("dev-verifier".into());
    args.drain_delay = "0s".into();
    args.drain_limit = "5s".into();
    tokenward_verifier::config::Config::build(args, &Host::this()).map_err(failed)
}

fn chain(error: anyhow::Error) -> Failure {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    if cause.is_some_and(|cause| cause.kind() == ErrorKind::AddrInUse) {
        // Another process took a port after the ports were tried.
        return failed("one of the ports came in use meanwhile").next(OTHER_PORTS);
    }
    failed(format!("{error:#}"))
}
