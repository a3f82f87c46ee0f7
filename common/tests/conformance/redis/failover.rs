//! The primary ends, or is away for a while, while commits and confirms go on.

use std::process::Command;

use tokenward_common::{
    state::key::Key,
    store::{Store, guards::Guards, redis::OpenOptions},
};

use super::{
    fixture::*,
    group::{Group, Node, until},
    suites,
    workload::Workload,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_a_primary_was_killed() {
    let mut group = Group::by_sentinels("1000");
    group.watched();
    let store = suites::open(&group).await;
    let workload = Workload::begin(store, suites::follow(&group)).await;
    group.nodes[0].kill();
    workload.goes_on().await;
    assert!(group.nodes[1..].iter().any(super::group::Node::is_primary));
    // It comes back, and sentinels make it a replica of the other.
    group.nodes[0].restart();
    workload.goes_on().await;
    workload.end().await;
}

/// What is acknowledged stays visible to the issuer, though its reads go over another connection than its
/// commits, and that one still leads to the primary of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_old_primary_lacks_is_not_taken_for_missing() {
    for fence in [true, false] {
        let group = Group::by_sentinels("1000");
        group.watched();
        let guards = Guards {
            fence,
            ..Guards::ALL
        };
        let options = OpenOptions {
            data_nodes: 3,
            guards,
            ..CREATE
        };
        let store = suites::open_patiently(&group.place("issuer"), options).await;
        let key = Key::from_record_key(&user("ada").key());
        assert_eq!(store.get(std::slice::from_ref(&key)).await.unwrap(), [None]);
        let told = group.nodes[0].ask(&["info", "server"]);
        let process = told.lines().find_map(|it| it.strip_prefix("process_id:"));
        let signal = |signal: &str| {
            let words = [signal, process.unwrap().trim()];
            assert!(Command::new("kill").args(words).status().unwrap().success());
        };
        signal("-STOP");
        until("another primary", || {
            group.nodes[1..].iter().any(Node::is_primary)
        });
        eventually(async || store.commit(commit(vec![put(user("ada"))])).await).await;
        signal("-CONT");
        let is_there = store.get(std::slice::from_ref(&key)).await.unwrap()[0].is_some();
        assert_eq!(is_there, fence);
        // The old primary was asked, not one that follows already.
        assert!(fence || group.nodes[0].is_primary());
    }
}
