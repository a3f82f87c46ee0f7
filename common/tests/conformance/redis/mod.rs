//! The store in Redis against the suite, each case on a server of its own, since most of what can go
//! wrong is a server's end; and what only this store can get wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assertion is a test's way to answer"
)]

mod archives;
mod failover;
mod faults;
mod fixture;
mod group;
mod history;
mod lost;
mod majority;
mod moves;
mod records;
mod rotation;
mod server;
mod slots;
mod suites;
mod tls;
mod trust;
mod users;
mod workload;

use std::sync::Arc;

use async_trait::async_trait;
use tokenward_common::{
    store::{
        Feed, Store,
        redis::{RedisFeed, RedisStore},
    },
    testing::conformance::Backend,
};

use fixture::{CREATE, until_able};
use server::Server;

/// A single server of one of the programs. The handles outlive what is done to the server.
struct Redis<const PROGRAM: usize> {
    server: Server,
    store: Arc<RedisStore>,
    feed: Arc<RedisFeed>,
}

impl<const PROGRAM: usize> Redis<PROGRAM> {
    async fn open(server: &Server) -> Arc<RedisStore> {
        let store = RedisStore::open(&server.url(), "hub", CREATE).await;
        let store = store.unwrap();
        until_able(&store).await;
        Arc::new(store)
    }
}

#[async_trait]
impl<const PROGRAM: usize> Backend for Redis<PROGRAM> {
    async fn fresh() -> Self {
        let server = Server::of(PROGRAM, &[]);
        Self {
            store: Self::open(&server).await,
            feed: Arc::new(RedisFeed::new(&server.url(), "hub").unwrap()),
            server,
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn feed(&self) -> Arc<dyn Feed> {
        self.feed.clone()
    }

    async fn kill(&mut self) {
        self.server.kill();
        self.server.restart();
        until_able(&self.store).await;
    }

    async fn restart(&mut self) {
        self.server.signal("-TERM");
        self.server.ended();
        self.server.restart();
        until_able(&self.store).await;
    }

    async fn wipe(&mut self) {
        self.server.ask(&["flushall"]);
        self.store = Self::open(&self.server).await;
    }

    async fn back_up(&mut self) {
        self.server.keep();
    }

    /// The old store would refuse to write upon a log that lost what it acknowledged.
    async fn roll_back(&mut self) {
        self.store.close().await;
        self.server.roll_back();
        self.store = Self::open(&self.server).await;
    }
}

tokenward_common::conformance!(suite, super::Redis<{ super::server::REDIS_7 }>);
