//! Opens the store that the settings name.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokenward_common::{
    clock::Clock,
    store::{
        Store,
        embedded::EmbeddedStore,
        redis::{OpenOptions, RedisStore},
    },
};

use crate::config::{Config, StoreChoice};

/// An open store, to be closed last.
pub enum Opened {
    Embedded(Arc<EmbeddedStore>),
    Redis(Arc<RedisStore>),
}

pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Opened> {
    Ok(match &config.store {
        StoreChoice::Embedded(path) => {
            let store = EmbeddedStore::open(path, config.create_realm, clock)
                .with_context(|| format!("--store embedded:{}{}", path.display(), hint(config)))?;
            Opened::Embedded(store)
        }
        StoreChoice::Redis(url) => {
            let options = OpenOptions {
                create: config.create_realm,
                allow_volatile: config.allow_volatile,
                managed: config.managed_redis,
                ..OpenOptions::default()
            };
            let url = StoreChoice::redis_url(url);
            let store = RedisStore::open(url, &config.realm, options)
                .await
                .with_context(|| format!("--store redis{}", hint(config)))?;
            Opened::Redis(Arc::new(store))
        }
    })
}

/// A store that isn't there yet is the likeliest reason of all not to open it.
fn hint(config: &Config) -> &'static str {
    if config.create_realm {
        ""
    } else {
        " (the first start of a realm needs --create-realm)"
    }
}

impl Opened {
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Redis(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// What was taken is written.
    pub async fn close(self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Redis(_) => {}
        }
    }
}
