//! Opens the store that the settings name, and keeps its log short. It also makes a realm in a store, which
//! only the command for it does, never a server.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokenward_common::{
    clock::Clock,
    store::{
        Retention, Store,
        embedded::{self, EmbeddedStore},
        redis::{self, OpenOptions, RedisStore},
    },
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::{Config, StoreChoice};

/// The oldest entries are cut off the log at this interval.
const TRIM: Duration = Duration::from_secs(10);

/// The store is open, and is closed after everything else.
pub enum Opened {
    Embedded(Arc<EmbeddedStore>),
    Redis(Arc<RedisStore>),
}

pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Opened> {
    Ok(match &config.store {
        StoreChoice::Embedded(path) => {
            let named = || format!("--store embedded:{}{}", path.display(), hint(config));
            let store = EmbeddedStore::open(path, false, clock).with_context(named)?;
            Opened::Embedded(store)
        }
        StoreChoice::Redis { place, nodes } => {
            if config.managed {
                warn!(
                    "by --store-durability managed the operator vouches that the Redis keeps what it \
                     acknowledged: its settings are not read"
                );
            }
            let options = OpenOptions {
                allow_volatile: config.allow_volatile,
                managed: config.managed,
                data_nodes: *nodes,
                ..OpenOptions::default()
            };
            let store = RedisStore::open(&**place, &config.realm, options)
                .await
                .with_context(|| format!("--store redis{}", hint(config)))?;
            Opened::Redis(Arc::new(store))
        }
    })
}

/// Names the command that makes a realm: a store that doesn't exist yet is the likeliest reason why it can't
/// be opened.
fn hint(config: &Config) -> String {
    let store = match &config.store {
        StoreChoice::Embedded(path) => format!("embedded:{}", path.display()),
        // The URL may hold a password.
        StoreChoice::Redis { .. } => "redis://...".into(),
    };
    format!(
        " (a new realm is made once, by `tokenward realm create --realm {} --store {store}`)",
        config.realm
    )
}

/// Says why no realm was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The realm exists or existed. A command that is repeated must not make an emptied realm anew.
    #[error("a realm is, or was, there already")]
    Known,
    #[error("{0:#}")]
    Other(anyhow::Error),
}

/// Makes a realm where none is and none was. No server does it: an issuer started over a wiped store would
/// make an empty realm, in which nothing is revoked.
pub async fn create(
    store: &StoreChoice,
    realm: &str,
    options: OpenOptions,
    clock: Arc<dyn Clock>,
) -> Result<(), CreateError> {
    let other = |error: anyhow::Error| CreateError::Other(error);
    match store {
        StoreChoice::Embedded(path) => {
            let there = EmbeddedStore::open(path, false, Arc::clone(&clock));
            match there {
                Ok(store) => {
                    store.close().await;
                    return Err(CreateError::Known);
                }
                Err(embedded::OpenError::Missing(_)) => {}
                Err(error) => return Err(other(error.into())),
            }
            let made =
                EmbeddedStore::open(path, true, clock).map_err(|error| other(error.into()))?;
            made.close().await;
            Ok(())
        }
        StoreChoice::Redis { place, nodes } => {
            let options = OpenOptions {
                data_nodes: *nodes,
                ..options
            };
            let made = RedisStore::make(&**place, realm, options).await;
            made.map_err(|error| match error {
                redis::OpenError::Known => CreateError::Known,
                error => other(error.into()),
            })
        }
    }
}

impl Opened {
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Closes the store after everything that it took is written.
    pub async fn close(self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Redis(store) => store.close().await,
        }
    }
}

/// Trims the log regularly until stopped.
pub(crate) async fn keep_log_short(
    store: Arc<dyn Store>,
    retention: Retention,
    stop: CancellationToken,
) {
    while stop
        .run_until_cancelled(tokio::time::sleep(TRIM))
        .await
        .is_some()
    {
        if let Err(error) = store.trim(&retention).await {
            warn!(%error, "the log can't be trimmed");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::clock::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_realm_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.redb");
        let store = StoreChoice::Embedded(path.clone());
        let options = OpenOptions::default;
        let make = || create(&store, "hub", options(), Arc::new(SystemClock));
        make().await.unwrap();
        assert!(matches!(make().await, Err(CreateError::Known)));
        // A file that is no store is left unchanged.
        std::fs::write(&path, "something else, which is precious").unwrap();
        assert!(matches!(make().await, Err(CreateError::Other(_))));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "something else, which is precious");
    }
}
