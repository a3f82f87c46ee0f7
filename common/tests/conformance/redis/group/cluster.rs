//! Clusters of three primaries: one of the fewest nodes, and one as a hub would run it, with replicas of
//! every primary, its slots spread evenly, and no port that speaks without TLS.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use tokenward_common::{
    process::tls::throwaway::Authority,
    store::redis::{RedisAccess, RedisPlace, RedisTlsFiles},
};

use super::{BUS, CLUSTER, Group, Node, SECURED_CLUSTER, free_port, house, unchanged, until};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A case that kills the realm's nodes starts them again before this.
const LATE: [&str; 2] = ["--cluster-node-timeout", "30000"];
/// The slots of three primaries that share them evenly.
const THIRDS: [[&str; 2]; 3] = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];

/// The directory of the authority that signed the certificates of all nodes and clients.
fn authority() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = house().join("authority");
        std::fs::create_dir(&dir).unwrap();
        let authority = Authority::new("a cluster").unwrap();
        std::fs::write(dir.join("ca.pem"), authority.pem()).unwrap();
        for name in ["server", "client"] {
            let issued = authority.issue(&["127.0.0.1"], DAY).unwrap();
            let [certificate, key] = ["pem", "key"].map(|end| dir.join(format!("{name}.{end}")));
            issued.write(&certificate, &key).unwrap();
        }
        dir
    })
}

fn file(name: &str) -> String {
    authority().join(name).display().to_string()
}

fn ok(node: &Node, words: &[&str]) {
    until("OK", || node.ask(words) == "OK");
}

/// A node of a cluster, and the port of its bus.
type Member = (Node, String);

fn member() -> Member {
    let bus = (free_port() + BUS).to_string();
    let arguments = [&["--cluster-port", &bus], LATE.as_slice()].concat();
    (Node::start("cluster.conf", unchanged, &arguments), bus)
}

/// It takes connections by TLS alone, of whoever shows a certificate: clients, replicas, and the bus.
fn secured_member() -> Member {
    let bus = (free_port() + BUS).to_string();
    let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let arguments = [
        &["--cluster-port", &bus],
        LATE.as_slice(),
        &["--port", "0", "--tls-cluster", "yes"],
        &["--tls-replication", "yes", "--tls-auth-clients", "yes"],
        &["--tls-ca-cert-file", &ca],
        &["--tls-cert-file", &certificate, "--tls-key-file", &key],
    ]
    .concat();
    let (shown, its_key) = (file("client.pem"), file("client.key"));
    let reach = [
        "--tls", "--cacert", &ca, "--cert", &shown, "--key", &its_key,
    ];
    let reach = reach.map(str::to_owned).to_vec();
    let node = Node::reached("cluster.conf", unchanged, "--tls-port", &arguments, reach);
    (node, bus)
}

/// The first node has met all others.
fn met(members: Vec<Member>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for (node, bus) in members {
        if let Some(first) = nodes.first() {
            let port = node.port.to_string();
            ok(first, &["cluster", "meet", "127.0.0.1", &port, &bus]);
        }
        nodes.push(node);
    }
    nodes
}

fn replicate(replica: &Node, primary: &Node) {
    let id = primary.ask(&["cluster", "myid"]);
    ok(replica, &["cluster", "replicate", &id]);
}

pub(super) fn place(kind: usize, login: &str, hosts: &str) -> RedisPlace {
    if kind == CLUSTER {
        let url = format!("redis+cluster://{login}@{hosts}/");
        return RedisPlace::parse(&url, RedisAccess::default()).unwrap();
    }
    let file = |name: &str| Some(authority().join(name));
    let access = RedisAccess {
        tls: RedisTlsFiles {
            ca: file("ca.pem"),
            certificate: file("client.pem"),
            key: file("client.key"),
        },
        ..RedisAccess::default()
    };
    RedisPlace::parse(&format!("rediss+cluster://{login}@{hosts}/"), access).unwrap()
}

impl Group {
    /// A cluster of three primaries. Almost all slots are the first one's, which alone has replicas.
    pub(super) fn in_cluster() -> Self {
        let mut nodes = met((0..5).map(|_| member()).collect());
        let others = nodes.split_off(3);
        let [first, replicas @ ..] = nodes.as_slice() else {
            panic!("a cluster has nodes");
        };
        ok(first, &["cluster", "addslotsrange", "0", "16381"]);
        for (node, slot) in others.iter().zip(["16382", "16383"]) {
            ok(node, &["cluster", "addslots", slot]);
        }
        for replica in replicas {
            replicate(replica, first);
        }
        let group = Self {
            nodes,
            others,
            kind: CLUSTER,
        };
        group.replicated();
        group
    }

    /// A cluster of three primaries with even shares of the slots. The realm's has two replicas, the
    /// others have one each.
    pub(super) fn in_secured_cluster() -> Self {
        let mut nodes = met((0..7).map(|_| secured_member()).collect());
        let others = nodes.split_off(3);
        let ([first, replicas @ ..], [second, third, of_second, of_third]) =
            (nodes.as_slice(), others.as_slice())
        else {
            panic!("a cluster has nodes");
        };
        let slot = first.ask(&["cluster", "keyslot", "{tw:hub}"]);
        let slot: u16 = slot.parse().unwrap();
        let mut thirds = THIRDS;
        // The realm's third is the first node's.
        thirds.sort_by_key(|[from, to]| {
            !(from.parse().unwrap()..=to.parse().unwrap()).contains(&slot)
        });
        for (node, [from, to]) in [first, second, third].into_iter().zip(thirds) {
            ok(node, &["cluster", "addslotsrange", from, to]);
        }
        for replica in replicas {
            replicate(replica, first);
        }
        for (replica, primary) in [(of_second, second), (of_third, third)] {
            replicate(replica, primary);
            until("a replica of each", || {
                primary.info("replication", "min_slaves_good_slaves:1")
            });
        }
        let group = Self {
            nodes,
            others,
            kind: SECURED_CLUSTER,
        };
        group.replicated();
        group
    }
}
