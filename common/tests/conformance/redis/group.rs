//! Several real servers that are one realm's store: three data nodes behind three sentinels, or a
//! cluster. They run on the files of `deploy/redis`, each in a directory of its own.

// The tests of whole programs read this file too, from a folder of their own.
#[path = "group/cluster.rs"]
mod cluster;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_common::store::redis::{RedisAccess, RedisPlace};

/// The groups that the tests run on, by number. The cluster that is secured speaks TLS alone, and each of
/// its primaries has replicas.
pub(super) const SENTINELS: usize = 0;
pub(super) const CLUSTER: usize = 1;
pub(super) const SECURED_CLUSTER: usize = 2;

const ADMIN: [&str; 5] = [
    "--user",
    "admin",
    "--pass",
    "admin-secret",
    "--no-auth-warning",
];
/// Where the ports of a cluster's bus are, from the ports of its nodes.
const BUS: u16 = 5000;

/// The directory of all nodes. Groups are kept for the next case and never dropped, so a shell ends
/// their servers, each by its id, when the pipe from this process closes.
#[expect(clippy::zombie_processes, reason = "it ends with this process")]
fn house() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory").keep();
        let script = "trap '' INT TERM; read -r end; \
            for id in */pid; do kill -9 \"$(cat \"$id\")\"; done 2> /dev/null; rm -rf \"$PWD\"";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        std::mem::forget(child.stdin.take());
        std::fs::write(dir.join("ask-secret"), "ask-secret\n").unwrap();
        dir
    })
}

/// A free port below those that the system gives out by itself.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 97).unwrap() * 50;
    for _ in 0..4800 {
        let port = 20_000 + (first + NEXT.fetch_add(1, SeqCst)) % 4900;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + BUS) {
            return port;
        }
    }
    panic!("no port is free");
}

/// Waits for what a server says of itself.
pub(super) fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came: {what}");
}

/// One process of redis-server.
pub(super) struct Node {
    dir: PathBuf,
    pub(super) port: u16,
    child: Option<Child>,
    arguments: Vec<String>,
    /// What redis-cli needs to reach it.
    reach: Vec<String>,
}

impl Node {
    /// Starts it on a file of `deploy/redis`, in which this port stands instead.
    pub(super) fn start(config: &str, edit: impl Fn(String) -> String, arguments: &[&str]) -> Self {
        Self::reached(config, edit, "--port", arguments, Vec::new())
    }

    /// Starts it with this flag for its port.
    fn reached(
        config: &str,
        edit: impl Fn(String) -> String,
        flag: &str,
        arguments: &[&str],
        reach: Vec<String>,
    ) -> Self {
        let port = free_port();
        let dir = house().join(port.to_string());
        std::fs::create_dir(&dir).unwrap();
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/redis");
        for name in [
            "redis.conf",
            "replicated.conf",
            "cluster.conf",
            "sentinel.conf",
            "users.acl",
        ] {
            let text = std::fs::read_to_string(files.join(name)).unwrap();
            std::fs::write(dir.join(name), edit(text)).unwrap();
        }
        let mut all = vec![config.to_owned(), flag.into(), port.to_string()];
        if config == "sentinel.conf" {
            all.push("--sentinel".into());
        } else {
            all.extend(["--save", ""].map(str::to_owned));
        }
        all.extend(arguments.iter().map(|&text| text.to_owned()));
        let mut node = Self {
            dir,
            port,
            child: None,
            arguments: all,
            reach,
        };
        node.restart();
        node
    }

    pub(super) fn restart(&mut self) {
        let child = Command::new("redis-server")
            .args(&self.arguments)
            .current_dir(&self.dir)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs: `tests/run` installs it");
        std::fs::write(self.dir.join("pid"), child.id().to_string()).unwrap();
        self.child = Some(child);
        // A sentinel answers so too: it has no such user.
        until("an answer", || {
            let answer = self.ask(&["ping"]);
            answer == "PONG" || answer.contains("WRONGPASS")
        });
    }

    /// kill -9.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            std::fs::remove_file(self.dir.join("pid")).unwrap();
        }
    }

    pub(super) fn ask_as(&self, who: &[&str], words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(&self.reach)
            .args(who)
            .args(words)
            .output()
            .expect("redis-cli runs");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// redis-cli's answer to the admin.
    pub(super) fn ask(&self, words: &[&str]) -> String {
        self.ask_as(&ADMIN, words)
    }

    fn info(&self, section: &str, line: &str) -> bool {
        self.ask(&["info", section])
            .lines()
            .any(|it| it.trim() == line)
    }

    pub(super) fn is_primary(&self) -> bool {
        self.info("replication", "role:master")
    }

    fn copy(&self, from: &str, to: &str) {
        let _ = std::fs::remove_dir_all(self.dir.join(to));
        let paths = [self.dir.join(from), self.dir.join(to)];
        let status = Command::new("cp").arg("-a").args(paths).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Three data nodes, the first of which begins as the primary, and those who know where they are.
pub(super) struct Group {
    pub(super) nodes: Vec<Node>,
    pub(super) others: Vec<Node>,
    kind: usize,
}

fn unchanged(text: String) -> String {
    text
}

impl Group {
    /// Three data nodes and three sentinels, which wait so many milliseconds before they call a node dead. With
    /// less than the second after which they ask again they fail over several times in a row.
    pub(super) fn by_sentinels(down_after: &str) -> Self {
        let primary = Node::start("replicated.conf", unchanged, &[]);
        let port = primary.port.to_string();
        let mut nodes = vec![primary];
        for _ in 0..2 {
            let follow = ["--replicaof", "127.0.0.1", &port];
            nodes.push(Node::start("replicated.conf", unchanged, &follow));
        }
        let edit = |text: String| {
            text.replace(" 127.0.0.1 6379 2", &format!(" 127.0.0.1 {port} 2"))
                .replace(
                    "after-milliseconds hub 1000",
                    &format!("after-milliseconds hub {down_after}"),
                )
        };
        let sentinel = || Node::start("sentinel.conf", edit, &[]);
        let others = vec![sentinel(), sentinel(), sentinel()];
        let group = Self {
            nodes,
            others,
            kind: SENTINELS,
        };
        group.replicated();
        group
    }

    /// Waits until the sentinels know each other and the replicas, so that they can fail over.
    pub(super) fn watched(&self) {
        let peer = [
            "--user",
            "peer",
            "--pass",
            "peer-secret",
            "--no-auth-warning",
        ];
        for sentinel in &self.others {
            until("the sentinels' agreement", || {
                let told = sentinel.ask_as(&peer, &["sentinel", "master", "hub"]);
                let words: Vec<_> = told.lines().map(str::trim).collect();
                let is = |pair: [&str; 2]| words.windows(2).any(|two| two == pair);
                is(["num-slaves", "2"]) && is(["num-other-sentinels", "2"])
            });
        }
    }

    /// Waits until the first node writes, and both of its replicas take part.
    pub(super) fn replicated(&self) {
        let [primary, ..] = self.nodes.as_slice() else {
            panic!("a group has nodes");
        };
        until("two replicas", || {
            primary.info("replication", "min_slaves_good_slaves:2")
        });
        if self.kind != SENTINELS {
            until("a cluster", || {
                primary
                    .ask(&["cluster", "info"])
                    .starts_with("cluster_state:ok")
            });
        }
    }

    pub(super) fn place(&self, user: &str) -> RedisPlace {
        let hosts: Vec<_> = self
            .others
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port))
            .collect();
        let (hosts, login) = (hosts.join(","), format!("{user}:{user}-secret"));
        if self.kind != SENTINELS {
            return cluster::place(self.kind, &login, &hosts);
        }
        let file = house().join("ask-secret");
        let access = RedisAccess {
            sentinel_user: Some("tokenward".into()),
            sentinel_password_file: Some(file),
            ..RedisAccess::default()
        };
        RedisPlace::parse(&format!("redis+sentinel://{login}@{hosts}/hub"), access).unwrap()
    }

    /// Ends all data nodes at once, and starts them again.
    pub(super) fn kill(&mut self, between: impl Fn(&Node)) {
        self.nodes.iter_mut().for_each(Node::kill);
        self.nodes.iter().take(1).for_each(between);
        self.nodes.iter_mut().for_each(Node::restart);
        self.replicated();
    }

    pub(super) fn empty(&self) {
        self.nodes.iter().take(1).for_each(|primary| {
            assert_eq!(primary.ask(&["flushall"]), "OK");
        });
    }

    pub(super) fn keep(&self) {
        for primary in self.nodes.iter().take(1) {
            until("its log is not being rewritten", || {
                primary.info("persistence", "aof_rewrite_in_progress:0")
            });
            primary.copy("appendonlydir", "kept");
        }
    }

    pub(super) fn roll_back(&mut self) {
        self.kill(|primary| primary.copy("kept", "appendonlydir"));
    }
}

/// Groups that a case has done with, for the next one.
fn pool(kind: usize) -> &'static Mutex<Vec<Group>> {
    static POOLS: [Mutex<Vec<Group>>; 3] = [const { Mutex::new(Vec::new()) }; 3];
    POOLS.get(kind).expect("a kind of group")
}

pub(super) fn take(kind: usize) -> Group {
    let pooled = pool(kind).lock().unwrap().pop();
    let group = pooled.unwrap_or_else(|| match kind {
        // No case is to be surprised by a failover.
        SENTINELS => Group::by_sentinels("60000"),
        CLUSTER => Group::in_cluster(),
        _ => Group::in_secured_cluster(),
    });
    group.empty();
    group
}

pub(super) fn give_back(group: Group) {
    pool(group.kind).lock().unwrap().push(group);
}
