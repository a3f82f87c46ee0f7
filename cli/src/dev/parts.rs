//! An issuer and a verifier in this process, over loopback.

use std::{fs, sync::Arc, time::Duration};

use tokenward_common::{
    clock::{Clock, SystemClock},
    process::{DrainTimes, ListenAddress, Shutdown},
    store::{
        Feed, Retention,
        grpc::{Credential, GrpcFeed},
        guards::Guards,
        redis::{OpenOptions, RedisFeed},
    },
    token::Prefix,
};
use tokenward_issuer::{
    config::StoreChoice,
    keys::{KeyFile, KeySource},
    stores::{self, CreateError, Opened},
};
use tokenward_verifier::config::{Args, Host, Secret};
use tonic::transport::Endpoint;

use super::{failed, files::Files};
use crate::exit::Failure;

const REALM: &str = "dev";
const ISSUER: &str = "http://tokenward.localhost";
const PREFIX: &str = "tw_";
const KIB: u64 = 1024;

pub(super) struct Parts {
    issuer: tokenward_issuer::run::Running,
    verifier: tokenward_verifier::run::Running,
    store: Opened,
}

impl Parts {
    pub(super) async fn start(
        files: &Files,
        redis: Option<&str>,
        port: u16,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = issuer_config(files, redis, port)?;
        // For development only: an empty store means a new beginning.
        let options = OpenOptions {
            allow_volatile: config.allow_volatile,
            ..OpenOptions::default()
        };
        match stores::create(&config.store, REALM, options, Arc::clone(&clock)).await {
            Ok(()) | Err(CreateError::Known) => {}
            Err(error) => return Err(failed(error)),
        }
        let store = stores::open(&config, Arc::clone(&clock))
            .await
            .map_err(chain)?;
        let issuer =
            tokenward_issuer::run::start(&config, store.store(), Arc::clone(&clock), shutdown)
                .await
                .map_err(chain)?;
        let keys = format!("http://{}/.well-known/jwks.json", issuer.http_address());
        let issuer_url = format!("http://{}", issuer.grpc_address());
        let secret = fs::read_to_string(files.follower()).map_err(failed)?;
        let feed: Arc<dyn Feed> = match redis {
            Some(url) => Arc::new(RedisFeed::new(url, REALM).map_err(failed)?),
            None => {
                let credential = Credential::bearer(secret.trim()).map_err(failed)?;
                let endpoint = Endpoint::from_shared(issuer_url.clone()).map_err(failed)?;
                Arc::new(GrpcFeed::new(endpoint, credential))
            }
        };
        let config = verifier_config(files, &issuer_url, keys, port)?;
        let verifier = tokenward_verifier::run::start(&config, feed, Guards::ALL, clock, shutdown)
            .await
            .map_err(chain)?;
        Ok(Self {
            issuer,
            verifier,
            store,
        })
    }

    pub(super) fn issuer_url(&self) -> String {
        format!("http://{}", self.issuer.grpc_address())
    }

    pub(super) fn keys_url(&self) -> String {
        format!(
            "http://{}/.well-known/jwks.json",
            self.issuer.http_address()
        )
    }

    pub(super) fn verifier_url(&self) -> String {
        let address = self.verifier.addresses().first();
        format!(
            "http://{}",
            address.map(ToString::to_string).unwrap_or_default()
        )
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

    /// Waits until the verifier answers, and knows all that the issuer does.
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
    redis: Option<&str>,
    port: u16,
) -> Result<tokenward_issuer::config::Config, Failure> {
    let key = files.signing_key().display().to_string();
    Ok(tokenward_issuer::config::Config {
        listen: local(port),
        http_listen: local(port + 1),
        admin_listen: local(port + 2),
        address_connections: None,
        store: match redis {
            Some(url) => StoreChoice::Redis(url.to_owned().into()),
            None => StoreChoice::Embedded(files.store()),
        },
        allow_volatile: true,
        managed_redis: false,
        realm: REALM.into(),
        issuer: ISSUER.into(),
        prefix: Prefix::parse(PREFIX).map_err(failed)?,
        traces: None,
        keys: KeySource::Files(vec![key.parse::<KeyFile>().map_err(failed)?]),
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

fn verifier_config(
    files: &Files,
    issuer: &str,
    keys: String,
    port: u16,
) -> Result<tokenward_verifier::config::Config, Failure> {
    use clap::Parser;
    // The program's own defaults and rules; what isn't set here is as they, or the environment, say.
    let mut args = Args::parse_from(["tokenward-verifier"]);
    args.feed_file = None;
    args.feed_password_file = None;
    args.token_prefix = PREFIX.into();
    args.listen = vec![local(port + 10).to_string()];
    args.admin_listen = local(port + 11).to_string();
    args.feed = Some(Secret::new(issuer.to_owned()));
    args.feed_credential_file = Some(files.follower());
    // So that `check --explain` works here, too.
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
    failed(format!("{error:#}"))
}
