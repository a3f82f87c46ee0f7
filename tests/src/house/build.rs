//! Builds a house: a folder, keys and credentials made by the `tokenward` command, a store, a realm, and a
//! loopback address of its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Issuer, Kept, KeySet, Redis, Sink, Verifier, program, program::run, redis};

/// The `iss` of every token of a house.
pub(super) const ISSUER: &str = "https://tokens.test";
const OPERATORS: [(&str, &[&str]); 5] = [
    ("hub", &["admin"]),
    ("followers", &["feed"]),
    ("minter", &["mint"]),
    ("revoker", &["revoke"]),
    ("feeder", &["directory"]),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    Embedded,
    /// A store on the redis-server that all houses of this binary share.
    Redis,
}

/// The feed that a verifier follows.
pub enum Feed<'a> {
    Redis,
    Grpc(&'a Issuer),
}

/// A store of several servers, which the programs reach by these settings.
pub struct Servers {
    /// The URLs of the issuers and of the verifiers.
    pub store: String,
    pub feed: String,
    /// The users of the servers may touch this realm alone.
    pub realm: String,
    /// Further settings of every program that connects to them.
    pub settings: Vec<(&'static str, String)>,
}

/// How many houses of one process have an address of their own.
pub(super) const ADDRESSES: u32 = 64;

/// Returns the loopback address of a house. No other program listens there, so a port that was bound once
/// can be bound again.
pub(super) fn address(number: u32) -> String {
    let place = (std::process::id() * ADDRESSES + number % ADDRESSES).to_be_bytes();
    format!("127.{}.{}.{}", place[1] | 64, place[2], place[3])
}

/// A handle to a house, cheap to clone. The handle of each process ends that process when it is dropped.
#[derive(Clone)]
pub struct House(Arc<Inner>);

struct Inner {
    dir: TempDir,
    realm: String,
    address: String,
    store: String,
    feed: String,
    store_settings: Vec<(&'static str, String)>,
    made: AtomicBool,
    files: AtomicU32,
    kept: Arc<Kept>,
    sink: Sink,
}

impl Servers {
    /// One server, whose realm the house names.
    fn one(url: String) -> Self {
        Self {
            feed: url.clone(),
            store: url,
            realm: String::new(),
            settings: Vec::new(),
        }
    }
}

impl House {
    pub fn new(store: Store) -> Self {
        match store {
            Store::Embedded => Self::build(None),
            Store::Redis => Self::build(Some(Servers::one(redis::shared().to_owned()))),
        }
    }

    /// Builds a house on a server that the test may harm.
    pub fn on(redis: &Redis) -> Self {
        Self::build(Some(Servers::one(redis.url())))
    }

    /// Builds a house on servers that the test started.
    pub fn on_servers(servers: Servers) -> Self {
        Self::build(Some(servers))
    }

    fn build(servers: Option<Servers>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, SeqCst);
        let dir = tempfile::tempdir().expect("a directory");
        let kept = Arc::new(Kept::default());
        let file = dir.path().join("hub.redb");
        let servers =
            servers.unwrap_or_else(|| Servers::one(format!("embedded:{}", file.display())));
        if let Some((_, password)) = servers.store.split_once("?pass=") {
            kept.secret(password);
        }
        let address = address(number);
        let realm = match servers.realm.is_empty() {
            true => format!("house-{}-{number}", std::process::id()),
            false => servers.realm,
        };
        let house = Self(Arc::new(Inner {
            realm,
            sink: Sink::start(&format!("{address}:0"), &kept),
            address,
            dir,
            store: servers.store,
            feed: servers.feed,
            store_settings: servers.settings,
            made: AtomicBool::new(false),
            files: AtomicU32::new(0),
            kept,
        }));
        house.make_secrets();
        house
    }

    /// Makes the secrets with the `tokenward` command, as a platform engineer would.
    fn make_secrets(&self) {
        let key = self.path("k1.pem");
        let key = key.display().to_string();
        let made = self.tokenward(&["keys", "generate", "--kid", "k1", "--out", &key]);
        assert_eq!(made.code, Some(0), "{}", made.err);
        let mut entries: Vec<Value> = Vec::new();
        for (name, roles) in OPERATORS {
            let out = self.path(&format!("{name}.credential"));
            let out = out.display().to_string();
            let mut args = vec!["credentials", "generate", "--name", name, "--out", &out];
            args.extend(roles.iter().flat_map(|role| ["--role", role]));
            let made = self.tokenward(&args);
            assert_eq!(made.code, Some(0), "{}", made.err);
            self.kept().said("stdout of credentials", made.out.clone());
            entries.push(serde_json::from_str(&made.out).expect("an entry"));
            self.kept().secret(&self.credential(name));
        }
        let all = json!({ "credentials": entries }).to_string();
        std::fs::write(self.path("credentials.json"), all).expect("a file");
    }

    /// Runs the `tokenward` command to its end.
    pub fn tokenward(&self, args: &[&str]) -> super::Ended {
        run(self.kept(), Command::new(program("tokenward")).args(args))
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.dir.path().join(file)
    }

    pub fn dir(&self) -> &Path {
        self.0.dir.path()
    }

    pub fn realm(&self) -> &str {
        &self.0.realm
    }

    pub fn kept(&self) -> &Arc<Kept> {
        &self.0.kept
    }

    pub fn sink(&self) -> &Sink {
        &self.0.sink
    }

    /// Makes a program trace every call, even if the caller is not traced.
    pub(super) fn trace(&self, command: &mut Command) {
        command
            .env("TOKENWARD_OTLP_ENDPOINT", &self.sink().endpoint)
            .env("TOKENWARD_TRACE_RATIO", "1")
            // The delay is in milliseconds. It is short because programs are killed at the end of a test.
            .env("OTEL_BSP_SCHEDULE_DELAY", "50");
    }

    /// Returns the house's own loopback host, with any free port.
    pub fn any_port(&self) -> String {
        format!("{}:0", self.0.address)
    }

    /// Returns the secret of an operator credential: hub, followers, minter, revoker or feeder.
    pub fn credential(&self, name: &str) -> String {
        let path = self.path(&format!("{name}.credential"));
        let text = std::fs::read_to_string(path).expect("a credential");
        text.trim().to_owned()
    }

    /// Returns the store setting, `redis://…` or `embedded:…`. It contains the password.
    pub fn store(&self) -> &str {
        &self.0.store
    }

    /// Returns the setting of a verifier that follows the store itself.
    pub(super) fn feed(&self) -> &str {
        &self.0.feed
    }

    /// Gives a program that connects to the store the settings that belong to it.
    pub(super) fn set_store(&self, command: &mut Command) {
        command.envs(self.0.store_settings.iter().cloned());
    }

    /// Returns whether this is the first call: the first issuer makes the realm.
    pub(super) fn first(&self) -> bool {
        !self.0.made.swap(true, SeqCst)
    }

    /// Makes the realm in the house's store with the `tokenward` command, as a platform engineer would.
    pub fn make_realm(&self) -> super::Ended {
        self.tokenward_realm(&["create"])
    }

    /// Runs `tokenward realm` with these arguments on the house's realm in its store.
    pub fn tokenward_realm(&self, args: &[&str]) -> super::Ended {
        let mut command = Command::new(program("tokenward"));
        command.env("TOKENWARD_STORE", self.store()).arg("realm");
        self.set_store(&mut command);
        run(
            self.kept(),
            command.args(args).args(["--realm", self.realm()]),
        )
    }

    /// Limits the open files of each program that is started from now on.
    pub fn with_files(self, files: u32) -> Self {
        self.0.files.store(files, SeqCst);
        self
    }

    /// Applies the limit of open files, if there is one: a shell sets the limit and then executes the
    /// program.
    pub(super) fn limited(&self, command: Command) -> Command {
        let files = self.0.files.load(SeqCst);
        if files == 0 {
            return command;
        }
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string()])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        limited
    }

    pub async fn issuer(&self) -> Issuer {
        self.issuer_with(&[]).await
    }

    /// Starts an issuer with further settings.
    pub async fn issuer_with(&self, args: &[&str]) -> Issuer {
        Issuer::start(self, args).await
    }

    pub async fn verifier(&self, feed: Feed<'_>) -> Verifier {
        self.verifier_with(feed, &[]).await
    }

    pub async fn verifier_with(&self, feed: Feed<'_>, args: &[&str]) -> Verifier {
        Verifier::start(self, feed, args).await
    }

    /// Starts a verifier that has these keys instead of the issuer's. It may not serve yet, for lack of
    /// keys.
    pub fn verifier_by(&self, feed: Feed<'_>, keys: &KeySet, args: &[&str]) -> Verifier {
        Verifier::begin(self, feed, Some(&keys.url), args)
    }

    /// Starts a key set that the test serves. It is unavailable at first.
    pub fn key_set(&self) -> KeySet {
        KeySet::start(&self.any_port())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let leaks = self.kept.leaks();
        assert!(leaks.is_empty(), "secrets stand in: {leaks:?}");
    }
}
