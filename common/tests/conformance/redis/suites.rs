//! The suite against the other servers, and against several of them that are one store.

use std::sync::Arc;

use async_trait::async_trait;
use tokenward_common::{
    store::{
        Feed, Store,
        guards::Guards,
        redis::{OpenError, OpenOptions, RedisFeed, RedisStore},
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
pub(super) struct Replicated<const IN_CLUSTER: bool> {
    group: Option<Group>,
    store: Arc<RedisStore>,
    feed: Arc<RedisFeed>,
}

pub(super) type BySentinels = Replicated<false>;
pub(super) type InCluster = Replicated<true>;
type OnRedis8 = Redis<REDIS_8>;
type OnValkey9 = Redis<VALKEY_9>;

pub(super) async fn open(group: &Group) -> RedisStore {
    let options = OpenOptions {
        data_nodes: 3,
        ..CREATE
    };
    // On a busy machine a replica may take longer to acknowledge than a write waits for it.
    let mut opened = RedisStore::open(&group.place("issuer"), "hub", options).await;
    for _ in 0..10 {
        if !matches!(opened, Err(OpenError::Unavailable(_))) {
            break;
        }
        opened = RedisStore::open(&group.place("issuer"), "hub", options).await;
    }
    let store = opened.unwrap();
    until_able(&store).await;
    store
}

pub(super) fn follow(group: &Group) -> RedisFeed {
    RedisFeed::of_nodes(&group.place("verifier"), "hub", 3, Guards::ALL).unwrap()
}

impl<const IN_CLUSTER: bool> Replicated<IN_CLUSTER> {
    fn group(&mut self) -> &mut Group {
        self.group.as_mut().unwrap()
    }
}

impl<const IN_CLUSTER: bool> Drop for Replicated<IN_CLUSTER> {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Some(group) = self.group.take()
        {
            group::give_back(group);
        }
    }
}

#[async_trait]
impl<const IN_CLUSTER: bool> Backend for Replicated<IN_CLUSTER> {
    async fn fresh() -> Self {
        let group = group::take(IN_CLUSTER);
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
tokenward_common::conformance!(redis8, super::OnRedis8);
tokenward_common::conformance!(valkey9, super::OnValkey9);
