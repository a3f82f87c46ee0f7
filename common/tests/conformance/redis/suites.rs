//! The suite against the other servers, and against several of them that are one store.

use std::sync::Arc;

use async_trait::async_trait;
use tokenward_common::{
    store::{
        Feed, Store,
        guards::Guards,
        redis::{OpenError, OpenOptions, RedisFeed, RedisPlace, RedisStore},
    },
    testing::conformance::Backend,
};

use super::{
    Redis,
    fixture::{CREATE, until_able},
    group::{self, Group},
    server::{REDIS_8, VALKEY_9},
};

/// A realm with three data nodes, whose users are those of `deploy/redis/users.acl`.
pub(super) struct Replicated<const KIND: usize> {
    group: Option<Group>,
    store: Arc<RedisStore>,
    feed: Arc<RedisFeed>,
}

pub(super) type BySentinels = Replicated<{ group::SENTINELS }>;
pub(super) type InCluster = Replicated<{ group::CLUSTER }>;
pub(super) type InSecuredCluster = Replicated<{ group::SECURED_CLUSTER }>;
type OnRedis8 = Redis<REDIS_8>;
type OnValkey9 = Redis<VALKEY_9>;

pub(super) async fn open(group: &Group) -> RedisStore {
    let options = OpenOptions {
        data_nodes: 3,
        ..CREATE
    };
    open_patiently(&group.place("issuer"), options).await
}

/// On a busy machine a replica may take longer to acknowledge than a write waits for it.
pub(super) async fn open_patiently(place: &RedisPlace, options: OpenOptions) -> RedisStore {
    let mut opened = RedisStore::open(place, "hub", options).await;
    for _ in 0..10 {
        if !matches!(opened, Err(OpenError::Unavailable(_))) {
            break;
        }
        opened = RedisStore::open(place, "hub", options).await;
    }
    let store = opened.unwrap();
    until_able(&store).await;
    store
}

pub(super) fn follow(group: &Group) -> RedisFeed {
    RedisFeed::of_nodes(&group.place("verifier"), "hub", 3, Guards::ALL).unwrap()
}

impl<const KIND: usize> Replicated<KIND> {
    fn group(&mut self) -> &mut Group {
        self.group.as_mut().unwrap()
    }
}

impl<const KIND: usize> Drop for Replicated<KIND> {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(group) = self.group.take()
        {
            group::give_back(group);
        }
    }
}

#[async_trait]
impl<const KIND: usize> Backend for Replicated<KIND> {
    async fn fresh() -> Self {
        let group = group::take(KIND);
        Self {
            store: Arc::new(open(&group).await),
            feed: Arc::new(follow(&group)),
            group: Some(group),
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn feed(&self) -> Arc<dyn Feed> {
        self.feed.clone()
    }

    async fn kill(&mut self) {
        self.group().kill(|_| {});
        until_able(&self.store).await;
    }

    async fn restart(&mut self) {
        self.group().kill(|_| {});
        until_able(&self.store).await;
    }

    async fn wipe(&mut self) {
        self.group().empty();
        self.store = Arc::new(open(self.group()).await);
    }

    async fn back_up(&mut self) {
        self.group().keep();
    }

    async fn roll_back(&mut self) {
        self.store.close().await;
        self.group().roll_back();
        self.store = Arc::new(open(self.group()).await);
    }
}

tokenward_common::conformance!(by_sentinels, super::BySentinels);
tokenward_common::conformance!(in_cluster, super::InCluster);
tokenward_common::conformance!(in_secured_cluster, super::InSecuredCluster);
tokenward_common::conformance!(redis8, super::OnRedis8);
tokenward_common::conformance!(valkey9, super::OnValkey9);
