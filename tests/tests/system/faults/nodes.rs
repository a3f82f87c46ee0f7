//! Three data nodes behind three sentinels, of which one dies, stops or is replaced.

use std::process::Command;

use tempfile::TempDir;
use tokenward_tests::house::{House, Servers};

use super::{
    Stage,
    group::{Group, Node, until},
};

/// Three data nodes, three sentinels and who calls the programs on them.
struct Replicated {
    stage: Stage,
    group: Group,
    // It has the password for the sentinels.
    _dir: TempDir,
}

/// The process of a node that answers.
fn process(node: &Node) -> String {
    let told = node.ask(&["info", "server"]);
    let id = told.lines().find_map(|it| it.strip_prefix("process_id:"));
    id.expect("a process").trim().to_owned()
}

fn signal(process: &str, signal: &str) {
    let status = Command::new("kill").args([signal, process]).status();
    assert!(status.unwrap().success());
}

/// The place of the primary among the nodes.
fn primary(group: &Group) -> Option<usize> {
    group.nodes.iter().position(Node::is_primary)
}

impl Replicated {
    async fn start() -> Self {
        let group = Group::by_sentinels("1000");
        group.watched();
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("ask-secret");
        std::fs::write(&password, "ask-secret\n").unwrap();
        let hosts = group.others.iter();
        let hosts: Vec<_> = hosts.map(|it| format!("127.0.0.1:{}", it.port)).collect();
        let url = |user| {
            format!(
                "redis+sentinel://{user}:{user}-secret@{}/hub",
                hosts.join(",")
            )
        };
        let house = House::on_servers(Servers {
            store: url("issuer"),
            feed: url("verifier"),
            realm: "hub".into(),
            settings: vec![
                ("TOKENWARD_STORE_NODES", "3".into()),
                ("TOKENWARD_REDIS_SENTINEL_USER", "tokenward".into()),
                (
                    "TOKENWARD_REDIS_SENTINEL_PASSWORD_FILE",
                    password.display().to_string(),
                ),
            ],
        });
        Self {
            stage: Stage::on(house).await,
            group,
            _dir: dir,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_primary_is_killed() {
    let mut it = Replicated::start().await;
    it.group.nodes[0].kill();
    it.stage.load.goes_on().await;
    assert!(it.group.nodes[1..].iter().any(Node::is_primary));
    it.group.nodes[0].restart();
    it.stage.load.goes_on().await;
    it.stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_primary_is_frozen_and_thaws() {
    let it = Replicated::start().await;
    let frozen = process(&it.group.nodes[0]);
    signal(&frozen, "-STOP");
    it.stage.load.goes_on().await;
    it.stage.load.outlasts_the_bound().await;
    // It still takes itself for the primary, until a sentinel tells it.
    signal(&frozen, "-CONT");
    it.stage.load.goes_on().await;
    until("the old primary follows", || {
        !it.group.nodes[0].is_primary()
    });
    it.stage.load.goes_on().await;
    it.stage.end().await;
}

/// The old primary and the replica that was not promoted are a majority until a sentinel reaches that
/// replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_primary_thaws_as_soon_as_another_is_promoted() {
    let it = Replicated::start().await;
    let frozen = process(&it.group.nodes[0]);
    signal(&frozen, "-STOP");
    until("another primary", || {
        it.group.nodes[1..].iter().any(Node::is_primary)
    });
    signal(&frozen, "-CONT");
    it.stage.load.goes_on().await;
    until("the old primary follows", || {
        !it.group.nodes[0].is_primary()
    });
    it.stage.load.goes_on().await;
    it.stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_is_killed() {
    let mut it = Replicated::start().await;
    for number in [1, 2] {
        it.group.nodes[number].kill();
        it.stage.load.goes_on().await;
        it.group.nodes[number].restart();
        it.group.replicated();
        it.stage.load.goes_on().await;
    }
    assert_eq!(primary(&it.group), Some(0));
    it.stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_planned_failover() {
    let it = Replicated::start().await;
    let peer = [
        "--user",
        "peer",
        "--pass",
        "peer-secret",
        "--no-auth-warning",
    ];
    let told = it.group.others[0].ask_as(&peer, &["sentinel", "failover", "hub"]);
    assert_eq!(told, "OK");
    until("another primary", || {
        !it.group.nodes[0].is_primary() && primary(&it.group).is_some()
    });
    it.stage.load.goes_on().await;
    it.stage.end().await;
}
