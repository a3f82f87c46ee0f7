//! The primary ends while commits and confirms go on.

use super::{group::Group, suites, workload::Workload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_missing_after_a_primary_was_killed() {
    let mut group = Group::by_sentinels("300");
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
