//! Real redis-servers, each on a Unix socket in a directory of its own, behind a password.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

const SETTINGS: &str = "\
port 0
save \"\"
daemonize no
unixsocket redis.sock
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
maxmemory-policy noeviction
hash-max-listpack-entries 512
hash-max-listpack-value 512
";

/// A redis-server. It ends when this is dropped.
pub struct Redis {
    dir: TempDir,
    child: Child,
    password: String,
}

fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdout(Stdio::null());
    command
}

/// Writes the settings file. No other file contains the password.
fn settle(dir: &Path) -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux");
    let password = random.trim().replace('-', "");
    let text = format!("{SETTINGS}requirepass {password}\n");
    std::fs::write(dir.join("redis.conf"), text).expect("a file");
    password
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("redis.sock")
}

fn ask(dir: &Path, password: &str, words: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .env("REDISCLI_AUTH", password)
        .arg("-s")
        .arg(socket(dir))
        .args(words)
        .output()
        .expect("redis-cli runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn wait_until_up(dir: &Path, password: &str) {
    for _ in 0..2000 {
        if ask(dir, password, &["ping"]) == "PONG" {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("redis-server does not answer");
}

fn url(dir: &Path, password: &str) -> String {
    format!("redis+unix://{}?pass={password}", socket(dir).display())
}

impl Redis {
    /// Starts a server for this test alone, which may harm it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let password = settle(dir.path());
        let child = Self::spawn(dir.path(), &password);
        Self {
            dir,
            child,
            password,
        }
    }

    fn spawn(dir: &Path, password: &str) -> Child {
        // A write past the limit of `limit_files` fails, as on a full disk, only where this signal is ignored;
        // else the signal ends the server before it sees an error.
        let child = command("sh", dir)
            .args(["-c", "trap '' XFSZ; exec redis-server redis.conf"])
            .spawn()
            .expect("redis-server runs: `tests/run` installs it");
        wait_until_up(dir, password);
        child
    }

    pub fn url(&self) -> String {
        url(self.dir.path(), &self.password)
    }

    /// Returns the URL for users that the test makes.
    pub fn url_without_password(&self) -> String {
        format!("redis+unix://{}", socket(self.dir.path()).display())
    }

    /// Returns the answer of redis-cli to this command.
    pub fn ask(&self, words: &[&str]) -> String {
        ask(self.dir.path(), &self.password, words)
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Restarts the server with the same address and files.
    pub fn restart(&mut self) {
        self.child = Self::spawn(self.dir.path(), &self.password);
    }

    /// Keeps a copy of the present files for [`Self::roll_back`].
    pub fn keep(&self) {
        self.copy("appendonlydir", "kept");
    }

    /// Kills the server and starts it on the kept files, like a server that lost its latest writes.
    pub fn roll_back(&mut self) {
        self.kill();
        self.copy("kept", "appendonlydir");
        self.restart();
    }

    fn copy(&self, from: &str, to: &str) {
        let path = |name| self.dir.path().join(name);
        let _ = std::fs::remove_dir_all(path(to));
        let copied = Command::new("cp")
            .arg("-a")
            .args([path(from), path(to)])
            .status();
        assert!(copied.expect("cp runs").success());
    }

    /// Lets no file of the server grow past its largest one of now and so many bytes more, as a disk that
    /// has no more room would. It holds until the server is restarted.
    pub fn limit_files(&self, more: u64) {
        let files = std::fs::read_dir(self.dir.path().join("appendonlydir"));
        let sizes = files.expect("its files").map(|file| {
            let file = file.and_then(|file| file.metadata());
            file.expect("a file").len()
        });
        let most = sizes.max().expect("an append-only file") + more;
        let id = self.child.id().to_string();
        let status = Command::new("prlimit")
            .args(["--pid", &id, &format!("--fsize={most}")])
            .status();
        assert!(status.expect("prlimit runs").success());
    }

    /// Waits until the server has ended by itself, which no signal has done.
    pub fn ended(&mut self) {
        let begun = tokio::time::Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(begun.elapsed() < super::LIMIT, "the server goes on");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.code().is_some(), "{status}");
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the URL of the server that the whole binary shares: each house has a realm of its own.
#[expect(clippy::zombie_processes, reason = "it ends with this process")]
pub(super) fn shared() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory").keep();
        let password = settle(&dir);
        // A static is never dropped, so a shell ends the server when the pipe from this process closes.
        let script = "redis-server redis.conf & server=$!; trap '' INT TERM; read -r end; \
            kill -9 $server; rm -rf \"$PWD\"";
        let mut child = command("sh", &dir)
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh runs");
        std::mem::forget(child.stdin.take());
        wait_until_up(&dir, &password);
        url(&dir, &password)
    })
}
