//! A realm's slot that is moved to another node of a cluster while commits and confirms go on.

use ::redis::{Client, Commands as _, Connection, cmd};
use tokenward_common::store::redis::{RedisAccess, RedisFeed, RedisPlace, RedisStore};

use super::{
    fixture::CREATE,
    group::{Node, until},
    workload::Workload,
};

/// Without replicas, one data node at any time.
fn node() -> Node {
    let alone = |text: String| {
        text.replace("min-replicas-to-write 1", "min-replicas-to-write 0")
            .replace("cluster-node-timeout 2000", "cluster-node-timeout 30000")
    };
    let bus = (super::group::free_port() + 5000).to_string();
    let node = Node::start("cluster.conf", alone, &["--cluster-port", &bus]);
    assert_eq!(
        node.ask(&["config", "get", "cluster-port"]),
        format!("cluster-port\n{bus}")
    );
    node
}

fn bus(node: &Node) -> String {
    let told = node.ask(&["config", "get", "cluster-port"]);
    told.lines().last().unwrap().to_owned()
}

fn admin(node: &Node) -> Connection {
    let url = format!("redis://admin:admin-secret@127.0.0.1:{}", node.port);
    Client::open(url).unwrap().get_connection().unwrap()
}

fn set_slot(node: &Node, slot: &str, how: &str, id: &str) {
    assert_eq!(node.ask(&["cluster", "setslot", slot, how, id]), "OK");
}

/// Moves one key after the other, as a resharding does.
fn move_slot(from: &Node, to: &Node, slot: &str, amid: impl Fn()) {
    let id = |node: &Node| node.ask(&["cluster", "myid"]);
    set_slot(to, slot, "importing", &id(from));
    set_slot(from, slot, "migrating", &id(to));
    let mut connection = admin(from);
    let keys = |connection: &mut Connection| -> Vec<Vec<u8>> {
        let mut ask = cmd("CLUSTER");
        ask.arg("GETKEYSINSLOT").arg(slot).arg(1);
        ask.query(connection).unwrap()
    };
    let mut moved = 0;
    while let Some(key) = keys(&mut connection).pop() {
        let mut migrate = cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(to.port)
            .arg("")
            .arg(0)
            .arg(5000);
        migrate
            .arg("AUTH2")
            .arg("admin")
            .arg("admin-secret")
            .arg("KEYS")
            .arg(key);
        let told: String = migrate.query(&mut connection).unwrap();
        assert_eq!(told, "OK");
        moved += 1;
        if moved == 3 {
            amid();
        }
    }
    assert!(moved > 3, "{moved}");
    for node in [to, from] {
        set_slot(node, slot, "node", &id(to));
    }
    let left: u64 = connection.exists("{tw:hub}:f:head").unwrap_or(0);
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_moves_under_load_loses_nothing() {
    let (first, second) = (node(), node());
    assert_eq!(first.ask(&["cluster", "addslotsrange", "0", "16382"]), "OK");
    assert_eq!(second.ask(&["cluster", "addslots", "16383"]), "OK");
    let port = second.port.to_string();
    assert_eq!(
        first.ask(&["cluster", "meet", "127.0.0.1", &port, &bus(&second)]),
        "OK"
    );
    for node in [&first, &second] {
        until("a cluster", || {
            node.ask(&["cluster", "info"])
                .starts_with("cluster_state:ok")
        });
    }
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
    let slot = first.ask(&["cluster", "keyslot", "{tw:hub}:f:head"]);
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
