//! Real redis-servers on Unix sockets in directories of their own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

const DURABLE: [&str; 8] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--maxmemory-policy",
    "noeviction",
    "--hash-max-listpack-value",
    "512",
];

/// The programs that the tests run, by number: Debian's, and those of `.tools/stores`.
pub(crate) const REDIS_7: usize = 0;
pub(crate) const REDIS_8: usize = 1;
pub(crate) const VALKEY_9: usize = 2;

/// A server that ends with this value.
pub(crate) struct Server {
    program: PathBuf,
    dir: TempDir,
    child: Child,
    settings: Vec<String>,
}

fn command(program: impl AsRef<std::ffi::OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdout(Stdio::null());
    command
}

fn arguments(dir: &Path, settings: &[String]) -> Vec<String> {
    let fixed = ["--port", "0", "--save", "", "--daemonize", "no", "--dir"];
    let mut all: Vec<String> = fixed.into_iter().map(str::to_owned).collect();
    all.push(dir.display().to_string());
    all.push("--unixsocket".into());
    all.push(socket(dir).display().to_string());
    all.extend(DURABLE.into_iter().map(str::to_owned));
    all.extend(settings.iter().cloned());
    all
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("redis.sock")
}

fn ask(dir: &Path, words: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .arg("-s")
        .arg(socket(dir))
        .args(words)
        .output()
        .expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn wait_until_up(dir: &Path) {
    for _ in 0..1000 {
        if ask(dir, &["ping"]) == "PONG" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("redis-server does not answer");
}

impl Server {
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::of(REDIS_7, settings)
    }

    pub(crate) fn of(program: usize, settings: &[&str]) -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/stores/bin");
        let program = match program {
            REDIS_7 => "redis-server".into(),
            REDIS_8 => tools.join("redis-server-8"),
            _ => tools.join("valkey-server-9"),
        };
        let dir = tempfile::tempdir().expect("a directory");
        let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        let child = Self::spawn(&program, dir.path(), &settings);
        Self {
            program,
            dir,
            child,
            settings,
        }
    }

    fn spawn(program: &Path, dir: &Path, settings: &[String]) -> Child {
        let child = command(program, dir)
            .args(arguments(dir, settings))
            .spawn()
            .expect("the server runs: `tests/run` installs it");
        wait_until_up(dir);
        child
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.dir.path()).display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.dir.path())
    }

    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("{}?user={user}&pass={password}", self.url())
    }

    /// redis-cli's answer.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        ask(self.dir.path(), words)
    }

    /// As [`Self::ask`], with the last word from standard input.
    pub(crate) fn feed(&self, words: &[&str], last: &str) {
        let mut child = command("redis-cli", self.dir.path())
            .arg("-s")
            .arg(socket(self.dir.path()))
            .args(words)
            .stdin(Stdio::piped())
            .spawn()
            .expect("redis-cli runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(last.as_bytes()).expect("it reads");
        drop(stdin);
        assert!(child.wait().expect("it ends").success());
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Waits for the end that a signal asked for.
    pub(crate) fn ended(&mut self) {
        self.child.wait().expect("it is ours");
    }

    /// On the same address and files.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.program, self.dir.path(), &self.settings);
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// The files as they are now, to go back to.
    pub(crate) fn keep(&self) {
        self.copy("appendonlydir", "kept");
    }

    /// Killed, and started on what was kept: a store that lost its tail.
    pub(crate) fn roll_back(&mut self) {
        self.kill();
        self.copy("kept", "appendonlydir");
        self.restart();
    }

    fn copy(&self, from: &str, to: &str) {
        let path = |name| self.dir.path().join(name);
        let _ = std::fs::remove_dir_all(path(to));
        let status = Command::new("cp")
            .arg("-a")
            .arg(path(from))
            .arg(path(to))
            .status();
        assert!(status.expect("cp runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL of one server for the whole binary: each case takes a realm of its own.
#[expect(clippy::zombie_processes, reason = "it ends with this process")]
pub(crate) fn shared() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory").keep();
        // A static is never dropped: the shell ends the server when this process' pipe closes.
        let script = "redis-server \"$@\" & server=$!; trap '' INT TERM; read -r end; \
            kill -9 $server; rm -rf \"$PWD\"";
        let mut child = command("sh", &dir)
            .args(["-c", script, "sh"])
            .args(arguments(&dir, &[]))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        std::mem::forget(child.stdin.take());
        wait_until_up(&dir);
        format!("redis+unix://{}", socket(&dir).display())
    })
}
