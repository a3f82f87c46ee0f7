//! A realm's slot that is moved to another node of a cluster while commits and confirms go on.

use tokenward_common::store::redis::{RedisAccess, RedisFeed, RedisPlace, RedisStore};

use super::{
    fixture::CREATE,
    group::until,
    slots::{move_slot, slot_of_the_hub, two_nodes},
    workload::Workload,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_moves_under_load_loses_nothing() {
    let (first, second) = two_nodes();
    let place = |user: &str| {
        let url = format!(
            "redis+cluster://{user}:{user}-secret@127.0.0.1:{}",
            first.port
        );
        RedisPlace::parse(&url, RedisAccess::default()).unwrap()
    };
    let store = RedisStore::open(&place("issuer"), "hub", CREATE)
        .await
        .unwrap();
    let feed = RedisFeed::new(&place("verifier"), "hub").unwrap();
    let workload = Workload::begin(store, feed).await;
    let slot = slot_of_the_hub(&first);
    // While it is on its way, calls are refused for some of its keys.
    let refused = || {
        let before = workload.errors().len();
        until("a refused call", || workload.errors().len() > before);
    };
    move_slot(&first, &second, &slot, refused);
    workload.goes_on().await;
    move_slot(&second, &first, &slot, || {});
    workload.goes_on().await;
    workload.end().await;
}
