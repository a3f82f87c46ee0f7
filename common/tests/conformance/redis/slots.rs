//! A cluster of two nodes, and how a realm's slot is moved from one to the other.

use ::redis::{Client, Commands as _, Connection, cmd};

use super::group::{Node, free_port, until};

/// Without replicas, one data node at any time.
fn node() -> Node {
    let alone = |text: String| {
        text.replace("min-replicas-to-write 1", "min-replicas-to-write 0")
            .replace("cluster-node-timeout 2000", "cluster-node-timeout 30000")
    };
    let bus = (free_port() + 5000).to_string();
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
pub(super) fn move_slot(from: &Node, to: &Node, slot: &str, amid: impl Fn()) {
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

/// Two nodes, of which the first has nearly all slots.
pub(super) fn two_nodes() -> (Node, Node) {
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
    (first, second)
}

/// The slot of the realm `hub`.
pub(super) fn slot_of_the_hub(node: &Node) -> String {
    node.ask(&["cluster", "keyslot", "{tw:hub}:f:head"])
}
